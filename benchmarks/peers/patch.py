"""What every peer does to a cluster: the one call, and the one look."""

from __future__ import annotations

from typing import Any, cast

GROUP_MEMBERS = ("ImageId", "InstanceGroups", "DeploymentConfig")


def begin(sagemaker: Any, properties: dict[str, Any]) -> str:
    """Call UpdateClusterSoftware with the resource's properties; the cluster's name."""
    cluster = str(properties["ClusterName"])
    wanted = {name: properties[name] for name in GROUP_MEMBERS if name in properties}
    sagemaker.update_cluster_software(ClusterName=cluster, **_with_numbers(wanted))
    return cluster


def is_over(sagemaker: Any, properties: dict[str, Any]) -> bool:
    """Whether every declared group says ``Succeeded``. Raises where one of them failed."""
    names = {group["InstanceGroupName"] for group in properties["InstanceGroups"]}
    groups = sagemaker.describe_cluster(ClusterName=properties["ClusterName"])["InstanceGroups"]
    states = {
        group["InstanceGroupName"]: group.get("SoftwareUpdateStatus")
        for group in groups
        if group["InstanceGroupName"] in names
    }
    if {"Failed", "RollbackComplete"} & set(states.values()):
        raise RuntimeError(f"the patch failed: {states}")
    return set(states.values()) == {"Succeeded"}


def _with_numbers(value: Any) -> Any:
    """CloudFormation hands numbers over as text."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _with_numbers(part) for name, part in members.items()}
    if isinstance(value, list):
        return [_with_numbers(part) for part in cast("list[object]", value)]
    return int(value) if isinstance(value, str) and value.isdigit() else value
