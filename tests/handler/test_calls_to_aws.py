"""What the handler asks of AWS, counted where it calls boto3: on the simulated AWS, without a fault."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from hyperpod_software.adapters import events as tickets
from hyperpod_software.adapters.properties import parse_declaration
from hyperpod_software.model.software import Declaration
from sandbox.hyperpod import Faults, load_cluster
from tests.simulation import history
from tests.simulation.chance import KINDS
from tests.simulation.functions import FUNCTION_ARN
from tests.simulation.gate import Gate, Invocation
from tests.simulation.history import History
from tests.simulation.hyperpod import RELEASES
from tests.simulation.images import GOOD
from tests.simulation.story import Step, Story
from tests.simulation.templates import Others, template
from tests.simulation.world import BEGIN

Calls = Counter[str]
PARSED = "parse_declaration"


def step(timeout: str) -> Step:
    software = {
        "ServiceToken": FUNCTION_ARN,
        "ClusterName": "ml",
        "ImageId": GOOD[1],
        "Timeout": timeout,
    }
    declared: dict[str, dict[str, Any]] = {"Software": software}
    return Step("update", declared, template(declared, Others(1, ()), chained=True), rest=60.0)


def story() -> Story:
    """A stack that patches once, is updated without anything to patch, and is deleted."""
    group = {"InstanceGroupName": "workers", "CurrentCount": 2, "CurrentImageId": GOOD[0]}
    description = {
        "ClusterName": "ml",
        "InstanceGroups": [group],
        "Orchestrator": {"Eks": {"ClusterArn": "arn:eks"}},
    }
    cluster = load_cluster(description, rng=Random(0), now=BEGIN - 86400.0, releases=RELEASES)
    steps = [step("3000"), step("3001"), Step("delete", {}, {}, 0.0)]
    return Story([cluster], Faults(), {"Patching": steps})


@pytest.fixture(scope="module")
def invocations() -> list[tuple[str, Calls]]:
    """What made the handler run, each time, and the calls that it made."""
    made: dict[Invocation, Calls] = {}
    call = Gate.call

    def counted(self: Gate, service: str, operation: str, *what: Any, **how: Any) -> Any:
        made.setdefault(self.invocation, Counter())[operation] += 1
        return call(self, service, operation, *what, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "tell", lambda _: story())
        patch.setattr(Gate, "call", counted)
        told = History(0, frozenset(KINDS), diary=False)

        def parsed(properties: object) -> Declaration:
            made.setdefault(told.gate.invocation, Counter())[PARSED] += 1
            return parse_declaration(properties)

        patch.setattr(tickets, "parse_declaration", parsed)
        assert told.run().broken is None
    return [(each.cause, calls) for each, calls in made.items()]


def of(invocations: list[tuple[str, Calls]], kind: str) -> list[Calls]:
    return [calls for cause, calls in invocations if f"/{kind} " in cause]


def to_aws(calls: Calls) -> dict[str, int]:
    return {name: count for name, count in calls.items() if name not in (PARSED, "PUT")}


def test_what_a_request_that_patches_asks_of_aws(invocations: list[tuple[str, Calls]]) -> None:
    begin, first_look, *looks, last_look = map(to_aws, of(invocations, "Create"))
    assert begin == {
        "GetParametersByPath": 4,
        "PutParameter": 4,
        "PutRule": 1,
        "PutTargets": 1,
        "DescribeCluster": 1,
        "DescribeStackEvents": 1,
        "UpdateClusterSoftware": 1,
    }
    assert first_look == {"GetParametersByPath": 2, "PutParameter": 1, "DescribeCluster": 1}
    assert looks
    for look in looks:
        assert look == {"GetParametersByPath": 1, "DescribeCluster": 1}
    assert last_look == {
        "GetParametersByPath": 5,
        "PutParameter": 1,
        "DeleteParameters": 1,
        "RemoveTargets": 1,
        "DeleteRule": 1,
        "DescribeCluster": 2,
        "ListClusterNodes": 1,
    }


def test_what_a_request_with_nothing_to_patch_asks_of_aws(
    invocations: list[tuple[str, Calls]],
) -> None:
    assert [to_aws(calls) for calls in of(invocations, "Update")] == [
        {
            "GetParametersByPath": 4,
            "PutParameter": 2,
            "DeleteParameters": 1,
            "RemoveTargets": 1,
            "DeleteRule": 1,
            "DescribeCluster": 1,
            "DescribeStacks": 1,
        }
    ]


def test_what_a_delete_asks_of_aws(invocations: list[tuple[str, Calls]]) -> None:
    """It looks for a rule in any case: it is the last that can find half of one."""
    assert [to_aws(calls) for calls in of(invocations, "Delete")] == [
        {"GetParametersByPath": 5, "RemoveTargets": 1, "DeleteRule": 1}
    ]


def test_a_request_has_one_rule_and_one_answer(invocations: list[tuple[str, Calls]]) -> None:
    rules = {"Create": 1, "Update": 0, "Delete": 0}
    for kind, count in rules.items():
        calls = sum(of(invocations, kind), Calls())
        assert (calls["PutRule"], calls["PutTargets"], calls["PUT"]) == (count, count, 1)


def test_what_is_declared_is_read_once_in_an_invocation(
    invocations: list[tuple[str, Calls]],
) -> None:
    assert {calls[PARSED] for _, calls in invocations} == {1}
