"""The function's code: all it imports, the SDK's data for what it calls, and nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hyperpod_patching import _asset
from hyperpod_patching._asset import HandlerAsset
from hyperpod_software.contract.names import OPERATIONS, PREFIX_VARIABLE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def asset() -> HandlerAsset:
    return _asset.handler_asset(_asset.handler_directory())


@pytest.fixture(scope="module")
def unpacked(asset: HandlerAsset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("asset")
    with opened(asset) as archive:
        archive.extractall(directory)
    return directory


def opened(asset: HandlerAsset) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(asset.content))


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """A copy of the handler's code, to be changed."""
    copy = tmp_path / "hyperpod_software"
    shutil.copytree(_asset.handler_directory(), copy)
    return copy


def names_in(asset: HandlerAsset) -> list[str]:
    with opened(asset) as archive:
        return archive.namelist()


def test_it_holds_the_handler_and_all_that_the_handler_imports(asset: HandlerAsset) -> None:
    top = {name.partition("/")[0] for name in names_in(asset)}
    assert top == {
        "boto3",
        "botocore",
        "crhelper",
        "dateutil",
        "hyperpod_software",
        "jmespath",
        "s3transfer",
        "six.py",
        "urllib3",
    }
    ours = {name for name in names_in(asset) if name.startswith("hyperpod_software/")}
    source = ROOT / "lambda"
    assert ours == {
        file.relative_to(source).as_posix() for file in source.rglob("hyperpod_software/**/*.py")
    }


def test_it_holds_the_sdk_data_of_the_services_called_and_no_other(asset: HandlerAsset) -> None:
    data = {
        name.removeprefix("botocore/data/")
        for name in names_in(asset)
        if name.startswith("botocore/data/")
    }
    services = {name.partition("/")[0] for name in data if "/" in name}
    assert services == set(OPERATIONS)
    assert {name for name in data if "/" not in name} == {
        "_retry.json",
        "endpoints.json",
        "partitions.json",
        "sdk-default-configuration.json",
    }
    assert len(data) == 4 + 2 * len(OPERATIONS)


def test_it_holds_nothing_of_this_machine(asset: HandlerAsset) -> None:
    with opened(asset) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert not [name for name in names if "__pycache__" in name or "dist-info" in name]
    assert {Path(name).suffix for name in names} == {".py", ".pem", ".json"}


def test_it_stays_small(asset: HandlerAsset) -> None:
    assert len(asset.content) < 1_200_000


def test_it_is_the_same_to_the_byte_each_time(asset: HandlerAsset, another: Path) -> None:
    again = _asset.handler_asset(another)
    assert again is not asset
    assert again == asset


def test_it_is_the_same_whenever_and_wherever_it_is_made(
    asset: HandlerAsset, tmp_path: Path
) -> None:
    # Another process, other hashes of strings, another working directory, another umask.
    program = (
        "import hashlib, os; os.umask(0o077)\n"
        "from hyperpod_patching import _asset\n"
        "made = _asset.handler_asset(_asset.handler_directory())\n"
        "print(made.digest, hashlib.sha256(made.content).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": sources(ROOT), "PYTHONHASHSEED": "7", **path()},
        capture_output=True,
        text=True,
        check=True,
    )
    here = hashlib.sha256(asset.content).hexdigest()
    assert done.stdout.split() == [asset.digest, here]


def test_a_checkout_with_other_line_ends_is_the_same_asset(
    asset: HandlerAsset, another: Path
) -> None:
    for file in another.rglob("*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert _asset.handler_asset(another) == asset


def test_links_with_other_names_for_their_content_are_the_same_asset(
    asset: HandlerAsset, another: Path, tmp_path: Path
) -> None:
    # As package managers do: a store of files named by a hash, and links where they are used.
    store = tmp_path / "store"
    store.mkdir()
    for number, file in enumerate(sorted(another.rglob("*.py"))):
        file.rename(store / f"{number:08x}")
        file.symlink_to(store / f"{number:08x}")
    (another / "rules").rename(store / "tree")
    (another / "rules").symlink_to(store / "tree")
    assert _asset.handler_asset(another) == asset


def test_a_library_of_links_finds_the_handler_beside_the_links(tmp_path: Path) -> None:
    for source in (ROOT / "constructs/hyperpod_patching", ROOT / "lambda/hyperpod_software"):
        place = tmp_path / source.relative_to(ROOT)
        for number, file in enumerate(sorted(source.rglob("*.py"))):
            stored = tmp_path / f"{source.name}-{number:08x}"
            shutil.copy(file, stored)
            link = place / file.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(stored)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from hyperpod_patching import _asset; print(_asset.handler_directory())",
        ],
        env={"PYTHONPATH": sources(tmp_path), **path()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "lambda/hyperpod_software")


def test_without_staging_the_file_is_still_there_after_synthesis(tmp_path: Path) -> None:
    # As `cdk synth --no-staging` calls an app, for SAM to run the function from where it lies.
    program = (
        "from aws_cdk import App, Stack\n"
        "from hyperpod_patching import ClusterSoftware, SoftwareImage\n"
        "app = App()\n"
        "stack = Stack(app, 'Training')\n"
        "ClusterSoftware(stack, 'Software', cluster='ml', image=SoftwareImage.latest())\n"
        "app.synth()\n"
    )
    context = {
        "aws:cdk:disable-asset-staging": True,
        "aws:cdk:enable-asset-metadata": True,
    }
    subprocess.run(
        [sys.executable, "-c", program],
        env={
            "PYTHONPATH": sources(ROOT),
            "CDK_OUTDIR": str(tmp_path / "cdk.out"),
            "CDK_CONTEXT_JSON": json.dumps(context),
            **path(),
        },
        capture_output=True,
        check=True,
    )
    template = json.loads((tmp_path / "cdk.out/Training.template.json").read_text())
    (function,) = (
        one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function"
    )
    code = Path(function["Metadata"]["aws:asset:path"])
    assert code.is_absolute()
    assert "hyperpod_software/handler.py" in zipfile.ZipFile(code).namelist()
    assert not list((tmp_path / "cdk.out").glob("asset.*"))


def test_other_code_or_another_file_is_another_asset(asset: HandlerAsset, another: Path) -> None:
    (another / "handler.py").write_text("handler = print\n")
    changed = _asset.handler_asset(another)
    assert changed.digest != asset.digest


def test_compiled_files_and_caches_do_not_change_it(asset: HandlerAsset, another: Path) -> None:
    cache = another / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "handler.cpython-311.pyc").write_bytes(b"\0")
    (another / ".DS_Store").write_bytes(b"\0")
    assert _asset.handler_asset(another).digest == asset.digest


def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, another: Path
) -> None:
    monkeypatch.setattr(_asset, "_PACKAGES", ("crhelper_of_nobody",))
    with pytest.raises(ModuleNotFoundError, match="the function needs crhelper_of_nobody"):
        _asset.handler_asset(another)


def test_the_handler_runs_from_it_alone(unpacked: Path) -> None:
    # -I and -S: neither this environment's packages nor the working directory can be imported.
    program = f"""
import json, sys
sys.path.append({str(unpacked)!r})
from hyperpod_software.handler import handler
from hyperpod_software.adapters.clients import client
for service in {list(OPERATIONS)!r}:
    client(service)
import botocore.exceptions
outside = [
    name for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "")
]
print(json.dumps([callable(handler), outside]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        env={
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            PREFIX_VARIABLE: "HyperPodSoftware-00000000",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == [True, []]


def sources(root: Path) -> str:
    return os.pathsep.join([str(root / "constructs"), str(root / "lambda")])


def path() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}
