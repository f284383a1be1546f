"""One invocation's view of one patch: what was asked for, and what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from hyperpod_software.contract.properties import (
    CAPACITY_PERCENTAGE,
    DeploymentMember,
    PolicyMember,
    Property,
)
from hyperpod_software.contract.times import WINDOW
from hyperpod_software.edges.memory import Memory
from hyperpod_software.edges.properties import BadProperty, parse_declaration, parse_software
from hyperpod_software.words.memory import Call, Progress, Sight
from hyperpod_software.words.request import Request, Ticket, Window
from hyperpod_software.words.software import Declaration

Event = dict[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What Lambda says about this function."""

    function_arn: str
    log_group: str
    region: str


@dataclass(frozen=True)
class Case:
    """One invocation's view of one patch."""

    ticket: Ticket
    """The request that declared it."""
    event: Event
    path: str
    memory: Memory | None
    rollback: bool | None
    """The request belongs to a rollback; ``None``: not known yet."""
    first_hand: bool
    """CloudFormation delivered it, rather than our rule: the rule may be missing still."""
    surroundings: Surroundings
    hold_until: float = 0.0

    @property
    def call(self) -> Call | None:
        return self.memory.call if self.memory is not None else None

    @property
    def progress(self) -> Progress:
        if self.memory is not None:
            return replace(self.memory.progress, rollback=self.rollback)
        return Progress(self.ticket.issued, self.rollback, hold_until=self.hold_until)

    def is_news(self, sight: Sight | None, now: float) -> bool:
        """Something about its progress is not remembered yet."""
        if self.memory is None:
            return True
        progress = self.progress if sight is None else self.progress.after(sight, now)
        return progress != self.memory.progress

    @property
    def cluster(self) -> str | None:
        """The declared cluster, read without judging: an answer needs an id in every case."""
        properties = self.event.get("ResourceProperties")
        given = cast("Event", properties) if isinstance(properties, dict) else {}
        name: object = given.get(Property.CLUSTER)
        return name[:256] if isinstance(name, str) and name else None

    @cached_property
    def request(self) -> Request:
        """The request with its declarations parsed. Raises ``BadProperty``."""
        return Request(
            ticket=self.ticket,
            declared=parse_declaration(self.event.get("ResourceProperties")),
            previous=_previous(self.event),
            rollback=bool(self.rollback),
        )

    @property
    def batch(self) -> str | None:
        """The declared batch size, for people to read."""
        try:
            deployment = self.request.declared.deployment or {}
        except BadProperty:
            return None
        size = deployment.get(DeploymentMember.POLICY, {}).get(PolicyMember.BATCH)
        if size is None:
            return None
        return f"{size['Value']}%" if size["Type"] == CAPACITY_PERCENTAGE else str(size["Value"])

    # -- in which window ----------------------------------------------------------------

    @property
    def window(self) -> Window:
        """The one in which CloudFormation waits now, or waited last."""
        if self.memory is not None and self.memory.window is not None:
            return self.memory.window
        try:
            seconds = min(self.request.declared.timeout, WINDOW)
        except BadProperty:
            seconds = WINDOW
        return Window(self.ticket, seconds=seconds, rollback=self.rollback)

    @property
    def softly(self) -> bool:
        """The window belongs to a rollback: it is never answered with FAILED."""
        return bool(self.window.rollback)

    @property
    def between_windows(self) -> bool:
        """CloudFormation has the last window's answer, and the next one has not come."""
        return self.memory is not None and self.memory.handed_over

    @property
    def may_call(self) -> bool:
        """CloudFormation waits for the very operation that asked for the patch."""
        return not self.between_windows and self.softly == bool(self.rollback)

    @property
    def last_window(self) -> bool:
        """No other can follow it."""
        try:
            return not self.softly and self.window.number >= self.request.windows
        except BadProperty:
            return True

    @property
    def ends(self) -> float:
        """When this request stops waiting for what it waits for now (epoch seconds)."""
        try:
            request = self.request
        except BadProperty:
            return self.window.ends
        until = request.deadline if self.call is not None else request.begin_by
        return min(until, self.window.ends) if self.last_window else until

    @property
    def forgotten(self) -> float:
        """When nobody can ask for it any more, whatever happened (epoch seconds)."""
        try:
            return max(self.request.deadline, self.window.abandoned)
        except BadProperty:
            return self.window.abandoned


def _previous(event: Event) -> Declaration | None:
    """The declaration before. In a rollback it is the failed one, which may be anything."""
    if "OldResourceProperties" not in event:
        return None
    try:
        return parse_software(event["OldResourceProperties"])
    except BadProperty:
        return None
