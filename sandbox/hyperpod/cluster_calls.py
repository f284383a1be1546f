"""CreateCluster: from the request to a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from sandbox.hyperpod.errors import validation
from sandbox.hyperpod.load import load_cluster
from sandbox.hyperpod.model import Cluster
from sandbox.hyperpod.words import MANAGED

_NOT_SHOWN = frozenset({"InstanceCount", "MinInstanceCount", "ImageId", "ImageReleaseVersion"})
_RENAMED = frozenset({"KubernetesConfig", "AutoPatchConfig", "InstanceRequirements"})


def created(
    parameters: Mapping[str, Any],
    *,
    rng: Random,
    now: float,
    releases: tuple[str, ...],
    account: str,
    region: str,
) -> Cluster:
    """The cluster a request asks for, as if it were there already."""
    groups: Sequence[Mapping[str, Any]] = parameters.get("InstanceGroups") or []
    if not groups:
        raise validation("At least one instance group is required.")
    names = [str(group["InstanceGroupName"]) for group in groups]
    if len(set(names)) < len(names):
        raise validation("Names of instance groups must differ.")
    listed: Sequence[Mapping[str, str]] = parameters.get("Tags") or []
    tags = {tag["Key"]: tag["Value"] for tag in listed}
    shown = ("VpcConfig", "Orchestrator", "NodeRecovery", "NodeProvisioningMode", "ClusterRole")
    description: dict[str, Any] = {k: parameters[k] for k in shown if k in parameters}
    description["ClusterName"] = parameters["ClusterName"]
    description["InstanceGroups"] = [_described(group, releases) for group in groups]
    cluster = load_cluster(
        description,
        rng=rng,
        now=now,
        releases=releases,
        account=account,
        region=region,
        tags=tags,
    )
    # What was asked for is not what is shown: the older mode has no image fields.
    cluster.shows_images = cluster.continuous
    return cluster


def _described(group: Mapping[str, Any], releases: tuple[str, ...]) -> dict[str, Any]:
    hidden = _NOT_SHOWN | _RENAMED
    answer = {k: v for k, v in group.items() if k not in hidden}
    answer["CurrentCount"] = group["InstanceCount"]
    image = str(group.get("ImageId", MANAGED))
    if image != MANAGED:
        answer["CurrentImageId"] = image
    else:
        answer["CurrentImageReleaseVersion"] = group.get("ImageReleaseVersion", releases[-1])
    return answer
