"""What a cluster is made of, as the service keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from sandbox.hyperpod.words import (
    MOVING,
    ClusterStatus,
    GroupStatus,
    NodeStatus,
    Software,
    UpdateStatus,
)

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(slots=True, eq=False)
class Node:
    """One instance. Times are seconds since the epoch."""

    instance_id: str
    logical_id: str
    address: str
    launched: float
    updated: float
    """When its software was last replaced; `launched` until that has happened once."""
    software: Software
    status: NodeStatus = NodeStatus.RUNNING
    message: str | None = None
    """Sticks after the node has recovered, as it does in the real service."""
    replacements: int = 0
    arriving: bool = False
    """Scaling asked for it, and it has never run."""

    @property
    def patchable(self) -> bool:
        """It belongs to a patch that begins now."""
        return not self.arriving and self.status not in MOVING


@dataclass(slots=True, eq=False)
class Group:
    """One instance group.

    `current` and `desired` are what the service shows, so they swap while it rolls back.
    `static` holds the members of DescribeCluster that nothing here changes.
    """

    name: str
    nodes: list[Node]
    target_count: int
    current: Software
    desired: Software
    static: dict[str, Any]
    status: GroupStatus = GroupStatus.IN_SERVICE
    update: UpdateStatus | None = None
    config: dict[str, Any] | None = None
    scaling: bool = False

    @property
    def instance_type(self) -> str:
        return str(self.static.get("InstanceType", "ml.m5.xlarge"))

    def show(self, software: Software, moved_on: Software | None) -> None:
        """Show what its nodes run, of which automatic patching may have moved some further."""
        moved = {node.software == moved_on for node in self.nodes} if moved_on else {False}
        self.desired = moved_on if moved_on and True in moved else software
        self.current = software if False in moved else self.desired

    @property
    def on_desired(self) -> int:
        """Running nodes on the desired image, whoever brought them."""
        up, desired = NodeStatus.RUNNING, self.desired
        return sum(1 for node in self.nodes if node.status is up and node.software == desired)


@dataclass(slots=True, eq=False)
class Cluster:
    """One cluster. `static` holds what nothing here changes, as DescribeCluster has it."""

    name: str
    arn: str
    created: float
    slurm: bool
    continuous: bool
    groups: dict[str, Group]
    static: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict[str, str])
    status: ClusterStatus = ClusterStatus.IN_SERVICE
    failure_message: str | None = None
    shows_images: bool = True
    shows_update_status: bool = True
    serial: int = 0
    """How many addresses were given out."""


def new_cluster_id(rng: Random) -> str:
    return "".join(rng.choices(_ALPHABET, k=12))


def new_instance_id(rng: Random) -> str:
    return f"i-{rng.getrandbits(68):017x}"


def new_node(
    cluster: Cluster, group_name: str, software: Software, rng: Random, now: float
) -> Node:
    """A node that has just started with this software."""
    cluster.serial += 1
    serial = cluster.serial
    return Node(
        instance_id=new_instance_id(rng),
        logical_id=f"{group_name}-{serial}",
        address=f"10.{serial // 62500}.{serial // 250 % 250}.{serial % 250 + 4}",
        launched=now,
        updated=now,
        software=software,
    )
