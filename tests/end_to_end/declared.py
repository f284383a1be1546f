"""Clusters and stacks that several tests declare."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_cdk import CfnWaitCondition, CfnWaitConditionHandle, Duration
from aws_cdk import Stack as CdkStack
from aws_cdk import aws_kms as kms

from hyperpod_patching import ClusterSoftware, SoftwareImage
from sandbox.aws.images import ENCRYPTED, KEY
from sandbox.clusters import eks, slurm
from tests.end_to_end.stacks import Synthesized, by_hand


def new_eks(name: str) -> dict[str, Any]:
    """An EKS cluster that is new enough to have release versions, whatever the date."""
    return {**eks(name), "CreationTime": datetime(2026, 2, 1, tzinfo=UTC)}


def keyed_slurm(name: str) -> dict[str, Any]:
    """A cluster whose root volumes are encrypted with the key of the encrypted AMI."""
    description = slurm(name)
    for group in description["InstanceGroups"]:
        volume = {"RootVolume": True, "VolumeKmsKeyId": KEY}
        group["InstanceStorageConfigs"] = [{"EbsVolumeConfig": volume}]
    return description


def workers_of(
    stack: CdkStack, cluster: str, image: str, *, hours: float | None = None, **more: Any
) -> ClusterSoftware:
    """The workers' software: a custom AMI with its key if it is encrypted, or the latest image.

    A timeout is given in hours: a `Duration` is made by the CDK's process, which answers one
    thread at a time, and here it is held.
    """
    if hours is not None:
        more["timeout"] = Duration.hours(hours)
    if image == "default":
        software = SoftwareImage.latest()
    elif image == ENCRYPTED.id:
        key = kms.Key.from_key_arn(stack, "Key", KEY)
        software = SoftwareImage.custom_ami(image, encryption_key=key)
    else:
        software = SoftwareImage.custom_ami(image)
    return ClusterSoftware(
        stack,
        "ClusterSoftware",
        cluster=cluster,
        image=software,
        instance_groups=["workers"],
        **more,
    )


def workers(
    stack_name: str, cluster: str, image: str, *, later_fails: bool = False, **more: Any
) -> Synthesized:
    """A stack with that alone, or with something that fails after it: nobody ever signals it."""

    def declare(stack: CdkStack) -> None:
        patch = workers_of(stack, cluster, image, **more)
        if later_fails:
            handle = CfnWaitConditionHandle(stack, "Handle")
            later = CfnWaitCondition(stack, "Later", count=1, handle=handle.ref, timeout="1")
            later.node.add_dependency(patch)

    return by_hand(stack_name, declare)
