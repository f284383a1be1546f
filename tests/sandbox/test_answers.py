"""Answers that are pages, late, wrong, lost or refused."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.clusters import slurm
from sandbox.hyperpod import AnswerLostError, ServiceError
from sandbox.hyperpod.distort import UNKNOWN
from sandbox.hyperpod.faults import Faults, SettingError
from tests.sandbox.service import CHECKS, START, Service


def pages(service: Service, **parameters: object) -> list[list[str]]:
    found: list[list[str]] = []
    token: dict[str, object] = {}
    while True:
        answer = service.call("ListClusterNodes", ClusterName="ml", **parameters, **token)
        found.append([node["InstanceId"] for node in answer["ClusterNodeSummaries"]])
        if "NextToken" not in answer:
            return found
        token = {"NextToken": answer["NextToken"]}


def test_nodes_come_in_pages_of_a_hundred_and_each_node_once() -> None:
    found = pages(Service(slurm(workers=248)))
    assert [len(page) for page in found] == [100, 100, 50]
    assert len({node for page in found for node in page}) == 250


def test_the_largest_group_takes_68_pages() -> None:
    service = Service(slurm(workers=6758))
    found = pages(service, InstanceGroupNameContains="workers")
    assert len(found) == 68


def test_pages_can_be_smaller_and_sorted() -> None:
    service = Service()
    up = pages(service, MaxResults=5, SortBy="NAME", InstanceGroupNameContains="work")
    down = pages(service, SortBy="NAME", SortOrder="Descending", InstanceGroupNameContains="work")
    assert [len(page) for page in up] == [5, 5, 5, 1]
    assert [node for page in up for node in page] == down[0][::-1] == sorted(down[0])


@pytest.mark.parametrize(
    "parameters", [{"MaxResults": 101}, {"MaxResults": 0}, {"NextToken": "abc"}, {"SortBy": "AGE"}]
)
def test_pages_that_cannot_be_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ServiceError, match=r"^ValidationException"):
        Service().call("ListClusterNodes", ClusterName="ml", **parameters)


def test_one_node_is_described_by_either_id() -> None:
    service = Service()
    node = service.call("ListClusterNodes", ClusterName="ml", IncludeNodeLogicalIds=True)
    summary = node["ClusterNodeSummaries"][0]
    for name, member in (("NodeId", "InstanceId"), ("NodeLogicalId", "NodeLogicalId")):
        answer = service.call("DescribeClusterNode", ClusterName="ml", **{name: summary[member]})
        assert answer["NodeDetails"]["InstanceId"] == summary["InstanceId"]
    with pytest.raises(ServiceError, match=r"^ValidationException"):
        service.call("DescribeClusterNode", ClusterName="ml")
    with pytest.raises(ServiceError, match=r"^ResourceNotFound"):
        service.call("DescribeClusterNode", ClusterName="ml", NodeId="i-00000000000000000")


def test_clusters_are_listed() -> None:
    service = Service()
    service.add(slurm("other"))
    answer = service.call("ListClusters", NameContains="oth")
    assert [c["ClusterName"] for c in answer["ClusterSummaries"]] == ["other"]


def test_refusals_come_in_the_order_set_and_then_no_more() -> None:
    refusals = [
        {"code": "ThrottlingException", "operation": "DescribeCluster", "times": 2},
        {"code": "ConflictException", "operation": "UpdateClusterSoftware"},
    ]
    service = Service(refusals=refusals)
    for _ in range(2):
        with pytest.raises(ServiceError, match=r"^ThrottlingException"):
            service.group()
    service.group()
    with pytest.raises(ServiceError, match=r"^ConflictException"):
        service.patch("workers")
    service.patch("workers")
    assert [call.outcome for call in service.hyperpod.calls] == ["ConflictException", "Accepted"]


def test_refusals_of_one_cluster_leave_the_others_alone() -> None:
    service = Service()
    service.add(slurm("other"))
    refusals = [{"code": "AccessDeniedException"}]
    service.hyperpod.set_faults({"refusals": refusals}, now=START, cluster="ml")
    service.group(cluster="other")
    with pytest.raises(ServiceError, match=r"^AccessDeniedException"):
        service.group()
    service.group()


def test_a_lost_answer_hides_a_call_that_was_accepted() -> None:
    service = Service(answers_lost=1.0)
    with pytest.raises(AnswerLostError):
        service.patch("workers")
    call = service.hyperpod.calls[0]
    assert (call.accepted, call.answer_lost, call.nodes) == (True, True, 16)
    with pytest.raises(ServiceError, match=r"^ConflictException"):
        service.patch("workers")


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttling", "ThrottlingException", 400),
        ("server_errors", "InternalFailure", 500),
        ("conflicts", "ConflictException", 400),
    ],
)
def test_chance_can_refuse_a_call(fault: str, code: str, status: int) -> None:
    faults: dict[str, Any] = {fault: 1.0}
    service = Service(**faults)
    with pytest.raises(ServiceError) as refusal:
        service.patch("workers")
    assert (refusal.value.code, refusal.value.status) == (code, status)


def test_descriptions_can_be_stale() -> None:
    service = Service(stale_describes=1.0, stale_seconds=60.0)
    service.group()
    service.patch("workers")
    service.at(50)
    assert service.group()["SoftwareUpdateStatus"] == "Succeeded"  # as it was at 0
    service.at(115)
    assert service.group()["SoftwareUpdateStatus"] == "InProgress"  # as it was at 50


def test_words_nobody_knows_turn_up() -> None:
    service = Service(unknown_values=1.0)
    assert service.group()["Status"] == UNKNOWN
    assert service.group()["SoftwareUpdateStatus"] == UNKNOWN
    assert service.nodes()[0]["InstanceStatus"]["Status"] == UNKNOWN
    service.hyperpod.set_faults({"unknown_values": 0.0}, now=START)
    assert service.group()["Status"] == "InService"


def test_a_reset_goes_back_to_the_settings_at_start_but_for_the_speed() -> None:
    service = Service(failing_amis=["ami-00000000"])
    service.hyperpod.set_faults({"speed": 5.0, "throttling": 1.0, "failing_amis": []}, now=START)
    service.hyperpod.set_faults({"flapping": 1.0}, now=START, cluster="ml")
    service.hyperpod.reset_faults(now=START)
    faults = service.hyperpod.faults_of("ml")
    assert (faults.speed, faults.throttling, faults.flapping) == (5.0, 0.0, 0.0)
    assert faults.failing_amis == ("ami-00000000",)


def test_a_reset_goes_back_to_what_one_cluster_alone_had_at_start() -> None:
    service = Service(own_faults={"ml": {"flapping": 1.0}})
    service.hyperpod.set_faults({"flapping": 0.5}, now=START, cluster="ml")
    service.hyperpod.reset_faults(now=START)
    assert service.hyperpod.faults_of("ml").flapping == 1.0


def test_fields_flap() -> None:
    service = Service(flapping=0.5)
    seen = {"CurrentImageId" in service.group() for _ in range(50)}
    assert seen == {True, False}


def test_every_answer_is_as_the_service_model_wants_it() -> None:
    # Service checks all its answers; this shows that the checks would notice.
    answer = Service().call("DescribeCluster", ClusterName="ml")
    answer["InstanceGroups"][0]["Status"] = UNKNOWN
    answer["Extra"] = 1
    problems = CHECKS.answer("DescribeCluster", answer)
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sped": 2}, "unknown setting 'sped'"),
        ({"speed": 0}, "speed is 0"),
        ({"speed": "fast"}, "a number above 0"),
        ({"throttling": 1.5}, "between 0 and 1"),
        ({"node_seconds": -1}, "0 or more"),
        ({"skipped_nodes": 1.5}, "a whole number"),
        ({"failing_amis": "ami-1"}, "a list of names"),
        ({"rollback_fails": 1}, "true or false"),
        ({"noop_shows": "Nothing"}, "one of Succeeded, Unchanged"),
        ({"refusals": [{"times": 1}]}, "a refusal is"),
        ({"refusals": 3}, "must be a list"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Faults().changed(changes)
