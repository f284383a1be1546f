"""What a stack declares: which software, on which groups, patched how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperpod_software.contract.properties import (
    LATEST_IMAGE,
    OnCreate,
    OnRollback,
    OnSkippedNodes,
)
from hyperpod_software.contract.values import RELEASE, numbers


def release_number(version: str | None) -> tuple[int, ...] | None:
    """A release as numbers, to be compared: as text, 1.10.0 would be older than 1.9.0."""
    if version is None or not RELEASE.allows(version):
        return None
    return numbers(version)


@dataclass(frozen=True)
class Software:
    """The software of one instance group, in UpdateClusterSoftware's terms."""

    image_id: str | None = None
    version: str | None = None
    """The release to call for."""
    revision: str | None = None
    line: str | None = None
    """``MAJOR.MINOR``: of this release line, anything that is no older than ``version`` will do."""
    takes_back: bool = field(default=False, compare=False)
    """It was asked for in place of newer patch releases of its line: none of them will do."""

    @property
    def pin(self) -> str | None:
        """The AMI id or release version that says exactly which software this is.

        ``default`` names whatever is newest, so it pins nothing.
        """
        if self.version is not None:
            return self.version
        return None if self.image_id == LATEST_IMAGE else self.image_id

    def is_release(self, version: str | None) -> bool:
        """It is the very release that is called for."""
        number = release_number(version)
        return number is not None and number == release_number(self.version)

    def is_met_by(self, version: str | None) -> bool:
        """That release is what is declared."""
        newer = self.line is not None and self._is_newer_patch(version)
        return newer or self.is_release(version)

    def is_passed_by(self, version: str | None) -> bool:
        """That release is a newer patch of the declared line, and not to be taken back."""
        return not self.takes_back and self._is_newer_patch(version)

    def counts(self, version: str | None) -> bool:
        """A node on that release needs no patch."""
        return self.is_met_by(version) or self.is_passed_by(version)

    def _is_newer_patch(self, version: str | None) -> bool:
        number, own = release_number(version), release_number(self.version)
        return number is not None and own is not None and number > own and number[:2] == own[:2]

    def __str__(self) -> str:
        if self.line is not None:
            return f"release {self.version} or newer of line {self.line}"
        if self.version is not None:
            return f"release {self.version}"
        if self.image_id == LATEST_IMAGE:
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
    line: str | None = None
    """The release line that is declared; each version is the oldest of it that will do."""
    allow_downgrade: bool = False
    """A newer patch release of the declared line may be taken back, also unasked."""
    owned_image: bool = False
    """The image is a custom AMI of this account, to be checked in EC2 first."""
    kms_key_id: str | None = None
    deployment: Mapping[str, Any] | None = None
    allow_rolling_update_on_slurm: bool = False
    timeout: int = 0
    """Seconds until a request stops waiting for the end of its patch."""
    allow_caller_credentials: bool = False
    """A stack without a service role may wait for longer than an hour."""
    wait_for_completion: bool = True
    """``False``: the request is over when HyperPod has accepted the request."""
    on_create: OnCreate = OnCreate.PATCH
    on_rollback: OnRollback = OnRollback.RESTORE
    on_skipped_nodes: OnSkippedNodes = OnSkippedNodes.FAIL

    def software_of(self, group: str) -> Software | None:
        """The software declared for a group, or ``None`` where nothing is declared."""
        if self.groups is not None and group not in self.groups:
            return None
        version = self.group_versions.get(group, self.version)
        return Software(self.image_id, version, self.revision, self.line)
