"""CloudFormation: the stacks of an account, who is told of their operations, and what it shows."""

# ruff: noqa: N803 - arguments are called as AWS calls them

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from hyperpod_software.contract.properties import SOFTWARE_TYPE, WAITER_TYPE
from tests.cloudformation import messages
from tests.cloudformation.messages import Answer, Event, GivenUp, Happening
from tests.cloudformation.stack import Stack as Model
from tests.cloudformation.unknowns import drawn
from tests.simulation.gate import Gate
from tests.simulation.requests import Phase, Request
from tests.simulation.world import Wait, World

SECRET = "5ec7e75ec7e7"
"""Every secret part of every URL begins with it, so that it is found wherever it leaks."""
PAUSE = 6.0
"""Seconds between two phases of an operation: more than clocks are apart, or nobody could tell
which of two requests is the newer one."""
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED")
_BEGINS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
_PAGE = 5


@dataclass
class Shown:
    """One line of DescribeStackEvents, and when it can be seen."""

    event: Event
    visible: float


@dataclass(eq=False)
class Stack:
    """A stack, and all that was ever asked for it."""

    id: str
    model: Model
    has_role: bool = True
    """CloudFormation works with a service role."""
    shown: list[Shown] = field(default_factory=list[Shown])
    latest: dict[str, Request] = field(default_factory=dict[str, Request])
    """The last request of each resource."""
    failing: dict[str, float] = field(default_factory=dict[str, float])
    """Other resources that will fail in this operation, and after how many seconds."""
    rest: Wait = field(default_factory=Wait)
    """The end of the operation that is under way."""

    @property
    def status(self) -> str:
        return self.model.status


class CloudFormation:
    """The service, and the client that the function sees."""

    def __init__(
        self,
        gate: Gate,
        *,
        sent: Callable[[Request], None],
        settled: Callable[[Request, dict[str, Any]], None],
        rested: Callable[[Stack], None],
        path_of: Callable[[str, str, str, str], str],
    ) -> None:
        self._gate = gate
        self._world: World = gate.world
        self._sent = sent
        self._settled = settled
        self._rested = rested
        self._path_of = path_of
        self._ids = self._world.chance.stream("ids")
        self._unknowns = drawn(self._world.chance.stream("unknowns"))
        self.stacks: dict[str, Stack] = {}
        self.requests: list[Request] = []
        self._long_urls = self._world.chance.stream("urls").random() < 0.1

    def new_stack(self, name: str) -> Stack:
        number = f"{self._ids.getrandbits(48):012x}"
        stack_id = f"arn:aws:cloudformation:us-east-1:000000000000:stack/{name}/{number}"
        model = Model(
            name=name,
            unknowns=self._unknowns,
            pause=PAUSE,
            new_id=lambda: f"{self._ids.getrandbits(48):012x}",
        )
        has_role = self._world.chance.strikes("stack without a service role") is None
        made = self.stacks[stack_id] = Stack(stack_id, model, has_role)
        return made

    # The client

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            stack = self.stacks[StackName]
            shown = {"StackId": StackName, "StackStatus": stack.status}
            if stack.has_role:
                shown["RoleARN"] = "arn:aws:iam::000000000000:role/cloudformation"
            return {"Stacks": [shown]}

        answer = self._gate.call("cloudformation", "DescribeStacks", effect)
        for request in self._gate.invocation.requests:
            request.rollback_read |= request.in_rollback
        return answer

    def describe_stack_events(
        self, *, StackName: str, NextToken: str | None = None
    ) -> dict[str, Any]:
        stack = self.stacks[StackName]
        read: list[Event] = []

        def effect() -> dict[str, Any]:
            now = self._world.now
            if NextToken is None:  # the newest events are on the first page
                self._gate.invocation.stack_read = now
            shown = [each.event for each in stack.shown if each.visible <= now]
            shown.reverse()
            start = int(NextToken or 0)
            read.extend(shown[start : start + _PAGE])
            answer: dict[str, Any] = {
                "StackEvents": [
                    {
                        "LogicalResourceId": event.logical_id,
                        "PhysicalResourceId": StackName
                        if event.logical_id == stack.model.name
                        else event.logical_id,
                        "ResourceStatus": event.status,
                        "Timestamp": datetime.fromtimestamp(round(event.time, 3), UTC),
                    }
                    for event in read
                ]
            }
            if start + _PAGE < len(shown):
                answer["NextToken"] = str(start + _PAGE)
            return answer

        answer = self._gate.call("cloudformation", "DescribeStackEvents", effect)
        for event in read:
            self._is_read(stack, event)
        return answer

    def _is_read(self, stack: Stack, event: Event) -> None:
        """That a resource failed in this operation tells that what comes next takes it back."""
        for request in self._gate.invocation.requests:
            its = request.logical_id == event.logical_id and request.type == "Update"
            began = max((each.event.time for each in stack.shown
                         if each.event.logical_id == stack.model.name
                         and each.event.status in _BEGINS), default=0.0)  # fmt: skip
            before = began < event.time <= request.sent_as.sent
            if its and before and event.status in _FAILED:
                request.rollback_read = True

    # What happens in a stack

    def do(self, stack: Stack, operation: Callable[[], list[Happening]]) -> None:
        """Let a user, an answer or the clock do something to a stack, and tell everybody."""
        stack.model.now = max(stack.model.now, self._world.now)
        happenings = operation()
        if stack.rest.over and not stack.model.at_rest:
            stack.rest = Wait()
        for each in happenings:
            self._happen(stack, each)
        due = stack.model.next_due()
        if due is not None:
            self._world.at(due, lambda: self._tick(stack, due))
        if stack.model.at_rest:
            self._rested(stack)
            # Whoever waits for it comes after everything that happens now.
            self._world.after(0.0, stack.rest.end)

    def _tick(self, stack: Stack, due: float) -> None:
        if stack.model.next_due() == due:
            self.do(stack, lambda: stack.model.tick(due))

    def _happen(self, stack: Stack, happening: Happening) -> None:
        if isinstance(happening, Event):
            self._note(stack, happening)
        elif isinstance(happening, GivenUp):
            for request in self.requests:
                if request.sent_as.id == happening.request_id:
                    self._world.say(f"CloudFormation gives {request} up")
                    request.phase = Phase.EXPIRED if happening.expired else Phase.CANCELLED
        elif happening.resource_type in (SOFTWARE_TYPE, WAITER_TYPE):
            self._send(stack, happening)
        else:
            self._answer_other(stack, happening)

    def _note(self, stack: Stack, event: Event) -> None:
        strikes = self._world.chance.strikes
        status, name = event.status, event.logical_id
        if name == stack.model.name:
            self._world.say(f"{name}: {status}")
        elif (
            status == "CREATE_IN_PROGRESS"
            and stack.status == "UPDATE_IN_PROGRESS"
            and strikes("a new resource is said to be updated") is not None
        ):
            event = Event(name, "UPDATE_IN_PROGRESS", event.time)
        late = strikes("stack events seen late")
        # They come in order, however late.
        visible = event.time if late is None else event.time + 15.0 * late
        if stack.shown:
            visible = max(visible, stack.shown[-1].visible)
        stack.shown.append(Shown(event, visible))
        request = stack.latest.get(name)
        if request is not None and not status.endswith("_IN_PROGRESS"):
            request.end_shown = visible if request.end_shown is None else request.end_shown

    def _answer_other(self, stack: Stack, request: messages.Request) -> None:
        """Somebody else's resource answers: as it should, unless it is the one that fails."""
        seconds = None if request.undoes else stack.failing.pop(request.logical_id, None)
        fails = seconds is not None and request.type != "Delete"
        if request.undoes:
            fails = self._world.chance.strikes("another resource cannot be rolled back") is not None
        answer = Answer(not fails, request.physical_id or request.logical_id, reason="Not ours.")
        self._world.after(
            seconds or 1.0,
            lambda: self.do(stack, lambda: stack.model.answered(request.id, answer)),
        )

    # How requests are sent

    def _send(self, stack: Stack, sent: messages.Request) -> None:
        chance, now = self._world.chance, self._world.now
        request_id = f"{self._ids.getrandbits(128):032x}"
        before = stack.latest.get(sent.logical_id)
        if before is not None and chance.strikes("request id used once more") is not None:
            request_id = before.id
        skew = chance.strikes("clocks apart")
        issued = float(int(now + (0.0 if skew is None else 4.0 * skew - 2.0)))
        secret = f"{SECRET}{self._ids.getrandbits(208):052x}"
        url = self._url(stack, sent.logical_id, request_id, issued, secret)
        request = Request(
            sent_as=sent,
            id=request_id,
            stack_id=stack.id,
            issued=issued,
            in_rollback="ROLLBACK" in stack.status,
            without_role=not stack.has_role,
            url=url,
            secret=secret,
            path=self._path_of(stack.id, sent.logical_id, request_id, url),
        )
        if request.is_waiter and sent.type != "Delete":
            request.takes_up = stack.latest.get(sent.properties["Resource"])
        request.change.windows.append(request)
        self.requests.append(request)
        stack.latest[sent.logical_id] = request
        self._world.say(lambda: f"CloudFormation sends {request}{' (undoing)' * sent.undoes}: "
                                f"{_brief(request)}")  # fmt: skip
        self._sent(request)

    def _url(
        self, stack: Stack, logical_id: str, request_id: str, issued: float, secret: str
    ) -> str:
        date = datetime.fromtimestamp(issued, UTC).strftime("%Y%m%dT%H%M%SZ")
        token = f"&X-Amz-Security-Token={secret}{'T' * 1400}" if self._long_urls else ""
        return (
            "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/"
            f"{quote(stack.id, safe='')}%7C{logical_id}%7C{request_id}"
            f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-SignedHeaders=host"
            f"&X-Amz-Expires=7199&X-Amz-Credential={SECRET}AKIA%2F20270101%2Fus-east-1"
            f"{token}&X-Amz-Signature={secret}"
        )

    # How requests end

    def take(self, request: Request, body: bytes) -> None:
        """An answer lies in the bucket. The first one counts, while it is waited for."""
        try:
            answer: dict[str, Any] = json.loads(body)
        except ValueError:
            answer = {}
        if not request.waiting:
            self._world.say(f"an answer to {request} that nobody waits for")
            return
        read = messages.read(body, request.event)
        valid = read.physical_id is not None
        self._world.check(
            "every answer is valid and has at most 4096 bytes",
            valid,
            lambda: f"{request}: {len(body)} bytes: {body[:300]!r}",
        )
        if not valid:
            answer = {"Status": "FAILED", "Reason": "Invalid answer", "PhysicalResourceId": "?"}
            answer["Data"] = {"Outcome": "Failed"}
        request.answer, request.data = answer, answer["Data"]
        self._world.say(lambda: f"{request} answered: {_said(answer)}")
        request.phase = Phase.ANSWERED
        self._settled(request, answer)
        stack = self.stacks[request.stack_id]
        self.do(stack, lambda: stack.model.answered(request.sent_as.id, read))


def _said(answer: dict[str, Any]) -> str:
    outcome = answer.get("Data", {}).get("Outcome")
    return f"{answer['Status']} {outcome}: {answer['Reason']} [{answer['PhysicalResourceId']}]"


def _brief(request: Request) -> str:
    return ", ".join(
        f"{name}={value}"
        for name, value in request.properties.items()
        if not name.startswith("Service")
    )
