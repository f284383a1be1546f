"""Patience with a role whose policy may not have spread yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hyperpod_software.words.problem import Problem

T = TypeVar("T")

_TIMES = 12
_PAUSE = 5
"""Seconds."""


class Patience:
    """Tries for a minute what is denied, or does not answer."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def __call__(self, call: Callable[[], T]) -> T:
        """The call's result. Raises its ``Problem`` where that does not pass."""
        for _ in range(_TIMES):
            try:
                return call()
            except Problem as problem:
                if problem.kind not in (Problem.Kind.DENIED, Problem.Kind.PASSING):
                    raise
            self._sleep(_PAUSE)
        return call()
