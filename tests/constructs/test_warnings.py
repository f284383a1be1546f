"""A reviewer is stopped where a mistake would be expensive, and nowhere else."""

from __future__ import annotations

from typing import Unpack

import pytest
from aws_cdk import Annotations, Duration, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Annotations as Found
from aws_cdk.assertions import Match

from hyperpod_patching import (
    BatchSize,
    ClusterSoftware,
    OnCreate,
    RollingUpdate,
    SoftwareImage,
)
from tests.constructs.declarations import Properties

AMI = "ami-0123456789abcdef0"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BATCHES = RollingUpdate(max_batch_size=BatchSize.count(1))


def warnings_of(stack: Stack) -> set[str]:
    found = Found.from_stack(stack).find_warning("*", Match.any_value())
    return {str(one.entry.data).partition("[ack: ")[2].rstrip("]") for one in found}


def declare(stack: Stack, **properties: Unpack[Properties]) -> ClusterSoftware:
    given: Properties = {
        "cluster": "ml",
        "image": SoftwareImage.custom_ami(AMI),
        "instance_groups": ["workers"],
        "rolling_update": BATCHES,
        **properties,
    }
    return ClusterSoftware(stack, "Software", **given)


def test_a_careful_declaration_brings_no_warning(stack: Stack) -> None:
    declare(stack)
    assert warnings_of(stack) == set()


@pytest.mark.parametrize(
    "rolling_update",
    [
        None,
        RollingUpdate(wait_interval=Duration.minutes(1)),
        RollingUpdate(max_batch_size=BatchSize.percent(100)),
    ],
    ids=["no rolling update", "one without batches", "one batch of all"],
)
def test_every_node_at_once_brings_a_warning(
    stack: Stack, rolling_update: RollingUpdate | None
) -> None:
    declare(stack, rolling_update=rolling_update)
    assert warnings_of(stack) == {"cdk-hyperpod-patching:everyNodeAtOnce"}


def test_every_group_of_a_cluster_known_by_name_brings_a_warning(stack: Stack) -> None:
    declare(stack, instance_groups=None)
    assert warnings_of(stack) == {"cdk-hyperpod-patching:everyInstanceGroup"}


def test_every_group_of_a_cluster_declared_beside_it_brings_none(stack: Stack) -> None:
    orchestrator = {"eks": {"clusterArn": "arn:aws:eks:us-east-1:123456789012:cluster/ml"}}
    cluster = sagemaker.CfnCluster(stack, "Cluster", orchestrator=orchestrator)
    declare(stack, cluster=cluster, instance_groups=None)
    assert warnings_of(stack) == set()


def test_an_encrypted_image_brings_a_warning(stack: Stack) -> None:
    key = kms.Key.from_key_arn(stack, "Key", KEY)
    declare(stack, image=SoftwareImage.custom_ami(AMI, encryption_key=key))
    assert warnings_of(stack) == {"cdk-hyperpod-patching:encryptedImage"}


@pytest.mark.parametrize("revision", [None, "2026-11"])
def test_the_latest_image_brings_a_warning_that_names_the_way_out(
    stack: Stack, revision: str | None
) -> None:
    declare(stack, image=SoftwareImage.latest(revision=revision))
    assert warnings_of(stack) == {"cdk-hyperpod-patching:latestImage"}
    (found,) = Found.from_stack(stack).find_warning("*", Match.any_value())
    for way in ("UpToDate", "renamed construct id", "revision", "override_logical_id"):
        assert way in str(found.entry.data)


def test_the_latest_image_brings_none_where_a_first_deploy_patches_nothing(stack: Stack) -> None:
    declare(stack, image=SoftwareImage.latest(), on_create=OnCreate.ADOPT)
    assert warnings_of(stack) == set()


def test_a_warning_can_be_acknowledged(stack: Stack) -> None:
    software = declare(stack, rolling_update=None)
    Annotations.of(software).acknowledge_warning("cdk-hyperpod-patching:everyNodeAtOnce")
    assert warnings_of(stack) == set()
