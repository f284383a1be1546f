"""Undoing: what a stack rollback asks of a cluster. It is never answered with FAILED,
for that would leave the stack in UPDATE_ROLLBACK_FAILED."""

from __future__ import annotations

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.contract.properties import OnRollback
from hyperpod_software.model.cluster import Cluster, Group
from hyperpod_software.model.decision import Finish, Patch, Wait, failed
from hyperpod_software.model.plan import Plan, PlanReason
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Software
from hyperpod_software.model.state import Observation, Progress
from hyperpod_software.model.why import Frame, Framed, Why
from hyperpod_software.rules.cluster import in_flight, is_named_by, proven, seen_since
from hyperpod_software.rules.declared import changed_groups, is_same_cluster, moving_on
from hyperpod_software.rules.planning import batch_refused


def plan_rollback(
    request: Request, cluster: Cluster, now: float, *, progress: Progress | None = None
) -> Finish | Wait | Patch:
    """What a rollback does next, while it has not called yet.

    It waits for what is in flight, HyperPod's own rollback included. Then it patches back
    only groups that are proven to be on the failed image, and only to a pinned one.
    """
    declared, failed_one = request.declared, request.previous
    if failed_one is None or not is_same_cluster(request, cluster):
        return left(Plan(PlanReason.OTHER_CLUSTER, request, cluster))
    undone = changed_groups(failed_one, declared, cluster)
    if not undone:
        return left(Plan(PlanReason.SAME_SOFTWARE, request, cluster))
    hold = in_flight(cluster)
    if hold is not None:
        since = seen_since(progress, hold)
        if now >= request.deadline:
            late = PlanReason.BUSY_TOO_LONG
            return left(Plan(late, request, cluster, hold=hold, held_since=since))
        busy = Plan(PlanReason.BUSY, request, cluster, hold=hold, held_since=since)
        return Wait(busy, observation=Observation(rests=False, hold=hold))
    # The failed declaration may be the one that says so, and nothing else has read it yet.
    if OnRollback.LEAVE in (declared.on_rollback, failed_one.on_rollback):
        return left(Plan(PlanReason.ON_ROLLBACK_LEAVE, request, cluster))
    groups: list[str] = []
    for name in undone:
        group, before = cluster.group(name), declared.software_of(name)
        taken = failed_one.software_of(name)
        if group is None or taken is None or before is None or before.pin is None:
            continue
        if _runs_what_failed(taken, group) and not is_named_by(before, group):
            groups.append(name)
    if not groups:
        return left(Plan(PlanReason.NOT_PROVEN, request, cluster, names=undone))
    if batch_refused(declared, cluster):
        return left(Plan(PlanReason.BATCH_WITHOUT_EKS, request, cluster))
    patched = tuple(groups)
    return Patch(cluster, patched, Plan(PlanReason.PATCH, request, cluster, names=patched))


def _runs_what_failed(taken: Software, group: Group) -> bool:
    """It is on the very release that was called for: a newer patch of its line came by another
    way, and stays."""
    if taken.version is not None and not taken.is_release(group.version):
        return False
    return proven(taken, group) and moving_on(taken, group) is None


def as_rollback_result(end: Finish, *, called: bool) -> Finish:
    """The end of a rollback's patch, as a rollback may say it: never FAILED."""
    if end.outcome is Outcome.PATCHED:
        restored = Framed(Frame.RESTORED, end.why)
        return Finish(
            Outcome.RESTORED, restored, end.cluster, end.patched_groups, end.patched_nodes
        )
    if end.succeeded:
        return end
    return Finish(
        Outcome.LEFT_AS_IS, Framed(Frame.ROLLED_BACK, end.why, called=called), end.cluster
    )


def as_overtaken_result(end: Finish) -> Finish:
    """The end of a patch that a rollback overtook, as a rollback may say it: never FAILED."""
    return Finish(Outcome.LEFT_AS_IS, Framed(Frame.OVERTAKEN, end.why), end.cluster)


def left(plan: Plan) -> Finish:
    """A rollback that patches nothing back."""
    return Finish(Outcome.LEFT_AS_IS, plan, plan.cluster)


def going_on(wait: Wait, *, rollback: bool) -> Why:
    """What a window says that ends before the patch does."""
    return Framed(Frame.HANDED_OVER_IN_ROLLBACK if rollback else Frame.HANDED_OVER, wait.why)


def unwatched(wait: Wait) -> Finish:
    """A patch that did not end for as long as anybody could ask for it."""
    return failed(Framed(Frame.UNWATCHED, wait.why))
