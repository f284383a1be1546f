"""Plans in words: what is patched, or why nothing is."""

from __future__ import annotations

from hyperpod_software.contract.times import WINDOW
from hyperpod_software.messages.wording import clock, listed
from hyperpod_software.model.plan import GroupPlan, Hold, HoldKind, Plan, PlanReason

NOTHING = " Nothing was patched."
_BACK = {
    PlanReason.OTHER_CLUSTER: "there is nothing in this cluster that could be taken back",
    PlanReason.SAME_SOFTWARE: "the declared software did not change",
    PlanReason.ON_ROLLBACK_LEAVE: "OnRollback is leave",
    PlanReason.NOT_PROVEN: (
        "no group is proven to run the failed software and has a pinned one to go back to"
    ),
}


def text(plan: Plan, *, nothing: str = NOTHING) -> str:
    """``nothing`` says that nothing was patched, where that is so."""
    if plan.request.rollback:
        return _of_rollback(plan)
    match plan.reason:
        case PlanReason.PATCH:
            return f"Patching {listed(plan.names)}."
        case PlanReason.BUSY | PlanReason.BUSY_TOO_LONG | PlanReason.NOT_BEGUN_IN_TIME:
            return _waited(plan)
        case PlanReason.RESTRICTED_GROUP | PlanReason.MISSING_GROUPS | PlanReason.NO_GROUPS:
            return _without_group(plan, nothing)
        case PlanReason.UNCHANGED | PlanReason.ADOPTED:
            return f"{_kept(plan)}{nothing}{_differing(plan)}"
        case PlanReason.CURRENT:
            return f"Every declared group runs the declared software already.{nothing}"
        case PlanReason.PARTLY_CURRENT:
            return f"{_partly(plan)}{nothing}"
        case PlanReason.SKIPPED_BEFORE:
            return (
                f"{_partly(plan)} Nothing was patched: patch those nodes by hand, or declare a "
                "newer image, or that skipped nodes only warn."
            )
        case _:
            return f"{_refusal(plan)}{nothing}"


def _of_rollback(plan: Plan) -> str:
    match plan.reason:
        case PlanReason.PATCH:
            return f"Patching {listed(plan.names)} back."
        case PlanReason.BUSY:
            return f"Waiting before rolling back: {_hold(plan)}."
        case PlanReason.BUSY_TOO_LONG:
            why = f"for {plan.request.wait_within} seconds {_hold(plan)}"
        case PlanReason.BATCH_WITHOUT_EKS:
            why = _batch(plan).rstrip(".")
        case reason:
            why = _BACK[reason]
    return f"Nothing was patched back: {why}."


def held(hold: Hold) -> str:
    """What keeps a request from beginning."""
    match hold.kind:
        case HoldKind.CLUSTER:
            return f"cluster {hold.name} is {hold.status}"
        case HoldKind.UPDATE:
            return f"the software update of group {hold.name} is {hold.status}"
        case HoldKind.GROUP:
            return f"group {hold.name} is {hold.status}"
        case HoldKind.CONFLICT:
            return "HyperPod answered ConflictException"
        case HoldKind.NOT_SHOWN:
            return f"CloudFormation shows {hold.status or 'nothing'} for this resource"


def _hold(plan: Plan) -> str:
    if plan.hold is None:
        return "something else is under way"
    others = ", another update of this cluster" if plan.others_update else ""
    since = "" if plan.held_since is None else f", seen since {clock(plan.held_since)}"
    late = plan.reason is not PlanReason.BUSY
    return f"{held(plan.hold)}{others}{since if late else ''}"


def _held_before(plan: Plan) -> str:
    if plan.hold is None:
        return "The log says at each look why."
    return f"What kept it last: {_hold(plan)}."


def _cluster(plan: Plan, word: str = "Cluster ") -> str:
    name = plan.cluster.name if plan.cluster is not None else plan.request.declared.cluster
    return f"{word or 'cluster '}{name}"


def _waited(plan: Plan) -> str:
    request = plan.request
    if plan.reason is PlanReason.BUSY:
        return f"Waiting to begin: {_hold(plan)}."
    if plan.reason is PlanReason.BUSY_TOO_LONG:
        return (
            f"Nothing was patched within {request.begin_within} seconds: {_hold(plan)}. A patch "
            "that begins later would not end before the timeout of "
            f"{request.declared.timeout} seconds."
        )
    return (
        f"Nothing was patched: the patch of {listed(plan.names)} could not begin within "
        f"{request.begin_within} seconds. {_held_before(plan)}"
    )


def _without_group(plan: Plan, nothing: str) -> str:
    if plan.reason is PlanReason.NO_GROUPS:
        return f"{_cluster(plan)} has no instance group.{nothing}"
    if plan.reason is PlanReason.RESTRICTED_GROUP:
        return (
            f"Instance group {plan.names[0]} of {_cluster(plan, '')} is a restricted instance "
            f"group, which UpdateClusterSoftware does not patch by name.{nothing}"
        )
    existing = [group.name for group in plan.cluster.groups] if plan.cluster is not None else []
    return (
        f"{_cluster(plan)} has no instance group {listed(plan.names)}. "
        f"Its groups are: {listed(existing, most=20) or 'none'}.{nothing}"
    )


def _kept(plan: Plan) -> str:
    if plan.reason is PlanReason.ADOPTED:
        return f"{_cluster(plan)} was adopted as it is: OnCreate is adopt."
    return "No declared image, version or revision changed."


def _differing(plan: Plan) -> str:
    """What is left as it is although another software is declared for it."""
    groups = [_named(each) for each in plan.groups if each.differs]
    if not groups:
        return ""
    return (
        " Not on the declared software, and left so until the declaration changes: "
        f"{listed(groups, most=4)}."
    )


def _named(each: GroupPlan) -> str:
    return f"{each.group.name} ({each.group.version or each.group.image_id})"


def _partly(plan: Plan) -> str:
    counts = [
        f"{each.group.target_state_count} of {each.group.current_count} nodes of {each.group.name}"
        for each in plan.groups
        if each.group.name in plan.names
    ]
    return (
        f"Every declared group of {_cluster(plan, '')} names the declared software, but HyperPod "
        f"counts only {listed(counts, most=4)} on it."
    )


def _refusal(plan: Plan) -> str:
    declared, names = plan.request.declared, listed(plan.names)
    run = "runs" if len(plan.names) == 1 else "run"
    match plan.reason:
        case PlanReason.BATCH_WITHOUT_EKS:
            return _batch(plan)
        case PlanReason.CREDENTIALS_TOO_SHORT:
            return _credentials(plan)
        case PlanReason.AMI_OVER_DEFAULT_ON_SLURM:
            return (
                f"{declared.image_id} cannot replace HyperPod's default image on a Slurm cluster, "
                f"and {names} of {_cluster(plan, '')} {run} it: create a new instance group on the "
                "AMI instead."
            )
        case PlanReason.RELEASE_ON_SLURM:
            return (
                f"A release version is for EKS clusters, and {_cluster(plan, '')} is a Slurm "
                "cluster: declare an AMI."
            )
        case PlanReason.RELEASE_OVER_AMI:
            return (
                f"{names} of {_cluster(plan, '')} {run} a custom AMI, which a release version "
                "cannot replace: declare SoftwareImage.latest() first."
            )
        case _:
            return _newer(plan)


def _batch(plan: Plan) -> str:
    return (
        "A rolling update (DeploymentConfig) was declared. AWS documents it as available only for "
        f"clusters integrated with Amazon EKS, which {_cluster(plan, '')} is not shown to be: all "
        "its nodes may be replaced at once. Leave the rolling update out, or allow it with "
        "RollingUpdate(…, allow_on_slurm=True)."
    )


def _newer(plan: Plan) -> str:
    newer = {each.group.name: each.newer for each in plan.groups if each.newer}
    name = next(iter(newer))
    software = next(each.software for each in plan.groups if each.group.name == name)
    line = ".".join((software.version or "").split(".")[:2])
    ways = f'declare SoftwareImage.release_line("{line}", at_least="{newer[name]}")'
    if software.line is None:
        ways = (
            f'declare SoftwareImage.release("{newer[name]}") or release_line("{line}"), or allow it '
            f'with release("{software.version}", allow_downgrade=True)'
        )
    there = listed([f"{group} ({release})" for group, release in newer.items()], most=4)
    return (
        f"A patch to release {software.version} would take a newer patch release back in "
        f"{_cluster(plan, '')}, which is not done unasked. It is there in {there}: {ways}."
    )


def _credentials(plan: Plan) -> str:
    return (
        f"A timeout of {plan.request.declared.timeout} seconds needs a stack with a service role: "
        "without one CloudFormation works with the credentials of the caller, which end before. "
        "Deploy with a role (CDK's default synthesizer does), declare at most "
        f"{WINDOW} seconds, or insist with allow_caller_credentials."
    )
