"""The events of the simulated service."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hyperpod_software.contract.signals import CLUSTER_EVENT, STATE_CHANGE
from sandbox.clusters import older
from tests.sandbox.service import Service, batches


def test_a_patch_tells_of_the_cluster_the_group_and_each_instance() -> None:
    service = Service()
    service.patch("workers", RollingUpdatePolicy=batches(8))
    service.finish()
    kinds = Counter(
        event.detail["EventDetails"]["ResourceType"]
        for event in service.events
        if event.detail_type == CLUSTER_EVENT
    )
    assert kinds["Instance"] == 32
    assert kinds["InstanceGroup"] > 4
    assert [e.detail_type for e in service.events].count(STATE_CHANGE) == 2


def test_state_changes_look_like_descriptions_without_a_word_about_software() -> None:
    service = Service()
    service.patch("workers")
    service.finish()
    event = next(e for e in service.events if e.detail_type == STATE_CHANGE)
    arn = service.call("DescribeCluster", ClusterName="ml")["ClusterArn"]
    assert event.detail["ClusterArn"] == arn
    assert event.detail["ClusterStatus"] == "InService"
    workers = event.detail["InstanceGroups"][2]
    assert workers["Status"] == "Updating"
    assert not {"SoftwareUpdateStatus", "CurrentImageId", "TargetStateCount"} & set(workers)
    # The name, where one would look for the id.
    assert event.resources == (arn.rpartition("/")[0] + "/ml",)


def test_cluster_events_have_their_details_under_event_details() -> None:
    service = Service()
    service.patch("workers")
    service.finish()
    entry = next(e for e in service.events if e.detail_type == CLUSTER_EVENT).entry()
    assert entry["Source"] == "aws.sagemaker"
    details = json.loads(entry["Detail"])["EventDetails"]
    assert details["ClusterName"] == "ml"
    assert details["InstanceGroupName"] == "workers"
    assert details["EventLevel"] == "Info"
    assert details["EventDetails"] == {"EventMetadata": None}
    assert isinstance(details["EventTime"], int)


def test_the_older_mode_has_state_changes_only() -> None:
    service = Service(older())
    service.patch("workers", cluster="older", image="default")
    service.finish()
    assert {event.detail_type for event in service.events} == {STATE_CHANGE}


def test_events_can_be_lost_doubled_and_late() -> None:
    def times(**faults: Any) -> list[float]:
        service = Service(**faults)
        service.patch("workers")
        service.finish()
        return [event.time for event in service.events]

    calm = times()
    assert times(lost_events=1.0) == []
    assert len(times(doubled_events=1.0)) == 2 * len(calm)

    late = Service(late_events=1.0, late_seconds=500.0, instance_events=False)
    late.patch("workers")
    late.at(400)
    assert late.group()["SoftwareUpdateStatus"] == "Succeeded"
    assert late.events == []
    late.finish()
    assert late.events
