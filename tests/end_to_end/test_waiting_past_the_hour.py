"""Beyond the hour, over real HTTP: an answer once the patch runs, and a signal at its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.clusters import group, slurm
from sandbox.images import CURRENT, FAILING, NEW, NEWER
from tests.end_to_end.cloudformation import (
    DROP,
    LONG,
    CloudFormation,
    Handle,
    Request,
    Stack,
    software,
)
from tests.end_to_end.function import LOG_GROUP, Function
from tests.end_to_end.stacks import Cloud, images, patched

HOUR = 3420
"""The function's deadline inside the hour of a custom resource, in seconds."""
AFTER = 2 * 180 + 1
"""Seconds after a deadline when CloudFormation has surely given up."""

Left = Callable[[], list[str]]


def await_patch(cloud: Cloud, cluster: str, image: str = NEW.id) -> None:
    """Wait, without a look of the function, until the workers run the image."""
    ended = {
        "InstanceGroupName": "workers",
        "CurrentImageId": image,
        "SoftwareUpdateStatus": "Succeeded",
    }
    cloud.control.wait(
        lambda seen: any(ended.items() <= one.items() for one in seen["InstanceGroups"]), cluster
    )


def begin_create(cloud: Cloud, stack: Stack, cluster: str) -> tuple[Request, Handle]:
    """A Create up to where the stack waits for its wait condition, and the cluster is held."""
    cloud.hold(cluster)
    handle = stack.handle()
    create = stack.begin_create(software(cluster, handle=handle))
    stack.await_answer(create)
    stack.end_create(create)
    assert stack.status == "CREATE_IN_PROGRESS"
    return create, handle


def begin_update(
    cloud: Cloud, stack: Stack, cluster: str, image: str = NEWER.id
) -> tuple[Request, Handle]:
    """The same of an Update."""
    cloud.hold(cluster)
    handle = stack.handle()
    update = stack.begin_update(software(cluster, image, handle=handle))
    stack.await_answer(update)
    stack.end_update(update)
    assert stack.status == "UPDATE_IN_PROGRESS"
    return update, handle


def answer_of(request: Request) -> dict[str, Any]:
    assert request.answer is not None
    return request.answer


def signal_of(handle: Handle) -> dict[str, str]:
    assert handle.signal is not None
    return handle.signal


# --- The end of a patch -------------------------------------------------------------------------------


def test_the_resource_is_answered_once_the_patch_runs_and_signalled_once_at_its_end(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left
) -> None:
    cloud.add(slurm("wponce"))
    create, handle = begin_create(cloud, stack, "wponce")
    answer = answer_of(create)
    assert (answer["Status"], answer["Data"]["Outcome"]) == ("SUCCESS", "Patching")
    assert stack.wake() == 1
    assert handle.tries == 0
    cloud.let_go("wponce")
    stack.await_end(create)
    assert stack.status == "CREATE_COMPLETE"
    assert formation.took == [create, handle]
    assert (create.tries, handle.tries) == (1, 1)
    assert signal_of(handle) == {
        "Status": "SUCCESS",
        "UniqueId": create.event["RequestId"],
        "Reason": f"Patched 16 nodes of workers in cluster wponce to {NEW.id}. "
        f"Log group: {LOG_GROUP}",
        "Data": f"|{answer['Data']['ClusterArn']}|Patched|workers|16|",
    }
    assert handle.attributes == [answer["Data"]["ClusterArn"], "Patched", "workers", "16"]
    assert len(patched(cloud, "wponce")) == 1
    assert left() == []


def test_a_failure_is_signalled_and_the_update_that_undoes_it_answers_only(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left
) -> None:
    cloud.add(slurm("wpfail"))
    first = stack.handle()
    stack.create(software("wpfail", handle=first))
    update, second = begin_update(cloud, stack, "wpfail", FAILING.id)
    cloud.let_go("wpfail")
    formation.took.clear()
    stack.await_end(update)
    assert signal_of(second)["Status"] == "FAILURE"
    assert signal_of(second)["Reason"].startswith(
        f"The patch of cluster wpfail to {FAILING.id} failed: workers (Failed, 16 nodes, now on "
        f"{NEW.id}). "
    )
    assert "Lifecycle scripts did not run successfully" in signal_of(second)["Reason"]
    assert second.attributes[1] == "Failed"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert formation.took == [second, stack.requests[-1]]
    assert first.tries == second.tries == 1
    assert left() == []


def test_a_signal_is_never_too_long_for_cloudformation(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    names = tuple(f"{number:03}{'x' * 60}" for number in range(100))
    description = slurm("wplong")
    description["InstanceGroups"] = [group(name, 1, image=CURRENT.id) for name in names]
    cloud.add(description)
    succeeds, fails = stack.handle(), stack.handle()
    stack.create(software("wplong", NEW.id, names, handle=succeeds))
    stack.update(software("wplong", FAILING.id, names, handle=fails))
    assert succeeds.attributes[3] == "100"
    assert FAILING.id in signal_of(fails)["Reason"]
    assert 1000 < max(len(handle.taken[0]) for handle in (succeeds, fails)) <= 4096
    assert left() == []


def test_a_patch_that_has_not_ended_in_its_hours_is_signalled_as_a_failure(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    cloud.add(slurm("wphours"))
    create, handle = begin_create(cloud, stack, "wphours")
    assert stack.wake(ahead=LONG - 60) == 1
    assert handle.tries == 0
    assert stack.wake(ahead=LONG + 1) == 1
    assert signal_of(handle)["Status"] == "FAILURE"
    assert signal_of(handle)["Reason"].startswith(
        f"The timeout of {LONG} seconds passed before the patch of cluster wphours ended: "
    )
    assert left() == []
    stack.end_wait(create)
    assert stack.status == "ROLLBACK_COMPLETE"


def test_another_cluster_is_another_physical_id_and_the_old_one_is_deleted_after_the_wait(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    cloud.add(slurm("wpold"), slurm("wpnew"))
    stack.create(software("wpold", handle=stack.handle()))
    update, handle = begin_update(cloud, stack, "wpnew", NEW.id)
    assert answer_of(update)["PhysicalResourceId"] == "wpnew"
    cloud.let_go("wpnew")
    stack.await_end(update)
    assert signal_of(handle)["Status"] == "SUCCESS"
    assert stack.requests[-1].event["RequestType"] == "Delete"
    assert stack.requests[-1].event["PhysicalResourceId"] == "wpold"
    assert (stack.status, stack.physical_id) == ("UPDATE_COMPLETE", "wpnew")
    assert len(patched(cloud, "wpold")) == len(patched(cloud, "wpnew")) == 1
    assert left() == []


# --- An end before the patch was seen to run ------------------------------------------------------------


def test_where_nothing_is_to_be_patched_the_signal_comes_first_and_then_the_answer(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left
) -> None:
    cloud.add(slurm("wpnone"))
    handle = stack.handle()
    create = stack.create(software("wpnone", CURRENT.id, handle=handle))
    assert formation.took == [handle, create]
    assert answer_of(create)["Data"]["Outcome"] == "NothingToPatch"
    assert handle.attributes == [*answer_of(create)["Data"].values()]
    assert signal_of(handle)["Reason"] == answer_of(create)["Reason"]
    assert stack.status == "CREATE_COMPLETE"
    assert cloud.control.calls("wpnone") == []
    assert left() == []


def test_a_failure_before_the_patch_fails_resource_and_wait_with_the_same_reason(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left
) -> None:
    cloud.add(slurm("wpgroup"))
    handle = stack.handle()
    create = stack.create(software("wpgroup", groups=("nosuch",), handle=handle))
    assert formation.took[:2] == [handle, create]
    assert (signal_of(handle)["Status"], answer_of(create)["Status"]) == ("FAILURE", "FAILED")
    assert answer_of(create)["Reason"].startswith("Cluster wpgroup has no instance group nosuch.")
    assert signal_of(handle)["Reason"] == answer_of(create)["Reason"]
    assert stack.status == "ROLLBACK_COMPLETE"
    assert handle.tries == 1
    assert left() == []


def test_a_patch_that_ends_before_anybody_looks_is_signalled_and_answered(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left
) -> None:
    cloud.add(slurm("wpquick"))
    handle = stack.handle()
    create = stack.begin_create(software("wpquick", handle=handle))
    assert create.tries == 0
    await_patch(cloud, "wpquick")
    assert stack.wake() == 1
    assert formation.took == [handle, create]
    assert answer_of(create)["Data"]["Outcome"] == "Patched"
    assert handle.attributes == [*answer_of(create)["Data"].values()]
    assert left() == []


def test_a_cluster_that_is_busy_for_the_whole_hour_fails_resource_and_wait_unpatched(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left
) -> None:
    cloud.add(slurm("wpbusy"))
    cloud.hold("wpbusy")
    login = [{"InstanceGroupName": "login"}]
    cloud.control.patch(ClusterName="wpbusy", ImageId=NEWER.id, InstanceGroups=login)
    handle = stack.handle()
    create = stack.begin_create(software("wpbusy", handle=handle))
    assert stack.wake(ahead=HOUR - 60) == 1
    assert formation.took == []
    assert stack.wake(ahead=HOUR + 1) == 1
    assert formation.took == [handle, create]
    for told in (signal_of(handle), answer_of(create)):
        assert told["Reason"].startswith(f"Nothing was patched within {HOUR} seconds: ")
    assert patched(cloud, "wpbusy") == [(NEWER.id, ["login"])]
    assert left() == []


# --- Buckets that fail ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moods",
    [[503] * 4, [403] * 2, [DROP] * 6, [503] * 7 + [403, DROP]],
    ids=["server errors", "refused", "dropped connections", "one after another"],
)
def test_a_signal_gets_through_a_bucket_that_fails_for_a_while(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left, moods: list[int]
) -> None:
    cluster = f"wpmood{len(moods)}"
    cloud.add(slurm(cluster))
    create, handle = begin_create(cloud, stack, cluster)
    cloud.let_go(cluster)
    await_patch(cloud, cluster)
    formation.moods = [*moods]
    stack.await_answer(handle)
    assert (handle.tries, len(handle.taken)) == (len(moods) + 1, 1)
    assert left() == []
    stack.end_wait(create)
    assert stack.status == "CREATE_COMPLETE"
    assert create.tries == 1


def test_a_signal_that_is_refused_keeps_no_answer_back(
    stack: Stack, formation: CloudFormation, left: Left
) -> None:
    formation.moods = [403]
    handle = stack.handle()
    create = stack.begin_create(software("nosuch", handle=handle))
    assert formation.took == [create]
    assert left() != []
    # Both are sent again; CloudFormation has its answer already.
    assert stack.wake() == 1
    assert formation.took == [create, handle, create]
    first, second = map(json.loads, create.taken)
    assert first == second
    assert left() == []


def test_an_answer_that_is_refused_is_sent_again_and_its_signal_says_the_same_again(
    stack: Stack, formation: CloudFormation, left: Left
) -> None:
    formation.moods = [None, 403]
    handle = stack.handle()
    create = stack.begin_create(software("nosuch", handle=handle))
    assert formation.took == [handle]
    assert left() != []
    # CloudFormation ignores a second signal with the same id.
    assert stack.wake() == 1
    assert formation.took == [handle, handle, create]
    assert handle.taken[0] == handle.taken[1]
    assert left() == []


def test_an_answer_that_the_patch_runs_gets_through_as_well(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left
) -> None:
    cloud.add(slurm("wpdeaf"))
    cloud.hold("wpdeaf")
    handle = stack.handle()
    create = stack.begin_create(software("wpdeaf", handle=handle))
    formation.moods = [503, 503, 503, 503, 503, 403]
    for _ in range(2):
        assert stack.wake() == 1
        assert create.taken == []
    assert stack.wake() == 1
    assert answer_of(create)["Data"]["Outcome"] == "Patching"
    assert create.tries == 7
    stack.end_create(create)
    cloud.let_go("wpdeaf")
    stack.await_end(create)
    assert stack.status == "CREATE_COMPLETE"
    assert formation.took == [create, handle]
    assert left() == []


def test_when_the_wait_is_over_the_polling_is_too_and_the_log_has_the_signal(
    cloud: Cloud, stack: Stack, formation: CloudFormation, function: Function, left: Left
) -> None:
    cloud.add(slurm("wpmute"))
    create, handle = begin_create(cloud, stack, "wpmute")
    cloud.let_go("wpmute")
    formation.moods = [403] * 100
    await_patch(cloud, "wpmute")
    assert stack.wake() == 1
    assert stack.wake(ahead=LONG + 1) == 1
    assert handle.tries == 2
    assert left() != []
    # The wait counts from the answer, which may have come as late as the hour.
    assert stack.wake(ahead=HOUR + LONG + 180 + AFTER) == 1
    assert left() == []
    assert stack.wake() == 0
    assert handle.taken == []
    (said,) = (line for line in function.lines if line["level"] == "CRITICAL")
    assert said["problem"] == "CloudFormation was never reached"
    assert said["status"] == "SUCCESS"
    assert said["reason"].startswith("Patched 16 nodes of workers in cluster wpmute")
    formation.moods.clear()
    stack.end_wait(create)
    assert stack.status == "ROLLBACK_COMPLETE"


# --- Waits that nobody signalled ------------------------------------------------------------------------


def test_a_rollback_takes_over_from_a_wait_that_timed_out_and_a_deploy_from_the_rollback(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    cloud.add(slurm("wplost"))
    first = stack.handle()
    stack.create(software("wplost", handle=first))
    update, second = begin_update(cloud, stack, "wplost")
    undone = stack.begin_roll_back(update)
    # Only the newer request is woken, and it waits for what is in flight.
    assert stack.wake() == 1
    assert undone.tries == 0
    cloud.let_go("wplost")
    stack.await_answer(undone)
    stack.end_roll_back(undone)
    assert answer_of(undone)["Data"]["Outcome"] == "Restored"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert images(cloud, "wplost")["workers"] == NEW.id
    assert (first.tries, second.tries, undone.tries) == (1, 0, 1)
    assert left() == []
    later, third = begin_update(cloud, stack, "wplost")
    assert answer_of(later)["Data"]["Outcome"] == "Patching"
    cloud.let_go("wplost")
    stack.await_end(later)
    assert third.attributes[1:] == ["Patched", "workers", "16"]
    assert stack.status == "UPDATE_COMPLETE"
    assert [image for image, _ in patched(cloud, "wplost")] == [NEW.id, NEWER.id] * 2
    assert (first.tries, second.tries, third.tries) == (1, 0, 1)
    assert left() == []


def test_a_rollback_that_waits_in_vain_leaves_the_cluster_to_the_next_deploy(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    cloud.add(slurm("wpvain"))
    first = stack.handle()
    stack.create(software("wpvain", handle=first))
    update, second = begin_update(cloud, stack, "wpvain")
    undone = stack.begin_roll_back(update)
    assert stack.wake(ahead=HOUR - 60) == 1
    assert undone.tries == 0
    assert stack.wake(ahead=HOUR + 1) == 1
    stack.end_roll_back(undone)
    assert answer_of(undone)["Status"] == "SUCCESS"
    assert answer_of(undone)["Data"]["Outcome"] == "LeftAsIs"
    assert answer_of(undone)["Reason"].startswith(
        f"Nothing was patched back: until the timeout of {HOUR} seconds the software update of "
    )
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert left() == []
    third = stack.handle()
    later = stack.begin_update(software("wpvain", NEWER.id, handle=third))
    assert stack.wake() == 1
    assert (later.tries, third.tries) == (0, 0)
    cloud.let_go("wpvain")
    stack.await_answer(later)
    stack.await_end(stack.end_update(later))
    assert stack.status == "UPDATE_COMPLETE"
    assert third.attributes[1] == "NothingToPatch"
    assert [image for image, _ in patched(cloud, "wpvain")] == [NEW.id, NEWER.id]
    assert (first.tries, second.tries, third.tries) == (1, 0, 1)
    assert left() == []


def test_a_rollback_whose_answer_never_gets_through_is_given_up_after_its_hour(
    cloud: Cloud, stack: Stack, formation: CloudFormation, function: Function, left: Left
) -> None:
    """The handle among its properties is an old one: no twelve hours come with it."""
    cloud.add(slurm("wpnever"))
    stack.create(software("wpnever", handle=stack.handle()))
    update, _ = begin_update(cloud, stack, "wpnever")
    undone = stack.begin_roll_back(update)
    formation.moods = [403] * 100
    assert stack.wake(ahead=HOUR + 1) == 1
    assert undone.tries == 1
    assert left() != []
    assert stack.wake(ahead=HOUR + AFTER) == 1
    assert left() == []
    (said,) = (line for line in function.lines if line["level"] == "CRITICAL")
    assert said["problem"] == "CloudFormation was never reached"
    formation.moods.clear()
    cloud.let_go("wpnever")


def test_a_rollback_takes_over_from_a_signal_that_never_got_through(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Left
) -> None:
    cloud.add(slurm("wpheld"))
    first = stack.handle()
    stack.create(software("wpheld", handle=first))
    update, second = begin_update(cloud, stack, "wpheld")
    cloud.let_go("wpheld")
    formation.moods = [403] * 100
    await_patch(cloud, "wpheld", NEWER.id)
    assert stack.wake() == 1
    assert second.tries == 1
    formation.moods.clear()
    stack.end_wait(update)
    undone = stack.requests[-1]
    assert answer_of(undone)["Data"]["Outcome"] == "Restored"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert images(cloud, "wpheld")["workers"] == NEW.id
    assert (first.tries, second.tries, second.taken, second.late) == (1, 1, [], [])
    assert left() == []


def test_a_delete_ends_the_polling_of_a_create_whose_wait_timed_out(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    cloud.add(slurm("wpgone"))
    create, handle = begin_create(cloud, stack, "wpgone")
    stack.end_wait(create)
    assert stack.status == "ROLLBACK_COMPLETE"
    assert stack.requests[-1].event["RequestType"] == "Delete"
    assert stack.requests[-1].event["PhysicalResourceId"] == "wpgone"
    assert left() == []
    assert stack.wake() == 0
    assert handle.tries == 0


# --- Twice, and secrets ---------------------------------------------------------------------------------


def test_a_request_delivered_again_is_not_answered_again_while_its_patch_runs(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    cloud.add(slurm("wptwice"))
    create, handle = begin_create(cloud, stack, "wptwice")
    stack.deliver(create)
    assert (create.tries, handle.tries) == (1, 0)
    cloud.let_go("wptwice")
    stack.await_end(create)
    assert (create.tries, handle.tries) == (1, 1)
    assert len(patched(cloud, "wptwice")) == 1
    assert left() == []


def test_a_request_delivered_again_after_its_end_changes_nothing(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    cloud.add(slurm("wpagain"))
    handle = stack.handle()
    create = stack.create(software("wpagain", handle=handle))
    stack.deliver(create)
    # CloudFormation ignores a second signal with the same id, whatever else it says.
    (late,) = map(json.loads, handle.late)
    assert late["UniqueId"] == signal_of(handle)["UniqueId"]
    assert len(patched(cloud, "wpagain")) == 1
    assert left() == []


def test_what_is_told_and_where_is_in_no_log_and_no_rule(
    cloud: Cloud,
    stack: Stack,
    formation: CloudFormation,
    function: Function,
    left: Left,
) -> None:
    cloud.add(slurm("wpsecret"))
    formation.moods = [503, 403]
    create, handle = begin_create(cloud, stack, "wpsecret")
    formation.moods = [503, DROP, 403]
    cloud.let_go("wpsecret")
    stack.await_end(create)  # Each time a rule wakes the function, it is searched for URLs.
    log = "".join(ran.log for ran in function.ran)
    assert log.count('"stage": "answer"') == 5
    for box in (create, handle):
        assert box.url not in log
        assert box.url.partition("?")[0] not in log
        assert box.taken[0].decode() not in log
    assert signal_of(handle)["Data"] not in log
    assert left() == []
