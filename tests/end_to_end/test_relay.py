"""Beyond the hour, over real HTTP: a patch that is handed from window to window."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from sandbox.aws.images import CURRENT, FAILING, NEW, NEWER
from sandbox.clusters import group, slurm
from tests.cloudformation.template import Template
from tests.cloudformation.unknowns import Order, Unknowns
from tests.end_to_end.cloudformation import DROP, CloudFormation, Stack, software
from tests.end_to_end.function import LOG_GROUP, Function
from tests.end_to_end.stacks import SPEED, Cloud, images, patched

HOUR = 3600
FIRST, SECOND, LAST = "Software", "SoftwareWaiter2", "SoftwareWaiterLast"
CREATED = [f"Create {name}" for name in (FIRST, SECOND, LAST)]

Left = Callable[[], list[str]]


def two_hours(cluster: str, image: str = NEW.id) -> Template:
    """Three windows."""
    return software(cluster, image, timeout=2 * HOUR)


def add(cloud: Cloud, cluster: str, **faults: Any) -> None:
    """A cluster whose patches end in the second window."""
    slow = {"speed": 1, "node_seconds": 4000.0, "jitter": 0.0}
    cloud.add(slurm(cluster), **{**slow, **faults})


def deployed(cloud: Cloud, stack: Stack, cluster: str, **faults: Any) -> None:
    """A stack whose first patch was quick; the next one is not."""
    add(cloud, cluster, **{**faults, "speed": SPEED})
    stack.deploy(two_hours(cluster))
    cloud.control.set(cluster, speed=1)


def outcomes(stack: Stack, since: int = 0) -> list[str]:
    return [request.outcome for request in stack.requests[since:]]


# --- From window to window --------------------------------------------------------------------------


def test_a_patch_that_outlasts_its_window_is_handed_over_and_told_by_the_next(
    cloud: Cloud, stack: Stack, formation: CloudFormation
) -> None:
    add(cloud, "wponce")
    stack.deploy(two_hours("wponce"))
    assert stack.status == "CREATE_COMPLETE"
    assert stack.names == CREATED
    assert formation.took == stack.requests
    assert [request.tries for request in stack.requests] == [1, 1, 1]
    assert outcomes(stack) == ["Patching", "Patched", "Patched"]
    first, second, last = (request.answer for request in stack.requests)
    assert stack.last(SECOND).properties["Handover"] == first["Data"]["Handover"]
    assert second["Reason"] == (
        f"Patched 16 nodes of workers in cluster wponce to {NEW.id}. Log group: {LOG_GROUP}"
    )
    arn = first["Data"]["ClusterArn"]
    assert last["Data"] == {
        "ClusterArn": arn,
        "Outcome": "Patched",
        "PatchedInstanceGroups": "workers",
        "PatchedNodeCount": "16",
        "Handover": f"{arn}|Patched|workers|16",
    }
    assert len(patched(cloud, "wponce")) == 1


def test_a_failure_in_a_later_window_is_told_there_and_taken_back(
    cloud: Cloud, stack: Stack
) -> None:
    deployed(cloud, stack, "wpfail", node_seconds=300.0, failure_seconds=4000.0)
    stack.deploy(two_hours("wpfail", FAILING.id))
    failed = stack.requests[4]
    assert (failed.name, failed.answer["Status"]) == (f"Update {SECOND}", "FAILED")
    assert failed.answer["Reason"].startswith(
        f"The patch of cluster wpfail to {FAILING.id} failed: workers (Failed, 16 nodes, now on "
        f"{NEW.id}). "
    )
    assert "Lifecycle scripts did not run successfully" in failed.answer["Reason"]
    assert stack.names[5:] == [f"Update {FIRST}", f"Update {SECOND}"]
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert [image for image, _ in patched(cloud, "wpfail")] == [NEW.id, FAILING.id]


def test_from_a_to_b_and_back_each_patch_is_waited_for(cloud: Cloud, stack: Stack) -> None:
    add(cloud, "wpthere")
    for image in (NEW.id, NEWER.id, NEW.id):
        stack.deploy(two_hours("wpthere", image))
        assert images(cloud, "wpthere")["workers"] == image
    assert stack.status == "UPDATE_COMPLETE"
    assert outcomes(stack) == ["Patching", "Patched", "Patched", "Patching", "Patched", "Patching",
                               "Patched"]  # fmt: skip
    assert [image for image, _ in patched(cloud, "wpthere")] == [NEW.id, NEWER.id, NEW.id]


def test_another_cluster_is_deleted_as_the_old_one_after_the_last_window(
    cloud: Cloud, stack: Stack
) -> None:
    deployed(cloud, stack, "wpold")
    add(cloud, "wpnew")
    update = stack.deploy(two_hours("wpnew"))
    assert update.outcome == "Patching"
    assert update.answer["PhysicalResourceId"] == "wpnew"
    assert stack.names[-2:] == [f"Update {LAST}", f"Delete {FIRST}"]
    assert stack.last().event["PhysicalResourceId"] == "wpold"
    assert stack.last(LAST).answer["Data"]["ClusterArn"].endswith("wpnew0123456")
    assert stack.status == "UPDATE_COMPLETE"


def test_a_stack_deleted_in_a_later_window_leaves_nothing(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    add(cloud, "wpgone")
    stack.begin(two_hours("wpgone"))
    second = stack.await_request(f"Create {SECOND}")
    assert any("/declaration/" in name for name in left())
    stack.delete()
    assert stack.status == "DELETE_COMPLETE"
    assert stack.names[2:] == [f"Delete {SECOND}", f"Delete {FIRST}"]
    assert left() == []
    assert second.tries == 0


def test_a_patch_that_ends_between_two_windows_is_told_by_the_next(
    cloud: Cloud, stack: Stack, formation: CloudFormation
) -> None:
    add(cloud, "wpgap")
    create = stack.begin(two_hours("wpgap"))
    stack.delivers = False
    second = stack.await_request(f"Create {SECOND}")
    cloud.control.set("wpgap", speed=SPEED)
    stack.look()
    assert stack.wake() == 1
    assert formation.took == [create]
    stack.delivers = True
    stack.deliver(second)
    stack.rest()
    assert stack.status == "CREATE_COMPLETE"
    assert outcomes(stack) == ["Patching", "Patched", "Patched"]


# --- Twice, late, killed ------------------------------------------------------------------------------


def test_an_earlier_window_that_comes_once_more_takes_nothing_over(
    cloud: Cloud, stack: Stack
) -> None:
    add(cloud, "wptwice", node_seconds=7100.0)
    stack.begin(software("wptwice", timeout=3 * HOUR))
    second = stack.await_request(f"Create {SECOND}")
    third = stack.await_request("Create SoftwareWaiter3")
    for request in stack.requests:
        stack.deliver(request)
    assert (stack.requests[0].tries, second.tries, third.tries) == (1, 2, 0)
    stack.rest()
    assert stack.status == "CREATE_COMPLETE"
    assert outcomes(stack) == ["Patching", "Patching", "Patched", "Patched"]
    assert len(patched(cloud, "wptwice")) == 1


def test_windows_that_come_once_more_after_the_end_patch_nothing(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    add(cloud, "wpagain")
    stack.deploy(two_hours("wpagain"))
    for request in stack.requests[1:]:
        stack.deliver(request)
    assert len(patched(cloud, "wpagain")) == 1
    assert all("/declaration/" in name for name in left())


@pytest.mark.parametrize("moods", [[], [403]], ids=["told", "untold"])
def test_an_invocation_that_is_killed_as_it_hands_over_ends_nothing(
    cloud: Cloud, stack: Stack, formation: CloudFormation, moods: list[int]
) -> None:
    cluster = f"wpkilled{len(moods)}"
    add(cloud, cluster)
    create = stack.begin(two_hours(cluster))
    stack.later(3430)
    formation.moods = [*moods]
    assert stack.wake(killed=True) == 1
    assert len(create.taken) == 1 - len(moods)
    stack.rest()
    assert stack.status == "CREATE_COMPLETE"
    assert outcomes(stack) == ["Patching", "Patched", "Patched"]
    assert len(patched(cloud, cluster)) == 1


def test_an_invocation_that_is_killed_as_it_tells_the_end_leaves_nothing(
    cloud: Cloud, stack: Stack
) -> None:
    add(cloud, "wpend")
    stack.begin(two_hours("wpend"))
    second = stack.await_request(f"Create {SECOND}")
    cloud.control.set("wpend", speed=SPEED)
    stack.later(600)
    assert stack.wake(killed=True) == 1
    assert second.outcome == "Patched"
    assert stack.wake() == 1
    assert stack.status == "CREATE_COMPLETE"


# --- Buckets that fail --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moods",
    [[503] * 4, [403], [DROP] * 6, [503] * 5],
    ids=["server errors", "refused", "dropped connections", "for one invocation"],
)
def test_a_handover_gets_through_a_bucket_that_fails_for_a_while(
    cloud: Cloud, stack: Stack, formation: CloudFormation, moods: list[int]
) -> None:
    cluster = f"wpmood{len(moods)}"
    add(cloud, cluster)
    create = stack.begin(two_hours(cluster))
    formation.moods = [*moods]
    stack.rest()
    assert (create.tries, len(create.taken)) == (len(moods) + 1, 1)
    assert stack.status == "CREATE_COMPLETE"
    assert outcomes(stack) == ["Patching", "Patched", "Patched"]


def test_a_handover_that_never_gets_through_is_given_up_and_the_update_taken_back(
    cloud: Cloud, stack: Stack, formation: CloudFormation
) -> None:
    deployed(cloud, stack, "wpnever")
    update = stack.begin(two_hours("wpnever", NEWER.id))
    formation.moods = [403] * 100
    back = stack.await_request(f"Update {FIRST}")
    formation.moods.clear()
    cloud.control.set("wpnever", speed=SPEED)
    stack.rest()
    assert update.tries > 0
    assert update.taken == []
    assert back.outcome == "Restored"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert images(cloud, "wpnever")["workers"] == NEW.id


# --- Rollbacks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("anew", [False, True], ids=["as stored", "evaluated anew"])
def test_a_rollback_is_waited_for_in_the_windows_that_were_reached(
    cloud: Cloud, stack: Stack, anew: bool
) -> None:
    cluster = f"wpback{anew:d}"
    deployed(cloud, stack, cluster, node_seconds=4600.0)
    stack.model.unknowns = Unknowns(evaluates_anew=anew)
    stack.begin(two_hours(cluster, NEWER.id))
    forward = stack.await_request(f"Update {SECOND}")
    stack.cancel()
    assert stack.wake() == 1  # Only the newer request is woken.
    back = stack.await_request(f"Update {SECOND}")
    stack.rest()
    first = stack.last(FIRST)
    assert (first.outcome, back.outcome) == ("Patching", "Restored")
    assert back.properties["Handover"].startswith("patch " if anew else "arn:")
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert forward.tries == 0
    assert [image for image, _ in patched(cloud, cluster)] == [NEW.id, NEWER.id, NEW.id]
    assert images(cloud, cluster)["workers"] == NEW.id


def test_a_waiter_that_is_taken_back_before_its_resource_watches_and_calls_nothing(
    cloud: Cloud, stack: Stack
) -> None:
    deployed(cloud, stack, "wporder")
    stack.model.unknowns = Unknowns(undoing=Order.DEPENDENTS_FIRST)
    stack.begin(two_hours("wporder", NEWER.id))
    stack.await_request(f"Update {SECOND}")
    stack.cancel()
    waiter = stack.last(SECOND)
    cloud.control.set("wporder", speed=SPEED)
    stack.rest()
    assert stack.names[-2:] == [f"Update {SECOND}", f"Update {FIRST}"]
    assert waiter.answer["Status"] == "SUCCESS"
    assert stack.last().outcome == "Restored"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert [image for image, _ in patched(cloud, "wporder")] == [NEW.id, NEWER.id, NEW.id]


# --- What is remembered -------------------------------------------------------------------------------


def test_where_nothing_is_remembered_a_waiter_looks_for_what_a_hundred_groups_declared(
    cloud: Cloud, stack: Stack, left: Left
) -> None:
    names = tuple(sha256(bytes([number])).hexdigest()[:63] for number in range(100))
    description = slurm("wplong")
    description["InstanceGroups"] = [group(name, 1, image=CURRENT.id) for name in names]
    cloud.add(description, speed=1, node_seconds=4000.0, jitter=0.0)
    stack.begin(software("wplong", NEW.id, names, timeout=2 * HOUR))
    stack.delivers = False
    second = stack.await_request(f"Create {SECOND}")
    stack.delivers = True
    declared = [name for name in left() if "/declaration/request-" in name]
    assert len(declared) > 1
    for name in left():
        if name.startswith("/") and "/declaration/" not in name:
            cloud.client("ssm").delete_parameter(Name=name)
    cloud.control.set("wplong", speed=SPEED)
    stack.later(600)
    assert stack.wake() == 1  # A rule of which nothing is remembered is removed.
    stack.deliver(second)
    stack.rest()
    assert second.answer["Status"] == "SUCCESS"
    assert second.answer["Reason"].startswith("Nothing is remembered of the patch")
    assert stack.status == "CREATE_COMPLETE"
    assert len(patched(cloud, "wplong")) == 1


def test_what_is_told_and_where_is_in_no_log_and_no_rule(
    cloud: Cloud, stack: Stack, formation: CloudFormation, function: Function
) -> None:
    add(cloud, "wpsecret")
    stack.begin(two_hours("wpsecret"))
    formation.moods = [503, 403, 503, DROP]
    stack.rest()  # Each time a rule wakes the function, it is searched for URLs.
    log = "".join(ran.log for ran in function.ran)
    assert log.count('"stage": "answer"') == 4
    for request in stack.requests:
        assert request.url not in log
        assert request.url.partition("?")[0] not in log
        assert request.taken[0].decode() not in log
        assert request.answer["Data"]["Handover"] not in log
