"""What every AWS call of the function goes through: pauses, the end of the process, failing calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from tests.simulation.chance import pick
from tests.simulation.requests import Request
from tests.simulation.world import Killed, Process, World

T = TypeVar("T")

TIME_LIMIT = 180.0
"""Seconds that Lambda lets one invocation take."""
_HALF_A_RULE = ("after PutRule", "before PutTargets")
_PAUSES = (0.2, 2.0, 20.0, 61.0, 90.0, 150.0, 185.0)
DISTURBANCES = (
    "killed before a call",
    "killed after a call",
    "held up before a call",
    "held up after a call",
    "call throttled",
    "call refused by a server error",
    "call done, server error",
    "call done, answer lost",
)
_FAILING = DISTURBANCES[4:]
_LASTS = (0.0, 5.0, 30.0, 120.0)
"""Seconds for which an operation goes on failing, once it fails."""


def error(code: str, operation: str, message: str = "", status: int = 400) -> ClientError:
    """An error as botocore raises it."""
    details = {"Code": code, "Message": message}
    return ClientError(
        {"Error": details, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


@dataclass(eq=False)
class Invocation:
    """One run of the function, from its event to its end."""

    number: int
    request: Request | None
    cause: str
    attempt: int
    started: float
    plan: dict[int, list[tuple[str, float]]]
    """What happens to which of its calls, counted from 0."""
    calls: int = 0
    disturbed: bool = False
    """Something happened to it that the handler could not help."""
    crossed: bool = False
    """Another one of the same request ran beside it."""
    ended: bool = False
    description: dict[str, Any] | None = None
    """The last DescribeCluster answer that it was given."""
    stack_read: float | None = None
    """When it last read how CloudFormation shows the resource."""
    failing: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    """Operation → how it fails, and until when."""
    held_up: float = 0.0
    """Seconds for which it was not let run."""
    met_quota: bool = False
    """The account had too many rules or parameters for it."""

    @property
    def change(self) -> Request | None:
        """The request of a resource that it works on."""
        return self.request.change if self.request is not None else None

    @property
    def requests(self) -> set[Request]:
        """What it works on, and what it was sent for."""
        return {self.request, self.request.change} if self.request is not None else set()

    def __str__(self) -> str:
        return f"[{self.number}] {self.cause}"


@dataclass
class Outage:
    """A service that refuses everything for a while, does not answer, or takes its time."""

    service: str
    begins: float
    ends: float
    code: str
    status: int

    def strike(self, gate: Gate, invocation: Invocation, operation: str) -> None:
        """What it does to a call."""
        gate.disturb(invocation, operation, f"{self.service} is out: {self.code}")
        if self.code == "slow":
            gate.pause(self.status)
        elif self.code == "ConnectTimeoutError":
            raise ConnectTimeoutError(endpoint_url="https://aws.invalid/")
        elif self.code == "ReadTimeoutError":
            raise ReadTimeoutError(endpoint_url="https://aws.invalid/")
        else:
            raise error(self.code, operation, "Try again later.", self.status)


@dataclass
class Gate:
    """Where the calls of the invocation that is running go through."""

    world: World
    outages: list[Outage] = field(default_factory=list[Outage])
    of: dict[Process, Invocation] = field(default_factory=dict[Process, Invocation])
    quotas: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    """What the account has too many of → from when, until when."""
    config: Config = field(default_factory=Config)
    """Of the client that calls."""

    @property
    def invocation(self) -> Invocation:
        assert self.world.running is not None
        return self.of[self.world.running]

    def call(
        self,
        service: str,
        operation: str,
        effect: Callable[[], T],
        *,
        fails: bool = True,
    ) -> T:
        """One call, with what happens to it. `fails`: it can be made to fail here."""
        invocation = self.invocation
        number = invocation.calls
        invocation.calls += 1
        happens = dict(invocation.plan.get(number) or ())
        self._go_on_failing(invocation, operation, happens)
        try:
            self._before(invocation, operation, happens)
            if fails:
                self._refuse(invocation, service, operation, happens)
            result = _guarded(effect)()
            self._after(invocation, operation, happens, fails=fails)
        except (ClientError, BotoCoreError) as failure:
            self.pause(_seconds(failure, self.config))
            raise
        return result

    def _go_on_failing(
        self, invocation: Invocation, operation: str, happens: dict[str, float]
    ) -> None:
        """What fails does so for a while, or one more try would be enough each time."""
        for kind in _FAILING:
            if (size := happens.get(kind)) is not None:
                invocation.failing[operation] = (kind, self.world.now + pick(_LASTS, size))
        kind, until = invocation.failing.get(operation, ("", 0.0))
        if self.world.now < until:
            happens.setdefault(kind, 0.0)

    def _before(self, invocation: Invocation, operation: str, happens: dict[str, float]) -> None:
        if (size := happens.get("held up before a call")) is not None:
            self._hold_up(invocation, f"before {operation}", size)
        if "killed before a call" in happens:
            self._kill(invocation, f"before {operation}")

    def _refuse(
        self, invocation: Invocation, service: str, operation: str, happens: dict[str, float]
    ) -> None:
        for outage in self.outages:
            if outage.service == service and outage.begins <= self.world.now < outage.ends:
                outage.strike(self, invocation, operation)
        if "call throttled" in happens:
            self.disturb(invocation, operation, "throttled")
            raise error("ThrottlingException", operation, "Rate exceeded")
        if "call refused by a server error" in happens:
            self.disturb(invocation, operation, "server error")
            raise error("InternalServerError", operation, "An internal error.", 500)

    def _after(
        self, invocation: Invocation, operation: str, happens: dict[str, float], *, fails: bool
    ) -> None:
        if (size := happens.get("held up after a call")) is not None:
            self._hold_up(invocation, f"after {operation}", size)
        if "killed after a call" in happens:
            self._kill(invocation, f"after {operation}")
        if not fails:
            return
        if "call done, server error" in happens:
            self.disturb(invocation, operation, "done, server error")
            raise error("InternalServerError", operation, "An internal error.", 500)
        if "call done, answer lost" in happens:
            self.disturb(invocation, operation, "done, answer lost")
            raise ReadTimeoutError(endpoint_url="https://aws.invalid/")

    def _hold_up(self, invocation: Invocation, where: str, size: float) -> None:
        seconds = pick(_PAUSES, size)
        self._mark(invocation)
        self.world.say(lambda: f"{invocation} held up {where} for {seconds:g} s")
        left = invocation.started + TIME_LIMIT - self.world.now
        invocation.held_up += seconds
        self.world.pause(min(seconds, max(left, 0.0)))
        if self.world.now >= invocation.started + TIME_LIMIT:
            self._kill(invocation, f"{where}: over its time limit")

    def _kill(self, invocation: Invocation, where: str) -> None:
        self._mark(invocation)
        if invocation.change is not None and where.startswith(_HALF_A_RULE):
            invocation.change.half_a_rule = True
        self.world.say(lambda: f"{invocation} killed {where}")
        raise Killed

    def disturb(self, invocation: Invocation, operation: str, what: str) -> None:
        self._mark(invocation)
        for request in invocation.requests:
            request.failed_calls.add(operation)
        self.world.say(lambda: f"{invocation} {operation}: {what}")

    @staticmethod
    def _mark(invocation: Invocation) -> None:
        invocation.disturbed = True
        for request in invocation.requests:
            request.disturbed = True

    def used_up(self, what: str) -> bool:
        """Whether the account has as many of these as it may have."""
        begins, ends = self.quotas.get(what, (0.0, 0.0))
        if not begins <= self.world.now < ends:
            return False
        self.invocation.met_quota = True
        for request in self.invocation.requests:
            request.met_quota = True
        self.world.say(lambda: f"{self.invocation}: no more {what}")
        return True

    def pause(self, seconds: float) -> None:
        """The function's own pauses; its time limit goes on."""
        invocation = self.invocation
        left = invocation.started + TIME_LIMIT - self.world.now
        self.world.pause(min(seconds, max(left, 0.0)))
        if seconds > left:
            self._kill(invocation, "while pausing: over its time limit")


def _seconds(failure: ClientError | BotoCoreError, config: Any) -> float:
    """How long a call took to fail: its time-outs, and what the SDK makes of its own retries."""
    each = 0.0
    again = isinstance(failure, BotoCoreError)
    if isinstance(failure, ConnectTimeoutError):
        each = config.connect_timeout
    elif isinstance(failure, ReadTimeoutError):
        each = config.connect_timeout + config.read_timeout
    elif isinstance(failure, ClientError):
        response: Any = failure.response
        code, status = response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
        again = code in _SDK_TRIES_AGAIN or status >= 500
    retries: dict[str, int] = config.retries or {}
    tries = retries.get("total_max_attempts", 3) if again else 1
    return tries * each + sum(min(2.0**n, 20.0) for n in range(tries - 1)) / 2


_SDK_TRIES_AGAIN = ("ThrottlingException", "TooManyRequestsException", "LimitExceededException")


class Defect(BaseException):
    """The simulation itself is wrong. The handler must not take it for an error of AWS's."""


_MEANT = (ClientError, BotoCoreError, urllib3.exceptions.HTTPError)


def _guarded(effect: Callable[[], T]) -> Callable[[], T]:
    def guarded() -> T:
        try:
            return effect()
        except _MEANT:
            raise
        except Exception as error:
            raise Defect(repr(error)) from error

    return guarded


def sizes(plan: list[tuple[str, float]]) -> dict[int, list[tuple[str, float]]]:
    """Which call a disturbance meets: the first ones more often than the later."""
    placed: dict[int, list[tuple[str, float]]] = {}
    for kind, size in plan:
        place, rest = divmod(size * 16, 1.0)
        placed.setdefault(int(place), []).append((kind, rest))
    return placed
