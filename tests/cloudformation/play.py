"""A stack, and a function that answers as a test says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

from hyperpod_software.contract.properties import WAITER_TYPE
from tests.cloudformation.messages import Answer, Event, GivenUp, Happening, Request
from tests.cloudformation.stack import Stack
from tests.cloudformation.template import GetAtt, Resource, Template
from tests.cloudformation.unknowns import Unknowns


def software(image: str, **more: Any) -> Resource:
    return Resource({"ImageId": image, **more})


def waiter(before: str) -> Resource:
    return Resource({"Handover": GetAtt(before, "Handover")}, WAITER_TYPE)


def chain(image: str, waiters: int = 2) -> Template:
    """A resource and its waiters, each with the ``Handover`` of the one before."""
    names = ["Software", *(f"Waiter{number}" for number in range(1, waiters + 1))]
    template = {"Software": software(image)}
    for before, name in pairwise(names):
        template[name] = waiter(before)
    return template


@dataclass(eq=False)
class Play:
    """What a stack did since it was asked last, and who waits for an answer."""

    unknowns: Unknowns = field(default_factory=Unknowns)
    pause: float = 0.0
    stack: Stack = field(init=False)
    requests: list[Request] = field(default_factory=list[Request])
    given_up: list[str] = field(default_factory=list[str])
    """The logical ids of requests that nobody waits for any more."""
    _new: list[Event] = field(default_factory=list[Event])
    _patches: count[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.stack = Stack(unknowns=self.unknowns, pause=self.pause)

    # Doing

    def take(self, happenings: list[Happening]) -> Play:
        for one in happenings:
            if isinstance(one, Request):
                self.requests.append(one)
            elif isinstance(one, GivenUp):
                self.given_up += [
                    each.logical_id for each in self.requests if each.id == one.request_id
                ]
            else:
                self._new.append(one)
        return self

    def operate(self, template: Template, *, rollback: bool = True) -> Play:
        return self.take(self.stack.operate(template, rollback=rollback))

    def deploy(self, template: Template, *, rollback: bool = True) -> Play:
        """An operation in which every request succeeds."""
        return self.operate(template, rollback=rollback).succeed_all()

    def succeed(self, name: str, physical_id: str | None = None, **attributes: Any) -> Play:
        return self.answer(self.waiting(name), physical_id, **attributes)

    def fail(self, name: str, physical_id: str | None = None) -> Play:
        return self.answer(self.waiting(name), physical_id, succeeded=False)

    def answer(
        self,
        request: Request,
        physical_id: str | None = None,
        *,
        succeeded: bool = True,
        **attributes: Any,
    ) -> Play:
        """Answer as the function does: with a new ``Handover``, unless told otherwise."""
        its_id = physical_id or request.physical_id or f"{request.logical_id}-id"
        data = attributes or {"Handover": f"patch {next(self._patches)}"}
        answer = (
            Answer(succeeded, its_id, data) if succeeded else Answer(False, its_id, reason="No")
        )
        return self.take(self.stack.answered(request.id, answer))

    def succeed_all(self) -> Play:
        while self.stack.waiting:
            self.answer(next(iter(self.stack.waiting.values())))
        return self

    def tick(self, now: float) -> Play:
        return self.take(self.stack.tick(now))

    # Asking

    def waiting(self, name: str) -> Request:
        (request,) = (one for one in self.stack.waiting.values() if one.logical_id == name)
        return request

    @property
    def awaits(self) -> list[str]:
        """What is in progress, as ``Update Software``."""
        return [f"{one.type} {one.logical_id}" for one in self.stack.waiting.values()]

    def events(self) -> list[str]:
        """The events since the last time, as ``Software UPDATE_COMPLETE``."""
        new, self._new = self._new, []
        return [f"{event.logical_id} {event.status}" for event in new]

    def sent(self, name: str) -> list[str]:
        """The types of all requests to one resource."""
        return [request.type for request in self.requests if request.logical_id == name]

    def last(self, name: str) -> Request:
        return [request for request in self.requests if request.logical_id == name][-1]

    def attributes(self, name: str) -> Mapping[str, Any]:
        return self.stack.resources[name].attributes
