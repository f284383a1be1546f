"""The general check of values against service models."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.hyperpod.validate import violations
from sandbox.sdk import service_model

ARN = "arn:aws:sagemaker:us-east-1:000000000000:cluster/abcdefghij12"


def problems(service: str, operation: str, request: dict[str, Any]) -> list[str]:
    shape = service_model(service).operation_model(operation).input_shape
    return list(violations(shape, request))


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({}, "ClusterName is required"),
        ({"ClusterName": 3}, "not of type string"),
        ({"ClusterName": "a_b"}, "does not match"),
        ({"ClusterName": "a" * 64}, "does not match"),
        ({"ClusterName": "ml", "Colour": "red"}, "Colour: unknown member"),
        ({"ClusterName": "ml", "InstanceGroups": []}, "the length 0 is below 1"),
        (
            {"ClusterName": "ml", "InstanceGroups": [{"InstanceGroupName": "g"}] * 101},
            "the length 101 is above 100",
        ),
        (
            {"ClusterName": "ml", "InstanceGroups": [{"InstanceGroupName": "g" * 64}]},
            r"InstanceGroups\[0\].InstanceGroupName: the length 64 is above 63",
        ),
        (
            {"ClusterName": "ml", "DeploymentConfig": {"WaitIntervalInSeconds": True}},
            "not of type integer",
        ),
        (
            {
                "ClusterName": "ml",
                "DeploymentConfig": {
                    "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "HALF", "Value": 1}}
                },
            },
            "'HALF' is not one of CAPACITY_PERCENTAGE, INSTANCE_COUNT",
        ),
    ],
)
def test_what_the_model_forbids_is_named(request_: dict[str, Any], problem: str) -> None:
    found = problems("sagemaker", "UpdateClusterSoftware", request_)
    assert len(found) == 1

    assert re.search(problem, found[0])


def test_what_the_model_allows_passes() -> None:
    request = {
        "ClusterName": "arn:aws:sagemaker:us-east-1:000000000000:cluster/abcdefghij12",
        "ImageId": "ami-0123456789abcdef0",
        "InstanceGroups": [{"InstanceGroupName": "g", "ImageReleaseVersion": "1.2.3"}],
        "DeploymentConfig": {
            "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}},
            "AutoRollbackConfiguration": [{"AlarmName": "high load"}],
        },
    }
    assert problems("sagemaker", "UpdateClusterSoftware", request) == []


def test_letters_of_any_script_pass_where_the_model_says_letters() -> None:
    tags = [{"Key": "équipe", "Value": "模型 1"}]
    assert problems("sagemaker", "AddTags", {"ResourceArn": ARN, "Tags": tags}) == []
    found = problems(
        "sagemaker", "AddTags", {"ResourceArn": ARN, "Tags": [{"Key": "a|b", "Value": ""}]}
    )
    assert len(found) == 1


def test_a_union_has_exactly_one_member() -> None:
    storage = {"EbsVolumeConfig": {"VolumeSizeInGB": 1}, "FsxOpenZfsConfig": {"DnsName": "x" * 20}}
    group = {
        "InstanceGroupName": "g",
        "InstanceCount": 1,
        "ExecutionRole": "arn:aws:iam::000000000000:role/Role",
        "InstanceStorageConfigs": [storage],
    }
    found = problems("sagemaker", "CreateCluster", {"ClusterName": "c", "InstanceGroups": [group]})
    assert ["exactly one member" in line for line in found] == [True]


def test_it_serves_other_services_as_well() -> None:
    found = problems("events", "PutRule", {"Name": "n" * 65})
    assert found == ["Name: the length 65 is above 64"]
