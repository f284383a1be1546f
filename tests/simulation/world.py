"""One virtual clock, what is due on it, and whatever runs beside each other.

An invocation that nothing disturbs runs at one moment. One that is held up runs in a thread of its
own, and only one thread ever runs: who is next is decided by the clock, so a history with
invocations in parallel is as repeatable as any other.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Protocol

from tests.simulation.chance import Chance

BEGIN = 1_800_000_000.0
"""When histories begin, in seconds since the epoch."""


class Killed(BaseException):
    """The process is gone. No `except Exception` sees it, as none would see the end of a process."""


class Source(Protocol):
    """Something that happens by itself."""

    def next_due(self) -> float | None: ...
    def advance(self, now: float) -> None: ...


class _Worker:
    """A thread that runs one process after the other."""

    def __init__(self) -> None:
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self.job: Callable[[], None] | None = None
        self.error: BaseException | None = None
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            self._go.acquire()
            assert self.job is not None
            try:
                self.job()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                self.error = error
            self.job = None
            self._back.release()

    def go_on(self) -> bool:
        """Let it run until it waits or is over; true where it is over."""
        self._go.release()
        self._back.acquire()
        error, self.error = self.error, None
        if error is not None:
            raise error
        return self.job is None

    def wait(self) -> None:
        """Called in the thread: let the others run until it is told to go on."""
        self._back.release()
        self._go.acquire()


_idle: list[_Worker] = []


@dataclass(eq=False)
class Process:
    """Something that takes time: an invocation of the function."""

    body: Callable[[], None]
    worker: _Worker | None = None
    doomed: bool = False


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
    _agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _entries: int = 0
    _waiting: list[Process] = field(default_factory=list)

    # Telling

    def say(self, text: Callable[[], str] | str) -> None:
        if self.diary is not None:
            line = text if isinstance(text, str) else text()
            self.diary.append(f"{self.now - BEGIN:9.2f}  {line}")

    def check(self, invariant: str, holds: object, otherwise: Callable[[], str] | str) -> None:
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

    def start(self, process: Process, *, alone: bool) -> None:
        """Run a process: at this moment where it is alone, else with pauses among the others."""
        if alone:
            before, self.running = self.running, process
            process.body()
            self.running = before
            return
        process.worker = _idle.pop() if _idle else _Worker()
        process.worker.job = process.body
        self._go_on(process)

    def pause(self, seconds: float) -> None:
        """Called by a process: let so much time pass for it."""
        process = self.running
        if process is None or process.worker is None:
            self.now += seconds  # alone in the world: nothing else happens meanwhile
            return
        if process.doomed:
            raise Killed
        self._waiting.append(process)
        self.after(seconds, lambda: self._go_on(process))
        process.worker.wait()
        if process.doomed:
            raise Killed

    def clear(self) -> None:
        """End what still runs."""
        while self._waiting:
            process = self._waiting[0]
            process.doomed = True
            self._go_on(process)

    def _go_on(self, process: Process) -> None:
        worker = process.worker
        if worker is None:
            return  # it was ended meanwhile
        if process in self._waiting:
            self._waiting.remove(process)
        before, self.running = self.running, process
        over = worker.go_on()
        self.running = before
        if over:
            process.worker = None
            _idle.append(worker)


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
