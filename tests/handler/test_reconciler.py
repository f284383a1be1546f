"""One request and its looks, with the rules, the memory and the claims that are real."""

from __future__ import annotations

from typing import Any

import pytest

from hyperpod_software.adapters.cloudformation import History, Operation
from hyperpod_software.adapters.eventbridge import Poll
from hyperpod_software.adapters.sagemaker import CallResult
from hyperpod_software.adapters.state_store import Unsure
from hyperpod_software.contract.names import rule_name
from hyperpod_software.messages.plans import held
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.plan import Hold, HoldKind
from hyperpod_software.model.state import Progress, digest
from tests.handler.parts import HERE, Parts, event, patched, url
from tests.lifecycle.samples import NEW, NOW, OLD, call, cluster, group, groups, properties, request


def test_a_patch_is_called_once_watched_and_answered_and_nothing_is_left() -> None:
    parts = Parts()
    assert parts.begin(event()) is None
    assert parts.hyperpod.calls == [("workers",)]
    parts.now += 60
    patched(parts)
    reply = parts.look()
    assert reply is not None
    assert reply.response["Status"] == "SUCCESS"
    assert reply.response["Data"]["PatchedNodeCount"] == "4"
    parts.reconciler.responder.delivered(reply)
    assert parts.nothing_left()


def test_a_request_that_needs_no_patch_leaves_nothing_behind() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    reply = parts.begin(event())
    assert reply is not None
    assert reply.response["Data"]["Outcome"] == "NothingToPatch"
    parts.reconciler.responder.delivered(reply)
    assert parts.nothing_left()
    assert not parts.hyperpod.calls


def test_rule_07_two_deliveries_that_see_different_things_come_to_one_end() -> None:
    """The one that answers that nothing was to be patched keeps the other from patching."""
    parts = Parts(cluster(group(image_id=NEW)))
    answering = parts.begin(event())
    assert answering is not None
    parts.hyperpod.seen = cluster(group(image_id=None))
    again = parts.begin(event())
    assert again is not None
    assert again.response == answering.response
    assert not parts.hyperpod.calls


def test_rule_07_a_request_delivered_twice_calls_once() -> None:
    parts = Parts()
    parts.begin(event())
    parts.begin(event())
    assert len(parts.hyperpod.calls) == 1
    assert len(parts.rules.rules) == 1


def test_rule_07_a_call_that_nobody_answered_is_not_made_again() -> None:
    parts = Parts()
    parts.hyperpod.result = CallResult.UNKNOWN
    parts.begin(event())
    for _ in range(4):
        parts.now += 60
        assert parts.look() is None
    assert len(parts.hyperpod.calls) == 1


@pytest.mark.parametrize(
    "no",
    [
        CallResult.BUSY,
        AwsError("UpdateClusterSoftware", AwsError.Kind.TRANSIENT, "ThrottlingException", "slow"),
    ],
)
def test_rule_06_a_call_that_was_turned_away_is_made_again_later(no: Any) -> None:
    parts = Parts()
    parts.hyperpod.result = no
    assert parts.begin(event()) is None
    parts.hyperpod.result = CallResult.ACCEPTED
    parts.now += 60
    assert parts.look() is None
    assert len(parts.hyperpod.calls) == 2


def test_a_call_that_was_refused_fails_with_the_services_words() -> None:
    parts = Parts()
    parts.hyperpod.result = AwsError(
        "UpdateClusterSoftware", AwsError.Kind.REFUSED, "ValidationException", "No such image."
    )
    reply = parts.begin(event())
    assert reply is not None
    assert reply.response["Reason"].startswith(
        "UpdateClusterSoftware said ValidationException: No such image. Nothing was patched."
    )


def test_rule_07_a_request_delivered_again_after_its_end_does_not_patch_again() -> None:
    parts = Parts(cluster(group(image_id="default")))
    parts.stack.newest = History("CREATE_COMPLETE", NOW + 100)
    default = event(ResourceProperties=properties(ImageId="default"))
    assert parts.begin(default) is None
    assert not parts.hyperpod.calls


def test_rule_09_a_cluster_that_disappears_while_being_patched_fails_the_request() -> None:
    parts = Parts()
    parts.begin(event())
    parts.hyperpod.seen = None
    reply = parts.look()
    assert reply is not None
    assert reply.response["Reason"].startswith("While being patched, cluster ml disappeared.")


def test_rule_02_a_cluster_that_does_not_exist_fails_at_once() -> None:
    parts = Parts()
    parts.hyperpod.seen = None
    reply = parts.begin(event())
    assert reply is not None
    assert reply.response["Status"] == "FAILED"
    assert reply.response["Reason"] == (
        "Cluster ml does not exist in us-east-1 of account 111122223333. Nothing was patched. "
        "Log group: /logs"
    )


def test_rule_08_a_patch_that_shows_itself_while_the_nodes_are_read_is_not_over() -> None:
    parts = Parts()
    parts.begin(event())
    patched(parts)
    running = cluster(group(update_status="InProgress", image_id=OLD))

    def meanwhile(seconds: float) -> None:
        parts.hyperpod.seen = running

    parts.hyperpod.pause = meanwhile
    assert parts.look() is None


@pytest.mark.parametrize("seen", [cluster(group(update_status="InProgress")), cluster()])
def test_rule_12_polling_is_over_at_the_deadline_in_every_case(seen: Cluster) -> None:
    parts = Parts()
    parts.begin(event())
    parts.hyperpod.seen = seen
    parts.now += 3001
    reply = parts.look()
    assert reply is not None
    assert reply.response["Status"] == "FAILED"
    parts.reconciler.responder.delivered(reply)
    assert parts.nothing_left()


def test_rule_12_the_deadline_holds_even_where_the_handler_meets_a_defect_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = Parts()
    parts.begin(event())
    monkeypatch.setattr(parts.hyperpod, "describe", lambda name: 1 / 0)
    assert parts.look() is None
    parts.now += 3001
    reply = parts.look()
    assert reply is not None
    assert "a defect of its own (ZeroDivisionError)" in reply.response["Reason"]


def test_rule_13_only_one_of_two_looks_answers() -> None:
    parts = Parts()
    parts.begin(event())
    parts.now += 60
    patched(parts)
    poll = next(iter(parts.rules.rules.values()))
    first = parts.reconciler.recall(poll)
    second = parts.reconciler.recall(poll)
    assert first is not None
    assert second is not None
    replies = [parts.reconciler.look(poll.path, memory, HERE) for memory in (first, second)]
    assert [reply is None for reply in replies] == [False, True]


def test_rule_13_an_answer_that_could_not_be_delivered_is_kept_and_sent_again() -> None:
    parts = Parts()
    parts.hyperpod.seen = None
    made = event()
    reply = parts.begin(made)
    assert reply is not None
    parts.reconciler.responder.undelivered(reply, HERE)
    parts.now += 60
    again = parts.look()
    assert again is not None
    assert again.response == reply.response
    parts.reconciler.responder.delivered(again)
    assert parts.nothing_left()


def test_rule_13_an_answer_that_can_never_be_delivered_is_not_tried_for_ever() -> None:
    parts = Parts()
    parts.begin(event())
    parts.now += 3700
    reply = parts.look()
    assert reply is not None
    parts.reconciler.responder.undelivered(reply, HERE)
    assert parts.nothing_left()


def test_rule_14_the_physical_id_is_the_same_for_all_answers_and_another_clusters_differs() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    parts.stack.newest = History("UPDATE_IN_PROGRESS", NOW)
    ids: list[str] = []
    for made in (
        event(),
        event("Update", "r2", OldResourceProperties=properties(ImageId=OLD)),
        event("Update", "r3", OldResourceProperties=properties(ClusterName="elsewhere")),
    ):
        reply = parts.begin(made)
        assert reply is not None
        ids.append(reply.response["PhysicalResourceId"])
    assert ids == ["ml", "ml", "ml"]
    moved = event("Update", "r4", PhysicalResourceId="elsewhere",
                  OldResourceProperties=properties(ClusterName="elsewhere"))  # fmt: skip
    reply = parts.begin(moved)
    assert reply is not None
    assert reply.response["PhysicalResourceId"] == "ml"


def test_rule_17_delete_ends_the_polling_touches_no_cluster_and_succeeds() -> None:
    parts = Parts()
    parts.begin(event())
    described = parts.hyperpod.described
    reply = parts.reconciler.forget(event("Delete", "r2", PhysicalResourceId="odd ✓ id"), HERE)
    assert reply.response["Status"] == "SUCCESS"
    assert reply.response["PhysicalResourceId"] == "odd ✓ id"
    assert parts.nothing_left()
    assert parts.hyperpod.described == described


def test_rule_17_delete_succeeds_even_where_the_parameter_store_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = Parts()
    monkeypatch.setattr(parts.store, "_read", lambda path: 1 / 0)
    reply = parts.reconciler.forget(event("Delete", "r2"), HERE)
    assert reply.response["Status"] == "SUCCESS"


def test_rule_17_a_delete_that_comes_again_keeps_what_sends_its_answer_until_it_has_arrived() -> (
    None
):
    parts = Parts()
    made = event("Delete", "r2")
    first = parts.reconciler.forget(made, HERE)
    parts.reconciler.responder.undelivered(first, HERE)
    again = parts.reconciler.forget(made, HERE)  # and then this invocation may be killed
    assert again.response == first.response
    assert len(parts.rules.rules) == 1
    by_rule = parts.look()
    assert by_rule is not None
    assert by_rule.response == first.response
    parts.reconciler.responder.delivered(by_rule)
    assert parts.nothing_left()


def test_rule_18_a_rollback_with_broken_properties_is_not_failed() -> None:
    parts = Parts()
    parts.stack.rolling_back = True
    broken = properties(ImageId="foo")
    made = event("Update", ResourceProperties=broken, OldResourceProperties=properties())
    reply = parts.begin(made)
    assert reply is not None
    assert reply.response["Status"] == "SUCCESS"
    assert reply.response["Data"]["Outcome"] == "LeftAsIs"


def test_a_newer_request_takes_over_from_one_that_cloudformation_gave_up() -> None:
    parts = Parts()
    parts.begin(event())
    later = url(NOW + 1800)
    parts.now += 1900
    parts.stack.newest = History("UPDATE_IN_PROGRESS", parts.now)
    parts.hyperpod.seen = cluster(group(image_id=NEW))
    newer = parts.begin(
        event("Update", "r2", ResponseURL=later, OldResourceProperties=properties())
    )
    assert newer is not None
    parts.reconciler.responder.delivered(newer)
    assert parts.nothing_left()


def test_what_another_version_of_the_code_remembered_is_buried_and_stops_nothing() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    resource = parts.store.resource_path(event()["StackId"], "Software")
    parts.store.values[f"{resource}/older/progress"] = ('{"unheard": 1}', 1)
    reply = parts.begin(event())
    assert reply is not None
    assert reply.response["Status"] == "SUCCESS"
    parts.reconciler.responder.delivered(reply)
    assert parts.nothing_left()


def test_a_burial_that_was_cut_short_is_ended_by_whoever_began_it() -> None:
    """The rule may have lost its target, so that nothing wakes us for the older request."""
    parts = Parts()
    parts.begin(event())
    [older] = parts.store.recall_all("")
    stop, failing = parts.rules.stop, 2

    def stop_at_last(path: str) -> bool:
        nonlocal failing
        failing -= path == older
        return stop(path) and (path != older or failing < 0)

    parts.rules.stop = stop_at_last  # type: ignore[method-assign]
    parts.hyperpod.seen = cluster(group(image_id=NEW))
    parts.now += 60
    old = properties()
    later = event("Update", "r2", OldResourceProperties=old, ResponseURL=url(parts.now))
    newer = parts.begin(later)
    assert newer is not None
    with pytest.raises(AwsError, match="NotRemoved"):  # Lambda delivers the request again
        parts.reconciler.responder.delivered(newer)
    again = parts.begin(later)
    assert again is not None
    assert again.response == newer.response
    parts.reconciler.responder.delivered(again)
    assert parts.nothing_left()


def test_a_request_id_that_comes_again_is_not_given_an_older_answer() -> None:
    parts = Parts()
    parts.hyperpod.seen = None
    made = event()
    reply = parts.begin(made)
    assert reply is not None
    parts.reconciler.responder.undelivered(reply, HERE)
    parts.now += 1800
    parts.hyperpod.seen = cluster(group(image_id=NEW))
    again = parts.begin(event(ResponseURL=url(NOW + 1800)))
    assert again is not None
    assert again.response["Status"] == "SUCCESS"
    parts.reconciler.responder.delivered(again)
    assert parts.nothing_left()


def test_what_is_written_after_a_burial_does_not_stay_where_no_rule_can_be_made() -> None:
    """Nothing would wake us for it."""
    parts = Parts(cluster(status="SystemUpdating"))
    made = event()

    def buried_meanwhile(path: str, *_: object) -> None:
        parts.rules.rules[rule_name(path)] = Poll(path, 0.0)
        parts.store.values = {
            name: value for name, value in parts.store.values.items() if "request-" in name
        }
        raise AwsError("PutRule", AwsError.Kind.QUOTA, "LimitExceededException", "")

    parts.rules.start = buried_meanwhile  # type: ignore[method-assign, assignment]
    assert parts.begin(made) is not None
    assert parts.nothing_left()


def test_a_claim_that_could_not_be_looked_at_is_left_to_the_next_delivery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the request was ended meanwhile, nothing else would wake us for it."""
    parts = Parts()
    recall, claim = parts.store.recall, parts.store.claim_call

    def out_of_time(path: str) -> None:
        raise AwsError("GetParametersByPath", AwsError.Kind.TRANSIENT, "TooSlow", "")

    def claimed(path: str, intent: Any) -> bool:
        monkeypatch.setattr(parts.store, "recall", out_of_time)
        return claim(path, intent)

    monkeypatch.setattr(parts.store, "claim_call", claimed)
    with pytest.raises(Unsure):
        parts.begin(event())
    monkeypatch.setattr(parts.store, "recall", recall)
    assert not parts.hyperpod.calls


def test_what_was_written_after_a_burial_is_buried_by_the_next_request() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    parts.store.claim_call(parts.store.path(request().info), call())
    reply = parts.begin(event("Update", "r2", OldResourceProperties=properties()))
    assert reply is not None
    parts.reconciler.responder.delivered(reply)
    assert parts.nothing_left()


def test_what_was_written_after_its_burial_is_no_part_of_a_request_that_comes_again() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    parts.store.claim_call(parts.store.path(request().info), call())
    assert parts.deliver(parts.begin(event()))["Data"]["Outcome"] == "NothingToPatch"
    assert parts.nothing_left()


def test_half_a_rule_that_is_made_after_a_burial_is_removed() -> None:
    """The later request has removed the rule, and not yet the memory."""
    parts = Parts()

    def half_made(path: str, function: str, until: float, seen: Cluster | None) -> None:
        parts.rules.rules[rule_name(path)] = Poll(path, 0.0)
        parts.store.close(path)
        raise AwsError("PutTargets", AwsError.Kind.TRANSIENT, "ThrottlingException", "")

    parts.rules.start = half_made  # type: ignore[method-assign]
    assert parts.begin(event()) is None
    assert parts.nothing_left()


def test_a_delete_tries_again_to_forget_what_was_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts()
    path = parts.store.path(request().info)
    parts.store.keep_declaration(path.rpartition("/")[0], path.rpartition("/")[2], event())
    delete = parts.store._delete

    def throttled(names: list[str], *, retries: bool = True) -> None:
        raise AwsError("DeleteParameters", AwsError.Kind.TRANSIENT, "ThrottlingException", "")

    monkeypatch.setattr(parts.store, "_delete", throttled)
    with parts.invocation():
        reply = parts.reconciler.forget(event("Delete", "r2"), HERE)
    monkeypatch.setattr(parts.store, "_delete", delete)
    parts.deliver(reply)
    assert parts.nothing_left()


def test_an_older_request_delivered_late_does_not_end_a_newer_one() -> None:
    parts = Parts()
    later = url(NOW + 1800)
    parts.now += 1700
    parts.begin(event("Create", "r2", ResponseURL=later))
    parts.reconciler.begin(event("Create", "r1"), HERE)
    assert len(parts.rules.rules) == 2


def test_what_kept_a_request_from_beginning_is_remembered_with_its_time() -> None:
    hold = Hold(HoldKind.UPDATE, "login", "InProgress")
    parts = Parts(cluster(group(), group("login", update_status="InProgress")))
    assert parts.begin(event()) is None
    for later in (60, 120):
        parts.now = NOW + later
        assert parts.look() is None
    [remembered] = parts.store.recall_all("").values()
    assert (remembered.progress.hold, remembered.progress.held_since) == (hold, NOW)
    parts.now = NOW + 1800
    reply = parts.look()
    assert reply is not None
    said = f"{held(hold)}, another update of this cluster, seen since 08:00 UTC."
    assert said in reply.response["Reason"]


@pytest.mark.parametrize(
    ("result", "shown", "kept"),
    [
        (CallResult.BUSY, "CREATE_IN_PROGRESS", "HyperPod answered ConflictException"),
        (CallResult.ACCEPTED, "DELETE_COMPLETE", "CloudFormation shows DELETE_COMPLETE"),
    ],
)
def test_what_kept_the_call_from_being_made_is_told(
    result: CallResult, shown: str, kept: str
) -> None:
    parts = Parts()
    parts.hyperpod.result, parts.stack.newest = result, History(shown, NOW)
    assert parts.begin(event()) is None
    parts.now = NOW + 1800
    reply = parts.look()
    assert reply is not None
    assert f"What kept it last: {kept}" in reply.response["Reason"]
    assert "seen since 08:00 UTC." in reply.response["Reason"]


def test_everything_at_the_apis_maximums_fits_four_kilobyte_parameters() -> None:
    names = [f"{n:03}" + "x7Qz" * 15 for n in range(100)]
    shown: dict[str, Any] = {
        "version": "1.0.0",
        "update_status": "RollbackComplete",
        "current_count": 6758,
        "target_state_count": 6757,
    }
    members = tuple(group(name, image_id="default", **shown) for name in names)
    parts = Parts(cluster(*members))
    props = properties(
        ImageId=None,
        InstanceGroups=[entry for n, name in enumerate(names)
                        for entry in groups(name, version=f"{n}.{n * 7}.{n * 31}")],
        DeploymentConfig={"AutoRollbackConfiguration": [
            {"AlarmName": f"{n}" + "ä" * 254} for n in range(10)]},
    )  # fmt: skip
    long_url = f"{url()}&X-Amz-Security-Token={'k9' * 1000}"
    assert parts.begin(event(ResourceProperties=props, ResponseURL=long_url)) is None
    assert parts.hyperpod.calls == [tuple(names)]
    [remembered] = parts.store.recall_all("").values()
    assert remembered.call is not None
    assert all(remembered.call.nodes_before(name) == 6758 for name in names)
    assert all(remembered.call.sure_before(name, scaling=True) == 6757 for name in names)
    assert remembered.call.status_before(names[0]) == "RollbackComplete"
    busy = cluster(*(group(name, update_status="InProgress") for name in names))
    parts.hyperpod.seen = busy
    assert parts.look() is None
    assert {"progress", "call", "accepted", "request-0"} <= {
        name.rpartition("/")[2] for name in parts.store.values
    }
    parts.hyperpod.seen = cluster(*(group(n, update_status="Failed") for n in names))
    reply = parts.look()
    assert reply is not None
    parts.reconciler.responder.delivered(reply)
    assert parts.nothing_left()


def test_what_goes_wrong_after_the_call_does_not_end_a_request_untruthfully(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = Parts()

    def broken(path: str) -> None:
        raise AwsError("PutParameter", AwsError.Kind.REFUSED, "Odd", "")

    monkeypatch.setattr(parts.store, "keep_acceptance", broken)
    monkeypatch.setattr(parts.reconciler._registry, "remember", lambda *args: broken(""))
    assert parts.begin(event()) is None
    assert parts.rules.rules
    assert len(parts.hyperpod.calls) == 1


def test_without_waiting_for_completion_an_accepted_call_is_the_end() -> None:
    parts = Parts()
    parts.begin(event(ResourceProperties=properties(WaitForCompletion="false")))
    reply = parts.look()
    assert reply is not None
    assert reply.response["Data"]["Outcome"] == "Accepted"


def test_an_answer_left_by_an_invocation_that_was_killed_after_the_burial_is_cleared_away() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    reply = parts.begin(event())
    assert reply is not None
    name = next(name for name in parts.store.values if name.endswith("/answer-1"))
    killed = parts.store.values[name]
    parts.reconciler.responder.delivered(reply)
    parts.store.values[name] = killed
    again = parts.begin(event())
    assert again is not None
    assert again.response == reply.response
    parts.reconciler.responder.delivered(again)
    assert parts.nothing_left()


def test_rule_18_the_stack_is_asked_again_where_it_did_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts, asked = Parts(), 0

    def out_of_order_once(stack_id: str) -> Operation:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise AwsError("DescribeStacks", AwsError.Kind.TRANSIENT, "InternalServerError", "")
        return Operation(rolls_back=True, has_role=True)

    monkeypatch.setattr(parts.stack, "operation", out_of_order_once)
    parts.hyperpod.seen = None
    reply = parts.begin(event("Update", OldResourceProperties=properties()))
    assert reply is not None
    assert reply.response["Status"] == "SUCCESS"


def test_rule_18_without_memory_a_request_that_may_be_a_rollbacks_is_not_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = Parts(cluster(status="SystemUpdating"))

    def full(*_: object) -> bool:
        raise AwsError("PutParameter", AwsError.Kind.QUOTA, "ParameterLimitExceeded", "")

    def out_of_order(stack_id: str) -> Operation:
        raise AwsError("DescribeStacks", AwsError.Kind.TRANSIENT, "InternalServerError", "")

    monkeypatch.setattr(parts.store, "claim", full)
    monkeypatch.setattr(parts.stack, "operation", out_of_order)
    with pytest.raises(AwsError, match="DescribeStacks"):
        parts.begin(event("Update", OldResourceProperties=properties()))


def test_an_acceptance_that_cannot_be_noted_at_once_is_noted_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the request would say that HyperPod never answered."""
    parts, tries = Parts(), 0
    keep = parts.store.keep_acceptance

    def throttled_once(path: str) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise AwsError("PutParameter", AwsError.Kind.TRANSIENT, "ThrottlingException", "")
        keep(path)

    monkeypatch.setattr(parts.store, "keep_acceptance", throttled_once)
    parts.begin(event())
    assert [name for name in parts.store.values if name.endswith("/accepted")]


def test_rule_05_an_ami_that_cannot_be_used_is_told_at_once_also_while_the_cluster_is_busy() -> (
    None
):
    parts = Parts(cluster(status="Updating"))
    parts.images.found = None
    reply = parts.begin(event(ResourceProperties=properties(ImageOwner="self")))
    assert reply is not None
    assert "cannot be used: it does not exist" in reply.response["Reason"]


def test_rule_04_properties_of_another_version_of_the_library_do_not_make_it_patch() -> None:
    """Its old properties may hold what this version does not know."""
    parts = Parts(cluster(group(image_id="default")))
    parts.stack.newest = History("UPDATE_IN_PROGRESS", NOW)
    now = properties(ImageId="default")
    old = now | {"Newfangled": "yes", "InstanceGroups": [
        {"InstanceGroupName": "workers", "Newfangled": "1"}]}  # fmt: skip
    reply = parts.begin(event("Update", ResourceProperties=now, OldResourceProperties=old))
    assert reply is not None
    assert reply.response["Data"]["Outcome"] == "NothingToPatch"


def test_nodes_that_cannot_be_read_in_time_are_read_again_and_do_not_hang_the_request() -> None:
    parts = Parts()
    parts.begin(event())
    patched(parts)
    parts.hyperpod.seconds_per_node = 40.0
    assert parts.look() is None
    parts.now = NOW + 3001
    reply = parts.look()
    assert reply is not None
    assert "could not be read in the time of one invocation" in reply.response["Reason"]


def test_what_was_seen_of_another_patch_while_a_call_was_claimed_is_forgotten_at_the_call() -> None:
    parts = Parts(cluster(group(update_status="RollbackComplete")))
    path = parts.store.path(request().info)
    parts.store.claim(path, Progress(NOW, active=frozenset({digest("workers")})))
    parts.begin(event())
    assert parts.hyperpod.calls
    [remembered] = parts.store.recall_all("").values()
    assert not remembered.progress.active
