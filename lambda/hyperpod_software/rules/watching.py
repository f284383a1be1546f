"""Watching: whether an accepted patch has ended, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.contract.properties import OnSkippedNodes
from hyperpod_software.model.cluster import UPDATE_SUCCEEDED, Group, NodeTally
from hyperpod_software.model.decision import CountNodes, Finish, Wait, failed
from hyperpod_software.model.result import (
    End,
    GroupProgress,
    GroupResult,
    PatchResult,
    Pending,
    Rule,
    Verdict,
    WaitsFor,
    with_verdict,
)
from hyperpod_software.model.software import Software
from hyperpod_software.model.state import digest
from hyperpod_software.rules.cluster import suffices
from hyperpod_software.rules.nodes import of_patch
from hyperpod_software.rules.snapshot import QUIET, GroupSnapshot, Snapshot
from hyperpod_software.rules.verdict import evidence_of, verdict_of

_WAITS_FOR = {
    Rule.NODES_NOT_READY: WaitsFor.NODES_NOT_READY,
    Rule.NO_SIGN_YET: WaitsFor.SIGN,
    Rule.ANOTHER_IMAGE: WaitsFor.IMAGE,
}


def evaluate(look: Snapshot, tallies: Mapping[str, NodeTally] | None) -> Finish | Wait | CountNodes:
    """What the cluster says about the patch: over, not over, or ask its nodes."""
    if not look.request.declared.wait_for_completion and look.known_to_run:
        return _finish(Outcome.ACCEPTED, PatchResult(End.NOT_WAITED_FOR, look.cluster))
    watched = [
        _watched(look, group, (tallies or {}).get(group.name) or NodeTally())
        for group in look.cluster.groups
        if look.call.covers(group.name)
    ]
    if len(watched) < len(look.call.before):
        return _finish(None, _gone(look))
    moving = [each.group for each in watched if look.moves(each.group)]
    if moving:
        return _wait(look, watched, *(_moving(look, group) for group in moving))
    if tallies is None:
        return CountNodes(tuple(each.group.name for each in watched))
    return _settle(look, watched)


def _watched(look: Snapshot, group: Group, tally: NodeTally) -> GroupSnapshot:
    had = look.call.nodes_before(group.name)
    sure = look.call.sure_before(group.name, scaling=group.scaling)
    return GroupSnapshot(group, look.software(group), of_patch(tally, had, sure), had, sure)


def _settle(look: Snapshot, watched: list[GroupSnapshot]) -> Finish | Wait:
    """No group is being patched any more: their verdicts together are the end."""
    results = tuple(_result(look, each) for each in watched)
    of = partial(with_verdict, results)
    waiting, failing, unknown = of(Verdict.WAIT), of(Verdict.FAILED), of(Verdict.UNKNOWN)
    patched, untouched = of(Verdict.PATCHED), of(Verdict.UNTOUCHED)
    if failing and (look.quiet or not waiting):
        return _finish(None, _failed(look, results))
    if waiting:
        first = waiting[0]
        shown = _shown(first.software, first.group)
        what = Pending(
            _WAITS_FOR[first.rule], first.group.name, None, first.not_ready, shown, first.software
        )
        return _wait(look, watched, what)
    if patched:
        # So HyperPod accepted the request, and what was left untouched was left by it.
        left = {each.group.name for each in watched if not each.unchanged}
        unknown += tuple(each for each in untouched if each.group.name in left)
    if unknown:
        return _finish(None, PatchResult(End.UNKNOWN, look.cluster, unknown))
    if not patched:
        hidden = _hides_its_count(look)
        return _untouched(look, results) if hidden is None else _wait(look, watched, hidden)
    passing = _passing(results, watched)
    if passing is not None and not look.quiet and look.now < look.ends:
        return _wait(look, watched, passing)
    return _success(look, results)


def _result(look: Snapshot, each: GroupSnapshot) -> GroupResult:
    rule, verdict = verdict_of(evidence_of(look, each))
    tally = each.tally
    return GroupResult(
        group=each.group,
        software=each.software,
        verdict=verdict,
        rule=rule,
        nodes=tally.there,
        patched=tally.done,
        skipped=each.skipped,
        failed=tally.failed,
        not_ready=each.unsettled,
        uncounted=each.off - each.skipped,
        newer=tally.newer,
        had_it=each.proven or suffices(each.software, each.group),
        went_back=_went_back(look, each.group),
        named=tally.named,
        strays=tally.strays,
        message=tally.message,
    )


def _went_back(look: Snapshot, group: Group) -> bool:
    return group.update_status == "RollbackComplete" or digest(group.name) in look.progress.back


def _finish(outcome: Outcome | None, result: PatchResult) -> Finish:
    return Finish(outcome, result, result.cluster, result.patched_groups, result.patched_nodes)


def _success(look: Snapshot, results: tuple[GroupResult, ...]) -> Finish:
    """Every group ended well, and some were patched."""
    skipped = any(each.skipped for each in results if each.verdict is Verdict.PATCHED)
    if not skipped and not any(each.failed for each in results):
        return _finish(Outcome.PATCHED, PatchResult(End.PATCHED, look.cluster, results))
    partly = PatchResult(End.PARTLY, look.cluster, results)
    if look.request.declared.on_skipped_nodes is OnSkippedNodes.FAIL:
        return failed(partly, look.cluster)
    return _finish(Outcome.PATCHED_WITH_SKIPPED_NODES, partly)


def _untouched(look: Snapshot, results: tuple[GroupResult, ...]) -> Finish:
    """No node of any group was replaced."""
    if not look.known_to_run:
        return _finish(None, PatchResult(End.UNANSWERED, look.cluster, results))
    return _finish(Outcome.ALREADY_CURRENT, PatchResult(End.CURRENT, look.cluster, results))


def _failed(look: Snapshot, results: tuple[GroupResult, ...]) -> PatchResult:
    """At least one group failed. HyperPod's reason is its message or, where that is the one from
    before the call, what a failed node says of itself."""
    message = look.cluster.failure_message
    bad = (each.message for each in results if each.verdict is Verdict.FAILED)
    own = message if look.told_failure else next(filter(None, bad), None)
    reason = own or message
    return PatchResult(
        End.FAILED, look.cluster, results, service_reason=reason, reason_is_old=own is None
    )


def _gone(look: Snapshot) -> PatchResult:
    """A group that was being patched is no more."""
    before = look.call.before
    present = {digest(group.name) for group in look.cluster.groups}
    lost = [name for name in look.request.declared.groups or () if digest(name) in before]
    return PatchResult(
        End.GONE,
        look.cluster,
        gone=tuple(name for name in lost if digest(name) not in present),
        gone_count=len(set(before) - present),
    )


def _hides_its_count(look: Snapshot) -> Pending | None:
    """Fields were seen to be missing in single descriptions, and without its count a group of
    skipped nodes looks like one that ran the software already."""
    if look.now >= min(look.ends, look.call.at + 2 * QUIET):
        return None
    for group in look.cluster.groups:
        if group.target_state_count is None and digest(group.name) in look.call.ran:
            return Pending(WaitsFor.HIDDEN_COUNT, group.name)
    return None


def _passing(results: Iterable[GroupResult], watched: Iterable[GroupSnapshot]) -> Pending | None:
    """What speaks against success, and may pass: a node fails for a moment while HyperPod
    replaces it, and a group's count can be older than its nodes' times."""
    broken = sum(each.failed for each in results)
    if broken:
        return Pending(WaitsFor.FAILED_NODES, nodes=broken)
    patched = {each.group.name for each in results if each.verdict is Verdict.PATCHED}
    seen = [each for each in watched if each.group.name in patched]
    skipped = sum(each.skipped for each in seen)
    if skipped and not any(each.tally.skipped or each.tally.untouched for each in seen):
        return Pending(WaitsFor.COUNT, nodes=skipped)
    return None


def _moving(look: Snapshot, group: Group) -> Pending:
    """What is going on in a group that is being patched, or does not agree with itself."""
    software = look.software(group)
    if group.update_status == UPDATE_SUCCEEDED and look.contradicts(group):
        shown = _shown(software, group)
        return Pending(WaitsFor.CONTRADICTION, group.name, shown=shown, software=software)
    if group.update_status is None and group.status in ("InService", None):
        return Pending(WaitsFor.CLUSTER, look.cluster.name, look.cluster.status)
    shown = group.update_status if group.update_status != UPDATE_SUCCEEDED else group.status
    return Pending(WaitsFor.MOVING, group.name, shown or group.status)


def _shown(software: Software, group: Group) -> str | None:
    """The release or image that it shows."""
    return (group.version if software.version else None) or group.image_id


def _wait(look: Snapshot, watched: list[GroupSnapshot], *pending: Pending) -> Finish | Wait:
    progress = tuple(_progress(each.group) for each in watched)
    if look.now < look.ends:
        return Wait(pending, progress, look.observation(watched))
    end = End.TIMED_OUT if look.known_to_run else End.TIMED_OUT_UNANSWERED
    waited = round(look.ends - look.request.info.issued)
    return _finish(
        None,
        PatchResult(end, look.cluster, pending=pending, progress=progress, waited=waited),
    )


def _progress(group: Group) -> GroupProgress:
    done = group.target_state_count
    if group.update_status == "RollbackInProgress":
        done = None  # it counts the nodes that went back
    elif done is not None:
        done = min(done, group.current_count)
    return GroupProgress(group.name, done, group.current_count)
