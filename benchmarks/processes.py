"""Programs in processes of their own, and what they print."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ALONE = Path(__file__).parent / "alone"
_LAMBDA = Path(__file__).resolve().parent.parent / "lambda"


class ChildError(Exception):
    """A program failed; the message is what it said."""


def run(program: str, *arguments: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run a program with the handler's modules beside it; the JSON it prints."""
    return _run([], program, arguments, {**environment, "PYTHONPATH": str(_LAMBDA)})


def run_isolated(program: str, *arguments: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run a program without any of this environment's packages, and without compiled files."""
    return _run(["-I", "-S", "-B"], program, arguments, environment)


def _run(
    options: list[str], program: str, arguments: tuple[str, ...], environment: Mapping[str, str]
) -> dict[str, Any]:
    command = [sys.executable, *options, str(_ALONE / f"{program}.py"), *arguments]
    done = subprocess.run(  # noqa: S603 - our own programs
        command, env=dict(environment), capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode:
        raise ChildError(f"{program}: {done.stderr.strip()}")
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed
