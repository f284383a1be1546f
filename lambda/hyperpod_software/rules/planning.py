"""Starting: what a Create or an Update has to patch, if anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.contract.properties import LATEST_IMAGE, OnCreate, OnSkippedNodes
from hyperpod_software.model.cluster import Cluster, Group, Reading
from hyperpod_software.model.decision import CountNodes, Finish, Patch, Wait, failed
from hyperpod_software.model.plan import GroupPlan, GroupState, Hold, Plan, PlanReason
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Declaration, Software
from hyperpod_software.model.state import Observation, Progress
from hyperpod_software.rules.cluster import contradicts, in_flight, is_updating, seen_since
from hyperpod_software.rules.declared import (
    changed_groups,
    is_same_cluster,
    moving_on,
    software_for,
)
from hyperpod_software.rules.proof import STEADY, is_proven


def plan(
    request: Request,
    cluster: Cluster,
    now: float,
    readings: Sequence[Reading] = (),
    *,
    progress: Progress | None = None,
) -> Finish | Wait | Patch | CountNodes:
    """What an ordinary Create or Update does next, while it has not called yet.

    Where the cluster alone does not tell, it asks for one more reading of the nodes.
    """
    declared = request.declared
    missing = missing_groups(request, cluster)
    if missing is not None:
        return _refused(missing)
    same_cluster = is_same_cluster(request, cluster)
    if not same_cluster and declared.on_create is OnCreate.ADOPT:
        adopted = Plan(PlanReason.ADOPTED, request, cluster, _groups(request, cluster, {}))
        return Finish(Outcome.ADOPTED, adopted, cluster)
    changed = changed_groups(declared, request.previous if same_cluster else None, cluster)
    if not changed:
        groups = _groups(request, cluster, {})
        return _nothing(Plan(PlanReason.UNCHANGED, request, cluster, groups))
    proven = {name: is_proven(request, cluster, name, readings) for name in changed}
    unread = tuple(name for name in changed if proven[name] is None)
    outdated = tuple(name for name in changed if not proven[name])
    hold = in_flight(cluster)
    # Where another group has to wait in any case, there is time to read them later.
    if unread and (hold is None or unread == outdated):
        return CountNodes(changed)
    groups = _groups(request, cluster, proven)
    draft = Plan(PlanReason.PATCH, request, cluster, groups, names=outdated)
    if not outdated:
        return _all_there(draft, first=not same_cluster)
    if hold is not None:
        return _held(draft, cluster, hold, now, progress)
    return _patch(draft, cluster, readings, now, progress)


def _patch(
    draft: Plan,
    cluster: Cluster,
    readings: Sequence[Reading],
    now: float,
    progress: Progress | None,
) -> Finish | Patch | CountNodes:
    """Groups are to be patched, and nothing else is under way: unless it is refused."""
    request, groups = draft.request, draft.names
    reason, concerned = _refusal(request.declared, cluster, groups)
    if reason is not None:
        return _refused(replace(draft, reason=reason, names=concerned))
    if request.declared.image_id is None:
        hidden = any(_hides_its_count(cluster.group(name)) for name in groups)
        if not readings or (hidden and len(readings) < STEADY):
            return CountNodes(tuple(each.group.name for each in draft.groups if each.changed))
        newer = _newer_there(request, cluster, groups, readings)
        if newer:
            return _refused(_newer_plan(draft, newer))
    if now >= request.begin_by:
        return _refused(_not_begun(draft, progress))
    return Patch(cluster, groups, draft)


def _refused(plan: Plan) -> Finish:
    return failed(plan, plan.cluster)


def _nothing(plan: Plan) -> Finish:
    return Finish(Outcome.NOTHING_TO_PATCH, plan, plan.cluster)


def _groups(
    request: Request, cluster: Cluster, proven: Mapping[str, bool | None]
) -> tuple[GroupPlan, ...]:
    """The declared groups, each with what was found; one that did not change is not proven."""
    found: list[GroupPlan] = []
    for group in cluster.groups:
        software = request.declared.software_of(group.name)
        if software is None:
            continue
        state = GroupState.UNCHANGED
        if group.name in proven:
            state = GroupState.CURRENT if proven[group.name] else GroupState.OUTDATED
        differs = contradicts(software, group, owned_image=request.declared.owned_image)
        found.append(GroupPlan(group, software, state, differs))
    return tuple(found)


def _newer_plan(draft: Plan, newer: Mapping[str, str]) -> Plan:
    groups = tuple(
        replace(each, state=GroupState.NEWER, newer=newer[each.group.name])
        if each.group.name in newer
        else each
        for each in draft.groups
    )
    reason = PlanReason.NEWER_PATCH_THERE
    return replace(draft, reason=reason, groups=groups, names=tuple(newer))


def _held(
    draft: Plan, cluster: Cluster, hold: Hold, now: float, progress: Progress | None
) -> Finish | Wait:
    late = now >= draft.request.begin_by
    held = replace(
        draft,
        reason=PlanReason.BUSY_TOO_LONG if late else PlanReason.BUSY,
        hold=hold,
        held_since=seen_since(progress, hold),
        others_update=late and any(map(is_updating, cluster.groups)),
    )
    return _refused(held) if late else Wait(held, observation=Observation(rests=False, hold=hold))


def _not_begun(draft: Plan, progress: Progress | None) -> Plan:
    hold = progress.hold if progress is not None else None
    since = seen_since(progress, hold) if hold is not None else None
    return replace(draft, reason=PlanReason.NOT_BEGUN_IN_TIME, hold=hold, held_since=since)


def missing_groups(request: Request, cluster: Cluster) -> Plan | None:
    """Why the declared groups cannot be patched in this cluster, or ``None``."""
    declared = request.declared.groups or ()
    restricted = [name for name in declared if name in cluster.restricted_groups]
    if restricted:
        return Plan(PlanReason.RESTRICTED_GROUP, request, cluster, names=(restricted[0],))
    absent = tuple(name for name in declared if cluster.group(name) is None)
    if absent:
        return Plan(PlanReason.MISSING_GROUPS, request, cluster, names=absent)
    if not cluster.groups:
        return Plan(PlanReason.NO_GROUPS, request, cluster)
    return None


def _newer_there(
    request: Request, cluster: Cluster, groups: tuple[str, ...], readings: Sequence[Reading]
) -> dict[str, str]:
    """Groups that would be taken back from a newer patch release, which is not done unasked."""
    newer: dict[str, str] = {}
    for name in groups:
        software, group = software_for(request, cluster, name), cluster.group(name)
        said = readings[-1].said.get(name) if readings else None
        found = _newer(software, group, said.newer if said is not None else None)
        if found is not None:
            newer[name] = found
    return newer


def _newer(software: Software | None, group: Group | None, said: str | None) -> str | None:
    """A newer patch release of the declared line that is there, or is coming node by node."""
    if software is None or group is None:
        return None
    for version in (group.version, said):
        if software.is_passed_by(version):
            return version
    return moving_on(software, group)


def _hides_its_count(group: Group | None) -> bool:
    """It names another release as the desired one, and not whether any node is on it."""
    if group is None or group.target_state_count is not None:
        return False
    return group.desired_version not in (None, group.version)


def _refusal(
    declared: Declaration, cluster: Cluster, groups: tuple[str, ...]
) -> tuple[PlanReason | None, tuple[str, ...]]:
    """What HyperPod surely refuses is refused before the call; and which groups it is about."""
    if batch_refused(declared, cluster):
        return PlanReason.BATCH_WITHOUT_EKS, groups
    images = {name: _image_of(cluster, name) or "" for name in groups}
    if declared.image_id is not None:
        on_default = tuple(name for name in groups if images[name] == LATEST_IMAGE)
        if declared.image_id != LATEST_IMAGE and cluster.slurm and on_default:
            return PlanReason.AMI_OVER_DEFAULT_ON_SLURM, on_default
        return None, ()
    if cluster.slurm:
        return PlanReason.RELEASE_ON_SLURM, groups
    on_custom = tuple(name for name in groups if images[name].startswith("ami-"))
    return (PlanReason.RELEASE_OVER_AMI, on_custom) if on_custom else (None, ())


def batch_refused(declared: Declaration, cluster: Cluster) -> bool:
    """A declared batch, wait or alarm must not be sent to this cluster. Whoever declared ten
    percent may otherwise lose every node at once: nobody knows what HyperPod does there."""
    wanted = bool(declared.deployment) and not declared.allow_rolling_update_on_slurm
    return wanted and (cluster.slurm or not cluster.eks)


def _image_of(cluster: Cluster, name: str) -> str | None:
    group = cluster.group(name)
    return group.image_id if group is not None else None


def _all_there(draft: Plan, *, first: bool) -> Finish:
    """Every group names the declared software. Where it counts fewer nodes on it, some were
    skipped or are broken: that is told, and on a first deploy it weighs as it does after a
    patch. On a later one it does not: the rollback would replace every node of the group."""
    declared = draft.request.declared
    partly = [
        each.group
        for each in draft.groups
        if each.state is GroupState.CURRENT
        and declared.image_id not in (None, LATEST_IMAGE)  # each of its nodes was heard
        and each.group.target_state_count is not None
        and each.group.target_state_count < each.group.current_count
    ]
    if not partly:
        return _nothing(replace(draft, reason=PlanReason.CURRENT))
    names = tuple(group.name for group in partly)
    found = replace(draft, reason=PlanReason.PARTLY_CURRENT, names=names)
    # A group that is scaling may count nodes that have never come up.
    skipped = any(not group.scaling for group in partly)
    if first and skipped and declared.on_skipped_nodes is OnSkippedNodes.FAIL:
        return _refused(replace(found, reason=PlanReason.SKIPPED_BEFORE))
    return _nothing(found)
