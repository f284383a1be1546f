"""How a patch stands, or ended, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Sequence

from hyperpod_software.messages.wording import counted, listed, sentence
from hyperpod_software.model.cluster import FAILED_NODE, NamedNode
from hyperpod_software.model.result import (
    End,
    GroupResult,
    PatchResult,
    Pending,
    Verdict,
    WaitsFor,
)

UNMONITORED = "The patch continues on the cluster, but this deployment no longer monitors it."


def text(result: PatchResult) -> str:
    """The end of a patch."""
    name = result.cluster.name
    match result.end:
        case End.NOT_WAITED_FOR:
            return (
                f"HyperPod accepted the request to patch cluster {name}. This deployment does not "
                "wait for its end: WaitForCompletion is false."
            )
        case End.PATCHED:
            return _patched(result)
        case End.PARTLY:
            return _partly(result)
        case End.CURRENT:
            return _current(result)
        case End.FAILED:
            return _failed(result)
        case End.UNKNOWN:
            return _unknown(result)
        case End.UNANSWERED:
            groups = listed([each.group.name for each in result.groups])
            return (
                f"It is unknown whether HyperPod accepted the request to patch {groups}: no "
                "response came back, and what the cluster shows does not tell. "
                "Look at the cluster, then deploy again."
            )
        case End.GONE:
            which = listed(result.gone) or counted(result.gone_count, "instance group")
            return f"While being patched, {which} disappeared from cluster {name}."
        case End.TIMED_OUT | End.TIMED_OUT_UNANSWERED:
            return _timed_out(result)


def waits_for(pending: Sequence[Pending]) -> str:
    """What a patch waits for."""
    return listed([_waits_for(each) for each in pending], most=4)


def _waits_for(it: Pending) -> str:
    match it.what:
        case WaitsFor.MOVING:
            return f"group {it.group} is {it.status}"
        case WaitsFor.CONTRADICTION:
            return f"{_other_image(it)}, and says Succeeded"
        case WaitsFor.CLUSTER:
            return f"cluster {it.group} is {it.status}"
        case WaitsFor.NODES_NOT_READY:
            return f"{counted(it.nodes, 'node')} of {it.group} not ready yet"
        case WaitsFor.SIGN:
            return f"group {it.group} shows no sign of the patch yet"
        case WaitsFor.IMAGE:
            return f"HyperPod accepted the request, but {_other_image(it)}"
        case WaitsFor.HIDDEN_COUNT:
            return f"group {it.group} does not show how many of its nodes run its image"
        case WaitsFor.FAILED_NODES:
            return f"the update ended, but {counted(it.nodes, 'node')} failed"
        case WaitsFor.COUNT:
            return f"the update ended, but {counted(it.nodes, 'node')} not counted on its image"


def _other_image(it: Pending) -> str:
    return f"group {it.group} still shows {it.shown} and not {it.software}"


def _patched(result: PatchResult) -> str:
    patched = result.with_verdict(Verdict.PATCHED)
    return (
        f"Patched {counted(result.patched_nodes, 'node')} of {listed(result.patched_groups)} in "
        f"cluster {result.cluster.name} to {_software_of(patched)}.{_newer(patched)}"
        f"{_degraded(patched)}{_beside(result.groups)}"
    )


def _partly(result: PatchResult) -> str:
    patched = result.with_verdict(Verdict.PATCHED)
    skipped = sum(each.skipped for each in patched)
    failed = sum(each.failed for each in result.groups)
    total = sum(each.nodes for each in patched)
    running = total - sum(each.skipped + each.failed for each in patched)
    bad = " and ".join(
        f"{counted(count, 'node')} {what}"
        for count, what in ((skipped, "skipped"), (failed, FAILED_NODE))
        if count
    )
    named = [node for each in result.groups for node in each.named]
    # Where the group's own count beats the times of its nodes, more are named than it counts.
    which = f"{', among' if len(named) > skipped + failed else ''}: {_nodes(named)}"
    said = (
        f"HyperPod ended the update of {listed(result.patched_groups)} in cluster "
        f"{result.cluster.name}, but of {counted(total, 'node')} {running} run "
        f"{_software_of(patched)}, with {bad}{which if named else ''}.{_newer(patched)}"
        f"{_degraded(patched)}{_beside(result.groups)}"
    )
    if skipped and not result.cluster.slurm:
        said += " On EKS, nodes whose eviction would violate a PodDisruptionBudget are skipped."
    return said


def _current(result: PatchResult) -> str:
    """No node of any group was replaced."""
    groups = result.groups
    if not any(each.nodes for each in groups):
        why = "there were none"
    elif all(each.had_it for each in groups):
        why = "they ran the declared software already"
    else:
        why = "as far as HyperPod shows, they ran the declared software already"
    failed = sum(each.failed for each in groups)
    named = _failed_nodes(groups)
    which = f": {named}" if named else ""
    but = f" But {counted(failed, 'node')} failed{which}." if failed else ""
    return (
        "HyperPod accepted the request but replaced no nodes of "
        f"{listed([each.group.name for each in groups])} in cluster {result.cluster.name}: {why}."
        f"{_newer(groups)}{but}{_beside(groups)}"
    )


def _failed(result: PatchResult) -> str:
    """At least one group failed."""
    bad = result.with_verdict(Verdict.FAILED)
    good = [each.group.name for each in result.with_verdict(Verdict.PATCHED)]
    ends = listed([_end_of(each) for each in bad], most=4)
    said = f"The patch of cluster {result.cluster.name} to {_software_of(bad)} failed: {ends}."
    if any(each.went_back for each in bad):
        said += " HyperPod rolled the nodes back."
    if good:
        said += f" Patched were: {listed(good)}."
    failed = _failed_nodes(bad)
    if failed:
        said += f" Failed nodes: {failed}."
    return sentence(f"{said} {_service_reason(result)}")


def _end_of(each: GroupResult) -> str:
    group = each.group
    return (
        f"{group.name} ({group.update_status or 'no status'}, "
        f"{counted(group.current_count, 'node')}, "
        f"now on {group.version or group.image_id or 'an image it does not name'})"
    )


def _service_reason(result: PatchResult) -> str:
    if result.service_reason is None:
        return "HyperPod gave no reason"
    if result.reason_is_old:
        return f"HyperPod's message is the one from before the patch: {result.service_reason}"
    return f"HyperPod's own reason: {result.service_reason}"


def _unknown(result: PatchResult) -> str:
    """These groups rest, and what they show fits more than one end."""
    groups = result.groups
    shown = listed([f"{each.group.name} ({_shown(each)})" for each in groups], most=4)
    since = sum(each.patched for each in groups)
    total = sum(each.nodes for each in groups)
    return (
        f"Groups of cluster {result.cluster.name} do not show how this patch ended: {shown}; of "
        f"{counted(total, 'node')} {since} came up since the call. Whether it failed, skipped "
        "nodes or changed nothing is not known. Look at the cluster, then deploy again."
    )


def _shown(each: GroupResult) -> str:
    status = each.group.update_status or "no status"
    if each.group.target_state_count is None:
        return status
    counts = f"{each.group.target_state_count} of {each.group.current_count}"
    return f"{status}, {counts} nodes on its image"


def _timed_out(result: PatchResult) -> str:
    """The request waited as long as it may."""
    why, name = waits_for(result.pending), result.cluster.name
    if result.end is End.TIMED_OUT_UNANSWERED:
        return (
            f"It is unknown whether HyperPod accepted the request to patch cluster {name}: no "
            f"response came back, and when the timeout of {result.waited} seconds passed {why}. "
            "Look at the cluster, then deploy again."
        )
    counts = [each.done for each in result.progress if each.done is not None]
    total = sum(each.total for each in result.progress)
    far = f", and {sum(counts)} of {counted(total, 'node')} counted on the image that HyperPod is"
    shown = len(counts) == len(result.progress)
    return (
        f"The timeout of {result.waited} seconds passed before the patch of cluster {name} "
        f"ended: {why}{f'{far} bringing' if shown else ''}. {UNMONITORED}"
    )


def _newer(groups: Sequence[GroupResult]) -> str:
    """Nodes that automatic patching, or somebody, brought further than declared meanwhile."""
    newer = sum(each.newer for each in groups)
    if not newer:
        return ""
    return f" On a newer patch release of the declared line: {counted(newer, 'node')}."


def _degraded(groups: Sequence[GroupResult]) -> str:
    bad = [each.group.name for each in groups if each.group.status == "Degraded"]
    return f" Degraded now: {listed(bad)}." if bad else ""


def _beside(groups: Sequence[GroupResult]) -> str:
    """Nodes that belong to no patch: they are told, and weigh nothing."""
    strays = [each.strays for each in groups]
    away = sum(each.total for each in strays)
    said = ""
    if away:
        named = _nodes([node for each in strays for node in each.named])
        are = "is" if away == 1 else "are"
        said = f" {counted(away, 'node')} that scaling adds or takes {are} not running: {named}."
    off = sum(each.uncounted for each in groups)
    if off:
        are = "is" if off == 1 else "are"
        said += f" {counted(off, 'node')} that came meanwhile {are} not counted on that image."
    return said


def _failed_nodes(groups: Sequence[GroupResult]) -> str:
    return _nodes([node for each in groups for node in each.named if node.state == FAILED_NODE])


def _nodes(named: Sequence[NamedNode]) -> str:
    return listed([f"{node.instance_id} ({node.state})" for node in named], 5)


def _software_of(groups: Sequence[GroupResult]) -> str:
    return listed(sorted({str(each.software) for each in groups}), most=3)
