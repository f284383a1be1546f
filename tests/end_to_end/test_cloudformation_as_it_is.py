"""What CloudFormation does beyond the sandbox's: its documented sequences, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyperpod_software.contract.times import ANSWER_MARGIN, WINDOW
from sandbox.aws.images import CURRENT, FAILING, NEW, NEWER
from sandbox.clusters import group, older, slurm
from tests.end_to_end.cloudformation import ANOTHER, DROP, CloudFormation, Stack, software
from tests.end_to_end.function import LOG_GROUP, Function
from tests.end_to_end.stacks import Cloud, images, patched

HOUR = 3600
GIVEN_UP = WINDOW + 2 * ANSWER_MARGIN + 1
"""Seconds after a request when CloudFormation has surely given it up."""


def test_a_delete_follows_a_failed_create_and_succeeds(cloud: Cloud, stack: Stack) -> None:
    cloud.add(slurm("asfail"))
    create = stack.deploy(software("asfail", FAILING.id))
    assert create.answer["Status"] == "FAILED"
    assert create.answer["PhysicalResourceId"] == "asfail"
    assert create.answer["Reason"].endswith(f"Log group: {LOG_GROUP}")
    assert stack.names == ["Create Software", "Delete Software"]
    assert stack.last().event["PhysicalResourceId"] == "asfail"
    assert stack.status == "ROLLBACK_COMPLETE"
    assert patched(cloud, "asfail") == [(FAILING.id, ["workers"])]


def test_a_delete_under_an_invented_id_ends_the_create_that_was_given_up(
    cloud: Cloud, stack: Stack
) -> None:
    cloud.add(slurm("asinvent"), speed=1)
    create = stack.begin({**software("asinvent"), **ANOTHER})
    assert stack.wake() == 1
    stack.fail("Another")
    delete = stack.last()
    assert stack.status == "ROLLBACK_COMPLETE"
    assert delete.name == "Delete Software"
    assert delete.answer["PhysicalResourceId"] == delete.event["PhysicalResourceId"]
    assert delete.answer["PhysicalResourceId"].startswith("as-it-is-Software-")
    assert stack.wake() == 0
    assert create.tries == 0
    assert len(patched(cloud, "asinvent")) == 1


def test_an_update_that_fails_is_followed_by_one_with_the_old_properties(
    cloud: Cloud, stack: Stack
) -> None:
    cloud.add(slurm("asback"))
    stack.deploy(software("asback"))
    update = stack.deploy(software("asback", FAILING.id))
    assert update.answer["Status"] == "FAILED"
    assert stack.last().properties == stack.requests[0].properties
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert images(cloud, "asback")["workers"] == NEW.id


def test_an_update_given_up_while_it_runs_is_ended_and_undone(cloud: Cloud, stack: Stack) -> None:
    cloud.add(slurm("asgiven"))
    stack.deploy(software("asgiven"))
    update = stack.begin(software("asgiven", NEWER.id))
    stack.cancel()
    stack.rest()
    assert stack.last().outcome == "Restored"
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert [image for image, _ in patched(cloud, "asgiven")] == [NEW.id, NEWER.id, NEW.id]
    assert images(cloud, "asgiven")["workers"] == NEW.id
    assert update.tries == 0


def test_another_cluster_is_another_physical_id_and_the_old_one_is_deleted(
    cloud: Cloud, stack: Stack
) -> None:
    cloud.add(slurm("asold"), slurm("asnew"))
    stack.deploy(software("asold"))
    stack.deploy(software("asnew"))
    assert stack.names == ["Create Software", "Update Software", "Delete Software"]
    assert stack.last().event["PhysicalResourceId"] == "asold"
    assert stack.model.resources["Software"].physical_id == "asnew"
    assert stack.status == "UPDATE_COMPLETE"
    assert len(patched(cloud, "asold")) == len(patched(cloud, "asnew")) == 1


def test_an_answer_is_never_too_long_for_cloudformation(cloud: Cloud, stack: Stack) -> None:
    names = tuple(f"{number:03}{'x' * 60}" for number in range(100))
    description = slurm("aslong")
    description["InstanceGroups"] = [group(name, 1, image=CURRENT.id) for name in names]
    cloud.add(description)
    stack.deploy(software("aslong", NEW.id, names, timeout=2 * HOUR))
    created = stack.last("SoftwareWaiterLast")
    assert created.answer["Data"]["PatchedNodeCount"] == "100"
    failed = stack.deploy(software("aslong", FAILING.id, names, timeout=2 * HOUR))
    assert FAILING.id in failed.answer["Reason"]
    assert 1000 < max(len(request.taken[0]) for request in stack.requests) <= 4096


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
    create = stack.begin(software("nosuch"))
    for _ in range(wakes):
        assert create.taken == []
        assert left() != []
        assert stack.wake() == 1
    assert len(create.taken) == 1
    assert create.tries == len(moods) + 1
    assert create.answer["Reason"].startswith("Cluster nosuch does not exist")
    assert stack.status == "ROLLBACK_COMPLETE"


def test_an_end_is_told_however_long_the_bucket_fails(
    cloud: Cloud, stack: Stack, formation: CloudFormation
) -> None:
    cloud.add(slurm("asdeaf"))
    create = stack.begin(software("asdeaf"))
    formation.moods = [503] * 12 + [403] * 2
    stack.rest()
    assert create.tries == 15
    assert len(create.taken) == 1
    assert stack.status == "CREATE_COMPLETE"
    assert len(patched(cloud, "asdeaf")) == 1


def test_without_any_answer_cloudformation_gives_up_and_the_delete_cleans_up(
    cloud: Cloud, stack: Stack, formation: CloudFormation, left: Callable[[], list[str]]
) -> None:
    cloud.add(slurm("asmute"))
    formation.moods = [DROP] * 10
    create = stack.begin(software("asmute", groups=("nosuch",)))
    assert stack.wake() == 1
    assert (create.tries, formation.moods, create.taken) == (10, [], [])
    assert left() != []
    stack.later(HOUR)
    assert stack.names == ["Create Software", "Delete Software"]
    assert stack.status == "ROLLBACK_COMPLETE"
    assert create.late == []


def test_when_cloudformation_has_given_up_the_polling_is_over_and_the_log_has_the_answer(
    cloud: Cloud, stack: Stack, formation: CloudFormation, function: Function
) -> None:
    formation.moods = [DROP] * 10
    stack.begin(software("nosuch"))
    stack.delivers = False
    stack.later(GIVEN_UP)
    assert stack.wake() == 1
    assert stack.wake() == 0
    (said,) = (line for line in function.lines if line["level"] == "CRITICAL")
    assert said["problem"] == "CloudFormation was never reached"
    assert said["status"] == "FAILED"
    assert said["reason"].startswith("Cluster nosuch does not exist")
    stack.delivers = True
    stack.deliver(stack.last())
    assert stack.status == "ROLLBACK_COMPLETE"


def test_a_request_that_comes_when_its_url_has_expired_patches_nothing(
    cloud: Cloud, stack: Stack, function: Function
) -> None:
    cloud.add(slurm("aslate"))
    stack.delivers = False
    create = stack.begin(software("aslate"))
    cloud.sandbox.ministack.clock.put_ahead(2 * HOUR + 60)
    stack.deliver(create)
    assert create.tries == 1  # 403
    assert create.taken == []
    assert cloud.control.calls("aslate") == []
    assert [line["level"] for line in function.lines][-1] == "CRITICAL"
    stack.delivers = True


def test_a_request_delivered_again_while_it_runs_makes_no_second_call(
    cloud: Cloud, stack: Stack
) -> None:
    cloud.add(slurm("astwice"))
    create = stack.begin(software("astwice"))
    stack.deliver(create)
    stack.rest()
    assert len(patched(cloud, "astwice")) == 1
    assert len(create.taken) == 1


def test_a_request_delivered_again_after_its_end_makes_no_second_call(
    cloud: Cloud, stack: Stack
) -> None:
    cloud.add(older("asagain"))  # It proves nothing: the same request would patch it once more.
    create = stack.deploy(software("asagain", "default"))
    stack.deliver(create)
    stack.wake()
    assert len(patched(cloud, "asagain")) == 1
    assert create.late == []
    # It waits in vain to be shown as under way, and its deadline ends that.
    stack.later(HOUR)
    stack.wake()
    assert stack.wake() == 0
    assert len(create.late) == 1
