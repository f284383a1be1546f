"""What a cluster looks like: one DescribeCluster answer, and what its nodes add."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# The service model's values. Others have been seen on live clusters: whatever is not
# listed here counts as "not finished yet", so the sets below name only what is known.
SETTLED_CLUSTER = frozenset({"InService", "Failed"})
SETTLED_GROUP = frozenset({"InService", "Failed", "Degraded"})
UPDATE_SUCCEEDED = "Succeeded"
UPDATE_ENDED_BADLY = frozenset({"Failed", "RollbackComplete"})
UPDATE_ENDED = UPDATE_ENDED_BADLY | {UPDATE_SUCCEEDED}


@dataclass(frozen=True)
class Group:
    """One entry of ``InstanceGroups``. Absent fields stay ``None``: they prove nothing."""

    name: str
    status: str | None = None
    current_count: int = 0
    target_state_count: int | None = None
    update_status: str | None = None
    image_id: str | None = None
    version: str | None = None
    scaling: bool = False


@dataclass(frozen=True)
class Cluster:
    """A cluster as one DescribeCluster answer shows it."""

    arn: str
    name: str
    status: str
    groups: tuple[Group, ...]
    restricted_groups: tuple[str, ...] = ()
    slurm: bool = False
    failure_message: str | None = None

    def group(self, name: str) -> Group | None:
        """The group of that name, or ``None`` where the cluster has none."""
        return next((group for group in self.groups if group.name == name), None)


@dataclass(frozen=True)
class Node:
    """One entry of ListClusterNodes; times are epoch seconds."""

    group: str
    instance_id: str
    status: str
    launched: float
    last_update: float | None = None
    version: str | None = None
    image_status: str | None = None
    message: str | None = None


class NodeState(Enum):
    """Where a node stands with the patch that is being verified."""

    DONE = "done"
    UNSETTLED = "unsettled"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class NodeTally:
    """The nodes of one group counted by state; the first few bad ones are named."""

    done: int = 0
    unsettled: int = 0
    skipped: int = 0
    failed: int = 0
    named: tuple[str, ...] = ()
    """Skipped and failed nodes, ``i-… (state)``, at most ``NAMED_NODES`` of them."""
    message: str | None = None
    """What the first failed node says about itself."""

    @property
    def total(self) -> int:
        return self.done + self.unsettled + self.skipped + self.failed


NAMED_NODES = 5
