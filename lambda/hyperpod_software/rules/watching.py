"""Watching: whether an accepted patch has ended, and how.

``SoftwareUpdateStatus`` tells of the *last* request, so a ``Succeeded`` may be an old one.
It counts as this request's own where the group was seen being patched, where it was another
one before the call, or where DescribeCluster names the declared image. Otherwise, and where
the status is absent, the nodes' own times decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hyperpod_software.rules import telling
from hyperpod_software.rules.cluster import suffices
from hyperpod_software.rules.look import Look, Verdict, Watched
from hyperpod_software.rules.nodes import of_patch
from hyperpod_software.rules.sentences import counted
from hyperpod_software.words.cluster import UPDATE_ENDED_BADLY, UPDATE_SUCCEEDED, Group, NodeTally
from hyperpod_software.words.decision import CountNodes, Finish, GroupProgress, Wait
from hyperpod_software.words.memory import digest


def judge(look: Look, tallies: Mapping[str, NodeTally] | None) -> Finish | Wait | CountNodes:
    """What the cluster says about the patch: over, not over, or ask its nodes."""
    if not look.request.declared.wait_for_completion and look.known_to_run:
        return telling.accepted(look)
    watched = [
        _watched(look, group, (tallies or {}).get(group.name) or NodeTally())
        for group in look.cluster.groups
        if look.call.covers(group.name)
    ]
    if len(watched) < len(look.call.before):
        return telling.gone(look)
    moving = [each.group for each in watched if look.moves(each.group)]
    if moving:
        return _wait(look, watched, telling.moving(look, moving))
    if tallies is None:
        return CountNodes(tuple(each.group.name for each in watched))
    return _settle(look, watched)


def _watched(look: Look, group: Group, tally: NodeTally) -> Watched:
    had = look.call.nodes_before(group.name)
    sure = look.call.sure_before(group.name, scaling=group.scaling)
    return Watched(group, look.software(group), of_patch(tally, had, sure), had, sure)


def _settle(look: Look, watched: list[Watched]) -> Finish | Wait:
    """No group is being patched any more: their verdicts together are the end."""
    told = [_judged(look, each) for each in watched]
    waiting = [each for each in told if each.verdict is Verdict.WAIT]
    failing = [each for each in told if each.verdict is Verdict.FAILED]
    if failing and (look.quiet or not waiting):
        return telling.failure(look, told)
    if waiting:
        return _wait(look, watched, waiting[0].why)
    untold = [each for each in told if each.verdict is Verdict.UNTOLD]
    if any(each.verdict is Verdict.PATCHED for each in told):
        # So HyperPod took the call, and what was left untouched was left by it.
        untouched = (each for each in told if each.verdict is Verdict.UNTOUCHED)
        untold += [each for each in untouched if not each.unchanged]
    if untold:
        return telling.untold(look, untold)
    if all(each.verdict is Verdict.UNTOUCHED for each in told):
        return telling.untouched(look, told)
    passing = _passing(told)
    if passing is not None and not look.quiet and look.now < look.ends:
        return _wait(look, watched, passing)
    return telling.success(look, told)


def _judged(look: Look, each: Watched) -> Watched:
    verdict, why = _verdict(look, each)
    return replace(each, verdict=verdict, why=why)


def _verdict(look: Look, each: Watched) -> tuple[Verdict, str]:
    """The first rule that fits, and what it waits for where it waits."""
    group, tally, status = each.group, each.tally, each.group.update_status
    fresh = status is not None and look.is_fresh(group)
    says_bad = status in UPDATE_ENDED_BADLY
    named, other = suffices(each.software, group), look.contradicts(group)
    if says_bad and fresh:
        return Verdict.FAILED, ""
    if each.unsettled:
        return Verdict.WAIT, f"{counted(each.unsettled, 'node')} of {group.name} not ready yet"
    if not tally.total:
        return Verdict.UNTOUCHED, ""
    # Where it was there before, too, nodes off the image may be left from before as well.
    appeared = look.call.status_before(group.name) is None
    patched = fresh or (named and tally.done and (appeared or not each.skipped))
    if status == UPDATE_SUCCEEDED and not other and patched:
        untouched = each.unchanged and not tally.failed
        return (Verdict.UNTOUCHED if untouched else Verdict.PATCHED), ""
    if status is None and _failed_silently(look, each):
        return Verdict.FAILED, ""
    # Its status does not tell: its nodes' times do.
    seen = look.progress.saw_active(group.name)
    # Among groups that show a status, one that shows none may show it in the next look.
    told = seen or named or each.proven or status is not None or look.shows_no_status
    ended = look.quiet or seen or tally.done + tally.current == tally.there
    # A bad end of before says nothing where every node says itself that it runs the software.
    doubted = (says_bad and not each.proven) or other or look.told_failure
    replaced = tally.done or tally.broken
    if replaced and look.known_to_run and told and ended and not doubted:
        return Verdict.PATCHED, ""
    if not look.quiet:
        return Verdict.WAIT, f"group {group.name} shows no sign of the patch yet"
    at_goal = each.proven or (named and not tally.failed)
    doubtful = (says_bad or look.told_failure) and not at_goal
    if doubtful or (look.known_to_run and not each.unchanged):
        return Verdict.UNTOLD, ""
    if other and look.known_to_run:
        return Verdict.WAIT, f"HyperPod took the call, but {telling.other_image(look, group)}"
    return Verdict.UNTOUCHED, ""


def _failed_silently(look: Look, each: Watched) -> bool:
    """A group without a status whose patch failed: it was seen going back, or the cluster of
    the older mode says so in its own way."""
    if digest(each.group.name) in look.progress.back:
        return True
    says_failed = "Failed" in (look.cluster.status, each.group.status)
    return look.shows_no_status and (look.told_failure or (each.tally.done > 0 and says_failed))


def _passing(told: list[Watched]) -> str | None:
    """What speaks against success, and may pass: a node fails for a moment while HyperPod
    replaces it, and a group's count can be older than its nodes' times."""
    broken = sum(each.tally.failed for each in told)
    if broken:
        return f"the update ended, but {counted(broken, 'node')} failed"
    patched = [each for each in told if each.verdict is Verdict.PATCHED]
    skipped = sum(each.skipped for each in patched)
    if skipped and not any(each.tally.skipped or each.tally.untouched for each in patched):
        return f"the update ended, but {counted(skipped, 'node')} not counted on its image"
    return None


def _wait(look: Look, watched: list[Watched], why: str) -> Finish | Wait:
    progress = tuple(_progress(each.group) for each in watched)
    if look.now >= look.ends:
        return telling.timeout(look, progress, why)
    return Wait(f"Patching: {why}.", progress, look.sight(watched))


def _progress(group: Group) -> GroupProgress:
    done = group.target_state_count
    if group.update_status == "RollbackInProgress":
        done = None  # it counts the nodes that went back
    elif done is not None:
        done = min(done, group.current_count)
    return GroupProgress(group.name, done, group.current_count)
