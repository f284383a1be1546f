"""The time of one invocation, which nothing that it does may outlast.

Lambda ends a function that takes too long at any line, and tells nobody why. So every call to AWS,
every pause and every answer asks here first whether there is time for it.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

from hyperpod_software.contract.times import INVOCATION

_SPARE = 10.0
"""Seconds that are left over where Lambda gives less."""


class Budget:
    """The time that is left, of what Lambda gives from now on."""

    def __init__(
        self,
        given: float = math.inf,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        seconds = min(INVOCATION, given - _SPARE)
        self._ends = clock() + seconds
        self._late = seconds / 3

    @property
    def left(self) -> float:
        return self._ends - self._clock()

    @property
    def late(self) -> bool:
        """What is left is for the end: one try of each call that it needs, and the answer."""
        return self.left < self._late

    def pause(self, seconds: float) -> bool:
        """Let so much time pass. ``False``, at once, where it would be late by then."""
        if self.left - seconds < self._late:
            return False
        self._sleep(seconds)
        return True

    def back_off(self, most: float) -> bool:
        """A pause of random length, so that what failed together is not tried again together."""
        return self.pause(self._chance() * most)


_current: ContextVar[Budget] = ContextVar("budget")


def budget() -> Budget:
    """The budget of the invocation that runs; outside of one, a new one."""
    return _current.get(None) or Budget()


@contextmanager
def spending(own: Budget) -> Generator[None]:
    """Let everything inside be bounded by this budget."""
    token = _current.set(own)
    try:
        yield
    finally:
        _current.reset(token)
