"""What a request declares for the groups of a cluster, beside what was declared before."""

from __future__ import annotations

from dataclasses import replace

from hyperpod_software.model.cluster import Cluster, Group
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Declaration, Software, release_number


def is_same_cluster(request: Request, cluster: Cluster) -> bool:
    """An Update that still means the cluster it meant before, by name or by ARN."""
    previous = request.previous
    return request.info.physical_id is not None and (
        previous is None
        or previous.cluster in (request.declared.cluster, cluster.name, cluster.arn)
    )


def software_for(request: Request, cluster: Cluster, name: str) -> Software | None:
    """The software declared for a group, and whether it was asked for in place of a newer release
    of its line: where the diff shows the older one, or the declaration allows it. A release line
    asks for no older one: what is newer than it calls for is what it declares, too."""
    software = request.declared.software_of(name)
    if software is None or software.version is None:
        return software
    before = None
    if request.previous is not None and is_same_cluster(request, cluster):
        before = request.previous.software_of(name)
    shown = (before and release_number(before.version)) or ()
    older = software.line is None and shown > (release_number(software.version) or ())
    return replace(software, takes_back=older or request.declared.allow_downgrade)


def changed_groups(
    declared: Declaration, previous: Declaration | None, cluster: Cluster
) -> tuple[str, ...]:
    """The declared groups whose image, version or revision is not the previously declared."""
    changed: list[str] = []
    for group in cluster.groups:
        software = declared.software_of(group.name)
        before = previous.software_of(group.name) if previous is not None else None
        if software is not None and software != before:
            changed.append(group.name)
    return tuple(changed)


def moving_on(software: Software, group: Group) -> str | None:
    """The newer patch release that nodes of the group were moved to, though it names another."""
    moved = software.is_passed_by(group.desired_version) and group.target_state_count != 0
    return group.desired_version if moved else None
