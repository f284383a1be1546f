"""CloudFormation: one stack, its operations in the documented order, and who is told of them."""

# ruff: noqa: N803 - arguments are called as AWS calls them

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tests.simulation.gate import Gate
from tests.simulation.requests import Condition, Phase, Properties, Request
from tests.simulation.world import Wait, World

Course = Generator[float | Wait]
Template = dict[str, Properties]
"""Logical id → properties."""

SECRET = "5ec7e75ec7e7"
"""Every secret part of every URL begins with it, so that it is found wherever it leaks."""
ANSWER_LIMIT = 4096
HOUR = 3420
"""The longest timeout in seconds that needs no wait condition."""
_ATTRIBUTES = ("ClusterArn", "Outcome", "PatchedInstanceGroups", "PatchedNodeCount")
_PAGE = 5


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with an operation apart from our resource."""

    first: bool = False
    """A resource before ours fails: ours is never asked."""
    meanwhile: float | None = None
    """So many seconds after ours was asked, another one fails or the user cancels."""
    afterwards: bool = False
    """A resource after ours fails."""


@dataclass(eq=False)
class Resource:
    """Our resource as CloudFormation keeps it."""

    logical_id: str
    properties: Properties
    physical_id: str


@dataclass
class StackEvent:
    """One line of DescribeStackEvents."""

    logical_id: str
    status: str
    time: float
    visible: float


@dataclass(eq=False)
class Stack:
    """A stack: what CloudFormation believes of it."""

    id: str
    status: str = "REVIEW_IN_PROGRESS"
    resources: dict[str, Resource] = field(default_factory=dict[str, Resource])
    events: list[StackEvent] = field(default_factory=list[StackEvent])
    usable: bool = False
    """An update may follow."""
    chained: bool = False
    """Its declarations depend on each other, as the construct makes them where they are of one
    cluster; without, they are deployed side by side, as those of two stacks are."""

    @property
    def name(self) -> str:
        return self.id.split("/")[1]


class CloudFormation:
    """The service, and the client that the function sees."""

    def __init__(
        self,
        gate: Gate,
        *,
        sent: Callable[[Request], None],
        settled: Callable[[Request, dict[str, Any]], None],
        path_of: Callable[[str, str, str, str], str],
    ) -> None:
        self._gate = gate
        self._world: World = gate.world
        self._sent = sent
        self._settled = settled
        self._path_of = path_of
        self._ids = self._world.chance.stream("ids")
        self.stacks: dict[str, Stack] = {}
        self.requests: list[Request] = []
        self._news = Wait()
        self._long_urls = self._world.chance.stream("urls").random() < 0.1

    def new_stack(self) -> Stack:
        number = f"{self._ids.getrandbits(48):012x}"
        stack = Stack(
            f"arn:aws:cloudformation:us-east-1:000000000000:stack/Patching/{number}",
            chained=self._ids.random() < 0.5,
        )
        self.stacks[stack.id] = stack
        return stack

    # The client

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            request = self._gate.invocation.request
            if request is not None:
                request.rollback_read = True
            return {
                "Stacks": [{"StackId": StackName, "StackStatus": self.stacks[StackName].status}]
            }

        return self._gate.call("cloudformation", "DescribeStacks", effect)

    def describe_stack_events(
        self, *, StackName: str, NextToken: str | None = None
    ) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            now = self._world.now
            self._gate.invocation.stack_read = now
            shown = [event for event in self.stacks[StackName].events if event.visible <= now]
            shown.reverse()
            start = int(NextToken or 0)
            answer: dict[str, Any] = {
                "StackEvents": [
                    {
                        "LogicalResourceId": event.logical_id,
                        "ResourceStatus": event.status,
                        "Timestamp": datetime.fromtimestamp(round(event.time, 3), UTC),
                    }
                    for event in shown[start : start + _PAGE]
                ]
            }
            if start + _PAGE < len(shown):
                answer["NextToken"] = str(start + _PAGE)
            return answer

        return self._gate.call("cloudformation", "DescribeStackEvents", effect)

    # What a user does

    def create(self, stack: Stack, template: Template, trouble: Trouble) -> Course:
        self._stack_status(stack, "CREATE_IN_PROGRESS")
        yield 2.0
        requests: list[Request] = []
        yield from self._carry_out(stack, template, trouble, requests)
        if (
            requests
            and all(_went_well(request) for request in requests)
            and not (trouble.afterwards or trouble.first)
        ):
            for request in requests:
                self._keep(stack, request)
            self._stack_status(stack, "CREATE_COMPLETE")
            stack.usable = True
            return
        yield 3.0
        self._stack_status(stack, "ROLLBACK_IN_PROGRESS")
        yield 4.0
        yield from self._delete_all(
            stack, [(request, self._id_of(stack, request)) for request in requests]
        )
        self._stack_status(stack, "ROLLBACK_COMPLETE")

    def update(self, stack: Stack, template: Template, trouble: Trouble) -> Course:
        self._stack_status(stack, "UPDATE_IN_PROGRESS")
        yield 2.0
        requests: list[Request] = []
        yield from self._carry_out(stack, template, trouble, requests)
        if all(_went_well(request) for request in requests) and not (
            trouble.afterwards or trouble.first
        ):
            yield from self._clean_up(stack, template, requests)
            return
        yield from self._roll_back(stack, requests)

    def delete(self, stack: Stack) -> Course:
        stack.usable = False
        for _ in range(3):
            self._stack_status(stack, "DELETE_IN_PROGRESS")
            yield 1.0
            deletes = [
                self._send_delete(stack, resource.logical_id, resource.properties,
                                  resource.physical_id)
                for resource in stack.resources.values()
            ]  # fmt: skip
            yield from self._await(stack, deletes, Trouble())
            for request in deletes:
                if _succeeded(request):
                    del stack.resources[request.logical_id]
            if not stack.resources:
                self._stack_status(stack, "DELETE_COMPLETE")
                return
            self._stack_status(stack, "DELETE_FAILED")
            yield 30.0

    # How it goes about it

    def _carry_out(
        self, stack: Stack, template: Template, trouble: Trouble, requests: list[Request]
    ) -> Course:
        """Siblings are asked side by side; declarations that are chained, one after the other."""
        for logical_id, properties in template.items() if not trouble.first else ():
            request = self._ask(stack, logical_id, properties)
            if request is None:
                continue
            requests.append(request)
            if stack.chained:
                yield from self._await(stack, requests, trouble)
                if not _went_well(request):
                    return
        yield from self._await(stack, requests, trouble)

    def _ask(self, stack: Stack, logical_id: str, properties: Properties) -> Request | None:
        """A Create or an Update, where something changed."""
        resource = stack.resources.get(logical_id)
        if resource is None:
            odd = self._world.chance.strikes("a new resource is said to be updated")
            word = "CREATE" if odd is None or not stack.usable else "UPDATE"
            self._note(stack, logical_id, f"{word}_IN_PROGRESS")
            return self._send(stack, "Create", logical_id, properties)
        if _declared(resource.properties) == properties:
            return None
        self._note(stack, logical_id, "UPDATE_IN_PROGRESS")
        return self._send(stack, "Update", logical_id, properties, resource=resource)

    def _await(self, stack: Stack, requests: list[Request], trouble: Trouble) -> Course:
        """Until all are answered and what they do is over, or one failed, or something else
        ends the operation."""
        over = Wait()
        if trouble.meanwhile is not None and requests:
            self._world.after(trouble.meanwhile, over.end)
            self._world.after(trouble.meanwhile, self._wake)
        while True:
            pending = [request for request in requests if request.pending]
            failed = any(not request.pending and not _went_well(request) for request in requests)
            deleting = all(request.type == "Delete" for request in requests)
            if not pending:
                return
            if over.over or (failed and not deleting):
                self._world.say("CloudFormation cancels what is under way")
                for request in pending:
                    self._cancel(request)
                return
            self._news = Wait()
            yield self._news

    def _wake(self) -> None:
        self._news.end()

    def _clean_up(self, stack: Stack, template: Template, requests: list[Request]) -> Course:
        old: list[tuple[str, Properties, str]] = []
        for request in requests:
            resource = stack.resources.get(request.logical_id)
            if resource is not None:
                before = (resource.properties, resource.physical_id)
                self._keep(stack, request)
                if stack.resources[request.logical_id].physical_id != before[1]:
                    old.append((request.logical_id, *before))
            else:
                self._keep(stack, request)
        for logical_id in [name for name in stack.resources if name not in template]:
            resource = stack.resources.pop(logical_id)
            old.append((logical_id, resource.properties, resource.physical_id))
        self._stack_status(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        yield 0.5
        yield from self._await(stack, [self._send_delete(stack, *what) for what in old], Trouble())
        self._stack_status(stack, "UPDATE_COMPLETE")

    def _roll_back(self, stack: Stack, requests: list[Request]) -> Course:
        yield 3.0
        todo = [request for request in requests if request.type == "Update"]
        done: list[Request] = []
        for _ in range(3):
            self._stack_status(stack, "UPDATE_ROLLBACK_IN_PROGRESS")
            yield 4.0
            backs = [self._send_back(stack, request) for request in todo]
            yield from self._await_all(backs)
            pairs = list(zip(todo, backs, strict=True))
            done += [back for _, back in pairs if _succeeded(back)]
            todo = [request for request, back in pairs if not _succeeded(back)]
            if not todo:
                yield from self._clean_up_rollback(stack, requests, done)
                return
            self._stack_status(stack, "UPDATE_ROLLBACK_FAILED")
            yield 60.0
        # The user skips what cannot be rolled back.
        self._stack_status(stack, "UPDATE_ROLLBACK_COMPLETE")

    def _send_back(self, stack: Stack, request: Request) -> Request:
        self._note(stack, request.logical_id, "UPDATE_IN_PROGRESS")
        return self._send(
            stack,
            "Update",
            request.logical_id,
            stack.resources[request.logical_id].properties,
            old=request.properties,
            physical_id=self._id_of(stack, request),
            rollback=True,
        )

    def _await_all(self, requests: list[Request]) -> Course:
        while any(request.waiting for request in requests):
            self._news = Wait()
            yield self._news

    def _clean_up_rollback(
        self, stack: Stack, requests: list[Request], backs: list[Request]
    ) -> Course:
        old: list[tuple[str, Properties, str]] = []
        for back in backs:
            assert back.answer is not None
            assert back.physical_id is not None
            resource = stack.resources[back.logical_id]
            resource.physical_id = back.answer["PhysicalResourceId"]
            if resource.physical_id != back.physical_id:
                assert back.old_properties is not None
                old.append((back.logical_id, back.old_properties, back.physical_id))
        for request in requests:
            if request.type == "Create":
                physical_id = self._id_of(stack, request)
                old.append((request.logical_id, request.properties, physical_id))
        self._stack_status(stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        yield 0.5
        yield from self._await_all([self._send_delete(stack, *what) for what in old])
        self._stack_status(stack, "UPDATE_ROLLBACK_COMPLETE")

    def _delete_all(self, stack: Stack, what: list[tuple[Request, str]]) -> Course:
        for _ in range(3):
            deletes = [
                self._send_delete(stack, request.logical_id, request.properties, physical_id)
                for request, physical_id in what
            ]
            yield from self._await_all(deletes)
            what = [
                pair for pair, delete in zip(what, deletes, strict=True) if not _succeeded(delete)
            ]
            if not what:
                return
            yield 30.0

    def _keep(self, stack: Stack, request: Request) -> None:
        assert request.answer is not None
        stack.resources[request.logical_id] = Resource(
            request.logical_id, request.properties, request.answer["PhysicalResourceId"]
        )

    def _id_of(self, stack: Stack, request: Request) -> str:
        """The physical id that goes with a request that is to be undone."""
        if request.answer is not None and (request.type == "Create" or _succeeded(request)):
            return str(request.answer["PhysicalResourceId"])
        if request.type == "Update":
            return stack.resources[request.logical_id].physical_id
        return f"{stack.name}-{request.logical_id}-{self._ids.getrandbits(48):012X}"

    def _send_delete(
        self, stack: Stack, logical_id: str, properties: Properties, physical_id: str
    ) -> Request:
        self._note(stack, logical_id, "DELETE_IN_PROGRESS")
        return self._send(stack, "Delete", logical_id, properties, physical_id=physical_id)

    def _send(
        self,
        stack: Stack,
        kind: str,
        logical_id: str,
        properties: Properties,
        *,
        resource: Resource | None = None,
        old: Properties | None = None,
        physical_id: str | None = None,
        rollback: bool = False,
    ) -> Request:
        now = self._world.now
        bits = self._ids.getrandbits(128)
        request_id = f"{bits:032x}"
        before = [each for each in self.requests if each.logical_id == logical_id]
        if before and self._world.chance.strikes("request id used once more") is not None:
            request_id = before[-1].id
        skew = self._world.chance.strikes("clocks apart")
        issued = float(int(now + (0.0 if skew is None else 4.0 * skew - 2.0)))
        secret = f"{SECRET}{self._ids.getrandbits(208):052x}"
        condition = None
        if "WaitConditionHandle" not in properties and _needs_condition(properties, kind):
            condition = self._condition(stack, properties)
            properties = {**properties, "WaitConditionHandle": condition.url}
        url = self._url(stack, logical_id, request_id, issued, secret)
        request = Request(
            id=request_id,
            type=kind,
            stack_id=stack.id,
            logical_id=logical_id,
            properties=properties,
            old_properties=resource.properties if resource is not None else old,
            physical_id=resource.physical_id if resource is not None else physical_id,
            sent=now,
            issued=issued,
            rollback=rollback,
            url=url,
            secret=secret,
            path=self._path_of(stack.id, logical_id, request_id, url),
            condition=condition,
        )
        self.requests.append(request)
        self._world.say(lambda: f"CloudFormation sends {request}{' (rollback)' * rollback}: "
                                f"{_brief(properties)}")  # fmt: skip
        self._world.at(request.expires, lambda: self._expire(request))
        self._sent(request)
        return request

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

    def _condition(self, stack: Stack, properties: Properties) -> Condition:
        """The wait condition of a new declaration. Each has a handle of its own."""
        secret = f"{SECRET}{self._ids.getrandbits(208):052x}"
        token = f"&x-amz-security-token={'T' * 7800}" if self._long_urls else ""
        return Condition(
            "https://cloudformation-waitcondition-useast1.s3.amazonaws.com/"
            f"{quote(stack.id, safe='')}/Handle?AWSAccessKeyId={SECRET}AKIA{token}"
            f"&Signature={secret}",
            min(43_200, int(properties["Timeout"]) + 180),
        )

    # How requests end

    def take(self, request: Request, url: str, body: bytes) -> None:
        """An answer or a signal lies in the bucket. The first one counts, while it is waited
        for; a signal counts before that, too."""
        try:
            given: dict[str, Any] = json.loads(body)
        except ValueError:
            given = {}
        if url == request.url:
            self._take_answer(request, given, body)
        elif request.condition is not None:
            self._take_signal(request, request.condition, given, body)

    def _take_signal(
        self, request: Request, condition: Condition, signal: dict[str, Any], body: bytes
    ) -> None:
        if condition.signal is not None or condition.phase in (Phase.EXPIRED, Phase.CANCELLED):
            self._world.say(f"a signal of {request} that nobody waits for")
            return
        told = signal.get("Data")
        self._world.check(
            "every answer is valid and has at most 4096 bytes",
            len(body) <= ANSWER_LIMIT
            and signal.get("Status") in ("SUCCESS", "FAILURE")
            and isinstance(signal.get("UniqueId"), str)
            and signal.get("Reason")
            and isinstance(told, str)
            and told.count("|") == len(_ATTRIBUTES) + 1,
            lambda: f"signal of {request}: {len(body)} bytes: {body[:300]!r}",
        )
        self._world.say(lambda: f"{request} signalled: {signal}")
        condition.signal = signal
        if condition.waiting:
            self._end_condition(request, condition, Phase.ANSWERED)

    def _begin_condition(self, request: Request, condition: Condition) -> None:
        condition.phase = Phase.WAITING
        self._world.say(f"CloudFormation waits for the signal of {request}")
        if condition.signal is not None:
            self._end_condition(request, condition, Phase.ANSWERED)
            return
        self._world.after(condition.timeout, lambda: self._expire_condition(request, condition))

    def _expire_condition(self, request: Request, condition: Condition) -> None:
        if condition.waiting:
            self._end_condition(request, condition, Phase.EXPIRED)

    def _end_condition(self, request: Request, condition: Condition, phase: Phase) -> None:
        condition.phase = phase
        self._world.say(f"the wait for {request} is over: {phase.value}")
        if phase is Phase.ANSWERED:
            self._settled(request, _told(condition))
        self._world.after(0.0, self._wake)

    def _cancel(self, request: Request) -> None:
        if request.waiting:
            self._end(request, Phase.CANCELLED)
        elif request.condition is not None:
            self._end_condition(request, request.condition, Phase.CANCELLED)

    def _take_answer(self, request: Request, answer: dict[str, Any], body: bytes) -> None:
        if dict(answer.get("Data") or {}).get("Outcome") == "Patching":
            request.handed_over = True
        if not request.waiting:
            self._world.say(f"an answer to {request} that nobody waits for")
            return
        valid = (
            len(body) <= ANSWER_LIMIT
            and answer.get("Status") in ("SUCCESS", "FAILED")
            and answer.get("RequestId") == request.id
            and answer.get("StackId") == request.stack_id
            and answer.get("LogicalResourceId") == request.logical_id
        )
        self._world.check(
            "every answer is valid and has at most 4096 bytes",
            valid,
            lambda: f"{request}: {len(body)} bytes: {body[:300]!r}",
        )
        if not valid:
            answer = {"Status": "FAILED", "Reason": "Invalid answer", "PhysicalResourceId": "?"}
            answer["Data"] = {"Outcome": "Failed"}
        request.answer = answer
        self._world.say(lambda: f"{request} answered: {_said(answer)}")
        self._end(request, Phase.ANSWERED)

    def _expire(self, request: Request) -> None:
        if request.waiting:
            self._world.say(f"CloudFormation gives {request} up")
            self._end(request, Phase.EXPIRED)

    def _end(self, request: Request, phase: Phase) -> None:
        request.phase = phase
        request.ended = self._world.now
        verb = {"Create": "CREATE", "Update": "UPDATE", "Delete": "DELETE"}[request.type]
        stack = self.stacks[request.stack_id]
        how = "COMPLETE" if _succeeded(request) else "FAILED"
        request.end_shown = self._note(stack, request.logical_id, f"{verb}_{how}")
        if request.answer is not None:
            self._settled(request, request.answer)
        if request.condition is not None and _succeeded(request):
            self._begin_condition(request, request.condition)
        self._world.after(0.0, self._wake)

    def _note(self, stack: Stack, logical_id: str, status: str) -> float:
        now = self._world.now
        late = self._world.chance.strikes("stack events seen late")
        # They come in order, however late.
        visible = now if late is None else now + 15.0 * late
        if stack.events:
            visible = max(visible, stack.events[-1].visible)
        stack.events.append(StackEvent(logical_id, status, now, visible))
        return visible

    def _stack_status(self, stack: Stack, status: str) -> None:
        stack.status = status
        self._note(stack, stack.name, status)
        self._world.say(f"stack: {status}")


def _succeeded(request: Request) -> bool:
    return request.answer is not None and request.answer["Status"] == "SUCCESS"


def _went_well(request: Request) -> bool:
    condition = request.condition
    return _succeeded(request) and (condition is None or condition.succeeded)


def _needs_condition(properties: Properties, kind: str) -> bool:
    timeout = str(properties.get("Timeout"))
    waits = properties.get("WaitForCompletion") != "false"
    return kind != "Delete" and waits and timeout.isdecimal() and int(timeout) > HOUR


def _declared(properties: Properties) -> Properties:
    """What the user wrote: the handle's URL is CloudFormation's."""
    return {name: value for name, value in properties.items() if name != "WaitConditionHandle"}


def _told(condition: Condition) -> dict[str, Any]:
    """What a signal says, in the form of an answer."""
    assert condition.signal is not None
    values = str(condition.signal.get("Data", "")).split("|")[1:-1]
    failed = condition.signal["Status"] == "FAILURE"
    return {
        "Status": "FAILED" if failed else "SUCCESS",
        "Reason": condition.signal["Reason"],
        "Data": dict(zip(_ATTRIBUTES, values, strict=False)),
    }


def _said(answer: dict[str, Any]) -> str:
    outcome = answer.get("Data", {}).get("Outcome")
    return f"{answer['Status']} {outcome}: {answer['Reason']} [{answer['PhysicalResourceId']}]"


def _brief(properties: Properties) -> str:
    return ", ".join(
        f"{name}={value}"
        for name, value in properties.items()
        if not name.startswith(("Service", "WaitConditionHandle"))
    )
