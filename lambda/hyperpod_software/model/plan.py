"""What a request is to patch, and what keeps it from that, as values: group by group."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hyperpod_software.model.cluster import Cluster, Group
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Software


class HoldKind(Enum):
    """What keeps a request from beginning."""

    CLUSTER = "cluster"
    UPDATE = "update"
    """A software update of a group is under way."""
    GROUP = "group"
    CONFLICT = "conflict"
    """HyperPod answered ConflictException."""
    NOT_SHOWN = "not shown"
    """CloudFormation does not show the resource as under way."""


@dataclass(frozen=True)
class Hold:
    """What keeps a request from beginning, as it was seen in one look."""

    kind: HoldKind
    name: str = ""
    """Of the cluster or the group."""
    status: str = ""


class GroupState(Enum):
    """What was found of one declared group, before anything is patched."""

    UNCHANGED = "unchanged"
    """What is declared for it did not change."""
    CURRENT = "current"
    """It is proven to run what is declared."""
    OUTDATED = "outdated"
    """It is to be patched."""
    NEWER = "newer"
    """A newer patch release than the declared one is there, and not to be taken back unasked."""


@dataclass(frozen=True)
class GroupPlan:
    """One declared group."""

    group: Group
    software: Software
    """What is declared for it."""
    state: GroupState
    differs: bool
    """It is shown to run other software than the declared."""
    newer: str | None = None
    """The newer patch release that is there."""

    @property
    def changed(self) -> bool:
        return self.state is not GroupState.UNCHANGED


class PlanReason(Enum):
    """Why a request patches, waits, or ends without a patch."""

    PATCH = "groups are not proven to run what is declared"
    BUSY = "something else is under way in the cluster"
    # It ends well:
    ADOPTED = "the cluster was adopted as it is"
    UNCHANGED = "no declared image, version or revision changed"
    CURRENT = "every declared group runs what is declared"
    PARTLY_CURRENT = "every declared group names it, but counts fewer nodes on it"
    # It is refused:
    RESTRICTED_GROUP = "a restricted instance group is declared"
    MISSING_GROUPS = "declared groups do not exist"
    NO_GROUPS = "the cluster has no instance group"
    BATCH_WITHOUT_EKS = "a rolling update is declared where EKS is not shown"
    AMI_OVER_DEFAULT_ON_SLURM = "a custom AMI cannot replace the default image on Slurm"
    RELEASE_ON_SLURM = "a release version is for EKS"
    RELEASE_OVER_AMI = "a release version cannot replace a custom AMI"
    NEWER_PATCH_THERE = "a newer patch release would be taken back unasked"
    BUSY_TOO_LONG = "something else was under way for too long"
    NOT_BEGUN_IN_TIME = "the patch could not begin in time"
    SKIPPED_BEFORE = "every declared group names it, but skipped nodes are to fail a first deploy"
    CREDENTIALS_TOO_SHORT = "the stack has no service role, and the timeout is long"
    # A rollback patches nothing back:
    OTHER_CLUSTER = "nothing in this cluster could be taken back"
    SAME_SOFTWARE = "the declared software did not change"
    ON_ROLLBACK_LEAVE = "OnRollback is leave"
    NOT_PROVEN = "no group is proven to run what failed and has a pinned one to go back to"


@dataclass(frozen=True)
class Plan:
    """What a request is to do next, and why."""

    reason: PlanReason
    request: Request
    cluster: Cluster | None = None
    groups: tuple[GroupPlan, ...] = ()
    """The declared groups that the cluster has."""
    names: tuple[str, ...] = ()
    """The groups that the reason is about."""
    hold: Hold | None = None
    held_since: float | None = None
    """Since when that was seen, look by look (epoch seconds)."""
    others_update: bool = False
    """What holds it is an update of groups of this cluster."""
