"""What CloudFormation does beyond the sandbox's: its documented sequences, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.clusters import group, older, slurm
from sandbox.images import CURRENT, FAILING, NEW, NEWER
from tests.end_to_end.cloudformation import DROP, TOO_LONG, CloudFormation, Stack, software
from tests.end_to_end.function import LOG_GROUP, Function
from tests.end_to_end.stacks import Cloud, images, patched


def test_a_delete_follows_a_failed_create_and_succeeds(
    cloud: Cloud, stack: Stack, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("asfail"))
    create = stack.create(software("asfail", FAILING.id))
    assert create.answer is not None
    assert create.answer["Status"] == "FAILED"
    assert create.answer["PhysicalResourceId"] == "asfail"
    assert create.answer["Reason"].endswith(f"Log group: {LOG_GROUP}")
    assert [one.event["RequestType"] for one in stack.requests] == ["Create", "Delete"]
    assert stack.requests[-1].event["PhysicalResourceId"] == "asfail"
    assert stack.status == "ROLLBACK_COMPLETE"
    assert patched(cloud, "asfail") == [(FAILING.id, ["workers"])]
    assert left() == []


def test_a_delete_under_an_invented_id_ends_the_create_that_was_given_up(
    cloud: Cloud, stack: Stack, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("asinvent"), speed=1)  # It goes on for minutes.
    create = stack.begin_create(software("asinvent"))
    assert stack.wake() == 1
    delete = stack.cancel_create()
    assert delete.answer is not None
    assert delete.answer["PhysicalResourceId"] == "as-it-is-Software-1A2B3C4D5E6F"
    assert delete.answer["Status"] == "SUCCESS"
    assert left() == []
    assert stack.wake() == 0
    assert create.tries == 0
    assert len(patched(cloud, "asinvent")) == 1


def test_an_update_that_fails_is_followed_by_one_with_the_old_properties(
    cloud: Cloud, stack: Stack, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("asback"))
    stack.create(software("asback"))
    update = stack.update(software("asback", FAILING.id))
    assert update.answer is not None
    assert update.answer["Status"] == "FAILED"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert images(cloud, "asback")["workers"] == NEW.id
    assert left() == []


def test_an_update_given_up_while_it_runs_is_ended_and_undone(
    cloud: Cloud, stack: Stack, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("asgiven"))
    stack.create(software("asgiven"))
    update = stack.begin_update(software("asgiven", NEWER.id))
    undone = stack.roll_back(update)
    assert undone.answer is not None
    assert undone.answer["Data"]["Outcome"] == "Restored"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert [image for image, _ in patched(cloud, "asgiven")] == [NEW.id, NEWER.id, NEW.id]
    assert images(cloud, "asgiven")["workers"] == NEW.id
    assert update.tries == 0
    assert left() == []


def test_another_cluster_is_another_physical_id_and_the_old_one_is_deleted(
    cloud: Cloud, stack: Stack, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("asold"), slurm("asnew"))
    stack.create(software("asold"))
    stack.update(software("asnew"))
    delete = stack.requests[-1]
    assert delete.event["RequestType"] == "Delete"
    assert delete.event["PhysicalResourceId"] == "asold"
    assert stack.physical_id == "asnew"
    assert stack.status == "UPDATE_COMPLETE"
    assert len(patched(cloud, "asold")) == len(patched(cloud, "asnew")) == 1
    assert left() == []


def test_an_answer_is_never_too_long_for_cloudformation(
    cloud: Cloud, stack: Stack, left: Callable[[], list[str]]
) -> None:
    names = tuple(f"{number:03}{'x' * 60}" for number in range(100))
    description = slurm("aslong")
    description["InstanceGroups"] = [group(name, 1, image=CURRENT.id) for name in names]
    cloud.add(description)
    created = stack.create(software("aslong", NEW.id, names))
    failed = stack.update(software("aslong", FAILING.id, names))
    assert created.answer is not None
    assert created.answer["Data"]["PatchedNodeCount"] == "100"
    assert failed.answer is not None
    assert failed.answer["Reason"] != TOO_LONG
    assert FAILING.id in failed.answer["Reason"]
    assert 1000 < max(len(request.taken[0]) for request in stack.requests) <= 4096
    assert left() == []


def test_one_that_is_too_long_would_have_been_rejected(
    formation: CloudFormation, stack: Stack
) -> None:
    request = stack.begin_create(software("nosuch"))
    request.taken[:] = [b"x" * 4097]
    assert request.answer == {"Status": "FAILED", "Reason": TOO_LONG}


@pytest.mark.parametrize(
    ("moods", "wakes"),
    [([403], 1), ([500, 503, 500, 500], 0), ([DROP, DROP, DROP], 0), ([500] * 5 + [DROP, 403], 2)],
    ids=["refused", "server errors", "dropped connections", "one after another"],
)
def test_an_answer_gets_through_a_bucket_that_fails_for_a_while(
    stack: Stack,
    formation: CloudFormation,
    left: Callable[[], list[str]],
    moods: list[int],
    wakes: int,
) -> None:
    formation.moods = [*moods]
    create = stack.begin_create(software("nosuch"))
    for _ in range(wakes):
        assert create.taken == []
        assert left() != []
        assert stack.wake() == 1
    assert len(create.taken) == 1
    assert create.tries == len(moods) + 1
    stack.end_create(create)
    assert create.answer is not None
    assert create.answer["Reason"].startswith("Cluster nosuch does not exist")
    assert left() == []


def test_an_end_is_told_however_long_the_bucket_fails(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("asdeaf"))
    create = stack.begin_create(software("asdeaf"))
    formation.moods = [503] * 12 + [403] * 2
    stack.await_answer(create)
    assert create.tries == 15
    assert len(create.taken) == 1
    stack.end_create(create)
    assert stack.status == "CREATE_COMPLETE"
    assert len(patched(cloud, "asdeaf")) == 1
    assert left() == []


def test_without_any_answer_cloudformation_gives_up_and_the_delete_cleans_up(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("asmute"))
    formation.moods = [DROP] * 10
    create = stack.begin_create(software("asmute", groups=("nosuch",)))
    assert stack.wake() == 1
    assert (create.tries, formation.moods, create.taken) == (10, [], [])
    assert left() != []
    stack.end_create(create)
    assert stack.status == "ROLLBACK_COMPLETE"
    assert create.late == []
    assert left() == []


def test_when_cloudformation_has_given_up_the_polling_is_over_and_the_log_has_the_answer(
    stack: Stack, formation: CloudFormation, function: Function, left: Callable[[], list[str]]
) -> None:
    formation.moods = [DROP] * 10
    create = stack.begin_create(software("nosuch"))
    create.over = True
    assert stack.wake(ahead=3420 + 2 * 180 + 1) == 1
    assert left() == []
    assert stack.wake() == 0
    (said,) = (line for line in function.lines if line["level"] == "CRITICAL")
    assert said["problem"] == "CloudFormation was never reached"
    assert said["status"] == "FAILED"
    assert said["reason"].startswith("Cluster nosuch does not exist")


def test_a_request_that_comes_when_its_url_has_expired_patches_nothing(
    cloud: Cloud, stack: Stack, function: Function, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("aslate"))
    create = stack.begin_create(software("aslate"), age=7200 + 60)
    assert create.tries == 1  # 403
    assert create.taken == []
    assert cloud.control.calls("aslate") == []
    assert [line["level"] for line in function.lines][-1] == "CRITICAL"
    assert left() == []


def test_a_request_delivered_again_while_it_runs_makes_no_second_call(
    cloud: Cloud, stack: Stack, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("astwice"))
    create = stack.begin_create(software("astwice"))
    stack.deliver(create)
    stack.await_answer(create)
    assert len(patched(cloud, "astwice")) == 1
    assert len(create.taken) == 1
    stack.end_create(create)
    assert left() == []


def test_a_request_delivered_again_after_its_end_makes_no_second_call(
    cloud: Cloud, stack: Stack, left: Callable[[], list[str]]
) -> None:
    cloud.add(older("asagain"))  # It proves nothing: the same request would patch it once more.
    create = stack.create(software("asagain", "default"))
    stack.deliver(create)
    stack.wake()
    assert len(patched(cloud, "asagain")) == 1
    assert create.late == []
    # It waits in vain to be shown as under way, and its deadline ends that.
    stack.wake(ahead=3420 + 1)
    assert stack.wake() == 0
    assert len(create.late) == 1
    assert left() == []
