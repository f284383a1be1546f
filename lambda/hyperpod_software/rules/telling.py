"""Telling: what a request says of its patch once it is over, in words a person can act on."""

from __future__ import annotations

from collections.abc import Sequence

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.contract.properties import OnSkippedNodes
from hyperpod_software.rules.cluster import suffices
from hyperpod_software.rules.look import Look, Verdict, Watched
from hyperpod_software.rules.sentences import counted, listed, sentence
from hyperpod_software.words.cluster import UPDATE_SUCCEEDED, Group
from hyperpod_software.words.decision import Finish, GroupProgress, failed
from hyperpod_software.words.memory import digest


def accepted(look: Look) -> Finish:
    """The end where nobody wanted to wait for another."""
    return Finish(
        Outcome.ACCEPTED,
        f"HyperPod accepted the call to patch cluster {look.cluster.name}. How it ends is not "
        "watched: WaitForCompletion is false.",
        look.cluster,
    )


def success(look: Look, told: list[Watched]) -> Finish:
    """Every group ended well, and some were patched."""
    cluster = look.cluster
    patched = [each for each in told if each.verdict is Verdict.PATCHED]
    groups = tuple(each.group.name for each in patched)
    done = sum(each.tally.done for each in patched)
    skipped = sum(each.skipped for each in patched)
    broken = sum(each.tally.failed for each in told)
    if skipped or broken:
        what = _partly(look, told, patched, skipped, broken)
        if look.request.declared.on_skipped_nodes is OnSkippedNodes.FAIL:
            return failed(what, cluster)
        return Finish(Outcome.PATCHED_WITH_SKIPPED_NODES, what, cluster, groups, done)
    what = (
        f"Patched {counted(done, 'node')} of {listed(groups)} in cluster {cluster.name} "
        f"to {_software_of(patched)}.{_moved_on(patched)}{_degraded(patched)}{_beside(told)}"
    )
    return Finish(Outcome.PATCHED, what, cluster, groups, done)


def _partly(
    look: Look, told: list[Watched], patched: list[Watched], skipped: int, broken: int
) -> str:
    total = sum(each.tally.there for each in patched)
    running = total - sum(each.skipped + each.tally.failed for each in patched)
    bad = " and ".join(
        f"{counted(count, 'node')} {what}"
        for count, what in ((skipped, "skipped"), (broken, "failed"))
        if count
    )
    named = [name for each in told for name in each.tally.named]
    # Where the group's own count beats the times of its nodes, more are named than it counts.
    which = f"{', among' if len(named) > skipped + broken else ''}: {listed(named, 5)}"
    text = (
        f"HyperPod ended the update of {listed([each.group.name for each in patched])} in cluster "
        f"{look.cluster.name}, but of {counted(total, 'node')} {running} run "
        f"{_software_of(patched)}, with {bad}{which if named else ''}.{_moved_on(patched)}"
        f"{_degraded(patched)}{_beside(told)}"
    )
    if skipped and not look.cluster.slurm:
        text += " On EKS, nodes whose eviction would violate a PodDisruptionBudget are skipped."
    return text


def _moved_on(told: list[Watched]) -> str:
    """Nodes that automatic patching, or somebody, brought further than declared meanwhile."""
    newer = sum(each.tally.newer for each in told)
    if not newer:
        return ""
    return f" On a newer patch release of the declared line: {counted(newer, 'node')}."


def _degraded(patched: list[Watched]) -> str:
    bad = [each.group.name for each in patched if each.group.status == "Degraded"]
    return f" Degraded now: {listed(bad)}." if bad else ""


def _beside(told: list[Watched]) -> str:
    """Nodes that belong to no patch: they are told, and weigh nothing."""
    strays = [each.tally.strays for each in told]
    away = sum(each.total for each in strays)
    text = ""
    if away:
        named = listed([name for each in strays for name in each.named], 5)
        are = "is" if away == 1 else "are"
        text = f" {counted(away, 'node')} that scaling adds or takes {are} not running: {named}."
    off = sum(each.off - each.skipped for each in told)
    if off:
        are = "is" if off == 1 else "are"
        text += f" {counted(off, 'node')} that came meanwhile {are} not counted on that image."
    return text


def untouched(look: Look, told: list[Watched]) -> Finish:
    """No node of any group was replaced."""
    groups = listed([each.group.name for each in told])
    if not look.known_to_run:
        return failed(
            f"It is not known whether HyperPod took the call to patch {groups}: no answer "
            "came back, and what the cluster shows does not tell. "
            "Look at the cluster, then deploy again.",
            look.cluster,
        )
    if not any(each.tally.there for each in told):
        why = "there was none"
    elif all(each.proven or suffices(each.software, each.group) for each in told):
        why = "they had the software already"
    else:
        why = "as far as HyperPod shows they had the software already"
    broken = sum(each.tally.failed for each in told)
    named = listed([name for each in told for name in each.tally.named if _is_failed(name)], 5)
    but = f" But {counted(broken, 'node')} failed: {named}." if broken else ""
    return Finish(
        Outcome.ALREADY_CURRENT,
        f"HyperPod took the call and replaced no node of {groups} in cluster "
        f"{look.cluster.name}: {why}.{_moved_on(told)}{but}{_beside(told)}",
        look.cluster,
    )


def _is_failed(node: str) -> bool:
    return node.endswith("(failed)")


def failure(look: Look, told: list[Watched]) -> Finish:
    """At least one group failed."""
    bad = [each for each in told if each.verdict is Verdict.FAILED]
    good = [each.group.name for each in told if each.verdict is Verdict.PATCHED]
    ends = listed(
        [
            f"{each.group.name} ({each.group.update_status or 'no status'}, "
            f"{counted(each.group.current_count, 'node')}, "
            f"now on {each.group.version or each.group.image_id or 'an image it does not name'})"
            for each in bad
        ],
        most=4,
    )
    text = f"The patch of cluster {look.cluster.name} to {_software_of(bad)} failed: {ends}."
    if any(_went_back(look, each) for each in bad):
        text += " HyperPod rolled the nodes back."
    if good:
        text += f" Patched were: {listed(good)}."
    broken = [name for each in bad for name in each.tally.named if _is_failed(name)]
    if broken:
        text += f" Failed nodes: {listed(broken, 5)}."
    return failed(sentence(f"{text} {_service_reason(look, bad)}"), look.cluster)


def _went_back(look: Look, each: Watched) -> bool:
    return (
        each.group.update_status == "RollbackComplete"
        or digest(each.group.name) in look.progress.back
    )


def _service_reason(look: Look, bad: list[Watched]) -> str:
    message = look.cluster.failure_message
    if message is not None and look.told_failure:
        return f"HyperPod's own reason: {message}"
    reason = next((each.tally.message for each in bad if each.tally.message), None)
    if reason is not None:
        return f"HyperPod's own reason: {reason}"
    if message is not None:
        return f"HyperPod's message is the one from before the patch: {message}"
    return "HyperPod gave no reason"


def untold(look: Look, told: list[Watched]) -> Finish:
    """These groups rest, and what they show fits more than one end."""
    shown = listed([f"{each.group.name} ({_shown(each.group)})" for each in told], most=4)
    since = sum(each.tally.done for each in told)
    total = sum(each.tally.there for each in told)
    return failed(
        f"Groups of cluster {look.cluster.name} do not show how this patch ended: {shown}; of "
        f"{counted(total, 'node')} {since} came up since the call. Whether it failed, skipped "
        "nodes or changed nothing is not known. Look at the cluster, then deploy again.",
        look.cluster,
    )


def _shown(group: Group) -> str:
    status = group.update_status or "no status"
    if group.target_state_count is None:
        return status
    return f"{status}, {group.target_state_count} of {group.current_count} nodes on its image"


def gone(look: Look) -> Finish:
    """A group that was being patched is no more."""
    before, cluster = look.call.before, look.cluster
    present = {digest(group.name) for group in cluster.groups}
    lost = [name for name in look.request.declared.groups or () if digest(name) in before]
    lost = [name for name in lost if digest(name) not in present]
    which = listed(lost) or counted(len(set(before) - present), "instance group")
    return failed(f"While being patched, {which} disappeared from cluster {cluster.name}.", cluster)


def timeout(look: Look, progress: Sequence[GroupProgress], why: str) -> Finish:
    """The request waited as long as it may."""
    cluster = look.cluster
    waited = round(look.ends - look.request.ticket.issued)
    if not look.known_to_run:
        return failed(
            f"It is not known whether HyperPod took the call to patch cluster {cluster.name}: no "
            f"answer came back, and when the timeout of {waited} seconds passed {why}. "
            "Look at the cluster, then deploy again.",
            cluster,
        )
    counts = [each.done for each in progress if each.done is not None]
    total = sum(each.total for each in progress)
    far = f", and {sum(counts)} of {counted(total, 'node')} counted on the image that HyperPod is"
    return failed(
        f"The timeout of {waited} seconds passed before the patch of cluster {cluster.name} "
        f"ended: {why}{f'{far} bringing' if len(counts) == len(progress) else ''}. "
        "The cluster goes on by itself; nobody watches it now.",
        cluster,
    )


def moving(look: Look, groups: Sequence[Group]) -> str:
    """What is going on, of groups that are being patched or do not agree with themselves."""
    return listed([_moving(look, group) for group in groups], most=4)


def _moving(look: Look, group: Group) -> str:
    if group.update_status == UPDATE_SUCCEEDED and look.contradicts(group):
        return f"{other_image(look, group)}, and says Succeeded"
    if group.update_status is None and group.status in ("InService", None):
        return f"cluster {look.cluster.name} is {look.cluster.status}"
    shown = group.update_status if group.update_status != UPDATE_SUCCEEDED else group.status
    return f"group {group.name} is {shown or group.status}"


def other_image(look: Look, group: Group) -> str:
    """It shows something else than what is declared."""
    software = look.software(group)
    shown = (group.version if software.version else None) or group.image_id
    return f"group {group.name} still shows {shown} and not {software}"


def _software_of(watched: list[Watched]) -> str:
    return listed(sorted({str(each.software) for each in watched}), most=3)
