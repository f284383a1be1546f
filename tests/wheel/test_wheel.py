"""The wheel works alone: nothing else of this repository is there, and nothing else is needed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hyperpod_patching import _asset

ROOT = Path(__file__).parents[2]
SOURCES = (("constructs", "hyperpod_patching"), ("lambda", "hyperpod_software"))

APP = """\
from aws_cdk import App, Stack
from hyperpod_patching import ClusterSoftware, SoftwareImage
app = App(stack_traces=False)
ClusterSoftware(Stack(app, "Training"), "Software", cluster="ml", image=SoftwareImage.latest())
app.synth()
"""

# -I and -S: of all that is installed here, only Python itself and the asset can be imported.
RUN = """\
import json, sys
sys.path.append(sys.argv[1])
from types import SimpleNamespace
from hyperpod_software.handler import handler
arn = "arn:aws:lambda:us-east-1:123456789012:function:Training"
handler(
    json.loads(sys.argv[2]),
    SimpleNamespace(
        invoked_function_arn=arn,
        function_name="Training",
        log_group_name="Training-Log",
        log_stream_name="1",
        aws_request_id="1",
        get_remaining_time_in_millis=lambda: 180_000,
    ),
)
"""


def tool(
    *command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def wheel(place: Path) -> Path:
    if to_be_released := os.environ.get("WHEEL"):
        return Path(to_be_released).resolve()
    tool(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def assembly(place: Path, wheel: Path) -> Path:
    """What a three-line app makes, run where only the wheel and its requirements are."""
    environment = place / "venv"
    uv = Path(sys.executable).with_name("uv")
    where = packages_come_from()
    tool(uv, "venv", "--quiet", "--python", sys.executable, environment, environment=where)
    tool(
        *(uv, "pip", "install", "--quiet", "--constraint", ROOT / "requirements-dev.txt", wheel),
        environment={**where, "VIRTUAL_ENV": str(environment)},
    )
    outdir = place / "cdk.out"
    done = tool(
        environment / "bin/python", "-I", "-c", APP, environment={"CDK_OUTDIR": str(outdir)}
    )
    assert "hyperpod_patching" in str(list(environment.rglob("hyperpod_patching")))
    assert done.stdout == ""
    return outdir


@pytest.fixture(scope="module")
def unpacked(assembly: Path, place: Path) -> Path:
    (asset,) = assembly.glob("asset.*.zip")
    with zipfile.ZipFile(asset) as archive:
        archive.extractall(place / "asset")
    return place / "asset"


@pytest.fixture
def aws() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Systems Manager without a parameter, and CloudFormation's ear for answers."""
    answers: list[dict[str, Any]] = []

    class Service(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            answers.append(json.loads(self.body()))
            self.reply(b"")

        def do_POST(self) -> None:
            self.body()
            self.reply(b'{"Parameters": []}')

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("content-length", 0)))

        def reply(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the tests' output to the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", answers
        server.shutdown()
        thread.join()


def packages_come_from() -> dict[str, str]:
    """The settings that set-up found for uv on this machine."""
    spec = importlib.util.spec_from_file_location("prepare", ROOT / "tools/prepare.py")
    assert spec is not None
    assert spec.loader is not None
    prepare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prepare)
    found = prepare.like_pip()
    return {
        name: value
        for name, value in found.items()
        if name.startswith(("UV_", "SSL_", "XDG_")) or name.lower().endswith("_proxy")
    }


def test_it_holds_the_library_and_the_handler_and_nothing_else(wheel: Path) -> None:
    names = set(contents(wheel))
    here = {
        file.relative_to(ROOT / source).as_posix()
        for source, package in SOURCES
        for suffix in ("py", "typed")
        for file in (ROOT / source / package).rglob(f"*.{suffix}")
    }
    assert {name for name in names if ".dist-info/" not in name} == here
    assert {"hyperpod_patching/py.typed", "hyperpod_software/py.typed"} <= names


def test_the_source_archive_makes_the_same_wheel(wheel: Path, place: Path) -> None:
    tool(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", place)
    (archived,) = place.glob("*.tar.gz")
    with tarfile.open(archived) as archive:
        archive.extractall(place, filter="data")
    tool(
        *(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place / "again"),
        cwd=place / archived.name.removesuffix(".tar.gz"),
    )
    (again,) = (place / "again").glob("*.whl")
    assert contents(again) == contents(wheel)


def test_the_checkout_is_installed_where_it_stands() -> None:
    # -I: neither the working directory nor what the environment names can be imported.
    program = "import hyperpod_patching, hyperpod_software as h; print(hyperpod_patching.__file__, h.__file__)"
    done = tool(sys.executable, "-I", "-c", program, cwd=ROOT.parent)
    assert done.stdout.split() == [
        str(ROOT / source / package / "__init__.py") for source, package in SOURCES
    ]


def test_a_three_line_app_synthesizes_what_the_checkout_synthesizes(assembly: Path) -> None:
    (asset,) = assembly.glob("asset.*.zip")
    here = _asset.handler_asset(_asset.handler_directory())
    assert asset.read_bytes() == here.content
    template = json.loads((assembly / "Training.template.json").read_text())
    kinds = {one["Type"] for one in template["Resources"].values()}
    assert "Custom::HyperPodClusterSoftware" in kinds


def test_the_handler_answers_from_the_unpacked_asset_alone(
    unpacked: Path, aws: tuple[str, list[dict[str, Any]]]
) -> None:
    endpoint, answers = aws
    stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/Training/1"
    event = {
        "RequestType": "Delete",
        "RequestId": "1",
        "StackId": stack,
        "LogicalResourceId": "Software",
        "PhysicalResourceId": "Training-Software",
        "ResourceType": "Custom::HyperPodClusterSoftware",
        "ResponseURL": f"{endpoint}/answer?signature=secret",
        "ResourceProperties": {"ClusterName": "ml", "ImageId": "default", "Timeout": "3420"},
    }
    done = tool(
        *(sys.executable, "-I", "-S", "-c", RUN, unpacked, json.dumps(event)),
        environment={
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "HYPERPOD_SOFTWARE_PREFIX": "HyperPodSoftware-00000000",
        },
    )
    (answer,) = answers
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"]
    assert (answer["StackId"], answer["RequestId"]) == (stack, "1")
    assert "secret" not in done.stdout + done.stderr
