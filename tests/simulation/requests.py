"""One request of CloudFormation's, as CloudFormation sees it and as it truly went."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sandbox.hyperpod.calls import Call
from sandbox.hyperpod.model import Cluster, Node
from sandbox.hyperpod.patch import Patch, Stage
from sandbox.hyperpod.words import Software
from tests.simulation.world import Wait

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
class Condition:
    """A wait condition and its handle: what CloudFormation waits for once the resource has
    answered. A signal that came before that counts, too."""

    url: str
    timeout: int
    phase: Phase | None = None
    """``None``: it has not begun."""
    signal: dict[str, Any] | None = None

    @property
    def waiting(self) -> bool:
        return self.phase is Phase.WAITING

    @property
    def succeeded(self) -> bool:
        return self.phase is Phase.ANSWERED and (self.signal or {}).get("Status") == "SUCCESS"


@dataclass(eq=False)
class Request:
    """A request on its way."""

    id: str
    type: str
    stack_id: str
    logical_id: str
    properties: Properties
    old_properties: Properties | None
    physical_id: str | None
    sent: float
    issued: float
    """What its URL says about when it was signed."""
    rollback: bool
    url: str
    secret: str
    """The part of the URL that nobody else must see."""
    path: str
    """Where the handler keeps what it remembers of it."""
    condition: Condition | None = None
    """What waits for the end of its patch; ``None``: its answer is the end."""
    phase: Phase = Phase.WAITING
    answer: dict[str, Any] | None = None
    handed_over: bool = False
    """It said that a signal is to follow, whether or not anybody waited for that."""
    ended: float | None = None
    end_shown: float | None = None
    """When DescribeStackEvents shows that."""
    counts_hidden: bool = False
    """The last description it was shown lacked the counts of nodes by chance."""
    done: Wait = field(default_factory=Wait)

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
    groups_seen_missing: bool = False
    rollback_read: bool = False
    """The stack's status was read for it at least once."""
    put_trouble: bool = False
    """An answer of its was turned away or lost on its way."""
    refused: int = 0
    """So many more of its answers are turned away."""
    exhausted: bool = False
    """Lambda tried to deliver it three times, in vain."""
    queued: int = 0
    """Deliveries that are still to come, or are being worked on."""
    returned: int = 0
    """Invocations that came to their end of their own accord."""
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
    def pending(self) -> bool:
        """CloudFormation waits for its answer, or for the signal that is to follow."""
        return self.waiting or (self.condition is not None and self.condition.waiting)

    @property
    def declared_timeout(self) -> int:
        try:
            return max(60, int(self.properties.get("Timeout", 3420)))
        except (TypeError, ValueError):
            return 3420

    @property
    def answer_by(self) -> float:
        return self.issued + min(3420, self.declared_timeout)

    @property
    def begin_by(self) -> float:
        timeout = self.declared_timeout if self.condition else min(3420, self.declared_timeout)
        return min(self.answer_by, self.issued + timeout - min(timeout // 2, 1200))

    @property
    def deadline(self) -> float:
        if not self.handed_over:
            return self.answer_by
        return self.issued + min(43_020, self.declared_timeout)

    @property
    def expires(self) -> float:
        return self.sent + int(self.properties.get("ServiceTimeout", 3600))

    def event(self) -> dict[str, Any]:
        """What the function is sent."""
        event: dict[str, Any] = {
            "RequestType": self.type,
            "ServiceToken": self.properties["ServiceToken"],
            "ResponseURL": self.url,
            "StackId": self.stack_id,
            "RequestId": self.id,
            "LogicalResourceId": self.logical_id,
            "ResourceType": "Custom::HyperPodClusterSoftware",
            "ResourceProperties": self.properties,
        }
        if self.type != "Create":
            event["PhysicalResourceId"] = self.physical_id
        if self.type == "Update":
            event["OldResourceProperties"] = self.old_properties
        return event

    def __str__(self) -> str:
        return f"{self.logical_id}/{self.type} {self.id[:8]}"
