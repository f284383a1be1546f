"""Beyond the hour: one patch, carried through the windows of a resource and its waiters."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hyperpod_software.adapters.cloudformation import History
from hyperpod_software.contract.properties import WAITER_TYPE
from hyperpod_software.contract.times import WINDOW
from hyperpod_software.model.reply import Reply
from tests.handler.parts import HERE, Parts, event, patched, url
from tests.lifecycle.samples import NEW, NOW, OLD, cluster, group, node, properties


def long(**changes: Any) -> dict[str, Any]:
    return properties(**{"Timeout": "36000", **changes})


def begin(parts: Parts, **changes: Any) -> Reply | None:
    """The resource's own request, with ten hours."""
    made: dict[str, Any] = {"ResourceProperties": long()} | changes
    return parts.begin(event(made.pop("kind", "Create"), **made))


def take_back(parts: Parts) -> Reply | None:
    """The rollback's own request to the resource."""
    return begin(
        parts,
        kind="Update",
        request="back",
        ResponseURL=url(parts.now),
        ResourceProperties=long(ImageId=OLD),
        OldResourceProperties=long(),
    )


def wait(
    parts: Parts,
    handover: str,
    window: int = 2,
    kind: str = "Create",
    request: str = "",
    **more: Any,
) -> Reply | None:
    """What CloudFormation sends to a waiter now."""
    props = {
        "ServiceToken": "f",
        "Resource": "Software",
        "Window": str(window),
        "Handover": handover,
    }
    name = f"Waiter{window}"
    made = event(
        kind,
        request or f"{name}-{parts.now}",
        LogicalResourceId=name,
        ResourceProperties=props,
        ResourceType=WAITER_TYPE,
        **{"ResponseURL": url(parts.now), **more},
    )
    if kind != "Create":
        made["PhysicalResourceId"] = f"{name}-id"
    return parts.wait(made)


def shown(parts: Parts, status: str, at: float | None = None) -> None:
    parts.stack.newest = History(status, parts.now if at is None else at)


def patching(parts: Parts) -> None:
    parts.hyperpod.seen = cluster(group(update_status="InProgress", target_state_count=1))


def at_the_end_of_the_window(parts: Parts, start: float) -> dict[str, Any]:
    parts.now = start + WINDOW
    return parts.deliver(parts.look())


def started() -> tuple[Parts, str]:
    """A patch that outlasts the resource's own window, and what that handed over."""
    parts = Parts()
    assert begin(parts) is None
    patching(parts)
    parts.now += 600
    assert parts.look() is None
    answer = at_the_end_of_the_window(parts, NOW)
    assert answer["Status"] == "SUCCESS"
    return parts, answer["Data"]["Handover"]


def test_a_patch_that_ends_within_the_first_window_needs_no_other() -> None:
    parts = Parts()
    begin(parts)
    patched(parts)
    answer = parts.deliver(parts.look())
    assert answer["Data"]["Outcome"] == "Patched"
    assert answer["Data"]["Handover"].split("|") == [
        answer["Data"][name]
        for name in ("ClusterArn", "Outcome", "PatchedInstanceGroups", "PatchedNodeCount")
    ]
    assert parts.nothing_left()


def test_a_result_is_passed_on_without_a_look() -> None:
    parts = Parts()
    answer = parts.deliver(wait(parts, "arn|Patched|workers|4"))
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"] == {
        "ClusterArn": "arn",
        "Outcome": "Patched",
        "PatchedInstanceGroups": "workers",
        "PatchedNodeCount": "4",
        "Handover": "arn|Patched|workers|4",
    }
    assert parts.hyperpod.described == 0
    assert parts.nothing_left()


def test_the_next_window_takes_the_patch_up_and_tells_its_end() -> None:
    parts, handover = started()
    parts.now += 5
    shown(parts, "CREATE_IN_PROGRESS")
    assert wait(parts, handover) is None
    patched(parts)
    answer = parts.deliver(parts.look())
    assert answer["LogicalResourceId"] == "Waiter2"
    assert answer["Data"]["Outcome"] == "Patched"
    assert parts.hyperpod.calls == [("workers",)]
    assert "declaration" in " ".join(parts.store.values)
    assert not parts.rules.rules


def test_a_failure_in_a_later_window_is_told_there() -> None:
    parts, handover = started()
    parts.now += 5
    wait(parts, handover)
    parts.hyperpod.seen = cluster(group(update_status="Failed"))
    answer = parts.deliver(parts.look())
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"].startswith("Waiter2-")


def test_each_window_hands_over_and_the_last_one_fails_at_the_timeout() -> None:
    parts, handover = started()
    start = NOW
    for window in range(2, 11):
        start = parts.now = start + WINDOW + 5
        assert wait(parts, handover, window) is None
        answer = at_the_end_of_the_window(parts, start)
        assert answer["Data"]["Handover"] == handover
    start = parts.now = start + WINDOW + 5
    wait(parts, handover, 11)
    parts.now = NOW + 36_001
    answer = parts.deliver(parts.look())
    assert answer["Status"] == "FAILED"
    assert "timeout of 36000 seconds passed" in answer["Reason"]


def test_a_busy_cluster_is_waited_for_through_windows() -> None:
    parts = Parts(cluster(status="SystemUpdating"))
    begin(parts)
    handover = at_the_end_of_the_window(parts, NOW)["Data"]["Handover"]
    start = parts.now = parts.now + 5
    shown(parts, "CREATE_IN_PROGRESS")
    wait(parts, handover)
    parts.hyperpod.seen = cluster()
    parts.now = start + 60
    assert parts.look() is None
    assert parts.hyperpod.calls == [("workers",)]


def test_between_two_windows_nothing_is_called() -> None:
    parts = Parts(cluster(status="SystemUpdating"))
    begin(parts)
    at_the_end_of_the_window(parts, NOW)
    parts.hyperpod.seen = cluster()
    parts.now += 60
    assert parts.look() is None
    assert not parts.hyperpod.calls


def test_an_earlier_window_that_comes_late_never_takes_over() -> None:
    parts, handover = started()
    parts.now += 5
    early = {"request": "early", "kind": "Create"}
    wait(parts, handover, 2, **early)
    second = parts.now
    at_the_end_of_the_window(parts, second)
    parts.now += 5
    wait(parts, handover, 3)
    third, parts.now = parts.now, second
    late = wait(parts, handover, 2, **early)
    assert late is not None
    assert parts.deliver(late)["Data"]["Handover"] == handover
    parts.now = third + 60
    patched(parts)
    assert parts.deliver(parts.look())["LogicalResourceId"] == "Waiter3"


def test_a_doubled_delivery_whose_clock_is_read_otherwise_is_the_same_window() -> None:
    """A signature may lie in the future, and then the time of arrival counts."""
    parts, handover = started()
    parts.now += 5
    shown(parts, "CREATE_IN_PROGRESS")
    ahead: dict[str, Any] = {"request": "twice", "ResponseURL": url(parts.now + 60)}
    assert wait(parts, handover, **ahead) is None
    parts.now += 0.1
    assert wait(parts, handover, **ahead) is None
    patched(parts)
    assert parts.deliver(parts.look())["LogicalResourceId"] == "Waiter2"


def test_a_window_that_was_answered_is_not_answered_again() -> None:
    parts, handover = started()
    parts.now += 60
    patched(parts)
    assert parts.look() is None
    parts.now += 5
    shown(parts, "CREATE_IN_PROGRESS")
    assert parts.deliver(wait(parts, handover))["Data"]["Outcome"] == "Patched"


def test_a_handover_that_did_not_arrive_is_sent_again() -> None:
    parts = Parts()
    begin(parts)
    patching(parts)
    parts.now = NOW + WINDOW
    first = parts.look()
    parts.now += 60
    second = parts.look()
    assert first is not None
    assert second is not None
    assert second.response == first.response


def test_a_rollback_takes_over_and_its_waiters_watch_what_is_under_way() -> None:
    parts, handover = started()
    start = parts.now = parts.now + 5
    wait(parts, handover)
    # The user cancels. The resource is updated back first, then the waiter, with the old value.
    parts.now = start + 600
    parts.stack.rolling_back = True
    shown(parts, "UPDATE_IN_PROGRESS")
    assert take_back(parts) is None
    answer = at_the_end_of_the_window(parts, parts.now)
    assert answer["Status"] == "SUCCESS"
    parts.now += 5
    assert wait(parts, "arn|Patched|workers|4", kind="Update") is None
    # HyperPod ends the forward patch only now: it is taken back, in the waiter's window.
    parts.hyperpod.seen = cluster(group(update_status="Succeeded", image_id=NEW))
    parts.now += 60
    shown(parts, "UPDATE_IN_PROGRESS", parts.now - 60)
    assert parts.look() is None
    assert len(parts.hyperpod.calls) == 2
    parts.hyperpod.seen = cluster(replace(group(update_status="InProgress"), image_id=NEW))
    parts.now += 60
    assert parts.look() is None
    parts.hyperpod.seen = cluster(group(update_status="Succeeded", image_id=OLD))
    parts.hyperpod.nodes_seen = [node(number=n, last_update=parts.now) for n in range(4)]
    parts.now += 60
    answer = parts.deliver(parts.look())
    assert answer["LogicalResourceId"] == "Waiter2"
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["Outcome"] == "Restored"


def test_after_the_last_window_of_a_rollback_the_cluster_is_watched_to_its_end() -> None:
    parts = Parts()
    begin(parts)
    patching(parts)
    parts.now += 1200
    parts.stack.rolling_back = True
    take_back(parts)
    answer = at_the_end_of_the_window(parts, parts.now)
    assert "watches the cluster to its end" in answer["Reason"]
    parts.now += 3 * 3600
    assert parts.look() is None
    assert parts.rules.rules
    parts.hyperpod.seen = cluster(group(update_status="Succeeded", image_id=NEW))
    parts.now += 60
    assert parts.look() is None
    assert len(parts.hyperpod.calls) == 1
    assert parts.nothing_left() or all("declaration" in name for name in parts.store.values)


def test_a_waiter_that_meets_the_forward_patch_in_a_rollback_only_watches_it() -> None:
    """No order of a rollback is documented: a waiter may come before its resource."""
    parts = Parts(cluster(status="SystemUpdating"))
    begin(parts)
    handover = at_the_end_of_the_window(parts, NOW)["Data"]["Handover"]
    parts.now += 5
    parts.stack.rolling_back = True
    shown(parts, "UPDATE_IN_PROGRESS")
    wait(parts, handover, kind="Update")
    parts.hyperpod.seen = cluster()
    parts.now += 60
    answer = parts.deliver(parts.look())
    assert answer["Status"] == "SUCCESS"
    assert not parts.hyperpod.calls


def test_a_later_request_waits_until_an_earlier_call_is_sure_to_show() -> None:
    parts = Parts()
    begin(parts)
    parts.now += 5
    parts.stack.rolling_back = True
    assert take_back(parts) is None, "DescribeCluster may not show the call yet"


@pytest.mark.parametrize("image", [OLD, NEW])
def test_where_nothing_is_remembered_the_cluster_decides(image: str) -> None:
    parts, handover = started()
    for path in {name.rpartition("/")[0] for name in parts.store.values}:
        if not path.endswith("declaration"):
            parts.store.forget(path)
    parts.hyperpod.seen = cluster(group(image_id=image, target_state_count=4))
    parts.now += 5
    answer = parts.deliver(wait(parts, handover))
    assert answer["Status"] == ("SUCCESS" if image == NEW else "FAILED")
    assert "Nothing is remembered of the patch" in answer["Reason"]
    assert len(parts.hyperpod.calls) == 1


def test_where_not_even_the_declaration_is_known_a_waiter_fails() -> None:
    parts = Parts()
    answer = parts.deliver(wait(parts, "patch 0123456789abcdef"))
    assert answer["Status"] == "FAILED"
    assert "not known" in answer["Reason"]


def test_in_a_rollback_a_waiter_that_knows_nothing_succeeds_and_says_so() -> None:
    parts = Parts()
    parts.stack.rolling_back = True
    answer = parts.deliver(wait(parts, "patch 0123456789abcdef", kind="Update"))
    assert answer["Status"] == "SUCCESS"
    assert "not known" in answer["Reason"]


def test_a_waiter_that_failed_and_is_taken_back_alone_is_a_rollback_too() -> None:
    """``--no-rollback``: the stack's status says nothing of it."""
    parts = Parts()
    parts.stack.newest = History("UPDATE_IN_PROGRESS", NOW, failed=True)
    answer = parts.deliver(wait(parts, "patch 0123456789abcdef", kind="Update"))
    assert answer["Status"] == "SUCCESS"


def test_a_resource_that_failed_and_is_taken_back_alone_is_a_rollback_too() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    parts.stack.newest = History("UPDATE_IN_PROGRESS", NOW, failed=True)
    back = event(
        "Update", ResourceProperties=properties(ClusterName="gone", ImageId=OLD),
        OldResourceProperties=properties(ImageId=NEW),
    )  # fmt: skip
    parts.hyperpod.seen = None
    answer = parts.deliver(parts.begin(back))
    assert answer["Status"] == "SUCCESS"


def test_a_failure_of_an_earlier_operation_makes_no_rollback() -> None:
    """The events of this one are not shown yet."""
    parts = Parts(cluster(group(image_id=OLD)))
    parts.stack.newest = History("UPDATE_COMPLETE", NOW - 600, failed=True)
    made = event(
        "Update", ResourceProperties=properties(ImageId=NEW),
        OldResourceProperties=properties(ImageId=OLD),
    )  # fmt: skip
    assert parts.begin(made) is None
    assert not parts.hyperpod.calls
    parts.stack.newest = History("UPDATE_IN_PROGRESS", NOW)
    assert parts.look() is None
    assert parts.hyperpod.calls == [("workers",)]


def test_a_waiter_that_is_delivered_once_more_takes_nothing_from_a_resource_that_just_began() -> (
    None
):
    """Where a rollback takes waiters back first, both are signed within the same seconds."""
    parts, handover = started()
    shown(parts, "CREATE_IN_PROGRESS")
    wait(parts, handover)
    patched(parts)
    parts.deliver(parts.look())
    parts.stack.rolling_back = True
    parts.hyperpod.seen = cluster(group(status="SystemUpdating"))
    shown(parts, "UPDATE_IN_PROGRESS")
    old = {"OldResourceProperties": long(ImageId=OLD), "ResponseURL": url(parts.now)}
    assert begin(parts, kind="Update", request="back", **old) is None
    again = wait(parts, "arn|Patched|workers|4", kind="Update", request="again")
    assert parts.deliver(again)["Data"]["Handover"] == "arn|Patched|workers|4"
    parts.now += WINDOW
    assert parts.deliver(parts.look())["LogicalResourceId"] == "Software"


def test_a_waiter_takes_nothing_from_a_request_that_is_delivered_again_after_its_answer() -> None:
    """Nothing is remembered of an answered request, so its copy begins anew and goes nowhere."""
    parts = Parts()
    parts.stack.rolling_back = True
    shown(parts, "UPDATE_COMPLETE")
    old = {"OldResourceProperties": long(ImageId=OLD), "ResponseURL": url(parts.now)}
    parts.hyperpod.seen = cluster(group(status="SystemUpdating"))
    assert begin(parts, kind="Update", request="copy", **old) is None
    parts.now += 60
    shown(parts, "UPDATE_IN_PROGRESS")
    parts.hyperpod.seen = cluster(group(image_id=OLD))
    answer = parts.deliver(wait(parts, "arn|LeftAsIs||0", kind="Update"))
    assert answer["Data"]["Handover"] == "arn|LeftAsIs||0"
    assert not parts.hyperpod.calls


def test_a_waiter_that_is_taken_back_before_its_resource_is_answered_all_the_same() -> None:
    """The last waiter keeps its name when the chain becomes longer or shorter: then the one that
    it waited for is another one, and a rollback may take it back beside the resource."""
    parts, _ = started()
    parts.now += 60
    shown(parts, "UPDATE_IN_PROGRESS")
    parts.stack.rolling_back = True
    assert wait(parts, "arn|Patched|workers|4", 13, kind="Update", request="last") is None
    parts.now += 60
    shown(parts, "UPDATE_IN_PROGRESS")
    old = {"OldResourceProperties": long(ImageId=OLD), "ResponseURL": url(parts.now)}
    assert begin(parts, kind="Update", request="back", **old) is None
    answer = parts.deliver(parts.look())
    assert (answer["RequestId"], answer["Status"]) == ("last", "SUCCESS")
    assert len(parts.rules.rules) == 1


def test_a_patch_that_a_rollback_overtook_is_not_told_as_taken_back() -> None:
    parts, handover = started()
    parts.now += 60
    shown(parts, "UPDATE_IN_PROGRESS")
    parts.stack.rolling_back = True
    assert wait(parts, handover, kind="Update") is None
    patched(parts)
    answer = parts.deliver(parts.look())
    assert answer["Data"]["Outcome"] == "LeftAsIs"
    assert "The stack is rolled back. Of what was declared before that: Patched" in answer["Reason"]


def test_the_end_of_one_request_leaves_one_alone_that_was_signed_in_the_same_second() -> None:
    parts = Parts()
    delete = parts.reconciler.forget(event("Delete", "gone"), HERE)
    assert parts.begin(event(request="new")) is None
    parts.deliver(delete)
    assert not parts.nothing_left()


def test_a_delete_leaves_the_answer_to_another_delete_in_its_place() -> None:
    parts = Parts()
    first = event("Delete", "first", ResponseURL=url(NOW - 30))
    reply = parts.reconciler.forget(first, HERE)
    parts.reconciler.responder.undelivered(reply, HERE)
    parts.deliver(parts.reconciler.forget(event("Delete", "second"), HERE))
    assert parts.deliver(parts.look())["RequestId"] == "first"
    assert parts.nothing_left()


def test_a_stack_without_a_role_is_refused_before_the_call() -> None:
    parts = Parts()
    parts.stack.has_role = False
    answer = parts.deliver(begin(parts))
    assert answer["Status"] == "FAILED"
    assert "needs a stack with a service role" in answer["Reason"]
    assert not parts.hyperpod.calls


def test_a_stack_without_a_role_may_insist() -> None:
    parts = Parts()
    parts.stack.has_role = False
    begin(parts, ResourceProperties=long(AllowCallerCredentials="true"))
    assert parts.hyperpod.calls == [("workers",)]


def test_a_waiters_delete_does_not_bury_the_patch() -> None:
    parts, handover = started()
    parts.now += 5
    wait(parts, handover)
    gone = event(
        "Delete",
        "gone",
        LogicalResourceId="Waiter2",
        ResourceType=WAITER_TYPE,
        ResponseURL=url(parts.now),
    )
    with parts.invocation():
        answer = parts.deliver(parts.reconciler.forget(gone, HERE))
    assert answer["Status"] == "SUCCESS"
    assert parts.rules.rules


def test_the_resources_delete_leaves_nothing() -> None:
    parts, handover = started()
    parts.now += 5
    wait(parts, handover)
    gone = event("Delete", "gone", ResponseURL=url(parts.now))
    with parts.invocation():
        parts.deliver(parts.reconciler.forget(gone, HERE))
    assert parts.nothing_left()


def test_a_window_that_nobody_takes_up_is_forgotten_after_hours() -> None:
    parts, _ = started()
    parts.now += 12 * 3600
    patched(parts)
    assert parts.look() is None
    assert not parts.rules.rules


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"Handover": "what"}, "Handover is 'what'"),
        ({"Handover": None}, "Handover is missing"),
        ({"Window": "1"}, "Window is '1'"),
        ({"Resource": "a b"}, "Resource is 'a b'"),
        ({"Bogus": "1"}, "Bogus"),
    ],
)
def test_a_waiters_bad_property_is_named(changes: dict[str, Any], named: str) -> None:
    parts = Parts()
    props = {"ServiceToken": "f", "Resource": "Software", "Window": "2", "Handover": "a|b|c|1"}
    made = event(LogicalResourceId="Waiter2", ResourceProperties=props | changes)
    answer = parts.deliver(parts.wait(made))
    assert answer["Status"] == "FAILED"
    assert named in answer["Reason"]


def test_an_answer_with_its_handover_fits_whatever_was_patched() -> None:
    names = [f"{number:03d}-{'x' * 59}" for number in range(100)]
    parts = Parts(cluster(*(group(name) for name in names)))
    listed = [{"InstanceGroupName": name} for name in names]
    begin(parts, ResourceProperties=long(InstanceGroups=listed))
    parts.hyperpod.seen = cluster(
        *(group(name, update_status="Succeeded", image_id=NEW) for name in names)
    )
    parts.hyperpod.nodes_seen = [
        node(name, number, last_update=parts.now) for name in names for number in range(4)
    ]
    answer = parts.deliver(parts.look())
    assert len(json.dumps(answer).encode()) <= 4096
