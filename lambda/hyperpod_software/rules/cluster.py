"""What a cluster's fields prove, and what they do not."""

from __future__ import annotations

from hyperpod_software.contract.properties import LATEST_IMAGE
from hyperpod_software.model.cluster import (
    SETTLED_CLUSTER,
    SETTLED_GROUP,
    UPDATE_ENDED,
    Cluster,
    Group,
)
from hyperpod_software.model.plan import Hold, HoldKind
from hyperpod_software.model.software import Software
from hyperpod_software.model.state import Progress


def is_updating(group: Group) -> bool:
    """A software update of this group is under way, or its status is one nobody knows."""
    return group.update_status is not None and group.update_status not in UPDATE_ENDED


def is_settled(group: Group) -> bool:
    """No update is under way in this group, and its status says that it takes one.

    Scaling blocks none: a group that wants more capacity goes on trying for days.
    """
    return not is_updating(group) and (group.status is None or group.status in SETTLED_GROUP)


def in_flight(cluster: Cluster) -> Hold | None:
    """What is under way in the cluster, or ``None`` where nothing is.

    In Continuous mode ``ClusterStatus`` can stay ``InService`` while groups change, and in
    the older mode the groups may say nothing: so either one is enough.
    """
    if cluster.status not in SETTLED_CLUSTER:
        return Hold(HoldKind.CLUSTER, cluster.name, cluster.status)
    for group in cluster.groups:
        if is_updating(group):
            return Hold(HoldKind.UPDATE, group.name, group.update_status or "")
        if not is_settled(group):
            return Hold(HoldKind.GROUP, group.name, group.status or "")
    return None


def seen_since(progress: Progress | None, hold: Hold) -> float | None:
    """Since when that was seen, look by look (epoch seconds)."""
    return progress.held_since if progress is not None and progress.hold == hold else None


def is_named_by(software: Software, group: Group) -> bool:
    """DescribeCluster names that very AMI or version as the group's current one.

    The literal ``default`` and an absent field prove nothing.
    """
    if software.version is not None:
        return software.is_met_by(group.version)
    return software.pin is not None and group.image_id == software.pin


def suffices(software: Software, group: Group) -> bool:
    """It names the software, or a newer patch release of the declared line: automatic patching
    may have moved it on, at any time."""
    return is_named_by(software, group) or software.is_passed_by(group.version)


def counts_declared(software: Software, group: Group) -> bool:
    """``TargetStateCount`` counts the nodes on the declared release, as far as is shown: it counts
    those on the desired one, which automatic patching may have moved on."""
    desired = group.desired_version
    return software.version is None or desired is None or software.is_release(desired)


def counted_elsewhere(software: Software, group: Group) -> int:
    """Nodes that the group itself counts on a release that is not what was declared."""
    desired = group.desired_version
    if software.version is None or desired is None or software.counts(desired):
        return 0
    return group.target_state_count or 0


def contradicts(software: Software, group: Group, *, owned_image: bool) -> bool:
    """DescribeCluster names another AMI or version than the declared one.

    ``default`` is shown for every image that HyperPod manages, public AMIs included, so
    only a custom AMI of one's own is contradicted by it.
    """
    shows_ami = group.image_id is not None and group.image_id.startswith("ami-")
    if software.version is not None:
        return shows_ami or (group.version is not None and not software.counts(group.version))
    if software.pin is None:
        return shows_ami
    if group.image_id is None or group.image_id == software.pin:
        return False
    return owned_image or group.image_id != LATEST_IMAGE


def proven(software: Software, group: Group) -> bool:
    """The group runs that software, and no update of it is in flight."""
    return is_named_by(software, group) and is_settled(group)
