"""What a stack declares: which software, on which groups, patched how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class OnCreate(Enum):
    """What a Create does with a cluster that runs already."""

    PATCH = "patch"
    ADOPT = "adopt"


class OnRollback(Enum):
    """What a stack rollback does with groups that took the failed software."""

    RESTORE = "restore"
    LEAVE = "leave"


class OnSkippedNodes(Enum):
    """What nodes that HyperPod skipped, or that failed, do to the request."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True)
class Software:
    """The software of one instance group, in UpdateClusterSoftware's terms."""

    image_id: str | None = None
    version: str | None = None
    revision: str | None = None

    @property
    def pin(self) -> str | None:
        """The AMI id or release version that says exactly which software this is.

        ``default`` names whatever is newest, so it pins nothing.
        """
        if self.version is not None:
            return self.version
        return None if self.image_id == "default" else self.image_id

    def __str__(self) -> str:
        if self.version is not None:
            return f"release {self.version}"
        if self.image_id == "default":
            return "the latest HyperPod image"
        return str(self.image_id)


@dataclass(frozen=True)
class Declaration:
    """One set of properties of ``Custom::HyperPodClusterSoftware``, parsed."""

    cluster: str
    image_id: str | None = None
    version: str | None = None
    revision: str | None = None
    groups: tuple[str, ...] | None = None
    """The declared instance groups; ``None`` means every group of the cluster."""
    group_versions: Mapping[str, str] = field(default_factory=dict[str, str])
    owned_image: bool = False
    """The image is a custom AMI of this account, to be checked in EC2 first."""
    kms_key_id: str | None = None
    deployment: Mapping[str, Any] | None = None
    timeout: int = 0
    """Seconds until a request stops waiting for the end of its patch."""
    wait_handle: str | None = None
    """The pre-signed URL of a WaitConditionHandle, where the timeout is over the hour that
    CloudFormation waits for a custom resource."""
    wait_for_completion: bool = True
    """``False``: the request is over when HyperPod has accepted the call."""
    on_create: OnCreate = OnCreate.PATCH
    on_rollback: OnRollback = OnRollback.RESTORE
    on_skipped_nodes: OnSkippedNodes = OnSkippedNodes.FAIL

    def software_of(self, group: str) -> Software | None:
        """The software declared for a group, or ``None`` where nothing is declared."""
        if self.groups is not None and group not in self.groups:
            return None
        version = self.group_versions.get(group, self.version)
        return Software(self.image_id, version, self.revision)
