"""A simulated service with one cluster, in virtual time."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any

from sandbox.clusters import slurm
from sandbox.hyperpod import RELEASES, Event, Faults, HyperPod, load_cluster
from sandbox.hyperpod.validate import ModelChecks

START = 1_790_000_000.0
OLD = "ami-00000000000000001"
NEW = "ami-0123456789abcdef0"
CALM = {
    "jitter": 0.0,
    "node_seconds": 100.0,
    "settle_seconds": 10.0,
    "pending_seconds": 10.0,
    "slurm_batches": "Honored",
}
CHECKS = ModelChecks()


class Service:
    """Drives a HyperPod by hand; `now` are seconds since its start."""

    def __init__(
        self,
        description: dict[str, Any] | None = None,
        *,
        alarms: Any = None,
        own_faults: dict[str, Any] | None = None,
        **faults: Any,
    ) -> None:
        rng = Random(7)
        more: dict[str, Any] = {"alarms": alarms} if alarms else {}
        more["own_faults"] = own_faults
        self.hyperpod = HyperPod(
            rng=rng, faults=Faults().changed({**CALM, **faults}), checks=CHECKS, **more
        )
        self.now = 0.0
        self.events: list[Event] = []
        self.add(description or slurm())

    def add(self, description: dict[str, Any]) -> None:
        loaded = load_cluster(description, rng=self.hyperpod.rng, now=START, releases=RELEASES)
        self.hyperpod.add(loaded)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return self.hyperpod.call(operation, parameters, now=START + self.now)

    def patch(
        self, *groups: str, cluster: str = "ml", image: str | None = NEW, **config: Any
    ) -> dict[str, Any]:
        parameters: dict[str, Any] = {"ClusterName": cluster}
        if image:
            parameters["ImageId"] = image
        if groups:
            parameters["InstanceGroups"] = [{"InstanceGroupName": name} for name in groups]
        if config:
            parameters["DeploymentConfig"] = config
        return self.call("UpdateClusterSoftware", **parameters)

    def group(self, name: str = "workers", *, cluster: str = "ml") -> dict[str, Any]:
        groups = self.call("DescribeCluster", ClusterName=cluster)["InstanceGroups"]
        return next(group for group in groups if group["InstanceGroupName"] == name)

    def nodes(self, name: str = "workers", *, cluster: str = "ml") -> list[dict[str, Any]]:
        answer = self.call("ListClusterNodes", ClusterName=cluster, InstanceGroupNameContains=name)
        nodes: list[dict[str, Any]] = answer["ClusterNodeSummaries"]
        return nodes

    def at(self, now: float) -> Service:
        """Let time pass until then."""
        self.now = now
        self.events += self.hyperpod.advance(START + now)
        return self

    def finish(self) -> Service:
        """Let time pass until nothing is under way."""
        while (due := self.hyperpod.next_due()) is not None:
            self.at(due - START)
        return self

    def trace(self, *fields: str, group: str = "workers", cluster: str = "ml") -> list[Any]:
        """The values the fields go through until all is over, without repetitions."""
        seen: list[Any] = []
        while True:
            shown = self.group(group, cluster=cluster)
            values = tuple(shown.get(field) for field in fields)
            value = values[0] if len(fields) == 1 else values
            if not seen or seen[-1] != value:
                seen.append(value)
            due = self.hyperpod.next_due()
            if due is None:
                return seen
            self.at(due - START)

    def replaced(self, cluster: str = "ml") -> dict[str, int]:
        counts = self.hyperpod.replacements(cluster)
        return {group: sum(nodes.values()) for group, nodes in counts.items()}


def seconds(time: datetime) -> float:
    """A time of an answer, in seconds since the start."""
    return time.timestamp() - START


def batches(count: int | None = None, *, percent: int | None = None) -> dict[str, Any]:
    size = (
        {"Type": "INSTANCE_COUNT", "Value": count}
        if percent is None
        else {"Type": "CAPACITY_PERCENTAGE", "Value": percent}
    )
    return {"MaximumBatchSize": size}
