"""Lambda: events that are delivered at least once, more or less, and invocations that may not end."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hyperpod_software.adapters.response import put_answer
from hyperpod_software.handler import build
from tests.simulation.gate import DISTURBANCES, TIME_LIMIT, Gate, Invocation, sizes
from tests.simulation.requests import Request
from tests.simulation.world import Killed, Process

Handle = Callable[[dict[str, Any], Any], None]

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:Patching-HyperPodSoftware"
LOG_GROUP = "/aws/lambda/Patching-HyperPodSoftware"
PUT = put_answer
_AGAIN_AFTER = (60.0, 120.0)
"""Lambda tries an asynchronous invocation again twice, after one and after two minutes."""


@dataclass
class Context:
    """What Lambda hands over beside the event."""

    aws_request_id: str
    remaining: Callable[[], float]
    invoked_function_arn: str = FUNCTION_ARN
    log_group_name: str = LOG_GROUP
    function_name: str = "Patching-HyperPodSoftware"

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * self.remaining())


@dataclass
class Functions:
    """The one function of the stack's provider."""

    gate: Gate
    request_of: Callable[[dict[str, Any]], Request | None]
    on_end: Callable[[Invocation, bool], None]
    """Called with each invocation that ended; true where it came to its own end."""
    watch_text: Callable[[str, str], None]
    """Looks at what came to the log."""
    invocations: int = 0
    in_flight: list[Invocation] = field(default_factory=list[Invocation])
    _warm: list[Handle] = field(default_factory=list[Handle])
    _kinds: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._kinds = self.gate.world.chance.any_of(DISTURBANCES)

    def invoke(self, event: dict[str, Any], cause: str, delay: float) -> None:
        """Queue an event for the function."""
        text = json.dumps(event)
        self._queue(text, self.request_of(event), cause, 1, delay)

    def _queue(
        self, text: str, request: Request | None, cause: str, attempt: int, delay: float
    ) -> None:
        if request is not None:
            request.queued += 1
        self.gate.world.after(delay, lambda: self._run(text, request, cause, attempt))

    def _run(self, text: str, request: Request | None, cause: str, attempt: int) -> None:
        world = self.gate.world
        self.invocations += 1
        again = f", attempt {attempt}" if attempt > 1 else ""
        what = f"{cause} of {request}" if request is not None else cause
        plan: list[tuple[str, float]] = []
        for kind in self._kinds:
            size = world.chance.strikes(kind)
            if size is not None:
                plan.append((kind, size))
        invocation = Invocation(
            number=self.invocations,
            request=request,
            cause=what + again,
            attempt=attempt,
            started=world.now,
            plan=sizes(plan),
        )
        world.say(lambda: f"{invocation} begins")
        if request is not None:
            request.reached = True
        handle = self._warm.pop() if self._warm else self._build()
        event = json.loads(text)

        def body() -> None:
            alive, of_its_own = True, True
            try:
                remaining = lambda: invocation.started + TIME_LIMIT - world.now  # noqa: E731
                handle(event, Context(f"invocation-{invocation.number}", remaining))
            except Killed:
                alive = of_its_own = False
            except Exception as error:  # noqa: BLE001 - as Lambda, which logs it and tries again
                of_its_own = False
                lines = "".join(traceback.format_exception(error))
                self.watch_text("a traceback", lines)
                world.say(f"{invocation} raised {type(error).__name__}: {error}")
            if alive:
                self._warm.append(handle)
            self._ended(invocation, text, attempt, of_its_own=of_its_own)

        process = Process(body)
        self.gate.of[process] = invocation
        for other in self.in_flight:
            if other.request is invocation.request:
                # Each may undo what the other does; Lambda delivers again what raises for it.
                other.crossed = invocation.crossed = True
        self.in_flight.append(invocation)
        world.start(process)

    def _build(self) -> Handle:
        world = self.gate.world
        return build(world.clock, self.gate.pause, PUT, world.chance.stream("jitter").random)

    def _ended(self, invocation: Invocation, text: str, attempt: int, *, of_its_own: bool) -> None:
        world, request = self.gate.world, invocation.request
        invocation.ended = True
        self.in_flight.remove(invocation)
        world.say(lambda: f"{invocation} {'ends' if of_its_own else 'is no more'}")
        if request is not None:
            request.queued -= 1
        if not of_its_own and attempt <= len(_AGAIN_AFTER):
            cause = invocation.cause.partition(" of ")[0] if request is not None else "poll"
            self._queue(text, request, cause, attempt + 1, _AGAIN_AFTER[attempt - 1])
        self.on_end(invocation, of_its_own)


class LogWatcher(logging.Handler):
    """Reads every line that the function logs."""

    def __init__(self, watch: Callable[[str, str], None]) -> None:
        super().__init__()
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        self._watch("a log line", self.format(record))
