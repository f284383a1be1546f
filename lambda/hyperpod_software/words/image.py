"""A custom AMI as EC2 shows it."""

from __future__ import annotations

from dataclasses import dataclass


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
