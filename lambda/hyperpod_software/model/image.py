"""A custom AMI as EC2 shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Volume:
    """One EBS volume of an AMI."""

    snapshot: str | None = None
    encrypted: bool = False
    key: str | None = None
    """The KMS key of an encrypted snapshot, where EC2 names it."""


@dataclass(frozen=True)
class Image:
    """An AMI: enough of it to tell whether HyperPod can use it."""

    id: str
    state: str
    owner: str
    volumes: tuple[Volume, ...] = ()

    @property
    def snapshots(self) -> int:
        return sum(volume.snapshot is not None for volume in self.volumes)


class RefusalReason(Enum):
    """Why a custom AMI cannot be used."""

    MISSING = "it does not exist in this account and region"
    FOREIGN = "another account owns it"
    NOT_AVAILABLE = "its state is another than available"
    MORE_VOLUMES = "it has more snapshot volumes than the root's"
    ENCRYPTED = "it is encrypted, and no key was declared"


@dataclass(frozen=True)
class Refusal:
    """A custom AMI cannot be used."""

    reason: RefusalReason
    image_id: str
    account: str
    """The cluster's."""
    image: Image | None = None
