"""The real bundle of the asset in a process of its own, invoked by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

from hyperpod_software.contract.names import LOG_GROUP_VARIABLE, PREFIX_VARIABLE
from sandbox.aws.images import ACCOUNT, REGION
from sandbox.waiting import PATIENCE

PROGRAM = Path(__file__).with_name("function_process.py")
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:by-hand"
LOG_GROUP = "/hyperpod/by-hand"
KILLED = "killed"
"""The error of an invocation that came to no end."""


@dataclass(frozen=True)
class Ran:
    """One invocation: what it raised, if anything, and what it logged."""

    error: str | None
    log: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]


class Function:
    """A process that runs one invocation at a time."""

    def __init__(
        self, bundle: bytes, directory: Path, prefix: str, environment: Mapping[str, str]
    ) -> None:
        self.prefix = prefix
        self.ran: list[Ran] = []
        with zipfile.ZipFile(BytesIO(bundle)) as archive:
            archive.extractall(directory)
        # Isolated and without site-packages: what is not in the asset is not there.
        self._command = [sys.executable, "-I", "-S", str(PROGRAM), str(directory)]
        self._environment = {
            "PATH": environment["PATH"],
            **{name: value for name, value in environment.items() if name.startswith("AWS_")},
            PREFIX_VARIABLE: prefix,
            LOG_GROUP_VARIABLE: LOG_GROUP,
            "FUNCTION_ARN": ARN,
        }
        self._process = self._begin()

    def _begin(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE)

    def invoke(self, event: Mapping[str, Any], *, ahead: float = 0.0, killed: bool = False) -> Ran:
        """Run it once, with its clock so many seconds ahead. Where it is to be killed, it is as
        soon as it has sent an answer, whatever came of that; the next one runs in a new process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        invocation = {"event": event, "ahead": ahead, "killed": killed}
        self._process.stdin.write(json.dumps(invocation) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        ran = Ran(**json.loads(said)) if said else Ran(KILLED, "")
        if not said:
            self._process.communicate(timeout=PATIENCE)
            self._process = self._begin()
        self.ran.append(ran)
        return ran

    @property
    def lines(self) -> list[dict[str, Any]]:
        """All that was logged so far."""
        return [line for ran in self.ran for line in ran.lines]
