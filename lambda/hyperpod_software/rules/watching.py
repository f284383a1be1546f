"""Watching: whether an accepted patch has ended, and how.

``SoftwareUpdateStatus`` tells of the *last* request, so a ``Succeeded`` may be an old one.
It counts as this request's own where the group was seen being patched, where it was not
``Succeeded`` before the call, or where DescribeCluster names the declared image. Otherwise,
and where the status is absent, the nodes' own times decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from hyperpod_software.rules.cluster import contradicts, is_updating, names
from hyperpod_software.rules.sentences import counted, listed, sentence
from hyperpod_software.words.cluster import (
    CHANGING_CLUSTER,
    CHANGING_GROUP,
    SETTLED_CLUSTER,
    SETTLED_GROUP,
    UPDATE_ENDED_BADLY,
    UPDATE_RUNNING,
    Cluster,
    Group,
    NodeTally,
)
from hyperpod_software.words.decision import (
    CountNodes,
    Finish,
    GroupProgress,
    Outcome,
    Wait,
    failed,
)
from hyperpod_software.words.memory import Call, Progress, digest
from hyperpod_software.words.request import Request
from hyperpod_software.words.software import OnSkippedNodes, Software

QUIET = 300
"""Seconds after the call in which a patch must show itself, in a status or in a node's time.

AWS documents no such bound; DescribeCluster shows an accepted update at once as far as
anybody has seen. A call that shows nothing for this long has changed nothing."""


SHOWN = 60
"""Seconds after the call from which a status that was absent before it is a new one."""


class Stage(Enum):
    """Where one patched group stands."""

    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNCLEAR = "unclear"
    """The status is absent or may be an old one: its nodes decide."""
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Watched:
    """One patched group with all that is known about it in this look."""

    group: Group
    software: Software
    stage: Stage
    tally: NodeTally

    @property
    def unsettled(self) -> int:
        """Nodes that are on their way, and those that ListClusterNodes does not list yet."""
        return self.tally.unsettled + max(0, self.group.current_count - self.tally.total)

    @property
    def skipped(self) -> int:
        """Nodes that the patch left on other software.

        The group's own count knows; nodes with an older time may have been there before.
        Where it is not shown, every node that was not replaced is taken to be skipped.
        """
        on_image = self.group.target_state_count
        if on_image is None:
            return self.tally.skipped + self.tally.untouched
        return max(0, self.group.current_count - on_image)

    @property
    def unchanged(self) -> bool:
        """No node was replaced, and nothing that is shown says that one was to be."""
        shown = self.group.target_state_count is not None
        off = self.skipped if shown else self.tally.skipped
        return not (self.tally.done or self.tally.failed or off)


@dataclass(frozen=True)
class Look:
    """All that is known in one look at a patch."""

    request: Request
    call: Call
    progress: Progress
    cluster: Cluster
    now: float
    ends: float
    """When the request stops waiting (epoch seconds)."""

    @property
    def shows_no_status(self) -> bool:
        """The older mode: what the cluster says of itself is all that tells of an update. Where
        other groups show a status, or showed one before, one without has never been patched."""
        statuses = (group.update_status for group in self.cluster.groups)
        return not any(statuses) and not any(self.call.before.values())

    def software(self, group: Group) -> Software:
        return self.request.declared.software_of(group.name) or Software()

    def contradicts(self, group: Group) -> bool:
        owned = self.request.declared.owned_image
        return contradicts(self.software(group), group, owned_image=owned)


def judge(look: Look, tallies: Mapping[str, NodeTally] | None) -> Finish | Wait | CountNodes:
    """What the cluster says about the patch: over, not over, or ask its nodes."""
    if not look.request.declared.wait_for_completion and _is_known_to_run(look):
        return Finish(
            Outcome.ACCEPTED,
            f"HyperPod accepted the call to patch cluster {look.cluster.name}. How it ends is not "
            "watched: WaitForCompletion is false.",
            look.cluster,
        )
    watched = [
        Watched(
            group,
            look.software(group),
            _stage(look, group),
            (tallies or {}).get(group.name) or NodeTally(),
        )
        for group in look.cluster.groups
        if look.call.covers(group.name)
    ]
    if len(watched) < len(look.call.before):
        return failed(_gone(look), look.cluster)
    active = [each for each in watched if each.stage is Stage.ACTIVE]
    if active:
        return _wait(look, watched, _describe_active(active))
    if tallies is None:
        return CountNodes(tuple(each.group.name for each in watched))
    return _settle(look, watched)


def _is_known_to_run(look: Look) -> bool:
    return look.call.accepted or bool(look.progress.active)


def _stage(look: Look, group: Group) -> Stage:
    status = group.update_status
    if _is_being_patched(look.cluster, group) or group.status not in (*SETTLED_GROUP, None):
        return Stage.ACTIVE
    if status is None:
        return Stage.UNCLEAR
    before = look.call.status_before(group.name)
    # Where it was absent it may just not have been shown, and still be the old one.
    shown = before is not None or (look.call.accepted and look.now >= look.call.at + SHOWN)
    fresh = look.progress.saw_active(group.name) or (shown and before != status)
    if status in UPDATE_ENDED_BADLY:
        return Stage.FAILED if fresh else Stage.UNCLEAR
    if look.contradicts(group):
        # Succeeded, and yet another image: not believed until the two agree.
        return Stage.ACTIVE if fresh else Stage.UNCLEAR
    return Stage.SUCCEEDED if fresh or names(look.software(group), group) else Stage.UNCLEAR


def _is_being_patched(cluster: Cluster, group: Group) -> bool:
    """Signs of a software update; where its status is absent, the older mode's coarser ones."""
    if group.update_status is not None:
        return is_updating(group)
    return cluster.status not in SETTLED_CLUSTER or group.status not in (*SETTLED_GROUP, None)


def _is_seen_active(look: Look, group: Group) -> bool:
    """The same, for certain: a status nobody knows means "not finished yet", and no more."""
    if group.update_status is not None:
        return group.update_status in UPDATE_RUNNING
    if group.scaling:
        return False
    if group.status in CHANGING_GROUP:
        return True
    return look.shows_no_status and look.cluster.status in CHANGING_CLUSTER


def _settle(look: Look, watched: list[Watched]) -> Finish | Wait:
    """No group is being patched any more: the nodes have the last word."""
    settled: list[Watched] = []
    for each in watched:
        stage = _by_nodes(look, each) if each.stage is Stage.UNCLEAR else each.stage
        if stage is Stage.SUCCEEDED and each.unchanged and not each.unsettled:
            stage = Stage.UNCHANGED
        if stage is Stage.UNCLEAR:
            return _wait(look, watched, f"group {each.group.name} shows no sign of the patch yet")
        settled.append(replace(each, stage=stage))
    if any(each.stage is Stage.FAILED for each in settled):
        return failed(_failure(look.cluster, settled), look.cluster)
    unsettled = [each for each in settled if each.unsettled]
    if unsettled:
        count = counted(sum(each.unsettled for each in unsettled), "node")
        groups = listed([each.group.name for each in unsettled])
        return _wait(look, watched, f"{count} of {groups} not ready yet")
    stuck = [each for each in settled if each.stage is Stage.UNCHANGED and _is_stuck(look, each)]
    if stuck:
        return failed(_stuck(look.cluster, stuck), look.cluster)
    if all(each.stage is Stage.UNCHANGED for each in settled):
        return _unchanged(look, settled)
    return _success(look, settled)


def _by_nodes(look: Look, each: Watched) -> Stage:
    """What the nodes' own times say about a group whose status does not tell."""
    quiet = look.now >= look.call.at + QUIET
    message = look.cluster.failure_message
    told_failure = message is not None and (
        look.progress.cleared or digest(message) != look.call.failure_before
    )
    done, total = each.tally.done, each.tally.total
    says_bad = each.group.update_status in UPDATE_ENDED_BADLY
    if each.unsettled:
        return Stage.UNCLEAR
    if not total:
        return Stage.UNCHANGED
    if told_failure and look.shows_no_status:
        return Stage.FAILED
    seen = look.progress.saw_active(each.group.name)
    # Of a call that nobody answered younger nodes prove nothing: others add nodes, too.
    known = look.call.accepted or seen
    ended = quiet or seen or done + each.tally.current == total
    if done and known and ended and not says_bad and not look.contradicts(each.group):
        return Stage.SUCCEEDED
    if not quiet:
        return Stage.UNCLEAR
    contradicted = look.call.accepted and not each.unchanged and look.contradicts(each.group)
    return Stage.UNCLEAR if contradicted and not says_bad else Stage.UNCHANGED


def _unchanged(look: Look, watched: list[Watched]) -> Finish | Wait:
    groups = [each.group.name for each in watched]
    if not look.call.accepted:
        return failed(
            f"It is not known whether HyperPod took the call to patch {listed(groups)}: no answer "
            "came back, and what the cluster shows does not tell. "
            "Look at the cluster, then deploy again.",
            look.cluster,
        )
    for each in watched:
        if look.contradicts(each.group):
            shown = each.group.version if each.software.version else each.group.image_id
            why = (
                f"HyperPod took the call, but group {each.group.name} still shows {shown} "
                f"and not {each.software}"
            )
            return _wait(look, watched, why)
    return Finish(
        Outcome.ALREADY_CURRENT,
        f"HyperPod took the call and replaced no node: {listed(groups)} of cluster "
        f"{look.cluster.name} had the software already.",
        look.cluster,
    )


def _success(look: Look, watched: list[Watched]) -> Finish:
    cluster = look.cluster
    patched = [each for each in watched if each.stage is Stage.SUCCEEDED]
    groups = tuple(each.group.name for each in patched)
    done = sum(each.tally.done for each in patched)
    total = sum(each.tally.total for each in patched)
    running = total - sum(each.skipped + each.tally.failed for each in patched)
    skipped = sum(each.skipped for each in patched)
    broken = sum(each.tally.failed for each in watched)
    if not skipped and not broken:
        return Finish(
            Outcome.PATCHED,
            f"Patched {counted(done, 'node')} of {listed(groups)} in cluster {cluster.name} "
            f"to {_software_of(patched)}.",
            cluster,
            groups,
            done,
        )
    named = [name for each in watched for name in each.tally.named]
    bad = " and ".join(
        f"{counted(count, 'node')} {what}"
        for count, what in ((skipped, "skipped"), (broken, "failed"))
        if count
    )
    which = f": {listed(named, 5)}" if named else ""
    what = (
        f"HyperPod ended the update of {listed(groups)} in cluster {cluster.name}, but of "
        f"{counted(total, 'node')} {running} run {_software_of(patched)}, with {bad}{which}. "
        "On EKS, nodes whose eviction would violate a PodDisruptionBudget are skipped."
    )
    if look.request.declared.on_skipped_nodes is OnSkippedNodes.FAIL:
        return failed(what, cluster)
    return Finish(Outcome.PATCHED_WITH_SKIPPED_NODES, what, cluster, groups, done)


def _failure(cluster: Cluster, watched: list[Watched]) -> str:
    bad = [each for each in watched if each.stage is Stage.FAILED]
    good = [each.group.name for each in watched if each.stage is Stage.SUCCEEDED]
    ends = listed(
        [
            f"{each.group.name} ({each.group.update_status or 'no status'}, "
            f"{counted(each.group.current_count, 'node')}, "
            f"now on {each.group.version or each.group.image_id or 'an image it does not name'})"
            for each in bad
        ],
        most=4,
    )
    text = f"The patch of cluster {cluster.name} to {_software_of(bad)} failed: {ends}."
    if any(each.group.update_status == "RollbackComplete" for each in bad):
        text += " HyperPod rolled the nodes back."
    if good:
        text += f" Patched were: {listed(good)}."
    broken = [name for each in bad for name in each.tally.named if name.endswith("(failed)")]
    if broken:
        text += f" Failed nodes: {listed(broken, 5)}."
    messages = [cluster.failure_message, *(each.tally.message for each in bad)]
    reason = next((message for message in messages if message), None)
    return sentence(f"{text} HyperPod's own reason: {reason or 'it gave none'}")


def _is_stuck(look: Look, each: Watched) -> bool:
    """No node was replaced, and yet the group does not look as if it was all there before."""
    if not each.tally.total:
        return False
    says_bad = each.group.update_status in UPDATE_ENDED_BADLY
    current = each.tally.current == each.tally.total or names(each.software, each.group)
    return (says_bad and not current) or (look.call.accepted and not each.unchanged)


def _stuck(cluster: Cluster, watched: list[Watched]) -> str:
    shown = listed([f"{each.group.name} ({_shown(each.group)})" for each in watched], most=4)
    younger = sum(each.tally.done for each in watched)
    total = sum(each.tally.total for each in watched)
    return (
        f"Groups of cluster {cluster.name} do not show how this patch ended: {shown}; {younger} of "
        f"{counted(total, 'node')} are younger than the call. Whether it failed, skipped nodes or "
        "changed nothing is not known. Look at the cluster, then deploy again."
    )


def _shown(group: Group) -> str:
    status = group.update_status or "no status"
    if group.target_state_count is None:
        return status
    return f"{status}, {group.target_state_count} of {group.current_count} nodes on its image"


def _gone(look: Look) -> str:
    before, cluster = look.call.before, look.cluster
    present = {digest(group.name) for group in cluster.groups}
    lost = [name for name in look.request.declared.groups or () if digest(name) in before]
    lost = [name for name in lost if digest(name) not in present]
    which = listed(lost) or counted(len(set(before) - present), "instance group")
    return f"While being patched, {which} disappeared from cluster {cluster.name}."


def _wait(look: Look, watched: list[Watched], why: str) -> Finish | Wait:
    cluster = look.cluster
    progress = tuple(_progress(each.group) for each in watched)
    done, total = sum(each.done for each in progress), sum(each.total for each in progress)
    if look.now >= look.ends:
        waited = round(look.ends - look.request.ticket.issued)
        return failed(
            f"The timeout of {waited} seconds passed before the patch of cluster "
            f"{cluster.name} ended: {why}, and {done} of {counted(total, 'node')} counted on the "
            "image that HyperPod is bringing. The cluster goes on by itself; nobody watches it now.",
            cluster,
        )
    active = frozenset(
        digest(each.group.name) for each in watched if _is_seen_active(look, each.group)
    )
    had_message = bool(look.call.failure_before) and not look.progress.cleared
    cleared = had_message and cluster.failure_message is None
    return Wait(f"Patching: {why}.", active, progress, cleared)


def _progress(group: Group) -> GroupProgress:
    done = min(group.target_state_count or 0, group.current_count)
    return GroupProgress(group.name, done, group.current_count)


def _describe_active(active: list[Watched]) -> str:
    return listed(
        [
            f"group {each.group.name} is {each.group.update_status or each.group.status}"
            for each in active
        ],
        most=4,
    )


def _software_of(watched: list[Watched]) -> str:
    return listed(sorted({str(each.software) for each in watched}), most=3)
