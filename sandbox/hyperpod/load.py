"""Make a cluster from a description: what DescribeCluster answered about one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

from sandbox.hyperpod.model import Cluster, Group, new_cluster_id, new_node
from sandbox.hyperpod.words import MANAGED, Software, UpdateStatus

_OF_CLUSTER = frozenset(
    {
        "ClusterArn",
        "ClusterName",
        "ClusterStatus",
        "CreationTime",
        "FailureMessage",
        "InstanceGroups",
        "ResponseMetadata",
    }
)
_OF_GROUP = frozenset(
    {
        "InstanceGroupName",
        "Status",
        "CurrentCount",
        "TargetCount",
        "TargetStateCount",
        "SoftwareUpdateStatus",
        "ActiveSoftwareUpdateConfig",
        "ActiveOperations",
        "CurrentImageId",
        "DesiredImageId",
        "CurrentImageReleaseVersion",
        "DesiredImageReleaseVersion",
        "ImageVersionStatus",
    }
)
_LAST_WORDS = frozenset(
    {UpdateStatus.SUCCEEDED, UpdateStatus.FAILED, UpdateStatus.ROLLBACK_COMPLETE}
)


def load_cluster(
    description: Mapping[str, Any],
    *,
    rng: Random,
    now: float,
    releases: tuple[str, ...],
    account: str = "000000000000",
    region: str = "us-east-1",
    tags: Mapping[str, str] | None = None,
) -> Cluster:
    """A cluster at rest, in the shape of an answer of DescribeCluster.

    Groups that say nothing about their image run the newest managed release but one. Whatever was
    going on when the answer was taken has ended.
    """
    name = str(description["ClusterName"])
    groups: list[Mapping[str, Any]] = list(description.get("InstanceGroups") or [])
    continuous = description.get("NodeProvisioningMode") == "Continuous"
    created = description.get("CreationTime")
    cluster = Cluster(
        name=name,
        arn=f"arn:aws:sagemaker:{region}:{account}:cluster/{_cluster_id(description, rng)}",
        created=created.timestamp() if isinstance(created, datetime) else now,
        slurm=_is_slurm(description, groups),
        continuous=continuous,
        groups={},
        static={k: v for k, v in description.items() if k not in _OF_CLUSTER},
        tags=dict(tags or {}),
        shows_images=continuous or any("CurrentImageId" in g for g in groups),
        shows_update_status=continuous or any("SoftwareUpdateStatus" in g for g in groups),
    )
    for entry in groups:
        group = _group(cluster, entry, rng, releases)
        cluster.groups[group.name] = group
    return cluster


def _cluster_id(description: Mapping[str, Any], rng: Random) -> str:
    # The id is kept, so that rules and policies made for the real one still fit.
    own = str(description.get("ClusterArn", "")).rpartition("/")[2]
    return own or new_cluster_id(rng)


def _is_slurm(description: Mapping[str, Any], groups: list[Mapping[str, Any]]) -> bool:
    orchestrator: Mapping[str, Any] = description.get("Orchestrator") or {}
    if "Slurm" in orchestrator or any("SlurmConfig" in group for group in groups):
        return True
    return "Eks" not in orchestrator


def software_of(entry: Mapping[str, Any], releases: tuple[str, ...]) -> Software:
    image = str(entry.get("CurrentImageId") or MANAGED)
    if image != MANAGED:
        return Software(image, None)
    newest_but_one = releases[-2:][0]
    return Software(MANAGED, str(entry.get("CurrentImageReleaseVersion") or newest_but_one))


def _group(
    cluster: Cluster, entry: Mapping[str, Any], rng: Random, releases: tuple[str, ...]
) -> Group:
    name = str(entry["InstanceGroupName"])
    software = software_of(entry, releases)
    count = int(entry.get("CurrentCount", entry.get("TargetCount", 0)))
    last = entry.get("SoftwareUpdateStatus")
    group = Group(
        name=name,
        nodes=[new_node(cluster, name, software, rng, cluster.created) for _ in range(count)],
        target_count=count,
        current=software,
        desired=software,
        static={k: v for k, v in entry.items() if k not in _OF_GROUP},
        update=UpdateStatus(last) if last in _LAST_WORDS else None,
    )
    group.static.setdefault("InstanceType", "ml.m5.xlarge")
    return group
