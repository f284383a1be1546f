"""Cold starts, and the size of what has to be started."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import processes
from benchmarks.section import Section, times
from hyperpod_patching import _asset
from hyperpod_software.contract.names import OPERATIONS
from sandbox import Sandbox
from sandbox.aws.images import ACCOUNT, CURRENT, REGION
from sandbox.clusters import slurm

_STOCK = ("boto3", "botocore", "crhelper", "jmespath", "python-dateutil", "s3transfer", "six")
_STOCK_TOO = ("urllib3",)
_CLUSTER = "cold"


@dataclass(frozen=True)
class Start:
    """One thing that is started."""

    name: str
    directory: Path
    function: str
    request: Mapping[str, Any] | None


def run(sandbox: Sandbox, *, quick: bool) -> Section:
    """Start everything again and again, by turns."""
    sandbox.control.add(slurm(_CLUSTER))
    place = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    try:
        with _ear() as url:
            return _measured(sandbox, place, url, repetitions=3 if quick else 9)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _measured(sandbox: Sandbox, place: Path, url: str, *, repetitions: int) -> Section:
    asset = _asset.handler_asset(_asset.handler_directory()).written_to(place)
    ours, whole, stock = place / "ours", place / "whole", place / "stock"
    with zipfile.ZipFile(asset) as archive:
        archive.extractall(ours)
    _with_whole_data(ours, whole)
    _stock(stock)
    handler, peer = "hyperpod_software.handler:handler", "peers.stock_crhelper:handler"
    delete, adopt = _request("Delete", url), _request("Create", url)
    starts = (
        Start("ours, a Delete", ours, handler, delete),
        Start("ours, a Create that patches nothing", ours, handler, adopt),
        Start("the same, with the SDK's data uncut", whole, handler, adopt),
        Start("stock crhelper and the whole boto3, a Delete", stock, peer, delete),
        Start("floor: `import boto3` and one client", stock, "boto3:client", None),
    )
    sizes = {
        ours: (asset.stat().st_size, _size(ours)),
        whole: (_zipped(whole), _size(whole)),
        stock: (_zipped(stock), _size(stock)),
    }
    seconds: dict[str, list[dict[str, float]]] = {start.name: [] for start in starts}
    for _ in range(repetitions):
        for start in starts:
            request = json.dumps(start.request) if start.request is not None else ""
            seconds[start.name].append(
                processes.run_isolated(
                    "first_request",
                    str(start.directory),
                    start.function,
                    request,
                    environment=sandbox.environment,
                )
            )
    return _section(starts, seconds, sizes, repetitions)


def _section(
    starts: tuple[Start, ...],
    seconds: Mapping[str, list[dict[str, float]]],
    sizes: Mapping[Path, tuple[int, int]],
    repetitions: int,
) -> Section:
    def in_all(start: Start) -> float:
        return median(one["import"] + one["request"] for one in seconds[start.name])

    rows = [
        [
            start.name,
            f"{median(one['import'] for one in seconds[start.name]) * 1000:,.0f}",
            f"{median(one['request'] for one in seconds[start.name]) * 1000:,.0f}"
            if start.request is not None
            else "–",
            f"{in_all(start) * 1000:,.0f}",
            times(in_all(start), in_all(starts[0])),
            f"{sizes[start.directory][0] / 1e6:.1f}",
            f"{sizes[start.directory][1] / 1e6:.1f}",
        ]
        for start in starts
    ]
    return Section(
        "Cold start, and the size of the asset",
        ("", "import, ms", "first request, ms", "both, ms", "ratio", "zip, MB", "unpacked, MB"),
        rows,
        (
            (
                f"Medians of {repetitions} fresh interpreters each, by turns, with nothing importable but"
                " what the asset holds and no compiled files: an asset of the CDK has none that Lambda"
                " could use, and cannot keep those it makes. Lambda at 256 MB has a fraction of a core"
                " once it is past its start, so that all of this takes longer there."
            ),
            (
                "The request goes to the sandbox and its answer to a listener on the same machine. On a"
                " Delete, ours asks SSM what is remembered; on a Create that adopts a cluster, it"
                " describes the cluster as well. crhelper makes its three clients when it is imported,"
                " and the function a fourth; on a Delete it calls nobody but CloudFormation."
            ),
            "Stock is what `pip install -t` puts beside a handler: "
            + ", ".join((*_STOCK, *_STOCK_TOO))
            + ", at the versions that are installed here.",
        ),
    )


def _request(kind: str, url: str) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/Cold/00000000",
        "RequestId": "cold",
        "LogicalResourceId": "Software",
        "ResponseURL": url,
        "ResourceProperties": {
            "ClusterName": _CLUSTER,
            "ImageId": CURRENT.id,
            "InstanceGroups": [{"InstanceGroupName": "workers"}],
            "OnCreate": "adopt",
        },
        **({} if kind == "Create" else {"PhysicalResourceId": _CLUSTER}),
    }


def _with_whole_data(ours: Path, to: Path) -> None:
    """Our asset with the SDK's data of the same services as they are installed."""
    shutil.copytree(ours, to)
    installed = Path(str(distribution("botocore").locate_file("botocore/data")))
    for service in OPERATIONS:
        (version,) = (to / "botocore/data" / service).iterdir()
        for kind in ("service-2", "endpoint-rule-set-1"):
            (version / f"{kind}.json").unlink()
            name = f"{service}/{version.name}/{kind}.json.gz"
            shutil.copy(installed / name, to / "botocore/data" / name)
    shutil.copy(installed / "endpoints.json", to / "botocore/data")


def _stock(to: Path) -> None:
    """What `pip install -t` makes of crhelper and boto3, and the function beside it."""
    for name in (*_STOCK, *_STOCK_TOO):
        package = distribution(name)
        for file in package.files or ():
            if ".." in file.parts or "__pycache__" in file.parts:
                continue  # commands, and compiled files
            target = to / str(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(package.locate_file(file)), target)
    peers = Path(__file__).parent / "peers"
    shutil.copytree(peers, to / "peers", ignore=shutil.ignore_patterns("__pycache__"))


def _size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def _zipped(directory: Path) -> int:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for one in directory.rglob("*"):
                archive.write(one, one.relative_to(directory))
        return file.tell()


@contextmanager
def _ear() -> Generator[str]:
    """Somebody who listens to answers; the address."""

    class Ear(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Ear) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/answer"
        finally:
            server.shutdown()
