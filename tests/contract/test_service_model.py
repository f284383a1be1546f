"""The contract is the service's: a bound that AWS changes is seen here."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from botocore.loaders import Loader

from hyperpod_software.contract.names import OPERATIONS
from hyperpod_software.contract.properties import (
    LATEST_IMAGE,
    AlarmMember,
    BatchMember,
    DeploymentMember,
    GroupMember,
    PolicyMember,
    Property,
)
from hyperpod_software.contract.values import (
    ALARM_NAME,
    ALARMS,
    AMI,
    BATCH_SIZES,
    CLUSTER_ARN,
    CLUSTER_NAME,
    GROUP_NAME,
    GROUPS,
    MOST_NODES,
    RELEASE,
    WAIT_INTERVAL,
    Range,
    Text,
)

LOADER = Loader(include_default_search_paths=True)
SHAPES: dict[str, dict[str, Any]] = LOADER.load_service_model("sagemaker", "service-2")["shapes"]


def members(shape: str) -> dict[str, str]:
    return {name: its["shape"] for name, its in SHAPES[shape]["members"].items()}


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (CLUSTER_ARN, "ClusterArn"),
        (CLUSTER_NAME, "ClusterName"),
        (GROUP_NAME, "ClusterInstanceGroupName"),
        (RELEASE, "ImageReleaseVersion"),
    ],
)
def test_a_text_has_the_model_s_pattern_and_length(text: Text, shape: str) -> None:
    assert (text.pattern, text.longest) == (SHAPES[shape]["pattern"], SHAPES[shape]["max"])


def test_an_image_is_an_ami_or_the_latest() -> None:
    shape = SHAPES["ImageId"]
    assert shape["pattern"] == f"{AMI.pattern}|{LATEST_IMAGE}"
    assert shape["max"] == AMI.longest


def test_a_cluster_is_named_or_has_an_arn() -> None:
    shape = SHAPES["ClusterNameOrArn"]
    bounded = CLUSTER_NAME.pattern.removesuffix("*") + f"{{0,{CLUSTER_NAME.longest - 1}}}"
    assert shape["pattern"] == f"({CLUSTER_ARN.pattern})|({bounded})"
    assert shape["max"] == CLUSTER_ARN.longest


def test_an_alarm_s_name_is_bounded_as_in_the_model() -> None:
    shape = SHAPES["AlarmName"]
    assert (shape["min"], shape["max"]) == (1, ALARM_NAME.longest)
    # Of it, CloudWatch takes no more than the contract allows.
    assert shape["pattern"] == r"(?!\s*$).+"
    assert r"(?!\s*$)" in ALARM_NAME.pattern


@pytest.mark.parametrize(
    ("bounds", "shape"),
    [
        (GROUPS, "UpdateClusterSoftwareInstanceGroups"),
        (ALARMS, "AutoRollbackAlarms"),
        (WAIT_INTERVAL, "WaitTimeIntervalInSeconds"),
    ],
)
def test_a_range_is_the_model_s(bounds: Range, shape: str) -> None:
    assert (bounds.lowest, bounds.highest) == (SHAPES[shape]["min"], SHAPES[shape]["max"])


def test_a_batch_is_bounded_from_below_by_the_model_and_from_above_by_what_there_can_be() -> None:
    assert list(BATCH_SIZES) == SHAPES["NodeUnavailabilityType"]["enum"]
    value = SHAPES["NodeUnavailabilityValue"]
    assert {bounds.lowest for bounds in BATCH_SIZES.values()} == {value["min"]}
    assert "max" not in value
    assert SHAPES["ClusterInstanceCount"]["max"] == MOST_NODES


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        (GroupMember, "UpdateClusterSoftwareInstanceGroupSpecification"),
        (DeploymentMember, "DeploymentConfiguration"),
        (PolicyMember, "RollingDeploymentPolicy"),
        (BatchMember, "CapacitySizeConfig"),
        (AlarmMember, "AlarmDetails"),
    ],
)
def test_a_structure_has_the_model_s_members(names: type[StrEnum], shape: str) -> None:
    assert set(names) == members(shape).keys()


def test_the_call_s_parameters_are_properties_of_the_same_name() -> None:
    assert members("UpdateClusterSoftwareRequest").keys() <= set(Property)


@pytest.mark.parametrize("service", OPERATIONS)
def test_the_services_have_the_operations_that_are_called(service: str) -> None:
    assert (
        set(OPERATIONS[service])
        <= LOADER.load_service_model(service, "service-2")["operations"].keys()
    )
