"""How a patch stands, or ended, as values: group by group, and the patch as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hyperpod_software.model.cluster import Cluster, Group, NamedNode, Strays
from hyperpod_software.model.software import Software


class Verdict(Enum):
    """How one patched group stands, once none is being patched any more."""

    WAIT = "wait"
    PATCHED = "patched"
    FAILED = "failed"
    UNTOUCHED = "untouched"
    """No node was replaced, and nothing that is shown says that one was to be."""
    UNKNOWN = "unknown"
    """It rests, and does not show how it got there."""


class Rule(Enum):
    """The rule by which a group got its verdict; ``rules.verdict`` holds them in order."""

    ENDED_BADLY = "ended badly"
    NODES_NOT_READY = "nodes not ready"
    NO_NODES = "no nodes"
    SUCCEEDED_UNCHANGED = "succeeded, nothing changed"
    SUCCEEDED = "succeeded"
    FAILED_SILENTLY = "failed silently"
    NODES_REPLACED = "nodes replaced"
    NO_SIGN_YET = "no sign yet"
    DOUBTFUL = "doubtful"
    ANOTHER_IMAGE = "another image"
    NOTHING_CHANGED = "nothing changed"


@dataclass(frozen=True)
class GroupResult:
    """One group of a patch."""

    group: Group
    software: Software
    """What is declared for it."""
    verdict: Verdict
    rule: Rule
    nodes: int
    """Nodes that it had at the call, as far as their own times tell."""
    patched: int
    skipped: int
    failed: int
    not_ready: int
    uncounted: int
    """Nodes that came since the call, and are not counted on its image."""
    newer: int
    """Nodes on a newer patch release of the declared line."""
    had_it: bool
    """It is shown, by the group or by every node, to run what is declared."""
    went_back: bool
    """HyperPod rolled it back."""
    named: tuple[NamedNode, ...]
    strays: Strays
    message: str | None
    """What the first failed node says about itself."""


def with_verdict(groups: tuple[GroupResult, ...], verdict: Verdict) -> tuple[GroupResult, ...]:
    """Those of the groups that got this verdict."""
    return tuple(each for each in groups if each.verdict is verdict)


class WaitsFor(Enum):
    """What a patch that has not ended waits for."""

    MOVING = "a group that is being patched"
    CONTRADICTION = "a group that says Succeeded and shows another image"
    CLUSTER = "a cluster that is not settled"
    NODES_NOT_READY = "nodes that are not ready"
    SIGN = "a sign of the patch"
    IMAGE = "a group that shows another image"
    FAILED_NODES = "failed nodes, which HyperPod may replace"
    HIDDEN_COUNT = "a group that shows its image, and not how many nodes run it"
    COUNT = "a group's count, which may be older than its nodes' times"


@dataclass(frozen=True)
class Pending:
    """One thing that a patch waits for."""

    what: WaitsFor
    group: str = ""
    status: str | None = None
    """What the group, or the cluster, is shown to do."""
    nodes: int = 0
    shown: str | None = None
    """The image or release that a group shows in place of the declared one."""
    software: Software | None = None


@dataclass(frozen=True)
class GroupProgress:
    """How far the patch of one group is."""

    group: str
    done: int | None
    """Nodes counted on the image that HyperPod is bringing; ``None``: it shows no count."""
    total: int


class End(Enum):
    """How a patch ended, or that it stopped being watched."""

    NOT_WAITED_FOR = "accepted, and not waited for"
    PATCHED = "patched"
    PARTLY = "nodes were skipped, or failed"
    CURRENT = "no node was replaced"
    FAILED = "failed"
    UNKNOWN = "it is not shown how it ended"
    UNANSWERED = "it is unknown whether HyperPod accepted the request"
    GONE = "a group disappeared"
    TIMED_OUT = "timed out"
    TIMED_OUT_UNANSWERED = "timed out, and it is unknown whether HyperPod accepted the request"


@dataclass(frozen=True)
class PatchResult:
    """How a patch ended."""

    end: End
    cluster: Cluster
    groups: tuple[GroupResult, ...] = ()
    gone: tuple[str, ...] = ()
    """Groups that disappeared, as far as their names are known."""
    gone_count: int = 0
    service_reason: str | None = None
    """HyperPod's own words."""
    reason_is_old: bool = False
    """They were there before the call."""
    pending: tuple[Pending, ...] = ()
    """What it waited for when it stopped being watched."""
    progress: tuple[GroupProgress, ...] = ()
    waited: int = 0
    """Seconds."""

    def with_verdict(self, verdict: Verdict) -> tuple[GroupResult, ...]:
        return with_verdict(self.groups, verdict)

    @property
    def patched_groups(self) -> tuple[str, ...]:
        if self.end not in (End.PATCHED, End.PARTLY):
            return ()
        return tuple(each.group.name for each in self.with_verdict(Verdict.PATCHED))

    @property
    def patched_nodes(self) -> int:
        if self.end not in (End.PATCHED, End.PARTLY):
            return 0
        return sum(each.patched for each in self.with_verdict(Verdict.PATCHED))
