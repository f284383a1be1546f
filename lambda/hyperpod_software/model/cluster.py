"""What a cluster looks like: one DescribeCluster answer, and what its nodes add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

# The service model's values. Others have been seen on live clusters: whatever is not
# listed here counts as "not finished yet", so the sets below name only what is known.
SETTLED_CLUSTER = frozenset({"InService", "Failed"})
SETTLED_GROUP = frozenset({"InService", "Failed", "Degraded"})
CHANGING_CLUSTER = frozenset({"SystemUpdating", "Updating", "RollingBack"})
CHANGING_GROUP = frozenset({"SystemUpdating", "Updating"})
UPDATE_RUNNING = frozenset({"Pending", "InProgress", "RollbackInProgress"})
UPDATE_SUCCEEDED = "Succeeded"
UPDATE_ENDED_BADLY = frozenset({"Failed", "RollbackComplete"})
UP_TO_DATE = "UpToDate"
FAILED_NODE = "failed"
"""The state of a named node that is broken."""
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
    desired_version: str | None = None
    image_status: str | None = None
    """``ImageVersionStatus``: whether HyperPod has a newer image. It was seen to flap."""
    patched_by: str | None = None
    """What else patches this group, by AWS's own automatic patching or a schedule, in words."""
    scaling: bool = False
    """Nodes are being added or taken, or HyperPod goes on trying to: that blocks nothing."""


@dataclass(frozen=True)
class Cluster:
    """A cluster as one DescribeCluster answer shows it."""

    arn: str
    name: str
    status: str
    groups: tuple[Group, ...]
    restricted_groups: tuple[str, ...] = ()
    slurm: bool = False
    """It is shown to be orchestrated by Slurm."""
    eks: bool = False
    """It is shown to be orchestrated by EKS. A cluster can show neither."""
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


@dataclass(frozen=True)
class Said:
    """What the nodes of one group say of what they run, before anything is patched."""

    total: int = 0
    newest: int = 0
    """Nodes that run and say that HyperPod has no newer image."""
    away: int = 0
    """Nodes that do not run: on their way, or failed."""
    moving: int = 0
    """Of those: nodes that leave the group, or that come and say that there is no newer image."""
    off: int = 0
    """Nodes that say another release than the declared one, and no newer patch of its line."""
    newer: str | None = None
    """A newer patch release of the declared line that a node says."""


@dataclass(frozen=True)
class Reading:
    """One reading of a cluster with its nodes, before anything is patched."""

    cluster: Cluster
    said: Mapping[str, Said]
    """By group; one whose nodes could not be read in time is missing."""


class NodeState(Enum):
    """Where a node stands with the patch that is being verified."""

    DONE = "done"
    """Replaced since the call, and running."""
    LAUNCHED = "launched"
    """Launched since the call, and running: in place of another one, or because of scaling."""
    CURRENT = "current"
    """Not replaced, and shown to run the declared software."""
    UNTOUCHED = "untouched"
    """Not replaced, and nothing shows what it runs."""
    UNSETTLED = "unsettled"
    SKIPPED = "skipped"
    """Shown to run other software."""
    FAILED = "failed"
    LATE = "late"
    """Launched since the call, and not running."""
    IDLE = "idle"
    """Launched before the call, not touched since, and waiting to come up, or failed."""
    MOVING = "moving"
    """On its way into the group or out of it."""


@dataclass(frozen=True)
class NamedNode:
    """A node that is told by name, and what is the matter with it."""

    instance_id: str
    state: str


@dataclass(frozen=True)
class Strays:
    """Nodes that do not run and may belong to no patch, counted; the first few are named."""

    waiting: int = 0
    failed: int = 0
    named: tuple[NamedNode, ...] = ()
    message: str | None = None
    """What the first failed one says about itself."""

    @property
    def total(self) -> int:
        return self.waiting + self.failed

    def plus(self, more: Strays) -> Strays:
        return Strays(
            self.waiting + more.waiting,
            self.failed + more.failed,
            (*self.named, *more.named)[:NAMED_NODES],
            self.message or more.message,
        )


@dataclass(frozen=True)
class NodeTally:
    """The nodes of one group counted by state; the first few bad ones are named."""

    done: int = 0
    launched: int = 0
    current: int = 0
    untouched: int = 0
    unsettled: int = 0
    skipped: int = 0
    failed: int = 0
    broken: int = 0
    """Of those failed: nodes that were replaced since the call."""
    proven: int = 0
    """Of those done or current: nodes that themselves say what they run, and it is that."""
    named: tuple[NamedNode, ...] = ()
    """Nodes skipped, untouched or failed, at most ``NAMED_NODES`` of them."""
    message: str | None = None
    """What the first failed node says about itself."""
    late: Strays = Strays()
    idle: Strays = Strays()
    moving: Strays = Strays()

    newer: int = 0
    """Of those done or current: nodes on a newer patch release of the declared line."""

    @property
    def there(self) -> int:
        """Nodes that the group had at the call, as far as their own times tell."""
        still = self.current + self.untouched + self.skipped
        return self.done + still + self.unsettled + self.failed

    @property
    def running(self) -> int:
        return self.done + self.launched + self.current + self.untouched + self.skipped

    @property
    def total(self) -> int:
        return self.there + self.launched

    @property
    def strays(self) -> Strays:
        return self.late.plus(self.idle).plus(self.moving)


NAMED_NODES = 5
