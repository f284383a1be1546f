"""Past the hour: a wait condition waits for the end, and a signal tells it."""

from __future__ import annotations

from typing import Any

import pytest

from hyperpod_software.edges.properties import BadProperty, parse_declaration
from hyperpod_software.edges.sagemaker import CallResult
from hyperpod_software.edges.stack import ResourceEvent
from hyperpod_software.rules.answering import signal
from hyperpod_software.words.problem import Problem
from hyperpod_software.words.reply import Way
from tests.handler.parts import HERE, Parts, event, patched
from tests.lifecycle.samples import ARN, NEW, NOW, OLD, cluster, group, properties

HANDLE = "https://bucket.invalid/handle?X-Amz-Signature=HANDLE"


def long(kind: str = "Create", **changes: Any) -> dict[str, Any]:
    props = properties(Timeout="40000", WaitConditionHandle=HANDLE)
    return event(kind, ResourceProperties=props, **changes)


def handed_over() -> Parts:
    parts = Parts()
    parts.begin(long())
    parts.hyperpod.seen = cluster(group(update_status="InProgress"))
    reply = parts.look()
    assert reply is not None
    parts.conductor.ending.delivered(reply)
    return parts


def test_past_the_hour_the_resource_is_answered_once_the_patch_runs() -> None:
    parts = Parts()
    assert parts.begin(long()) is None
    parts.hyperpod.seen = cluster(group(update_status="InProgress"))
    reply = parts.look()
    assert reply is not None
    assert reply.ways == (Way.ANSWER,)
    assert (reply.response["Status"], reply.response["Data"]["Outcome"]) == ("SUCCESS", "Patching")
    assert not reply.last
    parts.conductor.ending.delivered(reply)
    assert parts.look() is None


def test_past_the_hour_a_signal_tells_the_end_hours_later() -> None:
    parts = handed_over()
    parts.now += 30_000
    assert parts.look() is None
    patched(parts)
    reply = parts.look()
    assert reply is not None
    assert reply.ways == (Way.SIGNAL,)
    assert reply.wait_handle == HANDLE
    assert signal(reply.response) == {
        "Status": "SUCCESS",
        "UniqueId": "r1",
        "Data": f"|{ARN}|Patched|workers|4|",
        "Reason": f"Patched 4 nodes of workers in cluster ml to {NEW}. Log group: /logs",
    }
    parts.conductor.ending.delivered(reply)
    assert parts.nothing_left()


def test_past_the_hour_a_failure_is_signalled_with_its_reason() -> None:
    parts = handed_over()
    parts.hyperpod.seen = cluster(group(update_status="Failed"), failure_message="no disk")
    reply = parts.look()
    assert reply is not None
    assert signal(reply.response)["Status"] == "FAILURE"
    assert "HyperPod's own reason: no disk." in signal(reply.response)["Reason"]


def test_past_the_hour_the_long_deadline_holds() -> None:
    parts = handed_over()
    parts.now += 40_001
    reply = parts.look()
    assert reply is not None
    assert "The timeout of 40000 seconds passed" in reply.response["Reason"]


def test_past_the_hour_a_signal_is_tried_for_as_long_as_the_wait_can_last() -> None:
    """It counts from the resource's answer, which may have come almost an hour after the request."""
    parts = handed_over()
    parts.now += 40_001
    reply = parts.look()
    assert reply is not None
    parts.conductor.ending.undelivered(reply, long(), HERE)
    parts.now = NOW + 3420 + 40_180
    again = parts.look()
    assert again is not None
    parts.conductor.ending.undelivered(again, long(), HERE)
    assert not parts.nothing_left()
    parts.now += 361
    last = parts.look()
    assert last is not None
    parts.conductor.ending.undelivered(last, long(), HERE)
    assert parts.nothing_left()


def test_past_the_hour_an_end_before_the_handover_is_signalled_and_answered() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    reply = parts.begin(long())
    assert reply is not None
    assert reply.ways == (Way.SIGNAL, Way.ANSWER)


def test_past_the_hour_a_patch_has_to_begin_within_the_hour() -> None:
    parts = Parts(cluster(status="Updating"))
    assert parts.begin(long()) is None
    parts.now += 3421
    reply = parts.look()
    assert reply is not None
    assert reply.response["Reason"].startswith("Nothing was patched within 3420 seconds")


def test_past_the_hour_a_call_that_shows_no_sign_of_itself_fails_within_the_hour() -> None:
    """CloudFormation would give the resource up, and say nothing of what happened."""
    parts = Parts()
    parts.hyperpod.result = CallResult.UNKNOWN
    assert parts.begin(long()) is None
    parts.hyperpod.seen = cluster(group(update_status="AStatusNobodyKnows"))
    parts.now += 3000
    assert parts.look() is None
    parts.now += 421
    reply = parts.look()
    assert reply is not None
    assert reply.ways == (Way.SIGNAL, Way.ANSWER)
    assert reply.response["Reason"].startswith("It is not known whether HyperPod took the call")


def test_past_the_hour_a_group_that_ends_otherwise_than_before_shows_that_the_patch_runs() -> None:
    """Of a call that nobody answered it is the first sign, if no look saw the group at work."""
    parts = Parts(cluster(group(update_status="Failed")))
    parts.hyperpod.result = CallResult.UNKNOWN
    assert parts.begin(long()) is None
    parts.now += 120
    parts.hyperpod.seen = cluster(group(update_status="Succeeded"))  # not its image yet
    reply = parts.look()
    assert reply is not None
    assert (reply.ways, reply.last) == ((Way.ANSWER,), False)


def test_past_the_hour_nothing_is_handed_over_while_the_cluster_is_out_of_sight() -> None:
    """Whether it is a replacement could not be told."""
    parts = Parts()
    parts.begin(long())
    seen, parts.hyperpod.seen = parts.hyperpod.seen, None
    parts.conductor._sagemaker.describe = throttled  # type: ignore[method-assign]
    assert parts.look() is None
    del parts.conductor._sagemaker.describe
    parts.hyperpod.seen = seen
    assert parts.look() is not None


def throttled(name: str) -> Any:
    raise Problem("DescribeCluster", Problem.Kind.PASSING, "ThrottlingException", "Rate exceeded")


def test_a_handle_that_was_used_before_is_not_signalled_again() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    parts.stack.newest = ResourceEvent("UPDATE_IN_PROGRESS", NOW)
    old = properties(Timeout="40000", WaitConditionHandle=HANDLE, ImageId=OLD)
    reply = parts.begin(long("Update", OldResourceProperties=old))
    assert reply is not None
    assert reply.ways == (Way.ANSWER,)


def test_a_rollback_answers_and_signals_nothing_for_its_handle_is_an_old_one() -> None:
    parts = Parts(cluster(group(image_id=NEW)))
    parts.stack.rolling_back = True
    failed = properties(Timeout="40000", WaitConditionHandle=HANDLE + "2", ImageId=OLD)
    reply = parts.begin(long("Update", OldResourceProperties=failed))
    assert reply is not None
    assert reply.ways == (Way.ANSWER,)


def test_an_invocation_that_hands_over_when_all_is_over_leaves_nothing_behind() -> None:
    parts = Parts()
    parts.begin(long())
    parts.hyperpod.seen = cluster(group(update_status="InProgress"))
    late = parts.look()
    assert late is not None
    parts.conductor.ending.bury(late.path)
    parts.conductor.ending.delivered(late)
    assert parts.nothing_left()


def test_a_handles_url_may_have_eight_kilobytes() -> None:
    url = HANDLE.ljust(8192, "x")
    assert parse_declaration(properties(WaitConditionHandle=url)).wait_handle == url
    with pytest.raises(BadProperty, match="WaitConditionHandle is no URL"):
        parse_declaration(properties(WaitConditionHandle=f"{url}x"))
