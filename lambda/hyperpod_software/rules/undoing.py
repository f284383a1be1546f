"""Undoing: what a stack rollback asks of a cluster. It is never answered with FAILED,
for that would leave the stack in UPDATE_ROLLBACK_FAILED."""

from __future__ import annotations

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.contract.properties import OnRollback
from hyperpod_software.rules.cluster import in_flight, names, proven, seen_since
from hyperpod_software.rules.sentences import listed
from hyperpod_software.rules.starting import batch_refusal, is_same_cluster, moving_on
from hyperpod_software.words.cluster import Cluster, Group
from hyperpod_software.words.decision import Finish, Patch, Wait
from hyperpod_software.words.memory import Progress, Sight
from hyperpod_software.words.request import Request
from hyperpod_software.words.software import Software


def plan_rollback(
    request: Request, cluster: Cluster, now: float, *, progress: Progress | None = None
) -> Finish | Wait | Patch:
    """What a rollback does next, while it has not called yet.

    It waits for what is in flight, HyperPod's own rollback included. Then it patches back
    only groups that are proven to be on the failed image, and only to a pinned one.
    """
    declared, failed_one = request.declared, request.previous
    if failed_one is None or not is_same_cluster(request, cluster):
        return left("there is nothing in this cluster that could be taken back", cluster)
    undone = [
        group.name
        for group in cluster.groups
        if (software := failed_one.software_of(group.name)) is not None
        and software != declared.software_of(group.name)
    ]
    if not undone:
        return left("the declared software did not change", cluster)
    busy = in_flight(cluster)
    if busy is not None:
        if now >= request.deadline:
            held = f"{busy}{seen_since(progress, busy)}"
            return left(f"for {request.wait_within} seconds {held}", cluster)
        return Wait(f"Waiting before rolling back: {busy}.", sight=Sight(rests=False, held=busy))
    # The failed declaration may be the one that says so, and nothing else has read it yet.
    if OnRollback.LEAVE in (declared.on_rollback, failed_one.on_rollback):
        return left("OnRollback is leave", cluster)
    groups: list[str] = []
    for name in undone:
        group, before = cluster.group(name), declared.software_of(name)
        taken = failed_one.software_of(name)
        if group is None or taken is None or before is None or before.pin is None:
            continue
        if _runs_what_failed(taken, group) and not names(before, group):
            groups.append(name)
    if not groups:
        return left("no group is proven to run the failed software and has a pinned one to "
                    "go back to", cluster)  # fmt: skip
    batch = batch_refusal(declared, cluster)
    if batch is not None:
        return left(batch.rstrip("."), cluster)
    return Patch(cluster, tuple(groups))


def _runs_what_failed(taken: Software, group: Group) -> bool:
    """It is on the very release that was called for: a newer patch of its line came by another
    way, and stays."""
    if taken.version is not None and not taken.is_release(group.version):
        return False
    return proven(taken, group) and moving_on(taken, group) is None


def softened(end: Finish, *, called: bool) -> Finish:
    """The end of a rollback's patch, as a rollback may say it: never FAILED."""
    if end.outcome is Outcome.PATCHED:
        groups = listed(end.patched_groups)
        reason = f"Rolled back: {groups} returned to the software declared before. {end.reason}"
        return Finish(Outcome.RESTORED, reason, end.cluster, end.patched_groups, end.patched_nodes)
    if end.succeeded:
        return end
    cluster = "the cluster perhaps not wholly" if called else "the cluster was not"
    return Finish(
        Outcome.LEFT_AS_IS, f"The stack was rolled back, {cluster}: {end.reason}", end.cluster
    )


def overtaken(end: Finish) -> Finish:
    """The end of a patch that a rollback overtook, as a rollback may say it: never FAILED."""
    return Finish(
        Outcome.LEFT_AS_IS,
        f"The stack is rolled back. Of what was declared before that: {end.reason}",
        end.cluster,
    )


def left(why: str, cluster: Cluster | None) -> Finish:
    """A rollback that patches nothing back."""
    return Finish(Outcome.LEFT_AS_IS, f"Nothing was patched back: {why}.", cluster)


def going_on(wait: Wait, *, rollback: bool) -> str:
    """What a window says that ends before the patch does."""
    if not rollback:
        return f"{wait.reason} The next waiter of the stack goes on."
    return (
        f"{wait.reason} The next waiter of the stack goes on; where there is none, the function "
        "watches the cluster to its end, calls nothing, and tells the end in its log."
    )


def unwatched(wait: Wait) -> Finish:
    """A patch that did not end for as long as anybody could ask for it."""
    return Finish(None, f"The patch did not end while it was watched: {wait.reason}")
