"""How the service shows a cluster: the answers of its Describe and List operations.

Answers are as an SDK hands them out: plain dictionaries, times as datetimes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.hyperpod.faults import Faults
from sandbox.hyperpod.model import Cluster, Group, Node
from sandbox.hyperpod.words import MANAGED, Software, release_key


def moment(seconds: float) -> datetime:
    # The wire carries milliseconds.
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def version_status(software: Software, releases: tuple[str, ...]) -> str:
    """How old a managed image is: one behind, further behind, or out of the list."""
    if software.custom or software.release is None or software.release == releases[-1]:
        return "UpToDate"
    behind = [v for v in releases if release_key(v) > release_key(software.release)]
    if software.release not in releases:
        return "EndOfLife"
    return "UpdateAvailable" if len(behind) == 1 else "SecurityUpdateRequired"


class View:
    """What of a cluster is shown, after its mode and the settings."""

    __slots__ = ("arriving", "cluster", "images", "release_list", "releases", "update_status")

    def __init__(self, cluster: Cluster, faults: Faults, releases: tuple[str, ...]) -> None:
        def pick(setting: bool | None, own: bool) -> bool:  # noqa: FBT001
            return own if setting is None else setting

        self.cluster = cluster
        self.release_list = releases
        self.arriving = faults.counts_arriving
        self.images = pick(faults.shows_images, cluster.shows_images)
        self.update_status = pick(faults.shows_update_status, cluster.shows_update_status)
        self.releases = pick(faults.shows_releases, not cluster.slurm)

    def describe(self) -> dict[str, Any]:
        cluster = self.cluster
        answer: dict[str, Any] = {
            "ClusterArn": cluster.arn,
            "ClusterName": cluster.name,
            "ClusterStatus": str(cluster.status),
            "CreationTime": moment(cluster.created),
            "InstanceGroups": [self.group(group) for group in cluster.groups.values()],
            **cluster.static,
        }
        if cluster.failure_message:
            answer["FailureMessage"] = cluster.failure_message
        return answer

    def group(self, group: Group) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "InstanceGroupName": group.name,
            "Status": str(group.status),
            "CurrentCount": sum(self.arriving or not node.arriving for node in group.nodes),
            "TargetCount": group.target_count,
            "ImageVersionStatus": version_status(group.current, self.release_list),
            **group.static,
        }
        if group.scaling:
            answer["ActiveOperations"] = {"Scaling": 1}
        if self.images:
            answer["CurrentImageId"] = group.current.image
            answer["DesiredImageId"] = group.desired.image
            answer["TargetStateCount"] = group.on_desired
            if self.releases:
                if group.current.release:
                    answer["CurrentImageReleaseVersion"] = group.current.release
                if group.desired.release:
                    answer["DesiredImageReleaseVersion"] = group.desired.release
        if group.update and self.update_status:
            answer["SoftwareUpdateStatus"] = str(group.update)
        if group.config and self.update_status:
            answer["ActiveSoftwareUpdateConfig"] = group.config
        return answer

    def summary(self) -> dict[str, Any]:
        cluster = self.cluster
        return {
            "ClusterArn": cluster.arn,
            "ClusterName": cluster.name,
            "CreationTime": moment(cluster.created),
            "ClusterStatus": str(cluster.status),
        }

    def _node(self, group: Group, node: Node) -> dict[str, Any]:
        status: dict[str, Any] = {"Status": str(node.status)}
        if node.message:
            status["Message"] = node.message
        answer: dict[str, Any] = {
            "InstanceGroupName": group.name,
            "InstanceId": node.instance_id,
            "InstanceType": group.instance_type,
            "LaunchTime": moment(node.launched),
            "LastSoftwareUpdateTime": moment(node.updated),
            "InstanceStatus": status,
            "PrivateDnsHostname": f"ip-{node.address.replace('.', '-')}.ec2.internal",
            "ImageVersionStatus": version_status(node.software, self.release_list),
        }
        if self.images and self.releases and node.software.release:
            answer["CurrentImageReleaseVersion"] = node.software.release
        return answer

    def node_summary(self, group: Group, node: Node, *, logical_ids: bool) -> dict[str, Any]:
        answer = self._node(group, node)
        if logical_ids and self.cluster.continuous:
            answer["NodeLogicalId"] = node.logical_id
        return answer

    def node_detail(self, group: Group, node: Node) -> dict[str, Any]:
        answer = self._node(group, node)
        answer["PrivatePrimaryIp"] = node.address
        for name in ("LifeCycleConfig", "ThreadsPerCore", "InstanceStorageConfigs"):
            if name in group.static:
                answer[name] = group.static[name]
        if self.cluster.continuous:
            answer["NodeLogicalId"] = node.logical_id
        if self.images:
            answer["CurrentImageId"] = node.software.image
            answer["DesiredImageId"] = group.desired.image
            if self.releases and group.desired.image == MANAGED and group.desired.release:
                answer["DesiredImageReleaseVersion"] = group.desired.release
        return answer
