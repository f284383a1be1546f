"""Rules 8 to 12: when a patch has ended, and how."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.model.cluster import (
    NAMED_NODES,
    Cluster,
    NamedNode,
    Node,
    NodeState,
    NodeTally,
)
from hyperpod_software.model.decision import CountNodes, Finish, Wait
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Software
from hyperpod_software.model.state import Call, Observation, Progress, digest
from hyperpod_software.rules.nodes import node_state
from hyperpod_software.rules.nodes import tally as count
from hyperpod_software.rules.snapshot import QUIET, Snapshot
from hyperpod_software.rules.verdict import RULES
from hyperpod_software.rules.watching import evaluate
from tests.lifecycle.samples import (
    NEW,
    NOW,
    OLD,
    call,
    cluster,
    declared,
    group,
    groups,
    node,
    progress,
    reason,
    request,
    tally,
)


def look(
    seen: Cluster,
    asked: Request | None = None,
    made: Call | None = None,
    sofar: Progress | None = None,
    now: float = NOW,
) -> Snapshot:
    asked = asked or request()
    return Snapshot(asked, made or call(), sofar or progress(), seen, now, asked.deadline)


def seen_in(decision: object) -> Observation:
    assert isinstance(decision, Wait), decision
    assert decision.observation is not None
    return decision.observation


def end(decision: object, outcome: Outcome | None) -> Finish:
    assert isinstance(decision, Finish), decision
    assert decision.outcome is outcome, reason(decision)
    return decision


SINCE = NOW - 60
SUCCEEDED = cluster(group(update_status="Succeeded", image_id=NEW))
ALL_DONE = {"workers": tally(done=4)}
NONE_DONE = {"workers": tally(untouched=4)}


def test_rule_08_success_needs_the_groups_succeeded_and_then_every_node() -> None:
    asked = look(SUCCEEDED)
    assert evaluate(asked, None) == CountNodes(("workers",))
    done = end(evaluate(asked, ALL_DONE), Outcome.PATCHED)
    assert reason(done) == f"Patched 4 nodes of workers in cluster ml to {NEW}."
    assert (done.patched_groups, done.patched_nodes) == (("workers",), 4)


def test_rule_08_cluster_status_in_service_proves_nothing() -> None:
    under_way = cluster(group(update_status="InProgress"), status="InService")
    assert seen_in(evaluate(look(under_way), None)).active == {digest("workers")}


def test_rule_08_a_stale_succeeded_is_no_success() -> None:
    stale = cluster(group(update_status="Succeeded", image_id="default"))
    asked = request(declared(ImageId="default"))
    waiting = evaluate(look(stale, asked, call(workers="Succeeded")), NONE_DONE)
    assert isinstance(waiting, Wait)


def test_rule_08_succeeded_again_counts_once_the_group_was_seen_being_patched() -> None:
    again = look(SUCCEEDED, made=call(workers="Succeeded"), sofar=progress("workers"))
    end(evaluate(again, ALL_DONE), Outcome.PATCHED)


def test_rule_08_succeeded_again_counts_where_the_nodes_times_say_so() -> None:
    stale = cluster(group(update_status="Succeeded", image_id="default"))
    asked = request(declared(ImageId="default"))
    end(evaluate(look(stale, asked, call(workers="Succeeded")), ALL_DONE), Outcome.PATCHED)


def test_rule_08_succeeded_with_another_image_named_is_not_believed() -> None:
    odd = cluster(group(update_status="Succeeded", image_id=OLD))
    assert isinstance(evaluate(look(odd), ALL_DONE), Wait)


def test_rule_08_where_the_status_is_absent_the_nodes_times_decide() -> None:
    bare = cluster(group(status=None, image_id=None))
    end(evaluate(look(bare), ALL_DONE), Outcome.PATCHED)
    assert isinstance(evaluate(look(bare), NONE_DONE), Wait)
    some = {"workers": tally(done=1, skipped=3)}
    assert isinstance(evaluate(look(bare), some), Wait)


def test_rule_08_in_the_older_mode_a_busy_cluster_is_not_finished() -> None:
    busy = cluster(group(status=None, image_id=None), status="SystemUpdating")
    assert isinstance(evaluate(look(busy), ALL_DONE), Wait)


def test_rule_08_nodes_on_their_way_or_not_listed_yet_are_waited_for() -> None:
    for seen in (tally(done=3, unsettled=1), tally(done=3)):
        waiting = evaluate(look(SUCCEEDED), {"workers": seen})
        assert isinstance(waiting, Wait)
        assert "1 node of workers not ready yet" in reason(waiting)


def test_rule_08_skipped_nodes_are_counted_and_named_and_fail_the_request() -> None:
    seen = {"workers": tally(done=3, skipped=1, named=(NamedNode("i-1", "skipped"),))}
    said = reason(end(evaluate(look(SUCCEEDED, sofar=progress("workers")), seen), None))
    assert "of 4 nodes 3 run" in said
    assert "with 1 node skipped: i-1 (skipped). On EKS" in said


def test_rule_08_a_node_that_failed_has_some_minutes_to_come_back() -> None:
    """HyperPod replaces nodes that fail; a rollback would replace all of them once more."""
    seen = {
        "workers": tally(
            done=2,
            skipped=1,
            failed=1,
            named=(NamedNode("i-1", "skipped"), NamedNode("i-2", "failed")),
        )
    }
    moved = progress("workers", rests=NOW)
    waiting = evaluate(look(SUCCEEDED, sofar=moved, now=NOW + QUIET - 1), seen)
    assert isinstance(waiting, Wait)
    assert "1 node failed" in reason(waiting)
    end(evaluate(look(SUCCEEDED, sofar=moved, now=NOW + 60), ALL_DONE), Outcome.PATCHED)
    said = reason(end(evaluate(look(SUCCEEDED, sofar=moved, now=NOW + QUIET), seen), None))
    assert "of 4 nodes 2 run" in said
    assert "1 node skipped and 1 node failed: i-1 (skipped) and i-2 (failed)" in said


def test_rule_08_a_node_that_failed_is_not_counted_as_skipped_too() -> None:
    counted = cluster(group(update_status="Succeeded", image_id=NEW, target_state_count=3))
    seen = {"workers": tally(done=3, failed=1, named=(NamedNode("i-2", "failed"),))}
    said = reason(end(evaluate(look(counted, now=NOW + QUIET), seen), None))
    assert "of 4 nodes 3 run" in said
    assert said.endswith("with 1 node failed: i-2 (failed).")


def test_rule_08_a_count_older_than_the_times_of_the_nodes_is_read_again() -> None:
    lagging = cluster(group(update_status="Succeeded", image_id=NEW, target_state_count=3))
    assert isinstance(evaluate(look(lagging), ALL_DONE), Wait)
    assert "1 node skipped" in reason(end(evaluate(look(lagging, now=NOW + QUIET), ALL_DONE), None))


def test_rule_08_of_two_groups_neither_hides_the_other() -> None:
    asked, made = request(declared(InstanceGroups=groups("a", "b"))), call("a", "b", b="Succeeded")
    half = cluster(group("a", update_status="Succeeded", image_id=NEW),
                   group("b", update_status="Succeeded", image_id=OLD))  # fmt: skip
    counts = {"a": tally(done=4), "b": tally(untouched=4)}
    waiting = evaluate(look(half, asked, made, now=NOW + QUIET), counts)
    assert isinstance(waiting, Wait)
    assert f"group b still shows {OLD} and not {NEW}" in reason(waiting)


def test_rule_08_a_group_may_wait_for_its_turn_while_others_are_patched() -> None:
    asked = request(declared(ImageId="default", InstanceGroups=groups("a", "b")))
    made, members = call("a", "b", b="Succeeded"), {"a": tally(done=4), "b": tally(untouched=4)}
    half = cluster(group("a", update_status="Succeeded", image_id="default"),
                   group("b", update_status="Succeeded", image_id="default"))  # fmt: skip
    late = NOW + 1800
    moved = progress("a", rests=late)
    assert isinstance(evaluate(look(half, asked, made, moved, late + QUIET - 1), members), Wait)
    end(evaluate(look(half, asked, made, moved, late + QUIET), members), Outcome.PATCHED)


def test_rule_08_nodes_that_came_up_in_a_group_that_had_none_belong_to_no_patch() -> None:
    """Somebody scaled it while the others were patched, and its own status is from before."""
    asked = request(declared(ImageId="default", InstanceGroups=groups("a", "b")))
    made = call("a", "b", had={"b": 0}, b="Succeeded")
    seen = cluster(group("a", update_status="Succeeded", image_id="default"),
                   group("b", update_status="Succeeded", image_id="default"))  # fmt: skip
    counts = {"a": tally(done=4), "b": tally(launched=4)}
    moved = progress("a", rests=NOW)
    assert isinstance(evaluate(look(seen, asked, made, moved), counts), Wait)
    done = end(evaluate(look(seen, asked, made, moved, NOW + QUIET), counts), Outcome.PATCHED)
    assert (done.patched_groups, done.patched_nodes) == (("a",), 4)
    own = progress("a", "b", rests=NOW)
    assert end(evaluate(look(seen, asked, made, own), counts), Outcome.PATCHED).patched_nodes == 4


def test_rule_08_a_group_that_was_seen_being_patched_may_show_no_status_in_the_last_look() -> None:
    asked = request(declared(ImageId="default", InstanceGroups=groups("a", "b")))
    seen = cluster(group("a", image_id="default"),
                   group("b", update_status="Succeeded", image_id="default"))  # fmt: skip
    counts, moved = {"a": tally(done=4), "b": tally(done=4)}, progress("a", "b", rests=NOW)
    end(evaluate(look(seen, asked, call("a", "b"), moved), counts), Outcome.PATCHED)


def test_rule_08_a_group_without_nodes_contradicts_nothing() -> None:
    asked, made = request(declared(InstanceGroups=groups("a", "b"))), call("a", "b")
    empty = group("b", update_status="Succeeded", image_id=OLD, current_count=0)
    seen = cluster(group("a", update_status="Succeeded", image_id=NEW), empty)
    end(evaluate(look(seen, asked, made), {"a": tally(done=4)}), Outcome.PATCHED)
    alone = end(evaluate(look(cluster(empty), request(declared(InstanceGroups=groups("b"))),
                           call("b")), {}), Outcome.ALREADY_CURRENT)  # fmt: skip
    assert (
        reason(alone)
        == "HyperPod accepted the request but replaced no nodes of b in cluster ml: there were none."
    )


def test_a_group_that_lost_nodes_is_said_to_be_degraded() -> None:
    seen = cluster(group(update_status="Succeeded", image_id=NEW, status="Degraded",
                         current_count=3))  # fmt: skip
    said = reason(end(evaluate(look(seen), {"workers": tally(done=3)}), Outcome.PATCHED))
    assert said.endswith("Degraded now: workers.")


def test_rule_08_skipped_nodes_only_warn_where_that_was_declared() -> None:
    asked = request(declared(OnSkippedNodes="warn"))
    seen = {"workers": tally(done=3, skipped=1, named=(NamedNode("i-1", "skipped"),))}
    ended = evaluate(look(SUCCEEDED, asked, sofar=progress("workers")), seen)
    done = end(ended, Outcome.PATCHED_WITH_SKIPPED_NODES)
    assert done.patched_nodes == 3


def test_rule_08_nodes_that_were_on_the_image_before_are_not_skipped() -> None:
    covered = cluster(group(update_status="Succeeded", image_id=NEW, target_state_count=4))
    end(evaluate(look(covered), {"workers": tally(done=1, skipped=3)}), Outcome.PATCHED)


@pytest.mark.parametrize("status", ["Failed", "RollbackComplete"])
def test_rule_09_a_failed_group_fails_with_the_services_reason_and_counts(status: str) -> None:
    seen = cluster(group(update_status=status), failure_message="lifecycle script exited 1")
    said = reason(end(evaluate(look(seen, sofar=progress("workers")), ALL_DONE), None))
    assert f"workers ({status}, 4 nodes, now on {OLD})" in said
    assert said.endswith("HyperPod's own reason: lifecycle script exited 1.")


def test_rule_09_where_the_cluster_gives_no_reason_a_failed_node_may() -> None:
    seen = {
        "workers": tally(failed=1, named=(NamedNode("i-1", "failed"),), message="no space left")
    }
    failing = look(cluster(group(update_status="Failed")), sofar=progress("workers"))
    said = reason(end(evaluate(failing, seen), None))
    assert "Failed nodes: i-1 (failed). HyperPod's own reason: no space left." in said


def test_rule_09_one_failed_group_is_told_once_the_others_rest() -> None:
    asked = request(declared(InstanceGroups=groups("a", "b")))
    busy = cluster(group("a", update_status="Failed"), group("b", update_status="InProgress"))
    assert isinstance(evaluate(look(busy, asked, call("a", "b")), None), Wait)
    rest = cluster(group("a", update_status="Failed"),
                   group("b", update_status="Succeeded", image_id=NEW))  # fmt: skip
    counts = {"a": tally(skipped=4), "b": tally(done=4)}
    over = look(rest, asked, call("a", "b"), progress("a", "b"))
    assert "Patched were: b." in reason(end(evaluate(over, counts), None))


def test_rule_09_a_failed_group_is_told_although_another_never_began() -> None:
    asked, made = request(declared(InstanceGroups=groups("a", "b"))), call("a", "b", b="Succeeded")
    seen = cluster(group("a", update_status="Failed"), group("b", update_status="Succeeded"))
    counts = {"a": tally(skipped=4), "b": tally(untouched=4)}
    moved = progress("a", rests=NOW)
    assert isinstance(evaluate(look(seen, asked, made, moved), counts), Wait)
    end(evaluate(look(seen, asked, made, moved, NOW + QUIET), counts), None)


def test_rule_09_a_status_that_was_not_shown_before_the_call_may_be_an_old_one() -> None:
    seen = cluster(group(update_status="Failed", image_id="default"))
    asked = request(declared(ImageId="default"))
    assert isinstance(evaluate(look(seen, asked), NONE_DONE), Wait)
    end(evaluate(look(seen, asked, now=NOW + QUIET), NONE_DONE), None)


def test_rule_09_a_group_that_was_going_back_and_shows_nothing_more_failed() -> None:
    going = cluster(group(update_status="RollbackInProgress"))
    assert seen_in(evaluate(look(going), None)).back == {digest("workers")}
    silent = cluster(group(image_id=None), failure_message="scripts failed")
    sofar = progress("workers", back="workers")
    said = end(evaluate(look(silent, made=call(workers="Succeeded"), sofar=sofar), ALL_DONE), None)
    assert "HyperPod rolled the nodes back." in reason(said)


def test_rule_09_in_the_older_mode_a_cluster_that_was_rolling_back_failed() -> None:
    going = cluster(group(status=None, image_id=None), status="RollingBack")
    assert seen_in(evaluate(look(going), None)).back == {digest("workers")}
    silent = cluster(group(status=None, image_id=None))
    end(evaluate(look(silent, sofar=progress("workers", back="workers")), ALL_DONE), None)


def test_rule_09_in_the_older_mode_a_rollback_of_before_the_call_says_nothing() -> None:
    """A description can be a minute old."""
    going = cluster(group(status=None, image_id=None), status="RollingBack")
    assert not seen_in(evaluate(look(going, now=NOW - 30), None)).back


def test_rule_09_in_the_older_mode_failed_needs_no_message() -> None:
    end(
        evaluate(look(cluster(group(status="Failed", image_id=None), status="Failed")), ALL_DONE),
        None,
    )


def test_rule_09_an_old_message_is_not_told_as_the_reason() -> None:
    made = Call(NOW - 60, {digest("workers"): ""}, failure_before=digest("old"), accepted=True)
    seen = cluster(group(update_status="Failed"), failure_message="old")
    said = reason(end(evaluate(look(seen, made=made, sofar=progress("workers")), NONE_DONE), None))
    assert said.endswith("HyperPod's message is the one from before the patch: old.")


def test_rule_09_a_stale_failed_is_no_failure_until_it_stays_so() -> None:
    seen, made = cluster(group(update_status="Failed")), call(workers="Failed")
    assert isinstance(evaluate(look(seen, made=made), NONE_DONE), Wait)
    end(evaluate(look(seen, made=made, now=NOW + QUIET), NONE_DONE), None)


def test_rule_09_in_the_older_mode_a_new_failure_message_fails_the_request() -> None:
    bare = cluster(group(status=None, image_id=None), failure_message="rolled back")
    end(evaluate(look(bare), ALL_DONE), None)


def test_rule_09_a_group_that_disappears_fails_the_request() -> None:
    said = reason(end(evaluate(look(cluster(group("other"))), None), None))
    assert said == "While being patched, workers disappeared from cluster ml."


@pytest.mark.parametrize(
    "seen",
    [group(update_status="FailedMaintenance"), group(update_status="Succeeded", status="Odd")],
)
def test_rule_10_a_value_nobody_knows_means_not_finished_yet(seen: object) -> None:
    assert isinstance(evaluate(look(cluster(seen)), ALL_DONE), Wait)  # type: ignore[arg-type]


def test_rule_11_an_accepted_call_that_changes_nothing_ends_as_success() -> None:
    still = cluster(group(update_status="Succeeded", image_id="default"))
    asked = request(declared(ImageId="default"))
    made = call(workers="Succeeded")
    assert isinstance(evaluate(look(still, asked, made), NONE_DONE), Wait)
    later = look(still, asked, made, now=NOW + QUIET)
    end(evaluate(later, NONE_DONE), Outcome.ALREADY_CURRENT)


def test_rule_11_is_no_success_where_another_image_is_named() -> None:
    still = cluster(group(update_status=None, image_id=OLD))
    waiting = evaluate(look(still, now=NOW + QUIET), NONE_DONE)
    assert isinstance(waiting, Wait)
    late = end(evaluate(look(still, now=NOW + 3000), NONE_DONE), None)
    assert f"still shows {OLD} and not {NEW}" in reason(late)


def test_a_call_that_nobody_answered_and_that_shows_nothing_fails_truthfully() -> None:
    still = cluster(group(update_status=None, image_id=None))
    lost = call(accepted=False)
    assert isinstance(evaluate(look(still, made=lost), NONE_DONE), Wait)
    said = reason(end(evaluate(look(still, made=lost, now=NOW + QUIET), NONE_DONE), None))
    assert said.startswith("It is unknown whether HyperPod accepted the request to patch workers")
    assert said.endswith("Look at the cluster, then deploy again.")


def test_a_call_that_is_being_made_is_waited_for_also_where_there_is_no_node() -> None:
    empty = cluster(group(update_status="Succeeded", image_id=NEW, current_count=0))
    made = call(accepted=False, workers="Succeeded")
    assert isinstance(evaluate(look(empty, made=made), {"workers": tally()}), Wait)
    end(evaluate(look(empty, made=made, now=NOW + QUIET), {"workers": tally()}), None)


def test_a_call_that_nobody_answered_may_show_in_the_cluster_all_the_same() -> None:
    end(evaluate(look(SUCCEEDED, made=call(accepted=False)), ALL_DONE), Outcome.PATCHED)


def test_rule_08_nodes_that_were_current_before_are_not_patched_by_the_call() -> None:
    asked = request(declared(ImageId="default"))
    again = cluster(group(update_status="Succeeded", image_id="default"))
    made = call(workers="Failed")
    current = {"workers": tally(current=4, proven=4)}
    end(evaluate(look(again, asked, made), current), Outcome.ALREADY_CURRENT)
    some = {"workers": tally(done=1, current=3)}
    assert end(evaluate(look(again, asked, made), some), Outcome.PATCHED).patched_nodes == 1


def test_rule_08_the_count_of_the_group_beats_the_times_of_its_nodes() -> None:
    seen = {"workers": tally(done=3, untouched=1)}
    all_on = cluster(group(update_status="Succeeded", image_id=NEW, target_state_count=4))
    end(evaluate(look(all_on), seen), Outcome.PATCHED)
    one_off = cluster(group(update_status="Succeeded", image_id=NEW, target_state_count=3))
    over = look(one_off, sofar=progress("workers"))
    assert "with 1 node skipped" in reason(end(evaluate(over, seen), None))


def test_rule_08_an_old_succeeded_that_names_the_image_needs_younger_nodes_too() -> None:
    """It can be left from before the call: of a patch that had skipped nodes, say."""
    made = call(workers="Succeeded")
    some_off = cluster(group(update_status="Succeeded", image_id=NEW, target_state_count=1))
    assert isinstance(evaluate(look(some_off, made=made), NONE_DONE), Wait)
    assert isinstance(evaluate(look(SUCCEEDED, made=made), NONE_DONE), Wait)
    end(evaluate(look(SUCCEEDED, made=made, now=NOW + QUIET), NONE_DONE), Outcome.ALREADY_CURRENT)
    end(evaluate(look(SUCCEEDED, made=made), ALL_DONE), Outcome.PATCHED)


def test_rule_08_a_call_that_nobody_answered_but_one_group_showed_holds_for_the_others() -> None:
    asked = request(declared(InstanceGroups=groups("a", "b")))
    made = call("a", "b", accepted=False, a="Succeeded", b="Succeeded")
    seen = cluster(
        group("a", update_status="Succeeded", image_id=NEW),
        group("b", update_status="Succeeded", image_id=NEW, target_state_count=0),
    )
    counts = {"a": tally(done=4), "b": tally(untouched=4)}
    late = look(seen, asked, made, progress("a", rests=NOW), NOW + QUIET)
    assert "b (Succeeded, 0 of 4 nodes on its image)" in reason(end(evaluate(late, counts), None))


def test_rule_11_nothing_is_said_to_be_current_where_the_cluster_tells_of_a_failure() -> None:
    seen = cluster(group(update_status="Failed", image_id=NEW), failure_message="an alarm rang")
    broken = {"workers": tally(failed=4, named=(NamedNode("i-1", "failed"),))}
    late = look(seen, made=call(workers="Failed"), now=NOW + QUIET)
    assert "is not known" in reason(end(evaluate(late, broken), None))


def test_a_call_that_nobody_answered_is_not_proven_by_a_description_from_before_it() -> None:
    going = cluster(group(update_status="InProgress"))
    soon = look(going, made=call(accepted=False), now=NOW - 10)
    assert not seen_in(evaluate(soon, None)).active
    assert seen_in(evaluate(look(going, made=call(accepted=False)), None)).active


def test_rule_08_where_every_node_was_skipped_nothing_was_current() -> None:
    none_on = cluster(group(update_status="Succeeded", image_id=NEW, target_state_count=0))
    said = reason(end(evaluate(look(none_on, made=call(workers="Failed")), NONE_DONE), None))
    assert "of 4 nodes 0 run" in said


def test_rule_09_an_unknown_status_is_no_sign_that_a_patch_began() -> None:
    odd = cluster(group(update_status="FailedMaintenance"))
    assert not seen_in(evaluate(look(odd), None)).active


def test_rule_09_the_same_old_failure_after_an_untouched_patch_is_told_as_it_is() -> None:
    seen, made = cluster(group(update_status="Failed")), call(workers="Failed")
    said = reason(end(evaluate(look(seen, made=made, now=NOW + QUIET), NONE_DONE), None))
    assert "Whether it failed, skipped nodes or changed nothing is not known" in said


def test_rule_09_the_same_message_again_is_a_new_one_once_it_was_gone() -> None:
    made = Call(NOW - 60, {digest("workers"): ""}, failure_before=digest("why"), accepted=True)
    silent = cluster(group(status=None, image_id=None))
    assert seen_in(evaluate(look(silent, made=made), NONE_DONE)).cleared
    again = cluster(group(status=None, image_id=None), failure_message="why")
    end(evaluate(look(again, made=made), ALL_DONE), Outcome.PATCHED)
    sofar = Progress(NOW - 100, rollback=False, cleared=True)
    end(evaluate(look(again, made=made, sofar=sofar), ALL_DONE), None)


def test_a_call_that_nobody_answered_is_not_proven_by_a_few_younger_nodes() -> None:
    still, lost = cluster(group(update_status=None, image_id=None)), call(accepted=False)
    some = {"workers": tally(done=1, current=3)}
    assert isinstance(evaluate(look(still, made=lost), some), Wait)
    said = reason(end(evaluate(look(still, made=lost, now=NOW + QUIET), some), None))
    assert said.startswith("It is unknown")


def test_rule_12_at_the_deadline_the_request_fails_with_how_far_it_got() -> None:
    half = cluster(group(update_status="InProgress", target_state_count=2))
    said = reason(end(evaluate(look(half, now=NOW + 3000), None), None))
    assert "The timeout of 3000 seconds passed" in said
    assert "2 of 4 nodes" in said


def test_rule_12_a_count_that_is_not_shown_is_not_told() -> None:
    half = cluster(group(update_status="InProgress"))
    said = reason(end(evaluate(look(half, now=NOW + 3000), None), None))
    assert "ended: group workers is InProgress. The patch continues on" in said


def test_rule_12_of_a_call_that_nobody_answered_it_is_told_as_such() -> None:
    odd = cluster(group(update_status="FailedMaintenance"))
    late = look(odd, made=call(accepted=False), now=NOW + 3000)
    assert reason(end(evaluate(late, None), None)).startswith(
        "It is unknown whether HyperPod accepted"
    )


# -- nodes that scaling adds or takes ---------------------------------------------------------

COMING = [node(number=8, status="Pending", launched=NOW - 9, last_update=None),
          node(number=9, status="Failure", launched=NOW - 9, last_update=None)]  # fmt: skip
ENDED = group(update_status="Succeeded", image_id=NEW, target_state_count=4)


def counted(*nodes: Node) -> dict[str, NodeTally]:
    return count(nodes, {"workers": Software(NEW)}, SINCE)


def patched(**changes: Any) -> list[Node]:
    """The four nodes that the group had, replaced since the call."""
    return [node(number=number, **changes) for number in range(1, 5)]


@pytest.mark.parametrize("shown", [4, 6], ids=["left out of the count", "in the count"])
@pytest.mark.parametrize("scaling", [True, False])
@pytest.mark.parametrize("changes", [{}, {"launched": NOW - 10}], ids=["ids kept", "new ids"])
def test_rule_08_nodes_that_scaling_adds_neither_hold_nor_fail_a_patch(
    changes: dict[str, Any], scaling: bool, shown: int
) -> None:
    seen = cluster(replace(ENDED, current_count=shown, scaling=scaling))
    counts = counted(*patched(**changes), *COMING)
    done = end(evaluate(look(seen), counts), Outcome.PATCHED)
    assert done.patched_nodes == 4
    assert reason(done).endswith(
        "2 nodes that scaling adds or takes are not running: "
        "i-00000000000000008 (Pending) and i-00000000000000009 (failed)."
    )


def test_rule_08_scaling_that_goes_on_for_days_does_not_hold_the_end() -> None:
    wanting = cluster(replace(ENDED, scaling=True))
    end(evaluate(look(wanting), ALL_DONE), Outcome.PATCHED)
    uncounted = cluster(replace(ENDED, current_count=6, scaling=True))
    end(evaluate(look(uncounted), ALL_DONE), Outcome.PATCHED)


def test_rule_08_nodes_that_came_up_since_are_not_counted_as_patched() -> None:
    more = [node(number=number, launched=NOW - 9) for number in (5, 6)]
    seen = cluster(replace(ENDED, current_count=6, target_state_count=6))
    assert end(evaluate(look(seen), counted(*patched(), *more)), Outcome.PATCHED).patched_nodes == 4
    # The group had one node, was scaled to four, and its own one is gone.
    one = look(cluster(replace(ENDED)), made=call(had={"workers": 1}))
    new = [node(number=number, launched=NOW - 9) for number in range(1, 5)]
    assert end(evaluate(one, counted(*new)), Outcome.PATCHED).patched_nodes == 1


@pytest.mark.parametrize("status", ["ShuttingDown", "DetachInProgress", "AttachInProgress"])
def test_rule_08_nodes_that_leave_or_join_a_group_hold_nothing(status: str) -> None:
    leaving = node(number=4, status=status, last_update=1.0)
    for had in (4, 3):
        asked = look(cluster(replace(ENDED, target_state_count=3)), made=call(had={"workers": had}))
        done = end(evaluate(asked, counted(*patched()[:3], leaving)), Outcome.PATCHED)
        assert f"is not running: i-00000000000000004 ({status})." in reason(done)


def test_rule_08_a_group_that_lost_nodes_to_scaling_is_done_with_those_it_has() -> None:
    seen = cluster(replace(ENDED, current_count=2, target_state_count=2))
    assert end(evaluate(look(seen), counted(*patched()[:2])), Outcome.PATCHED).patched_nodes == 2


def test_rule_08_a_node_that_was_moved_into_the_group_is_told_and_not_skipped() -> None:
    moved = node(number=5, last_update=1.0)
    seen = cluster(replace(ENDED, current_count=5))
    said = reason(end(evaluate(look(seen), counted(*patched(), moved)), Outcome.PATCHED))
    assert said.endswith("1 node that came meanwhile is not counted on that image.")


@pytest.mark.parametrize("changes", [{}, {"launched": NOW - 10}], ids=["ids kept", "new ids"])
@pytest.mark.parametrize("scaling", [True, False])
def test_rule_08_a_skipped_node_is_not_hidden_by_nodes_that_scaling_added(
    changes: dict[str, Any], scaling: bool
) -> None:
    skipped = node(number=4, last_update=1.0)
    up = node(number=5, launched=NOW - 9)
    seen = cluster(replace(ENDED, current_count=5, scaling=scaling))
    counts = counted(*patched(**changes)[:3], skipped, up, *COMING)
    said = reason(end(evaluate(look(seen, now=NOW + QUIET), counts), None))
    assert "with 1 node skipped: i-00000000000000004 (skipped)." in said


@pytest.mark.parametrize("changes", [{}, {"launched": NOW - 10}], ids=["ids kept", "new ids"])
@pytest.mark.parametrize("scaling", [True, False])
def test_rule_08_a_node_of_the_patch_that_stays_failed_fails_it_although_others_come(
    changes: dict[str, Any], scaling: bool
) -> None:
    broken = node(number=4, status="Failure", **changes)
    seen = cluster(replace(ENDED, target_state_count=3, scaling=scaling))
    counts = counted(*patched(**changes)[:3], broken)
    assert isinstance(evaluate(look(seen), counts), Wait)
    said = reason(end(evaluate(look(seen, now=NOW + QUIET), counts), None))
    assert "of 4 nodes 3 run" in said
    assert "with 1 node failed: i-00000000000000004 (failed)." in said


def test_rule_08_a_node_that_hyperpod_replaces_after_the_patch_is_scalings() -> None:
    coming = node(number=9, status="Pending", launched=NOW - 9, last_update=None)
    seen = cluster(replace(ENDED, target_state_count=3))
    end(evaluate(look(seen), counted(*patched()[:3], coming)), Outcome.PATCHED)


def test_rule_08_nodes_that_had_never_come_up_at_the_call_belong_to_no_patch() -> None:
    """The count of the group had them in it, and HyperPod tries again with other nodes."""
    made = Call(NOW - 60, {digest("workers"): ""}, {digest("workers"): 6}, {digest("workers"): 4},
                accepted=True)  # fmt: skip
    waiting = node(number=7, status="Pending", last_update=None)
    for changes in ({}, {"launched": NOW - 10}):
        for others in (COMING, [waiting, COMING[1]]):
            seen = cluster(replace(ENDED, current_count=6, scaling=True))
            counts = counted(*patched(**changes), *others)
            end(evaluate(look(seen, made=made), counts), Outcome.PATCHED)


def test_rule_10_an_unknown_word_of_a_node_that_was_there_holds_although_others_come() -> None:
    odd = node(number=4, status="FailedMaintenance", last_update=1.0)
    seen = cluster(replace(ENDED, target_state_count=3, scaling=True))
    waiting = evaluate(look(seen, now=NOW + QUIET), counted(*patched()[:3], odd, *COMING))
    assert isinstance(waiting, Wait)
    assert "1 node of workers not ready yet" in reason(waiting)


def test_rule_11_what_scaling_adds_is_told_where_nothing_was_replaced() -> None:
    seen = cluster(replace(ENDED, scaling=True))
    current = [node(number=number, last_update=1.0) for number in range(1, 5)]
    asked = look(seen, sofar=progress("workers"))
    said = reason(end(evaluate(asked, counted(*current, *COMING)), Outcome.ALREADY_CURRENT))
    assert "2 nodes that scaling adds or takes are not running" in said


def test_rule_08_a_replaced_node_that_failed_was_not_current_before() -> None:
    """In the older mode only the node's own time tells that it was replaced."""
    bare = cluster(group(status=None, image_id=None, current_count=1))
    asked = look(bare, made=call(had={"workers": 1}), sofar=progress("workers", rests=NOW),
                 now=NOW + QUIET)  # fmt: skip
    said = reason(end(evaluate(asked, counted(node(status="Failure"))), None))
    assert "of 1 node 0 run" in said


@pytest.mark.parametrize(
    ("fields", "software", "state"),
    [
        ({}, Software(NEW), NodeState.DONE),
        ({"last_update": NOW - 8000}, Software(NEW), NodeState.UNTOUCHED),
        ({"last_update": None}, Software(NEW), NodeState.UNTOUCHED),
        ({"last_update": None, "launched": NOW}, Software(NEW), NodeState.LAUNCHED),
        ({"launched": NOW, "last_update": NOW}, Software(NEW), NodeState.LAUNCHED),
        ({"status": "Failure"}, Software(NEW), NodeState.FAILED),
        ({"status": "Failure", "last_update": 1.0}, Software(NEW), NodeState.IDLE),
        ({"status": "Failure", "launched": NOW}, Software(NEW), NodeState.LATE),
        ({"status": "Pending"}, Software(NEW), NodeState.UNSETTLED),
        ({"status": "Pending", "last_update": None}, Software(NEW), NodeState.IDLE),
        ({"status": "Pending", "launched": NOW}, Software(NEW), NodeState.LATE),
        ({"status": "ShuttingDown"}, Software(NEW), NodeState.MOVING),
        ({"status": "AttachInProgress"}, Software(NEW), NodeState.MOVING),
        ({"status": "DetachInProgress"}, Software(NEW), NodeState.MOVING),
        ({"status": "Unheard", "last_update": 1.0}, Software(NEW), NodeState.UNSETTLED),
        ({"status": "Unheard"}, Software(NEW), NodeState.UNSETTLED),
        ({"status": "DeepHealthCheckInProgress"}, Software(NEW), NodeState.DONE),
        ({"version": "1.2.0"}, Software(version="1.3.0"), NodeState.SKIPPED),
        ({"version": "1.3.0", "last_update": 1.0}, Software(version="1.3.0"), NodeState.CURRENT),
        ({"version": "1.3.0"}, Software(version="1.3.0"), NodeState.DONE),
        (
            {"last_update": 1.0, "image_status": "UpToDate"},
            Software("default"),
            NodeState.CURRENT,
        ),
    ],
)
def test_where_a_node_stands(fields: dict[str, Any], software: Software, state: object) -> None:
    assert node_state(node(**fields), software, SINCE) is state


def test_nodes_that_say_themselves_what_they_run_are_counted() -> None:
    newest: dict[str, Any] = {"image_status": "UpToDate"}
    other: dict[str, Any] = {"image_status": "UpdateAvailable"}
    nodes = [node(**newest), node(last_update=1.0, **newest), node(**other),
             node(status="Pending", **newest)]  # fmt: skip
    assert count(nodes, {"workers": Software("default")}, SINCE)["workers"].proven == 2
    release = Software(version="1.3.0")
    nodes = [node(version="1.3.0"), node(version="1.2.0"), node()]
    assert count(nodes, {"workers": release}, SINCE)["workers"].proven == 1


def test_nodes_are_counted_by_group_and_only_the_first_bad_ones_named() -> None:
    nodes = [node("a", n, last_update=1.0) for n in range(9)] + [node("b"), node("other")]
    counts = count(nodes, {"a": Software(NEW), "b": Software(NEW)}, SINCE)
    assert counts["a"].untouched == 9
    assert len(counts["a"].named) == 5
    assert counts["b"] == NodeTally(done=1)
    assert set(counts) == {"a", "b"}


def test_the_documented_rules_of_a_verdict_are_those_of_the_table_in_order() -> None:
    text = (Path(__file__).parents[2] / "docs/lifecycle.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| ([a-z, ]+) \| .* \| (\w+) \|$", text, re.MULTILINE)
    assert documented[1:] == [(rule.value, verdict.value) for rule, _, verdict in RULES]


def test_rule_08_a_count_that_is_missing_once_is_waited_for() -> None:
    """Without it, a group of skipped nodes looks like one that ran the software already."""
    hidden = cluster(group(update_status="Succeeded", image_id=NEW))
    made = replace(call(workers="Succeeded"), ran={digest("workers"): 0})
    waiting = evaluate(look(hidden, made=made, now=NOW + QUIET), NONE_DONE)
    assert isinstance(waiting, Wait)
    assert "does not show how many of its nodes run its image" in reason(waiting)
    later = evaluate(look(hidden, made=made, now=NOW + 2 * QUIET), NONE_DONE)
    end(later, Outcome.ALREADY_CURRENT)


def test_a_failed_node_is_named_before_any_number_of_skipped_ones() -> None:
    skipped = [node(number=number, last_update=NOW - 9000) for number in range(1, 9)]
    counts = counted(*skipped, node(number=9, status="Failure"))
    assert counts["workers"].named[0] == NamedNode("i-00000000000000009", "failed")
    assert len(counts["workers"].named) == NAMED_NODES
