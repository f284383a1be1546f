"""Rule 18: what a stack rollback does to a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.messages.plans import held
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.decision import Finish, Patch, Wait, failed
from hyperpod_software.model.plan import Hold, HoldKind
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Declaration
from hyperpod_software.model.state import Progress
from hyperpod_software.rules.rollback import as_rollback_result, plan_rollback
from tests.lifecycle.samples import (
    NEW,
    NOW,
    OLD,
    cluster,
    declared,
    group,
    groups,
    reason,
    request,
    saying,
)

GOOD, BAD = declared(ImageId=OLD), declared(ImageId=NEW)


def rollback(good: Declaration = GOOD, bad: Declaration = BAD) -> Request:
    return request(good, bad, rollback=True)


def left(asked: Request, seen: Cluster, now: float = NOW) -> str:
    decision = plan_rollback(asked, seen, now)
    assert isinstance(decision, Finish), decision
    assert decision.outcome is Outcome.LEFT_AS_IS
    return reason(decision)


def test_rule_18_a_group_proven_on_the_failed_image_goes_back_to_the_pinned_one() -> None:
    decision = plan_rollback(rollback(), cluster(group(image_id=NEW)), NOW)
    assert isinstance(decision, Patch)
    assert decision.groups == ("workers",)


@pytest.mark.parametrize("image", [OLD, "default", None])
def test_rule_18_a_group_not_proven_on_the_failed_image_is_left(image: str | None) -> None:
    assert "no group is proven" in left(rollback(), cluster(group(image_id=image)))


def test_rule_18_there_is_no_going_back_to_an_image_that_is_not_pinned() -> None:
    asked = rollback(good=declared(ImageId="default"))
    assert "no group is proven" in left(asked, cluster(group(image_id=NEW)))


def test_rule_18_a_group_that_only_the_failed_declaration_listed_is_left() -> None:
    asked = rollback(bad=declared(ImageId=OLD, InstanceGroups=groups("workers", "login")))
    left(asked, cluster(group(image_id=OLD), group("login", image_id=OLD)))


def of_release(version: str, **more: object) -> Declaration:
    return declared(ImageId=None, InstanceGroups=groups("workers", version=version), **more)


def on(version: str, **changes: Any) -> Cluster:
    return cluster(group(image_id="default", version=version, **changes))


def test_rule_19_a_rollback_takes_back_only_the_release_that_failed() -> None:
    asked = rollback(of_release("1.2.0"), of_release("1.3.0"))
    assert isinstance(plan_rollback(asked, on("1.3.0"), NOW), Patch)
    assert "no group is proven" in left(asked, on("1.3.1"))
    partly = on("1.3.0", desired_version="1.3.1", target_state_count=1)
    assert "no group is proven" in left(asked, partly)
    line = rollback(of_release("1.2.0"), of_release("1.3.0", ReleaseLine="1.3"))
    assert isinstance(plan_rollback(line, on("1.3.0"), NOW), Patch)
    assert "no group is proven" in left(line, on("1.3.1"))


def test_rule_18_a_group_that_is_on_what_was_declared_before_is_left() -> None:
    line = of_release("1.3.0", ReleaseLine="1.3")
    newer = rollback(line, of_release("1.3.2", ReleaseLine="1.3"))
    assert "no group is proven" in left(newer, on("1.3.2"))
    again = rollback(of_release("1.3.0", Revision="1"), of_release("1.3.0", Revision="2"))
    assert "no group is proven" in left(again, on("1.3.0"))


def test_rule_18_a_batch_is_not_sent_to_a_slurm_cluster_by_a_rollback() -> None:
    wait = {"DeploymentConfig": {"WaitIntervalInSeconds": "60"}}
    seen = cluster(group(image_id=NEW), slurm=True)
    good = declared(ImageId=OLD, **wait)
    assert "available only for clusters integrated" in left(rollback(good), seen)
    allowed = declared(ImageId=OLD, **wait, AllowRollingUpdateOnSlurm="true")
    assert isinstance(plan_rollback(rollback(allowed), seen, NOW), Patch)


def test_rule_18_what_is_in_flight_is_waited_for_up_to_the_deadline() -> None:
    seen = cluster(group(update_status="RollbackInProgress"))
    assert isinstance(plan_rollback(rollback(), seen, NOW), Wait)
    assert isinstance(plan_rollback(rollback(), seen, NOW + 86_399), Wait)
    assert "for 86400 seconds" in left(rollback(), seen, NOW + 86_400)


def test_rule_18_scaling_is_not_in_flight() -> None:
    decision = plan_rollback(rollback(), cluster(group(image_id=NEW, scaling=True)), NOW)
    assert isinstance(decision, Patch)


def test_rule_18_what_kept_a_rollback_is_told_with_since_when() -> None:
    hold = Hold(HoldKind.UPDATE, "workers", "RollbackInProgress")
    seen = cluster(group(update_status="RollbackInProgress"))
    waited = Progress(NOW, hold=hold, held_since=NOW)
    decision = plan_rollback(rollback(), seen, NOW + 86_400, progress=waited)
    assert isinstance(decision, Finish)
    assert reason(decision).endswith(f"{held(hold)}, seen since 08:00 UTC.")


def test_rule_18_patching_back_can_be_turned_off_but_not_the_waiting() -> None:
    asked = rollback(good=declared(ImageId=OLD, OnRollback="leave"))
    assert "OnRollback is leave" in left(asked, cluster(group(image_id=NEW)))
    with_it = rollback(bad=declared(OnRollback="leave"))
    assert "OnRollback is leave" in left(with_it, cluster(group(image_id=NEW)))
    busy = cluster(group(update_status="InProgress"))
    assert isinstance(plan_rollback(asked, busy, NOW), Wait)


def test_rule_18_a_rollback_of_something_else_touches_and_awaits_nothing() -> None:
    asked = rollback(bad=declared(ImageId=OLD, Timeout="600"))
    assert "did not change" in left(asked, cluster(group(update_status="InProgress")))


def test_rule_18_a_rollback_to_another_cluster_has_nothing_to_take_back() -> None:
    asked = rollback(bad=declared(ClusterName="other"))
    left(asked, cluster(group(image_id=NEW)))


def test_rule_18_a_rollback_is_never_answered_with_failed() -> None:
    end = as_rollback_result(failed(saying("Cluster ml does not exist.")), called=False)
    assert end.succeeded
    assert reason(end) == (
        "The stack was rolled back, the cluster was not: Cluster ml does not exist."
    )


def test_rule_18_a_patch_back_that_did_not_end_well_does_not_say_that_nothing_went_back() -> None:
    end = as_rollback_result(failed(saying("The timeout passed.")), called=True)
    assert reason(end) == (
        "The stack was rolled back, the cluster perhaps not wholly: The timeout passed."
    )


def test_rule_18_a_patch_back_that_worked_says_so() -> None:
    done = Finish(Outcome.PATCHED, saying("Patched 4 nodes."), cluster(), ("workers",), 4)
    end = as_rollback_result(done, called=True)
    assert end.outcome is Outcome.RESTORED
    assert end.patched_nodes == 4
