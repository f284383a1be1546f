"""The clusters a sandbox has if it is given none, as DescribeCluster would show them."""

from __future__ import annotations

import re
import time
from random import Random
from typing import Any

from sandbox.aws.images import ACCOUNT, CURRENT, REGION
from sandbox.hyperpod.model import new_cluster_id
from sandbox.hyperpod.views import moment

_DAY = 86400.0
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/HyperPodExecution"
_VPC = {"SecurityGroupIds": ["sg-0123456789abcdef0"], "Subnets": ["subnet-0123456789abcdef0"]}

Description = dict[str, Any]


def group(
    name: str, count: int, *, image: str | None = None, release: str | None = None, **more: Any
) -> Description:
    """An instance group of `count` nodes; `more` are further members of DescribeCluster."""
    answer: Description = {
        "InstanceGroupName": name,
        "InstanceType": "ml.g5.xlarge",
        "CurrentCount": count,
        "ExecutionRole": _ROLE,
        "ThreadsPerCore": 1,
        "LifeCycleConfig": {"SourceS3Uri": "s3://lifecycle-scripts", "OnCreate": "on_create.sh"},
        **more,
    }
    if image:
        answer["CurrentImageId"] = image
    if release:
        answer["CurrentImageReleaseVersion"] = release
    return answer


def slurm(name: str = "ml", *, image: str | None = CURRENT.id, workers: int = 16) -> Description:
    """Slurm in Continuous mode: a controller, a login group and workers.

    On a custom AMI, or (None) on the service's own, from which Slurm cannot go to a custom one.
    """
    last = "Succeeded"
    return {
        "ClusterName": name,
        "ClusterArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:cluster/{_id(name)}",
        "CreationTime": moment(time.time() - 90 * _DAY),
        "NodeProvisioningMode": "Continuous",
        "NodeRecovery": "Automatic",
        "Orchestrator": {"Slurm": {"SlurmConfigStrategy": "Managed"}},
        "VpcConfig": _VPC,
        "InstanceGroups": [
            group(
                "controller",
                1,
                image=image,
                InstanceType="ml.m5.xlarge",
                SoftwareUpdateStatus=last,
                SlurmConfig={"NodeType": "Controller"},
            ),
            group(
                "login",
                1,
                image=image,
                InstanceType="ml.m5.large",
                SoftwareUpdateStatus=last,
                SlurmConfig={"NodeType": "Login"},
            ),
            group(
                "workers",
                workers,
                image=image,
                SoftwareUpdateStatus=last,
                SlurmConfig={"NodeType": "Compute", "PartitionNames": ["gpu"]},
            ),
        ],
    }


def eks(name: str = "eks-ml", *, release: str = "1.2.0", continuous: bool = True) -> Description:
    """EKS on the service's own image: a system group and eight workers."""
    answer: Description = {
        "ClusterName": name,
        "ClusterArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:cluster/{_id(name)}",
        "CreationTime": moment(time.time() - 30 * _DAY),
        "NodeRecovery": "Automatic",
        "Orchestrator": {"Eks": {"ClusterArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{name}"}},
        "VpcConfig": _VPC,
        "InstanceGroups": [
            group("system", 2, release=release, InstanceType="ml.m5.xlarge"),
            group("workers", 8, release=release),
        ],
    }
    if continuous:
        answer["NodeProvisioningMode"] = "Continuous"
    return answer


def training(
    name: str = "ml", *, image: str = CURRENT.id, inference: str = CURRENT.id, workers: int = 16
) -> Description:
    """EKS on custom AMIs: a system group, an inference group that may run its own, and workers."""
    last = {"SoftwareUpdateStatus": "Succeeded"}
    answer = eks(name)
    answer["InstanceGroups"] = [
        group("system", 2, image=image, InstanceType="ml.m5.xlarge", **last),
        group("inference", 4, image=inference, **last),
        group("workers", workers, image=image, **last),
    ]
    return answer


def older(name: str = "older") -> Description:
    """Slurm in the older mode, which shows neither images nor how an update goes."""
    answer = slurm(name, image=None, workers=4)
    del answer["NodeProvisioningMode"]
    for entry in answer["InstanceGroups"]:
        del entry["SoftwareUpdateStatus"]
    return answer


def _id(name: str) -> str:
    """The same id for the same name, so that a template made for a cluster stays as it is.

    And another for any other name: the whole of it counts, not how it begins.
    """
    if re.fullmatch("[a-z0-9]{1,11}", name):
        # Filled up, not drawn: whoever reads `ml0123456789` somewhere knows the cluster.
        return (name + "0123456789ab")[:12]
    return new_cluster_id(Random(name))


def defaults() -> list[Description]:
    return [training("ml"), slurm("slurm-ml")]
