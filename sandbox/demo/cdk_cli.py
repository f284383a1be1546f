"""The real CDK CLI on the real app, and what matters in what it prints."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperpod_software.contract.properties import WAITER_TYPE
from sandbox.aws.environment import ROOT
from sandbox.waiting import PATIENCE, until

Context = Mapping[str, str]
"""Context keys of the app, in the order in which they are shown."""

QUIET: Mapping[str, tuple[str, ...]] = {
    "deploy": ("--require-approval", "never"),
    "destroy": ("--force",),
}
"""What spares a user the question the CLI would ask."""

_LOOK_EVERY = 0.15
_LAST = 15
_WAITER = re.compile(
    rf".*\| (\S+ [AP]M) \| (\w+_IN_PROGRESS) +\| {WAITER_TYPE} +\| (\S+)/Default .*"
)
_OUTPUT = re.compile(r"\S+?\.(\w+) = ?(.*)")


class CliError(Exception):
    """The CLI is not there, or did not end in time; the message says which."""


def words(command: str, context: Context) -> list[str]:
    """The command as a user types it."""
    return ["cdk", command, *(w for k, v in context.items() for w in ("-c", f"{k}={v}"))]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended, and all it printed."""

    code: int
    lines: Sequence[str]

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, from the lines below `Outputs:`."""
        matches = (
            _OUTPUT.fullmatch(line) for line in between(self.lines, "Outputs:", "Stack ARN:")
        )
        return {m[1]: m[2] for m in matches if m}

    @property
    def difference(self) -> list[str]:
        """What `cdk diff` found in the stack."""
        return between(self.lines, "Stack ", "✨")

    @property
    def windows(self) -> list[str]:
        """When each waiter began: the time, the status and its name."""
        found = (_WAITER.fullmatch(line) for line in self.lines)
        return [f"{m[1]:>11}  {m[2]}  {m[3]}" for m in found if m]

    @property
    def failure(self) -> str:
        """Why it failed, in the words the CLI ends with, as one paragraph."""
        found = between(
            self.lines, "‣ DeploymentError: Resource updates failed:", "Source Location:"
        )
        return " ".join(" ".join(found[1:]).split())

    @property
    def error_lines(self) -> list[str]:
        """What helps where a failure was not expected: the reason, or else the last lines."""
        return [self.failure] if self.failure else [line for line in self.lines if line][-_LAST:]


def between(lines: Sequence[str], first: str, last: str) -> list[str]:
    """The lines after the one that begins with `first`, until one that begins with `last`."""
    start = next((i + 1 for i, line in enumerate(lines) if line.startswith(first)), len(lines))
    rest = lines[start:]
    end = next((i for i, line in enumerate(rest) if line.startswith(last)), len(rest))
    return [line for line in rest[:end] if line.strip()]


class Cli:
    """Runs the CLI, one command at a time. All it writes goes into `scratch`."""

    def __init__(self, environment: Mapping[str, str], scratch: Path) -> None:
        self._scratch = scratch
        self._environment = {k: v for k, v in environment.items() if k != "FORCE_COLOR"}
        self._environment["TMPDIR"] = str(scratch)
        self._process: subprocess.Popen[str] | None = None
        self.groups: list[int] = []
        """The process groups it ran in."""

    def run(
        self,
        command: str,
        context: Context,
        look: Callable[[str], None],
    ) -> CommandResult:
        """Run a command to its end; `look` is called all the while with the CLI's stage.

        :raises CliError: when it is not there, or says nothing for too long.
        """
        lines: list[str] = []
        process = self._start(command, context)
        reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
        reader.start()

        def ended() -> int | None:
            if (code := process.poll()) is None:
                look(stage(command, list(lines)))
            return code

        try:
            until(ended, f"`cdk {command}` to go on", moves=lambda: len(lines), every=_LOOK_EVERY)
        except TimeoutError as error:
            raise CliError(str(error)) from None
        finally:
            self.stop()
            reader.join(PATIENCE)
        look(stage(command, lines))
        return CommandResult(process.returncode, lines)

    def _start(self, command: str, context: Context) -> subprocess.Popen[str]:
        options = [
            *QUIET.get(command, ()),
            "--no-color",
            "--output",
            str(self._scratch / "cdk.out"),
        ]
        try:
            self._process = subprocess.Popen(
                [*words(command, context), *options],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                # A group of its own, so that all of it can be ended at once.
                start_new_session=True,
            )
        except FileNotFoundError:
            raise CliError("the CDK CLI is not there: run `make setup`") from None
        self.groups.append(self._process.pid)
        return self._process

    def stop(self) -> None:
        """End what is still running."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stdout is not None
    with process.stdout as output:
        # One by one, since they are looked at while they come.
        lines.extend(line.rstrip() for line in output)


def stage(command: str, lines: Sequence[str]) -> str:
    """What the CLI is at, as far as it tells; empty once CloudFormation is at work."""
    if any(line.endswith(("deploying... [1/1]", "destroying... [1/1]")) for line in lines):
        return ""
    if any(line.startswith("Stack ") for line in lines):
        return "compared"
    if any(": start: Publishing" in line or "changeset" in line for line in lines):
        return "publishing"
    if command == "diff" and any("Hold on" in line for line in lines):
        return "comparing"
    return "synthesizing"
