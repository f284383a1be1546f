"""What a run of the demo could leave behind on this machine, and whether it did."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.runner import Sandbox

_GRACE_PERIOD = 60.0
"""Seconds that what was ended may take to be gone."""


@dataclass
class Traces:
    """What a run could leave behind, written down while it is there."""

    groups: list[int] = field(default_factory=list[int])
    addresses: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    directories: list[Path] = field(default_factory=list[Path])

    def note(self, sandbox: Sandbox) -> None:
        """Write down what a running sandbox has."""
        self.groups.append(sandbox.ministack.pid)
        self.directories.append(sandbox.directory)
        for url in (sandbox.ministack_url, sandbox.hyperpod_url):
            parts = urlsplit(url)
            self.addresses.append((parts.hostname or "", parts.port or 0))

    def left(self) -> list[str]:
        """What is still there."""
        return [
            *[f"process group {group}" for group in self.groups if _runs(group)],
            *[f"port {port}" for host, port in self.addresses if _listens(host, port)],
            *[str(path) for path in self.directories if path.exists()],
        ]

    def left_for_good(self) -> list[str]:
        """What is still there after a moment in which the system can reap what was ended."""
        end = time.monotonic() + _GRACE_PERIOD
        while (left := self.left()) and time.monotonic() < end:
            time.sleep(0.1)
        return left


def _runs(group: int) -> bool:
    """Whether a process of this group runs. A zombie does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    processes = list(Path("/proc").glob("[0-9]*/stat"))
    return not processes or any(_is_alive_in(group, stat) for stat in processes)


def _is_alive_in(group: int, stat: Path) -> bool:
    with contextlib.suppress(OSError):
        # `pid (name) state parent group …`; the name may hold anything.
        state, _, process_group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
        return int(process_group) == group and state not in ("Z", "X")
    return False


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
