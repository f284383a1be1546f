"""The events the service puts on the account's default bus."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hyperpod_software.contract.signals import CLUSTER_EVENT, EVENT_SOURCE, STATE_CHANGE
from sandbox.hyperpod.model import Cluster

_STATE_CHANGE_MEMBERS = (
    "InstanceType",
    "LifeCycleConfig",
    "ExecutionRole",
    "ThreadsPerCore",
    "InstanceStorageConfigs",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `time` is when it happened, in seconds since the epoch."""

    detail_type: str
    detail: dict[str, Any]
    resources: tuple[str, ...]
    time: float

    def entry(self) -> dict[str, Any]:
        """As an entry of PutEvents."""
        return {
            "Source": EVENT_SOURCE,
            "DetailType": self.detail_type,
            "Detail": json.dumps(self.detail),
            "Resources": list(self.resources),
        }


def _resources(cluster: Cluster) -> tuple[str, ...]:
    # The documented examples have the cluster's name where its id belongs.
    return (cluster.arn.rpartition("/")[0] + "/" + cluster.name,)


def state_change(cluster: Cluster, now: float) -> Event:
    """The cluster's or a group's status changed. No word about software in it."""
    detail: dict[str, Any] = {
        "ClusterArn": cluster.arn,
        "ClusterName": cluster.name,
        "ClusterStatus": str(cluster.status),
        "CreationTime": int(cluster.created * 1000),
        "InstanceGroups": [
            {
                "InstanceGroupName": group.name,
                "CurrentCount": len(group.nodes),
                "TargetCount": group.target_count,
                **{k: group.static[k] for k in _STATE_CHANGE_MEMBERS if k in group.static},
                "Status": str(group.status),
            }
            for group in cluster.groups.values()
        ],
    }
    for name in ("VpcConfig", "Orchestrator", "NodeRecovery"):
        if name in cluster.static:
            detail[name] = cluster.static[name]
    if cluster.failure_message:
        detail["FailureMessage"] = cluster.failure_message
    return Event(STATE_CHANGE, detail, _resources(cluster), now)


def cluster_event(
    cluster: Cluster,
    now: float,
    level: str,
    text: str,
    *,
    event_id: str,
    group: str | None = None,
    node: str | None = None,
) -> Event:
    """Something happened to the cluster, a group or an instance (Continuous mode only)."""
    kind = "Instance" if node else "InstanceGroup" if group else "Cluster"
    details: dict[str, Any] = {
        "EventId": event_id,
        "ClusterArn": cluster.arn,
        "ClusterName": cluster.name,
        "ResourceType": kind,
        "EventTime": int(now * 1000),
        "EventLevel": level,
        "Description": text,
        "EventDetails": {"EventMetadata": None},
    }
    if group:
        details["InstanceGroupName"] = group
    if node:
        details["InstanceId"] = node
    return Event(CLUSTER_EVENT, {"EventDetails": details}, _resources(cluster), now)
