"""Rules 8 and 19: a patch during which HyperPod's own automatic patching moves nodes further."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hyperpod_software.adapters.sagemaker import read_cluster
from hyperpod_software.contract.answers import Outcome
from hyperpod_software.model.cluster import Cluster, Node, NodeState, Said
from hyperpod_software.model.decision import Finish, Wait
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Declaration, Software
from hyperpod_software.rules.declared import software_for
from hyperpod_software.rules.nodes import hear, node_state, tally
from hyperpod_software.rules.snapshot import Snapshot
from hyperpod_software.rules.watching import evaluate
from tests.lifecycle.samples import (
    ARN,
    NOW,
    call,
    cluster,
    declared,
    group,
    groups,
    node,
    progress,
    reason,
    request,
)

RELEASE = Software(version="1.3.9")


def release(version: str, **more: object) -> Declaration:
    return declared(ImageId=None, InstanceGroups=groups("workers", version=version), **more)


def on(version: str, **changes: Any) -> Cluster:
    ended: dict[str, Any] = {"update_status": "Succeeded", "target_state_count": 4}
    return cluster(group(image_id="default", version=version, **(ended | changes)))


def ends(asked: Request, seen: Cluster, nodes: list[Node]) -> Finish:
    look = Snapshot(asked, call(), progress("workers"), seen, NOW, asked.deadline)
    software = software_for(asked, seen, "workers")
    assert software is not None
    decision = evaluate(look, tally(nodes, {"workers": software}, call().at))
    assert isinstance(decision, Finish), decision
    return decision


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("1.3.10", NodeState.DONE),
        ("1.3.9", NodeState.DONE),
        ("1.3.1", NodeState.SKIPPED),
        ("1.4.0", NodeState.SKIPPED),
        ("1.30.0", NodeState.SKIPPED),
    ],
)
def test_rule_08_a_newer_patch_release_of_the_line_counts_as_there(
    version: str, state: NodeState
) -> None:
    assert node_state(node(version=version), RELEASE, NOW - 60) is state


def test_rule_08_a_group_that_was_moved_on_while_it_was_patched_is_patched() -> None:
    seen = on("1.3.10", desired_version="1.3.10", target_state_count=1)
    nodes = [node(number=n, version="1.3.9") for n in range(3)] + [node(number=3, version="1.3.10")]
    end = ends(request(release("1.3.9")), seen, nodes)
    assert end.outcome is Outcome.PATCHED
    assert "On a newer patch release of the declared line: 1 node." in reason(end)


def test_rule_08_the_count_of_another_release_does_not_hide_skipped_nodes() -> None:
    seen = on("1.3.10", desired_version="1.3.10", target_state_count=4)
    nodes = [node(number=n, version="1.3.10") for n in range(3)]
    nodes.append(node(number=3, version="1.3.8", last_update=NOW - 9000))
    assert "1 node skipped" in reason(ends(request(release("1.3.9")), seen, nodes))


def test_rule_08_a_group_left_out_of_an_unanswered_call_is_told() -> None:
    """What was patched shows that HyperPod accepted the request."""
    asked = request(declared(ImageId=None, InstanceGroups=groups("one", "two", version="1.3.9")))
    shown = {"image_id": "default", "update_status": "Succeeded"}
    seen = cluster(
        group("one", version="1.3.9", target_state_count=0, **shown),
        group("two", version="1.3.10", target_state_count=4, **shown),
    )
    old = [node("one", n, version="1.3.0", last_update=NOW - 9000) for n in range(4)]
    new = [node("two", n, version="1.3.10") for n in range(4, 8)]
    made = call("one", "two", accepted=False)
    look = Snapshot(asked, made, progress(), seen, NOW + 900, asked.deadline)
    software = {name: Software(version="1.3.9") for name in ("one", "two")}
    end = evaluate(look, tally(old + new, software, made.at))
    assert isinstance(end, Finish), end
    assert not end.succeeded
    assert "do not show how this patch ended: one" in reason(end)


def test_rule_19_where_a_newer_release_is_taken_back_its_nodes_are_skipped_ones() -> None:
    asked = request(release("1.3.9"), release("1.3.10"))
    nodes = [node(number=n, version="1.3.9") for n in range(3)]
    nodes.append(node(number=3, version="1.3.10", last_update=NOW - 9000))
    seen = on("1.3.9", target_state_count=None)
    assert "1 node skipped" in reason(ends(asked, seen, nodes))
    unasked = request(release("1.3.9"))
    assert ends(unasked, seen, nodes).outcome is Outcome.PATCHED


def test_rule_19_a_node_that_the_group_counts_on_the_newer_release_is_skipped_though_silent() -> (
    None
):
    asked = request(release("1.3.9"), release("1.3.10"))
    nodes = [node(number=n) for n in range(4)]
    seen = on("1.3.9", desired_version="1.3.10", target_state_count=1)
    look = Snapshot(asked, call(), progress("workers"), seen, NOW, asked.deadline)
    software = software_for(asked, seen, "workers")
    assert software is not None
    counted = tally(nodes, {"workers": software}, call().at)
    assert isinstance(evaluate(look, counted), Wait), "it may be the description that is older"
    end = evaluate(replace(look, now=NOW + 3000), counted)
    assert isinstance(end, Finish)
    assert "of 4 nodes 3 run release 1.3.9, with 1 node skipped" in reason(end)


def test_rule_08_newer_nodes_of_a_release_line_are_there() -> None:
    asked = request(release("1.3.9", ReleaseLine="1.3"))
    nodes = [node(number=n, version="1.3.12") for n in range(4)]
    end = ends(asked, on("1.3.12", desired_version="1.3.12"), nodes)
    assert end.outcome is Outcome.PATCHED
    assert "to release 1.3.9 or newer of line 1.3." in reason(end)


def test_nodes_that_say_nothing_or_do_not_run_are_heard_as_such() -> None:
    up = node(version="1.3.10", image_status="UpToDate")
    said = hear(
        [
            up,
            replace(up, status="Pending", version="1.3.11"),
            node(version="1.3.8"),
            node(),
            node("other"),
        ],
        {"workers": RELEASE},
    )
    assert said == {"workers": Said(total=4, newest=1, away=1, off=1, newer="1.3.10")}


def test_what_else_patches_a_group_is_read_from_the_description() -> None:
    when = datetime(2026, 12, 1, tzinfo=UTC)
    answer = {
        "ClusterArn": ARN,
        "ClusterName": "ml",
        "ClusterStatus": "InService",
        "Orchestrator": {"Eks": {"ClusterArn": "arn:eks"}},
        "InstanceGroups": [
            {
                "InstanceGroupName": "a",
                "AutoPatchConfig": {
                    "PatchingStrategy": "WhenIdle",
                    "CurrentPatchSchedule": {"NextPatchDate": when},
                },
            },
            {
                "InstanceGroupName": "b",
                "ScheduledUpdateConfig": {"ScheduleExpression": "cron(0 3 ? * 7#1 *)"},
            },
            {"InstanceGroupName": "c", "DesiredImageReleaseVersion": "1.3.1"},
        ],
    }
    seen = read_cluster(answer)
    assert seen.eks
    assert [each.patched_by for each in seen.groups] == [
        "AutoPatchConfig WhenIdle, next 2026-12-01 00:00:00+00:00",
        "ScheduledUpdateConfig cron(0 3 ? * 7#1 *)",
        None,
    ]
    assert seen.groups[2].desired_version == "1.3.1"
    assert not read_cluster(answer | {"Orchestrator": {"Slurm": {}}}).eks


def test_rule_08_a_node_that_says_another_release_is_skipped_whatever_is_counted() -> None:
    """The count may be of a newer release whose field is missing in this description."""
    seen = on("1.3.9", desired_version=None, target_state_count=2, current_count=3)
    nodes = [node(number=n, version="1.3.10") for n in range(2)]
    nodes.append(node(number=2, version="1.3.0", last_update=NOW - 9000))
    asked = request(release("1.3.9"))
    look = Snapshot(asked, call(had={"workers": 3}), progress("workers"), seen, NOW, asked.deadline)
    end = evaluate(look, tally(nodes, {"workers": RELEASE}, call().at))
    assert isinstance(end, Finish), end
    assert "of 3 nodes 2 run release 1.3.9, with 1 node skipped" in reason(end)
