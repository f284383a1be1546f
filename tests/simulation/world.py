"""One virtual clock, what is due on it, and whatever runs beside each other.

Each invocation runs as a coroutine of its own: it goes on until it pauses, and the clock decides who
is next, so a history with invocations beside each other is as repeatable as any other.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from greenlet import getcurrent, greenlet

from tests.simulation.chance import Chance

BEGIN = 1_800_000_000.0
"""When histories begin, in seconds since the epoch."""


class Killed(BaseException):
    """The process is gone. No `except Exception` sees it, as none would see the end of a process."""


class Source(Protocol):
    """Something that happens by itself."""

    def next_due(self) -> float | None: ...
    def advance(self, now: float) -> None: ...


@dataclass(eq=False)
class Process:
    """Something that takes time: an invocation of the function."""

    body: Callable[[], None]
    course: greenlet = field(init=False)

    def __post_init__(self) -> None:
        self.course = greenlet(self.body)


@dataclass
class World:
    """The clock of one history, and its diary."""

    chance: Chance
    now: float = BEGIN
    source: Source | None = None
    diary: list[str] | None = None
    """What happened, in lines to read; ``None`` where nobody wants to."""
    broken: tuple[str, str] | None = None
    """The first invariant that did not hold, and how."""
    closing: bool = False
    """Whatever repeats itself is to stop now."""
    checks: Counter[str] = field(default_factory=Counter[str])
    """How often each invariant was checked."""
    running: Process | None = None
    _agenda: list[tuple[float, int, Callable[[], None]]] = field(
        default_factory=list[tuple[float, int, Callable[[], None]]]
    )
    _entries: int = 0
    _waiting: list[Process] = field(default_factory=list[Process])

    # Telling

    def say(self, text: Callable[[], str] | str) -> None:
        if self.diary is not None:
            line = text if isinstance(text, str) else text()
            self.diary.append(f"{self.now - BEGIN:9.2f}  {line}")

    def check(self, invariant: str, holds: object, otherwise: Callable[..., str] | str) -> None:
        """Note that an invariant was looked at; what breaks first is what counts."""
        self.checks[invariant] += 1
        if not holds and self.broken is None:
            text = otherwise if isinstance(otherwise, str) else otherwise()
            self.broken = (invariant, text)
            self.say(f"!! {invariant}: {text}")

    # Time

    def clock(self) -> float:
        return self.now

    def at(self, time: float, action: Callable[[], None]) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (max(time, self.now), self._entries, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def follow(self, course: Generator[float | Wait]) -> None:
        """Let a course of things run: it yields seconds to let pass, or what to wait for."""
        step = next(course, None)
        if step is None:
            return
        if isinstance(step, Wait):
            step.then = lambda: self.follow(course)
            if step.over:
                self.after(0.0, step.then)
        else:
            self.after(step, lambda: self.follow(course))

    def run(self) -> None:
        """Let everything happen that is due, until nothing is or an invariant broke."""
        while self.broken is None:
            own = self._agenda[0][0] if self._agenda else None
            others = self.source.next_due() if self.source is not None else None
            if others is not None and (own is None or others <= own):
                assert self.source is not None
                self.now = max(self.now, others)
                self.source.advance(self.now)
            elif own is not None:
                time, _, action = heapq.heappop(self._agenda)
                self.now = max(self.now, time)
                action()
            else:
                return

    # Processes

    def start(self, process: Process) -> None:
        """Run a process until it pauses or is over."""
        self._go_on(process)

    def pause(self, seconds: float) -> None:
        """Called by a process: let so much time pass for it."""
        process = self.running
        assert process is not None
        self._waiting.append(process)
        self.after(seconds, lambda: self._go_on(process))
        outside = process.course.parent
        assert outside is not None
        outside.switch()

    def clear(self) -> None:
        """End what still runs."""
        while self._waiting:
            process = self._waiting.pop()
            with self._runs(process):
                process.course.throw(Killed)

    def _go_on(self, process: Process) -> None:
        if process.course.dead:
            return  # it was ended meanwhile
        if process in self._waiting:
            self._waiting.remove(process)
        with self._runs(process):
            process.course.switch()

    @contextmanager
    def _runs(self, process: Process) -> Generator[None]:
        before, self.running = self.running, process
        process.course.parent = getcurrent()
        try:
            yield
        finally:
            self.running = before


@dataclass
class Wait:
    """Something that a course waits for."""

    over: bool = False
    then: Callable[[], None] | None = None

    def end(self) -> None:
        if not self.over:
            self.over = True
            if self.then is not None:
                self.then()
