"""The heart of watching: how one group of a patch stands, as an ordered table of rules.

``SoftwareUpdateStatus`` tells of the *last* request, so a ``Succeeded`` may be an old one. It counts
as this request's own where the group was seen being patched, where it was another one before the
call, or where DescribeCluster names the declared image. Otherwise, and where the status is absent,
the nodes' own times decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hyperpod_software.model.cluster import UPDATE_ENDED_BADLY, UPDATE_SUCCEEDED
from hyperpod_software.model.result import Rule, Verdict
from hyperpod_software.model.state import digest
from hyperpod_software.rules.cluster import suffices
from hyperpod_software.rules.snapshot import GroupSnapshot, Snapshot


@dataclass(frozen=True)
class Evidence:
    """What is known of one group that is not being patched any more."""

    ended_badly: bool
    """Its status says so of this request."""
    nodes_not_ready: bool
    has_nodes: bool
    succeeded: bool
    """Its status says so of this request, and it names no other image."""
    unchanged: bool
    """No node was replaced, and nothing that is shown says that one was to be."""
    nodes_failed: bool
    failed_silently: bool
    """It shows no status, and its patch was seen to fail in another way."""
    replaced: bool
    """Its nodes' times say that they were replaced, and nothing speaks against it."""
    quiet: bool
    """Nothing has moved for long."""
    accepted: bool
    """HyperPod is known to have accepted the request."""
    doubtful: bool
    """A bad end is shown that may be an old one, and its nodes do not speak against it."""
    another_image: bool
    """It shows another image than the declared one."""


RULES: tuple[tuple[Rule, Callable[[Evidence], bool], Verdict], ...] = (
    (Rule.ENDED_BADLY, lambda it: it.ended_badly, Verdict.FAILED),
    (Rule.NODES_NOT_READY, lambda it: it.nodes_not_ready, Verdict.WAIT),
    # Unless another invocation may be making the call this very moment.
    (
        Rule.NO_NODES,
        lambda it: not it.has_nodes and (it.accepted or it.quiet),
        Verdict.UNTOUCHED,
    ),
    (
        Rule.SUCCEEDED_UNCHANGED,
        lambda it: it.succeeded and it.unchanged and not it.nodes_failed,
        Verdict.UNTOUCHED,
    ),
    (Rule.SUCCEEDED, lambda it: it.succeeded, Verdict.PATCHED),
    (Rule.FAILED_SILENTLY, lambda it: it.failed_silently, Verdict.FAILED),
    (Rule.NODES_REPLACED, lambda it: it.replaced, Verdict.PATCHED),
    (Rule.NO_SIGN_YET, lambda it: not it.quiet, Verdict.WAIT),
    (
        Rule.DOUBTFUL,
        lambda it: it.doubtful or (it.accepted and not it.unchanged),
        Verdict.UNKNOWN,
    ),
    (Rule.ANOTHER_IMAGE, lambda it: it.another_image and it.accepted, Verdict.WAIT),
    (Rule.NOTHING_CHANGED, lambda _: True, Verdict.UNTOUCHED),
)
"""The first rule that fits decides."""


def verdict_of(evidence: Evidence) -> tuple[Rule, Verdict]:
    """The first rule that fits, and its verdict."""
    return next((rule, verdict) for rule, fits, verdict in RULES if fits(evidence))


def evidence_of(look: Snapshot, each: GroupSnapshot) -> Evidence:
    """The facts of one group in one look."""
    group, tally, status = each.group, each.tally, each.group.update_status
    fresh = status is not None and look.is_fresh(group)
    says_bad = status in UPDATE_ENDED_BADLY
    named, another_image = suffices(each.software, group), look.contradicts(group)
    # Where it was there before, too, nodes off the image may be left from before as well.
    appeared = look.call.status_before(group.name) is None
    patched = fresh or (named and tally.done > 0 and (appeared or not each.skipped))
    at_goal = each.proven or (named and not tally.failed)
    return Evidence(
        ended_badly=says_bad and fresh,
        nodes_not_ready=each.unsettled > 0,
        has_nodes=tally.total > 0,
        succeeded=status == UPDATE_SUCCEEDED and not another_image and patched,
        unchanged=each.unchanged,
        nodes_failed=tally.failed > 0,
        failed_silently=status is None and _failed_silently(look, each),
        replaced=_replaced(look, each, named=named, doubted=another_image),
        quiet=look.quiet,
        accepted=look.known_to_run,
        doubtful=(says_bad or look.told_failure) and not at_goal,
        another_image=another_image,
    )


def _replaced(look: Snapshot, each: GroupSnapshot, *, named: bool, doubted: bool) -> bool:
    """Its status does not tell, and its nodes' times do."""
    group, tally, status = each.group, each.tally, each.group.update_status
    seen = look.progress.saw_active(group.name)
    # Among groups that show a status, one that shows none may show it in the next look.
    told = seen or named or each.proven or status is not None or look.shows_no_status
    ended = look.quiet or seen or tally.done + tally.current == tally.there
    # A bad end of before says nothing where every node says itself that it runs the software.
    says_bad = status in UPDATE_ENDED_BADLY and not each.proven
    doubted = doubted or says_bad or look.told_failure
    replaced = tally.done > 0 or tally.broken > 0
    return replaced and look.known_to_run and told and ended and not doubted


def _failed_silently(look: Snapshot, each: GroupSnapshot) -> bool:
    """It was seen going back, or the cluster of the older mode says so in its own way."""
    if digest(each.group.name) in look.progress.back:
        return True
    says_failed = "Failed" in (look.cluster.status, each.group.status)
    return look.shows_no_status and (look.told_failure or (each.tally.done > 0 and says_failed))
