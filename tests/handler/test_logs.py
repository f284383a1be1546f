"""What a look says: one line of JSON, which carries its metrics."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from hyperpod_software.adapters.logs import JsonLines
from hyperpod_software.contract.signals import LOG_FIELDS
from tests.handler.parts import Parts, event
from tests.lifecycle.samples import cluster, group, properties


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    said = [
        record for record in caplog.records if record.name == "hyperpod_software.engine.log_events"
    ]
    return [json.loads(JsonLines().format(record)) for record in said]


@pytest.fixture(autouse=True)
def listen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hyperpod_software")


def test_a_look_says_how_far_each_group_is_and_what_time_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    size = {"Type": "CAPACITY_PERCENTAGE", "Value": "25"}
    config = {"RollingUpdatePolicy": {"MaximumBatchSize": size}}
    parts = Parts()
    parts.begin(event(ResourceProperties=properties(DeploymentConfig=config)))
    parts.hyperpod.seen = cluster(group(update_status="InProgress", target_state_count=1))
    parts.now += 600
    caplog.clear()
    parts.look()
    (line,) = lines(caplog)
    assert line["stage"] == "waiting"
    assert set(LOG_FIELDS) <= line.keys()
    assert line["groups"] == {"workers": "1/4"}
    assert (line["batch"], line["seconds_left"]) == ("25%", 2400)
    assert (line["logical_id"], line["cluster"]) == ("Software", "ml")


def test_a_look_carries_its_metrics_in_the_embedded_format(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts = Parts()
    parts.begin(event())
    parts.hyperpod.seen = cluster(group(update_status="InProgress", target_state_count=3))
    caplog.clear()
    parts.look()
    (line,) = lines(caplog)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "HyperPodSoftware"
    assert directive["Dimensions"] == [["ClusterName"]]
    assert {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]} == {
        "NodesDone": 3,
        "NodesTotal": 4,
    }
    assert line["ClusterName"] == "ml"


def test_a_failure_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    parts = Parts()
    parts.hyperpod.seen = None
    parts.begin(event())
    assert lines(caplog)[-1]["Failures"] == 1


def test_an_end_that_another_invocation_answers_is_not_counted_twice(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts()
    parts.begin(event())
    parts.hyperpod.seen = None
    caplog.clear()
    with monkeypatch.context() as another:
        another.setattr(type(parts.store), "claim_answer", lambda *_: False)
        assert parts.look() is None
    assert not lines(caplog)
    assert parts.look() is not None
    assert [line["Failures"] for line in lines(caplog)] == [1]
