"""The function's code, gathered from where this library is installed: no Docker, no registry.

One zip, the same to the byte for the same inputs: sorted, without times, compiled files or
anything of the machine it was made on.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ._sdk_data import sdk_data

# What the handler imports, and what that imports.
_PACKAGES: Final = (
    "boto3",
    "botocore",
    "crhelper",
    "dateutil",
    "jmespath",
    "s3transfer",
    "six",
    "urllib3",
)
_SUFFIXES: Final = frozenset({".py", ".pem"})
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class HandlerAsset:
    """A zip archive and the digest of what is in it."""

    content: bytes
    digest: str

    def written_to(self, directory: Path) -> Path:
        """The archive as a file there: whole, even if another process writes it at the same time."""
        path = directory / f"hyperpod-software-{self.digest[:16]}.zip"
        if not path.exists():
            written = path.with_name(f"{path.name}.{os.getpid()}")
            written.write_bytes(self.content)
            written.replace(path)
        return path


def handler_directory() -> Path:
    """The handler's package, which is installed beside this one."""
    return _installed("hyperpod_software")


@cache
def handler_asset(handler: Path) -> HandlerAsset:
    """The asset for the handler in this directory, made once in a process."""
    files = dict(sorted(_files(handler)))
    digest = hashlib.sha256()
    archived = io.BytesIO()
    with zipfile.ZipFile(archived, "w") as archive:
        for name, content in files.items():
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.create_system = 3  # Unix, whatever this machine is, so that …
            entry.external_attr = 0o100644 << 16  # … these are the files' permissions.
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return HandlerAsset(archived.getvalue(), digest.hexdigest())


def _files(handler: Path) -> Iterator[tuple[str, bytes]]:
    """Names in the asset and what stands there."""
    yield from _modules(handler, handler.name)
    for package in _PACKAGES:
        place = _installed(package)
        if place.is_file():
            yield place.name, _text_of(place)
        else:
            yield from _modules(place, package)
    for name, content in sdk_data(_installed("botocore") / "data"):
        yield f"botocore/data/{name}", content


def _installed(package: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = find_spec(package)
    place = Path(spec.origin) if spec and spec.origin else None
    if place is None or not place.is_file():
        raise ModuleNotFoundError(
            f"the function needs {package}, which must be installed as files beside this library; "
            "install cdk-hyperpod-patching with its dependencies"
        )
    return place.parent if spec and spec.submodule_search_locations else place


def _modules(directory: Path, name: str) -> Iterator[tuple[str, bytes]]:
    # Some installers and build systems make a package of links, to files or to whole directories.
    for place, _, files in os.walk(directory, followlinks=True):
        for file in map(Path(place).joinpath, files):
            if file.suffix in _SUFFIXES and file.is_file():
                yield f"{name}/{file.relative_to(directory).as_posix()}", _text_of(file)


def _text_of(file: Path) -> bytes:
    """A text as every checkout of it reads: some write its lines with another end."""
    return file.read_bytes().replace(b"\r\n", b"\n")
