"""Clusters from saved answers of `aws sagemaker describe-cluster`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.saved import SavedError, read_cluster
from tests.sandbox.service import Service

SAVED: dict[str, Any] = {
    "ClusterArn": "arn:aws:sagemaker:eu-west-1:123456789012:cluster/abcdefghij12",
    "ClusterName": "mine",
    "ClusterStatus": "Updating",
    "CreationTime": "2026-03-01T12:00:00.123000+01:00",
    "InstanceGroups": [
        {
            "CurrentCount": 3,
            "TargetCount": 4,
            "InstanceGroupName": "gpu",
            "InstanceType": "ml.p5.48xlarge",
            "ExecutionRole": "arn:aws:iam::123456789012:role/Role",
            "Status": "Updating",
            "SoftwareUpdateStatus": "InProgress",
            "CurrentImageId": "ami-0aaaaaaaaaaaaaaaa",
            "DesiredImageId": "ami-0bbbbbbbbbbbbbbbb",
        }
    ],
    "RestrictedInstanceGroups": [],
    "NodeProvisioningMode": "Continuous",
    "Orchestrator": {"Eks": {"ClusterArn": "arn:aws:eks:eu-west-1:123456789012:cluster/mine"}},
}


def write(directory: Path, content: Any) -> Path:
    path = directory / "cluster.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_saved_cluster_comes_to_rest_and_can_be_patched(tmp_path: Path) -> None:
    description, unknown = read_cluster(write(tmp_path, SAVED))
    assert unknown == []
    service = Service(description)
    answer = service.call("DescribeCluster", ClusterName="mine")
    assert answer["ClusterStatus"] == "InService"
    assert answer["ClusterArn"].endswith("000000000000:cluster/abcdefghij12")
    assert answer["CreationTime"].isoformat() == "2026-03-01T11:00:00.123000+00:00"
    group = service.group("gpu", cluster="mine")
    assert (group["CurrentCount"], group["CurrentImageId"]) == (3, "ami-0aaaaaaaaaaaaaaaa")
    assert group["ExecutionRole"] == "arn:aws:iam::123456789012:role/Role"
    service.patch(cluster="mine", image="ami-0bbbbbbbbbbbbbbbb")
    service.finish()
    assert service.replaced("mine") == {"gpu": 3}


def test_members_of_a_newer_service_are_left_out_and_named(tmp_path: Path) -> None:
    newer = {**SAVED, "Shiny": 1}
    newer["InstanceGroups"] = [{**SAVED["InstanceGroups"][0], "Glossy": {}}]
    description, unknown = read_cluster(write(tmp_path, newer))
    assert unknown == ["Shiny", "InstanceGroups[0].Glossy"]
    assert "Shiny" not in description


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({}, "no ClusterName"),
        ({**SAVED, "CreationTime": "yesterday"}, "CreationTime is not a time"),
        ({**SAVED, "ClusterStatus": "Fine"}, "ClusterStatus: 'Fine' is not one of"),
        ({**SAVED, "InstanceGroups": []}, "InstanceGroups must have"),
        ({**SAVED, "InstanceGroups": [{}]}, "InstanceGroups must have"),
        ({**SAVED, "InstanceGroups": 3}, "not of type list"),
        ({**SAVED, "InstanceGroups": SAVED["InstanceGroups"] * 2}, "names that differ"),
    ],
)
def test_what_cannot_be_a_cluster_is_told_in_one_line(
    tmp_path: Path, content: Any, words: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(SavedError) as error:
        read_cluster(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SavedError, match="No such file"):
        read_cluster(tmp_path / "nosuch.json")
