"""One invocation's view of one request: what came in, and what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from hyperpod_software.edges.memory import Memory
from hyperpod_software.edges.properties import BadProperty, parse_declaration, parse_software
from hyperpod_software.words.memory import Call, Progress, Sight
from hyperpod_software.words.request import ANSWER_MARGIN, SERVICE_TIMEOUT, Request, Ticket
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
    """One invocation's view of one request."""

    ticket: Ticket
    event: Event
    path: str
    memory: Memory | None
    rollback: bool | None
    """``None``: not known yet."""
    first_hand: bool
    """CloudFormation delivered it, rather than our rule: the rule may be missing still."""
    surroundings: Surroundings

    @property
    def call(self) -> Call | None:
        return self.memory.call if self.memory is not None else None

    @property
    def handed_over(self) -> bool:
        return self.memory is not None and self.memory.handed_over

    @property
    def progress(self) -> Progress:
        if self.memory is not None:
            return replace(self.memory.progress, rollback=self.rollback)
        return Progress(self.ticket.issued, self.rollback)

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
        name: object = given.get("ClusterName")
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
    def wait_handle(self) -> str | None:
        try:
            return self.request.wait_handle
        except BadProperty:
            return None

    @property
    def batch(self) -> str | None:
        """The declared batch size, for people to read."""
        try:
            deployment = self.request.declared.deployment or {}
        except BadProperty:
            return None
        size = deployment.get("RollingUpdatePolicy", {}).get("MaximumBatchSize")
        if size is None:
            return None
        return f"{size['Value']}%" if size["Type"] == "CAPACITY_PERCENTAGE" else str(size["Value"])

    @property
    def patch_runs(self) -> bool:
        """It is known, or was once, that HyperPod took the call."""
        call = self.call
        return call is not None and (
            call.accepted or self.handed_over or bool(self.progress.active)
        )

    @property
    def ends(self) -> float:
        """When this request stops waiting for what it waits for now (epoch seconds)."""
        try:
            request = self.request
        except BadProperty:
            return self.ticket.issued + SERVICE_TIMEOUT - ANSWER_MARGIN
        if self.patch_runs:
            return request.deadline
        waits = self.call is not None or request.rollback
        return request.answer_by if waits else request.begin_by

    @property
    def expires(self) -> float:
        """When CloudFormation has given the request up in any case (epoch seconds)."""
        try:
            return self.request.expires
        except BadProperty:
            return self.ticket.issued + SERVICE_TIMEOUT + ANSWER_MARGIN


def _previous(event: Event) -> Declaration | None:
    """The declaration before. In a rollback it is the failed one, which may be anything."""
    if "OldResourceProperties" not in event:
        return None
    try:
        return parse_software(event["OldResourceProperties"])
    except BadProperty:
        return None
