"""Starting: what a Create or an Update has to patch, if anything."""

from __future__ import annotations

from hyperpod_software.rules.cluster import contradicts, in_flight, proven
from hyperpod_software.rules.sentences import listed
from hyperpod_software.words.cluster import SETTLED_CLUSTER, Cluster
from hyperpod_software.words.decision import Finish, Outcome, Patch, Wait, failed
from hyperpod_software.words.request import Request
from hyperpod_software.words.software import Declaration, OnCreate, OnSkippedNodes


def plan(request: Request, cluster: Cluster, now: float) -> Finish | Wait | Patch:
    """What an ordinary Create or Update does next, while it has not called yet."""
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
    groups = tuple(name for name in changed if not _is_proven(declared, cluster, name))
    if not groups:
        return _all_there(declared, cluster, changed, first=not same_cluster)
    busy = in_flight(cluster)
    if busy is not None:
        if now >= request.begin_by:
            return failed(
                f"Nothing was patched within {request.begin_within} seconds: {busy}. A patch that "
                f"begins later would not end before the timeout of {declared.timeout} seconds.",
                cluster,
            )
        return Wait(f"Waiting to begin: {busy}.")
    refusal = _refusal(declared, cluster, groups)
    if refusal is not None:
        return failed(refusal, cluster)
    if now >= request.begin_by:
        return failed(
            f"Nothing was patched: the patch of {listed(groups)} could not begin within "
            f"{request.begin_within} seconds. The log says at each look why.",
            cluster,
        )
    return Patch(cluster, groups)


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


def may_call(request: Request, status: str | None, since: float | None) -> bool:
    """CloudFormation shows this very request as under way, so it may patch.

    A request delivered again after its answer must not patch again, and what was known of
    it is buried by then. But CloudFormation knows: the newest event of the resource says
    that something is in progress with it, in whatever word but a deletion's, and it is not younger
    than the request (some seconds' grace for clocks). Where that cannot be seen the request waits;
    it is never dropped.
    """
    if status is None or since is None or not status.endswith("_IN_PROGRESS"):
        return False
    return not status.startswith("DELETE") and since <= request.ticket.issued + 5


def _is_proven(declared: Declaration, cluster: Cluster, name: str) -> bool:
    software, group = declared.software_of(name), cluster.group(name)
    # In the older mode an update may show in the cluster's status alone.
    at_rest = cluster.status in SETTLED_CLUSTER
    return at_rest and software is not None and group is not None and proven(software, group)


def _refusal(declared: Declaration, cluster: Cluster, groups: tuple[str, ...]) -> str | None:
    """What HyperPod surely refuses is refused before the call, in words of use."""
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
        f"{group.target_state_count} of {group.current_count} nodes of {group.name}"
        for group in cluster.groups
        if group.name in changed
        and group.target_state_count is not None
        and group.target_state_count < group.current_count
    ]
    if not partly:
        return _nothing("Every declared group runs the declared software already.", cluster)
    why = (
        f"Every declared group of cluster {cluster.name} names the declared software, but HyperPod "
        f"counts only {listed(partly, most=4)} on it."
    )
    if first and declared.on_skipped_nodes is OnSkippedNodes.FAIL:
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
