"""One request of CloudFormation's, as CloudFormation sees it and as it truly went."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hyperpod_software.contract.properties import WAITER_TYPE
from hyperpod_software.contract.times import SHORTEST_TIMEOUT, WINDOW
from sandbox.hyperpod.calls import Call
from sandbox.hyperpod.model import Cluster, Node
from sandbox.hyperpod.patch import Patch, Stage
from sandbox.hyperpod.words import Software
from tests.cloudformation import messages

Properties = dict[str, Any]


class Phase(Enum):
    """Whether CloudFormation still waits for an answer."""

    WAITING = "waiting"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Truth:
    """What a group truly is when it is described."""

    current: Software
    nodes: frozenset[Software]
    newest: bool
    """Every node of it runs the newest release."""


@dataclass(eq=False)
class Patched:
    """An accepted patch call of whoever made it, and what it was to bring."""

    by: str
    call: Call
    cluster: Cluster
    patch: Patch
    targets: dict[str, Software]
    """The software that each group was to get."""

    def went_badly(self) -> bool:
        return any(part.went_back for part in self.patch.parts)

    @property
    def replaced(self) -> bool:
        """Some node was replaced by now, and be it for a while."""
        return any(
            part.done or part.went_back or part.stage is Stage.FAILING for part in self.patch.parts
        )


@dataclass(eq=False)
class Request:
    """A request on its way."""

    sent_as: messages.Request
    id: str
    """What it says its id is."""
    stack_id: str
    issued: float
    """What its URL says about when it was signed."""
    in_rollback: bool
    """The stack's status says that it rolls back."""
    url: str
    secret: str
    """The part of the URL that nobody else must see."""
    path: str
    """Where the handler keeps what it remembers of it."""
    takes_up: Request | None = None
    """Of a waiter's: the request of the resource whose patch it is to wait for."""
    windows: list[Request] = field(default_factory=list["Request"])
    """Of a resource's: itself, and the waiters' that are to wait for its patch."""
    phase: Phase = Phase.WAITING
    answer: dict[str, Any] | None = None
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    """The attributes that it was answered with."""
    end_shown: float | None = None
    """When DescribeStackEvents shows that."""
    counts_hidden: bool = False
    """The last description it was shown lacked the counts of nodes by chance."""

    # How it truly went.
    called: float | None = None
    """When it last called for a patch, or set out to, whatever came of it."""
    called_for: dict[str, Software] = field(default_factory=dict[str, Software])
    """Group → the software that a call of it was to bring, accepted or not."""
    nodes: dict[str, list[Node]] = field(default_factory=dict[str, list[Node]])
    """Group → the nodes that it had at the call, those that scaling was still bringing left out."""
    counted: dict[str, int] = field(default_factory=dict[str, int])
    """Group → how many nodes it was shown to have then."""
    free: bool = False
    """In the last look nothing that was under way kept it from calling, and it was shown so."""
    message_before: str | None = None
    """The cluster's FailureMessage when it called."""
    message_gone: bool = False
    """In a later look that message was not there."""
    status_hidden: bool = False
    """When it called, a status that the service keeps was missing from the description."""
    accepted: list[Patched] = field(default_factory=list[Patched])
    all_on_target: bool = False
    """In a look of this request, every node of its patched groups ran what was asked for."""
    some_off_target: bool = False
    """In a look of this request, some node of them did not, or did not run at all."""
    lately_off: deque[bool] = field(default_factory=lambda: deque[bool](maxlen=3))
    """The same of its last looks, one by one."""
    seen: list[dict[str, Truth]] = field(default_factory=list[dict[str, Truth]])
    """What its groups truly ran, group by group, at each description it was shown."""
    cluster_seen_missing: bool = False
    without_role: bool = False
    """Its stack has no service role."""
    rollback_read: bool = False
    """The stack's status was read for it at least once."""
    put_trouble: float = 0.0
    """When an answer of its was turned away last, or lost on its way."""
    refused: int = 0
    """So many more of its answers are turned away."""
    reached: bool = False
    """A delivery of it came to the function."""
    exhausted: bool = False
    """Lambda tried to deliver it three times, in vain."""
    queued: int = 0
    """Deliveries that are still to come, or are being worked on."""
    overdue: int = 0
    """Undisturbed looks after the deadline that left the rule."""
    disturbed: bool = False
    """Something disturbed one of its invocations."""
    failed_calls: set[str] = field(default_factory=set[str])
    """Operations that failed in one of its invocations."""
    half_a_rule: bool = False
    """An invocation of it was killed between making the rule and giving it a target."""
    given_up: bool = False
    """Lambda gave one of its looks up after three attempts."""
    met_quota: bool = False
    """The account had too many rules or parameters for it."""
    patch_refused: bool = False
    """HyperPod refused its patch call for good."""

    @property
    def waiting(self) -> bool:
        return self.phase is Phase.WAITING

    @property
    def change(self) -> Request:
        """The request of a resource that it is about."""
        return self.takes_up or self

    @property
    def is_waiter(self) -> bool:
        return self.sent_as.resource_type == WAITER_TYPE

    @property
    def rollback(self) -> bool:
        """It takes its resource back, and that could be read somewhere."""
        return self.in_rollback or self.rollback_read

    @property
    def waited_for(self) -> bool:
        """CloudFormation waits in one of its windows."""
        return any(window.waiting for window in self.windows)

    @property
    def declared_timeout(self) -> int:
        try:
            return max(SHORTEST_TIMEOUT, int(self.change.properties.get("Timeout", WINDOW)))
        except (TypeError, ValueError):
            return WINDOW

    @property
    def answer_by(self) -> float:
        """When its own answer is due."""
        change = self.change
        if self is change:
            return self.issued + min(WINDOW, self.declared_timeout)
        return min(self.issued + WINDOW, max(self.issued, change.deadline))

    @property
    def begin_by(self) -> float:
        if self.rollback_read:
            return self.deadline
        timeout = self.declared_timeout
        return self.issued + timeout - min(timeout // 2, 1200)

    @property
    def deadline(self) -> float:
        """When the patch is not waited for any more."""
        change = self.change
        return change.issued + (24 * 3600 if change.rollback_read else change.declared_timeout)

    @property
    def forgotten_by(self) -> float:
        """When nothing of it may be left."""
        last = max(window.issued for window in self.change.windows)
        return max(self.deadline, last + 2 * 3600 + 180 + 6 * 3600)

    @property
    def type(self) -> str:
        return self.sent_as.type

    @property
    def logical_id(self) -> str:
        return self.sent_as.logical_id

    @property
    def properties(self) -> Mapping[str, Any]:
        return self.sent_as.properties

    @property
    def old_properties(self) -> Mapping[str, Any] | None:
        return self.sent_as.old_properties

    @property
    def physical_id(self) -> str | None:
        return self.sent_as.physical_id

    @property
    def event(self) -> dict[str, Any]:
        """What the function is sent."""
        return {**self.sent_as.event(self.stack_id, self.url), "RequestId": self.id}

    def __str__(self) -> str:
        return f"{self.logical_id}/{self.type} {self.id[:8]}"
