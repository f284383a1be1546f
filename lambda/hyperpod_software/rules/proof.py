"""Whether a group is proven to need no patch, by what it shows and by what its nodes say."""

from __future__ import annotations

from collections.abc import Sequence

from hyperpod_software.contract.properties import LATEST_IMAGE
from hyperpod_software.model.cluster import SETTLED_CLUSTER, UP_TO_DATE, Cluster, Group, Reading
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Software
from hyperpod_software.rules.cluster import counts_declared, is_named_by, is_settled
from hyperpod_software.rules.declared import is_same_cluster, software_for

STEADY = 3
"""Readings in a row that must agree that there is no newer image: ``ImageVersionStatus`` was seen
to flap in one reading of ten."""


def is_proven(
    request: Request, cluster: Cluster, name: str, readings: Sequence[Reading]
) -> bool | None:
    """Whether a group needs no patch; ``None``: its nodes have to be read, or read once more."""
    software, group = software_for(request, cluster, name), cluster.group(name)
    # In the older mode an update may show in the cluster's status alone.
    if software is None or group is None or cluster.status not in SETTLED_CLUSTER:
        return False
    if software.image_id == LATEST_IMAGE:
        return not _asks_again(request, cluster, name) and _has_newest(group, readings)
    if not (is_named_by(software, group) and is_settled(group)):
        return False
    return software.version is None or _has_release(software, group, readings)


def _has_release(software: Software, group: Group, readings: Sequence[Reading]) -> bool | None:
    """Whether every node of a group that names the release is on it. HyperPod touches only those
    that are not, so a group that is partly there is called for again."""
    counted, desired = group.target_state_count, group.desired_version
    if counted is not None:
        if counted >= group.current_count and (desired is None or software.is_met_by(desired)):
            return True
        counts = counts_declared(software, group) and software.is_release(group.version)
        if counts and not group.scaling:
            return False
    # The count is not shown, counts nodes that were moved on, or is compared with one that may hold
    # nodes that scaling has not brought up yet: they say themselves what they run.
    if not readings:
        return None
    said = readings[-1].said.get(group.name)
    return said is None or not said.off


def _asks_again(request: Request, cluster: Cluster, name: str) -> bool:
    """Its diff shows a new revision of the latest image and nothing else: that asks for a patch,
    whatever HyperPod calls newest. On EKS a patch also brings the cluster's Kubernetes version."""
    if request.previous is None or not is_same_cluster(request, cluster):
        return False
    before, revision = request.previous.software_of(name), request.declared.revision
    latest = before is not None and before.image_id == LATEST_IMAGE
    return before is not None and latest and revision not in (None, before.revision)


def _has_newest(group: Group, readings: Sequence[Reading]) -> bool | None:
    """Whether the group and every node of it say, steadily, that HyperPod has no newer image."""
    if not _shows_newest(group) or not all(_says_newest(each, group.name) for each in readings):
        return False
    return True if len(readings) >= STEADY else None


def _shows_newest(group: Group) -> bool:
    """A group on a custom AMI says that it is up to date, too: its image has to be shown."""
    return (
        group.image_id == LATEST_IMAGE
        and group.image_status == UP_TO_DATE
        and group.current_count > 0
        and is_settled(group)
    )


def _says_newest(reading: Reading, name: str) -> bool:
    group, said = reading.cluster.group(name), reading.said.get(name)
    if group is None or said is None or not _shows_newest(group):
        return False
    counted = group.target_state_count
    if counted is not None and counted < said.newest:
        return False
    if group.scaling:  # what does not run yet comes up on the newest
        return 0 < said.newest == said.total - said.away
    return 0 < said.newest == group.current_count - said.moving == said.total - said.moving
