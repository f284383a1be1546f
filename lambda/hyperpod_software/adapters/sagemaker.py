"""SageMaker: one cluster snapshot in, its nodes page by page, one patch call out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from hyperpod_software.adapters.clients import client, in_time
from hyperpod_software.model.cluster import Cluster, Group, Node
from hyperpod_software.model.decision import Patch
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.software import Declaration


class CallResult(Enum):
    """What UpdateClusterSoftware said."""

    ACCEPTED = "accepted"
    BUSY = "busy"
    UNKNOWN = "unknown"
    """No answer came back, or a server error: HyperPod may have accepted the request."""


class SageMaker:
    """The three SageMaker operations this handler needs."""

    def describe(self, cluster: str) -> Cluster:
        """One DescribeCluster. Raises ``AwsError`` (``NOT_FOUND``, ``DENIED``, …)."""
        return read_cluster(client("sagemaker").describe_cluster(ClusterName=cluster))

    def nodes(self, cluster: str) -> Iterator[Node]:
        """Every node, one page in memory at a time: 6,758 nodes are 68 calls."""
        token: dict[str, str] = {}
        while True:
            page = client("sagemaker").list_cluster_nodes(
                ClusterName=cluster, MaxResults=100, **token
            )
            yield from map(read_node, page["ClusterNodeSummaries"])
            if not page.get("NextToken"):
                return
            in_time("ListClusterNodes", "the nodes")
            token = {"NextToken": page["NextToken"]}

    def update(self, patch: Patch, declared: Declaration) -> CallResult:
        """The patch call. It is tried again only where it was surely not acted on: after a lost
        answer it could be accepted a second time. Raises ``AwsError`` where refused."""
        try:
            client("sagemaker", retries=False).update_cluster_software(
                **update_request(patch, declared)
            )
        except AwsError as problem:
            if problem.kind is AwsError.Kind.CONFLICT:
                return CallResult.BUSY
            if problem.kind is AwsError.Kind.TRANSIENT and not problem.not_acted_on:
                return CallResult.UNKNOWN
            raise
        return CallResult.ACCEPTED


def update_request(patch: Patch, declared: Declaration) -> dict[str, Any]:
    """The parameters of UpdateClusterSoftware for a patch."""
    request: dict[str, Any] = {"ClusterName": declared.cluster}
    groups: list[dict[str, str]] = []
    for name in patch.groups:
        software = declared.software_of(name)
        entry = {"InstanceGroupName": name}
        if software is not None and software.version is not None:
            entry["ImageReleaseVersion"] = software.version
        groups.append(entry)
    if declared.image_id is not None:
        request["ImageId"] = declared.image_id
    # Left out it would mean every group, also one that was made since the cluster was described.
    request["InstanceGroups"] = groups
    if declared.deployment is not None:
        request["DeploymentConfig"] = declared.deployment
    return request


def read_cluster(answer: Mapping[str, Any]) -> Cluster:
    """A DescribeCluster answer as words."""
    groups: list[Mapping[str, Any]] = answer.get("InstanceGroups") or []
    restricted: list[Mapping[str, Any]] = answer.get("RestrictedInstanceGroups") or []
    orchestrator: Mapping[str, Any] = answer.get("Orchestrator") or {}
    return Cluster(
        arn=str(answer["ClusterArn"]),
        name=str(answer.get("ClusterName") or answer["ClusterArn"]),
        status=str(answer["ClusterStatus"]),
        groups=tuple(read_group(group) for group in groups),
        restricted_groups=tuple(str(group.get("InstanceGroupName")) for group in restricted),
        slurm="Slurm" in orchestrator or any("SlurmConfig" in group for group in groups),
        eks="Eks" in orchestrator,
        failure_message=answer.get("FailureMessage") or None,
    )


def read_group(raw: Mapping[str, Any]) -> Group:
    """One ``InstanceGroups`` entry as words."""
    image_id: str | None = raw.get("CurrentImageId")
    operations: Mapping[str, int] = raw.get("ActiveOperations") or {}
    return Group(
        name=str(raw.get("InstanceGroupName")),
        status=raw.get("Status"),
        current_count=int(raw.get("CurrentCount") or 0),
        target_state_count=raw.get("TargetStateCount"),
        update_status=raw.get("SoftwareUpdateStatus"),
        image_id=image_id.lower() if image_id else None,
        version=raw.get("CurrentImageReleaseVersion"),
        desired_version=raw.get("DesiredImageReleaseVersion"),
        image_status=raw.get("ImageVersionStatus"),
        patched_by=_patched_by(raw),
        scaling=any(operations.values()),
    )


def _patched_by(raw: Mapping[str, Any]) -> str | None:
    """AWS's own automatic patching, or its schedule, where one of them is set."""
    automatic: Mapping[str, Any] = raw.get("AutoPatchConfig") or {}
    scheduled: Mapping[str, Any] = raw.get("ScheduledUpdateConfig") or {}
    ways: list[str] = []
    if automatic:
        ways.append(f"AutoPatchConfig {automatic.get('PatchingStrategy') or ''}".strip())
        planned: Mapping[str, Any] = automatic.get("CurrentPatchSchedule") or {}
        if planned.get("NextPatchDate"):
            ways[-1] += f", next {planned['NextPatchDate']}"
    if scheduled:
        ways.append(f"ScheduledUpdateConfig {scheduled.get('ScheduleExpression') or ''}".strip())
    return " and ".join(ways) or None


def read_node(raw: Mapping[str, Any]) -> Node:
    """One ListClusterNodes entry as words."""
    status: Mapping[str, Any] = raw.get("InstanceStatus") or {}
    updated: datetime | None = raw.get("LastSoftwareUpdateTime")
    launched: datetime | None = raw.get("LaunchTime")
    return Node(
        group=str(raw.get("InstanceGroupName")),
        instance_id=str(raw.get("InstanceId")),
        status=str(status.get("Status")),
        launched=launched.timestamp() if launched else 0.0,
        last_update=updated.timestamp() if updated else None,
        version=raw.get("CurrentImageReleaseVersion"),
        image_status=raw.get("ImageVersionStatus"),
        message=status.get("Message") or None,
    )
