"""Starting: what a Create or an Update has to patch, if anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.contract.properties import OnCreate, OnSkippedNodes
from hyperpod_software.contract.times import WINDOW
from hyperpod_software.rules.cluster import (
    contradicts,
    counts_declared,
    in_flight,
    is_settled,
    is_updating,
    names,
    seen_since,
)
from hyperpod_software.rules.sentences import listed
from hyperpod_software.words.cluster import SETTLED_CLUSTER, UP_TO_DATE, Cluster, Group, Reading
from hyperpod_software.words.decision import CountNodes, Finish, Patch, Wait, failed
from hyperpod_software.words.memory import Progress, Sight
from hyperpod_software.words.request import Request, Ticket
from hyperpod_software.words.software import Declaration, Software, release_number

STEADY = 3
"""Readings in a row that must agree that there is no newer image: ``ImageVersionStatus`` was seen
to flap in one reading of ten."""


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
    missing = missing_groups(declared, cluster)
    if missing is not None:
        return failed(missing, cluster)
    same_cluster = is_same_cluster(request, cluster)
    if not same_cluster and declared.on_create is OnCreate.ADOPT:
        return Finish(
            Outcome.ADOPTED,
            f"Cluster {cluster.name} was adopted as it is: OnCreate is adopt. Nothing was patched."
            f"{_unlike(declared, cluster)}",
            cluster,
        )
    changed = changed_groups(declared, request.previous if same_cluster else None, cluster)
    if not changed:
        why = "No declared image, version or revision changed."
        return _nothing(why, cluster, _unlike(declared, cluster))
    proven = {name: _is_proven(request, cluster, name, readings) for name in changed}
    unread = tuple(name for name in changed if proven[name] is None)
    groups = tuple(name for name in changed if not proven[name])
    busy = in_flight(cluster)
    # Where another group has to wait in any case, there is time to read them later.
    if unread and (busy is None or unread == groups):
        return CountNodes(changed)
    if not groups:
        return _all_there(declared, cluster, changed, first=not same_cluster)
    if busy is not None:
        if now >= request.begin_by:
            others = any(map(is_updating, cluster.groups))
            held = (
                f"{busy}{', another update of this cluster' * others}{seen_since(progress, busy)}"
            )
            return failed(
                f"Nothing was patched within {request.begin_within} seconds: {held}. A patch that "
                f"begins later would not end before the timeout of {declared.timeout} seconds.",
                cluster,
            )
        return Wait(f"Waiting to begin: {busy}.", sight=Sight(rests=False, held=busy))
    refusal = _refusal(declared, cluster, groups)
    if refusal is None and declared.image_id is None:
        hidden = any(_hides_its_count(cluster.group(name)) for name in groups)
        if not readings or (hidden and len(readings) < STEADY):
            return CountNodes(changed)
        refusal = _taken_back(request, cluster, groups, readings)
    if refusal is not None:
        return failed(refusal, cluster)
    if now >= request.begin_by:
        return failed(
            f"Nothing was patched: the patch of {listed(groups)} could not begin within "
            f"{request.begin_within} seconds. {_held_before(progress)}",
            cluster,
        )
    return Patch(cluster, groups)


def _held_before(progress: Progress | None) -> str:
    if progress is None or not progress.held:
        return "The log says at each look why."
    return f"What kept it last: {progress.held}{seen_since(progress, progress.held)}."


def missing_groups(declared: Declaration, cluster: Cluster) -> str | None:
    """Why the declared groups cannot be patched in this cluster, or ``None``."""
    existing = [group.name for group in cluster.groups]
    for name in declared.groups or ():
        if name in cluster.restricted_groups:
            return (
                f"Instance group {name} of cluster {cluster.name} is a restricted instance "
                "group, which UpdateClusterSoftware does not patch by name."
            )
    absent = [name for name in declared.groups or () if name not in existing]
    if absent:
        return (
            f"Cluster {cluster.name} has no instance group {listed(absent)}. "
            f"Its groups are: {listed(existing, most=20) or 'none'}. Nothing was patched."
        )
    if not existing:
        return f"Cluster {cluster.name} has no instance group: nothing was patched."
    return None


def is_same_cluster(request: Request, cluster: Cluster) -> bool:
    """An Update that still means the cluster it meant before, by name or by ARN."""
    previous = request.previous
    return request.ticket.physical_id is not None and (
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


def may_call(ticket: Ticket, status: str | None, since: float | None) -> bool:
    """CloudFormation shows this very request as under way, so it may patch.

    A request delivered again after its answer must not patch again, and what was known of
    it is buried by then. But CloudFormation knows: the newest event of the resource says
    that something is in progress with it, in whatever word but a deletion's, and it is not younger
    than the request (some seconds' grace for clocks). Where that cannot be seen the request waits;
    it is never dropped.
    """
    if status is None or since is None or not status.endswith("_IN_PROGRESS"):
        return False
    return not status.startswith("DELETE") and since <= ticket.issued + 5


def is_taken_back(ticket: Ticket, status: str | None, since: float | None) -> bool:
    """What failed in the stack's operation before is what this request takes back: its own
    beginning is shown, so the events before it are of this operation, not of an earlier one."""
    return may_call(ticket, status, since) and (since or 0.0) >= ticket.issued - 60


def credentials_too_short(request: Request, *, has_role: bool) -> str | None:
    """Why CloudFormation could not go on until the end of a long patch, or ``None``.

    Without a service role it works with the credentials of whoever deploys, and cannot renew
    them: the stack operation would end while the patch goes on.
    """
    if request.windows == 1 or has_role or request.declared.allow_caller_credentials:
        return None
    return (
        f"A timeout of {request.declared.timeout} seconds needs a stack with a service role: "
        "without one CloudFormation works with the credentials of the caller, which end before. "
        "Deploy with a role (CDK's default synthesizer does), declare at most "
        f"{WINDOW} seconds, or insist with allow_caller_credentials. Nothing was patched."
    )


def _is_proven(
    request: Request, cluster: Cluster, name: str, readings: Sequence[Reading]
) -> bool | None:
    """Whether a group needs no patch; ``None``: its nodes have to be read, or read once more."""
    software, group = software_for(request, cluster, name), cluster.group(name)
    # In the older mode an update may show in the cluster's status alone.
    if software is None or group is None or cluster.status not in SETTLED_CLUSTER:
        return False
    if software.image_id == "default":
        return not _asks_again(request, cluster, name) and _has_newest(group, readings)
    if not (names(software, group) and is_settled(group)):
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
    latest = before is not None and before.image_id == "default"
    return before is not None and latest and revision not in (None, before.revision)


def _has_newest(group: Group, readings: Sequence[Reading]) -> bool | None:
    """Whether the group and every node of it say, steadily, that HyperPod has no newer image."""
    if not _shows_newest(group) or not all(_says_newest(each, group.name) for each in readings):
        return False
    return True if len(readings) >= STEADY else None


def _shows_newest(group: Group) -> bool:
    """A group on a custom AMI says that it is up to date, too: its image has to be shown."""
    counted = group.target_state_count
    return (
        group.image_id == "default"
        and group.image_status == UP_TO_DATE
        and group.current_count > 0
        and (counted is None or counted >= group.current_count or group.scaling)
        and is_settled(group)
    )


def _says_newest(reading: Reading, name: str) -> bool:
    group, said = reading.cluster.group(name), reading.said.get(name)
    if group is None or said is None or not _shows_newest(group):
        return False
    if group.scaling:  # what does not run yet comes up on the newest
        counted = group.target_state_count
        all_here = 0 < said.newest == said.total - said.away
        return all_here and (counted is None or counted >= said.newest)
    return said.newest == said.total == group.current_count


def _taken_back(
    request: Request, cluster: Cluster, groups: tuple[str, ...], readings: Sequence[Reading]
) -> str | None:
    """Why these groups are not patched: newer patch releases are not taken back unasked."""
    newer: dict[str, str] = {}
    for name in groups:
        software, group = software_for(request, cluster, name), cluster.group(name)
        said = readings[-1].said.get(name) if readings else None
        found = _newer(software, group, said.newer if said is not None else None)
        if found is not None:
            newer[name] = found
    if not newer:
        return None
    name = next(iter(newer))
    software = request.declared.software_of(name) or Software()
    number = release_number(software.version) or ()
    line = ".".join(map(str, number[:2]))
    ways = f'declare SoftwareImage.release_line("{line}", at_least="{newer[name]}")'
    if software.line is None:
        ways = (
            f'declare SoftwareImage.release("{newer[name]}") or release_line("{line}"), or allow it '
            f'with release("{software.version}", allow_downgrade=True)'
        )
    there = listed([f"{group} ({release})" for group, release in newer.items()], most=4)
    return (
        f"A patch to release {software.version} would take a newer patch release back in cluster "
        f"{cluster.name}, which is not done unasked. It is there in {there}: {ways}. "
        "Nothing was patched."
    )


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


def moving_on(software: Software, group: Group) -> str | None:
    """The newer patch release that nodes of the group were moved to, though it names another."""
    moved = software.is_passed_by(group.desired_version) and group.target_state_count != 0
    return group.desired_version if moved else None


def _refusal(declared: Declaration, cluster: Cluster, groups: tuple[str, ...]) -> str | None:
    """What HyperPod surely refuses is refused before the call, in words of use."""
    batch = batch_refusal(declared, cluster)
    if batch is not None:
        return f"{batch} Nothing was patched."
    if declared.image_id is not None and declared.image_id != "default" and cluster.slurm:
        on_default = [name for name in groups if _image_of(cluster, name) == "default"]
        if on_default:
            return (
                f"{declared.image_id} cannot replace HyperPod's default image on a Slurm "
                f"cluster, and {listed(on_default)} of cluster {cluster.name} runs it: create "
                "a new instance group on the AMI instead. Nothing was patched."
            )
    if declared.image_id is None and cluster.slurm:
        return (
            f"A release version is for EKS clusters, and cluster {cluster.name} is a Slurm "
            "cluster: declare an AMI. Nothing was patched."
        )
    if declared.image_id is None:
        on_custom = [name for name in groups if (_image_of(cluster, name) or "").startswith("ami-")]
        if on_custom:
            return (
                f"{listed(on_custom)} of cluster {cluster.name} runs a custom AMI, which a "
                "release version cannot replace: declare SoftwareImage.latest() first. "
                "Nothing was patched."
            )
    return None


def batch_refusal(declared: Declaration, cluster: Cluster) -> str | None:
    """Why a declared batch, wait or alarm must not be sent to this cluster. Whoever declared ten
    percent may otherwise lose every node at once: nobody knows what HyperPod does there."""
    wanted = bool(declared.deployment) and not declared.allow_rolling_update_on_slurm
    if not wanted or (cluster.eks and not cluster.slurm):
        return None
    return (
        "A rolling update (DeploymentConfig) was declared. AWS documents it as available only for "
        f"clusters integrated with Amazon EKS, which cluster {cluster.name} is not shown to be: all "
        "its nodes may be replaced at once. Leave the rolling update out, or allow it with "
        "RollingUpdate(…, allow_on_slurm=True)."
    )


def _image_of(cluster: Cluster, name: str) -> str | None:
    group = cluster.group(name)
    return group.image_id if group is not None else None


def _all_there(
    declared: Declaration, cluster: Cluster, changed: tuple[str, ...], *, first: bool
) -> Finish:
    """Every group names the declared software. Where it counts fewer nodes on it, some were
    skipped or are broken: that is told, and on a first deploy it weighs as it does after a
    patch. On a later one it does not: the rollback would replace every node of the group."""
    partly = [
        group
        for group in cluster.groups
        if group.name in changed
        and declared.image_id is not None
        and group.target_state_count is not None
        and group.target_state_count < group.current_count
    ]
    counts = [
        f"{group.target_state_count} of {group.current_count} nodes of {group.name}"
        for group in partly
    ]
    if not partly:
        return _nothing("Every declared group runs the declared software already.", cluster)
    why = (
        f"Every declared group of cluster {cluster.name} names the declared software, but HyperPod "
        f"counts only {listed(counts, most=4)} on it."
    )
    # A group that is scaling may count nodes that have never come up.
    skipped = any(not group.scaling for group in partly)
    if first and skipped and declared.on_skipped_nodes is OnSkippedNodes.FAIL:
        return failed(
            f"{why} Nothing was patched: patch those nodes by hand, or declare a newer image, or "
            "that skipped nodes only warn.",
            cluster,
        )
    return _nothing(why, cluster)


def _unlike(declared: Declaration, cluster: Cluster) -> str:
    """What is left as it is although another software is declared for it."""
    groups = [
        f"{group.name} ({group.version or group.image_id})"
        for group in cluster.groups
        if (software := declared.software_of(group.name)) is not None
        and contradicts(software, group, owned_image=declared.owned_image)
    ]
    if not groups:
        return ""
    return (
        f" Not on the declared software, and left so until the declaration changes: "
        f"{listed(groups, most=4)}."
    )


def _nothing(why: str, cluster: Cluster, more: str = "") -> Finish:
    return Finish(Outcome.NOTHING_TO_PATCH, f"{why} Nothing was patched.{more}", cluster)
