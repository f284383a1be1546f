"""The service's own words, and the software a node runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MANAGED = "default"
"""How the service names an image of its own, wherever it shows an image id."""


class ClusterStatus(StrEnum):
    CREATING = "Creating"
    DELETING = "Deleting"
    FAILED = "Failed"
    IN_SERVICE = "InService"
    ROLLING_BACK = "RollingBack"
    SYSTEM_UPDATING = "SystemUpdating"
    UPDATING = "Updating"


class GroupStatus(StrEnum):
    IN_SERVICE = "InService"
    CREATING = "Creating"
    UPDATING = "Updating"
    FAILED = "Failed"
    DEGRADED = "Degraded"
    SYSTEM_UPDATING = "SystemUpdating"
    DELETING = "Deleting"


class UpdateStatus(StrEnum):
    """What `SoftwareUpdateStatus` tells of a group's last request."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ROLLBACK_IN_PROGRESS = "RollbackInProgress"
    ROLLBACK_COMPLETE = "RollbackComplete"


class NodeStatus(StrEnum):
    RUNNING = "Running"
    FAILURE = "Failure"
    PENDING = "Pending"
    SHUTTING_DOWN = "ShuttingDown"
    SYSTEM_UPDATING = "SystemUpdating"
    ATTACHING = "AttachInProgress"
    DETACHING = "DetachInProgress"


MOVING = frozenset({NodeStatus.SHUTTING_DOWN, NodeStatus.ATTACHING, NodeStatus.DETACHING})
"""Nodes on their way into a group or out of it."""


@dataclass(frozen=True, slots=True)
class Software:
    """What a node runs: `default` with a release version, or a custom AMI without one."""

    image: str
    release: str | None

    @property
    def custom(self) -> bool:
        return self.image != MANAGED

    def __str__(self) -> str:
        return self.image if self.custom else f"{self.image} {self.release}"


def is_newer_patch(version: str | None, than: str | None) -> bool:
    """Both are of one release line, and the first is newer."""
    if version is None or than is None:
        return False
    one, other = release_key(version), release_key(than)
    return one > other and one[:2] == other[:2]


def release_key(version: str) -> tuple[int, ...]:
    """Sort key of MAJOR.MINOR.PATCH."""
    return tuple(int(part) for part in version.split("."))
