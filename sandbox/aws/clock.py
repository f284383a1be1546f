"""The sandbox's clock, which all its processes share.

It is the machine's, put ahead by the hours in which everything only waited (see
`sandbox.aws.inside.hours`). How far it is ahead lies in a file, so that the simulated service,
MiniStack and the functions have the same time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

VARIABLE = "SANDBOX_CLOCK"
"""The environment variable with the path of the file."""

IN_FUNCTIONS = f"""
def _tell_the_time():
    import os, time
    real, file = time.time, os.environ.get("{VARIABLE}")

    def now():
        with open(file) as ahead:
            return real() + float(ahead.read())

    if file:
        time.time = now

_tell_the_time()
"""
"""Python that lets a process go by this clock, run before anything else in it. What signs requests
goes on by the machine's."""


class Clock:
    """Seconds since the epoch."""

    def __init__(self, file: Path) -> None:
        """`file`: where it lies how far it is ahead. Nothing there: not at all."""
        self._file = file

    @property
    def ahead(self) -> float:
        """How many seconds it is ahead of the machine's."""
        try:
            return float(self._file.read_text())
        except FileNotFoundError:
            return 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def text(self) -> str:
        """The time now as AWS writes it."""
        return f"{datetime.fromtimestamp(self.now(), UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"

    def put_ahead(self, seconds: float) -> None:
        """Put it ahead by so many seconds; one process does."""
        new = self._file.with_suffix(".new")
        new.write_text(repr(self.ahead + seconds))
        new.replace(self._file)  # Nobody reads half of it.
