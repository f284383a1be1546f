"""What a history is about: the clusters, what a user declares one after the other, and the weather."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from sandbox.hyperpod import Faults, load_cluster
from sandbox.hyperpod.model import Cluster
from sandbox.hyperpod.words import MANAGED, Software
from tests.cloudformation.template import Template
from tests.simulation import images
from tests.simulation.chance import Chance, pick
from tests.simulation.functions import FUNCTION_ARN
from tests.simulation.hyperpod import RELEASES
from tests.simulation.requests import Properties
from tests.simulation.templates import (
    AFTERWARDS,
    BEFORE,
    BESIDE,
    OTHERS,
    Declarations,
    Others,
    template,
)
from tests.simulation.world import BEGIN

_LAST_WORDS = (None, "Succeeded", "Succeeded", "Failed", "RollbackComplete")
_WANTING = ("Absent", "Pending", "Failure")
_TIMEOUTS = (300, 300, 300, 600, 900, 1800, 3420)
_OF_RELEASES = ("ImageReleaseVersion", "ReleaseLine", "AllowDowngrade")
_LONG_TIMEOUTS = (*(3421,) * 5, *(7200,) * 6, *(10_000,) * 3, 20_000, 20_000, 43_020, 86_400)


@dataclass
class Step:
    """One thing that a user does with the stack, and what goes wrong apart from us."""

    what: str
    declared: Declarations
    template: Template
    rest: float
    """Seconds until it is done."""
    failing: dict[str, float] = field(default_factory=dict[str, float])
    """Resources of others that fail, and after how many seconds."""
    cancelled: float | None = None
    """Seconds until the user cancels."""
    rollback: bool = True
    """A failure is rolled back; else the user decides afterwards."""
    rolled_back_after_all: bool = False


@dataclass
class Story:
    """Everything that is settled before the history begins."""

    clusters: list[Cluster]
    faults: Faults
    stacks: dict[str, list[Step]]
    """What users do with the stacks, beside each other."""


def tell(chance: Chance) -> Story:
    """The story of this seed."""
    return _Teller(chance).tell()


class _Teller:
    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._draw: Random = chance.stream("story")
        self._timeouts = _LONG_TIMEOUTS if self._draw.random() < 0.3 else _TIMEOUTS
        self._shares: dict[str, list[str]] = {}
        """Where several resources share a cluster, the groups of each."""

    def tell(self) -> Story:
        draw = self._draw
        wide = draw.random() < 0.004
        clusters = [self._cluster("ml", wide=wide)]
        if draw.random() < 0.3:
            clusters.append(self._cluster("lab", wide=False))
        faults = self._faults()
        stacks = {"Patching": self._steps(clusters)}
        if not wide and self._chance.happens("another stack", 0.12) is not None:
            stacks["Another"] = self._steps(clusters)
        return Story(clusters, faults, stacks)

    def _steps(self, clusters: list[Cluster]) -> list[Step]:
        draw, happens = self._draw, self._chance.happens
        self._chained = draw.random() < 0.5
        self._others = Others(1, OTHERS if draw.random() < 0.2 else ())
        count = draw.choice((2, 2, 3)) if draw.random() < 0.25 else 1
        declared = self._first(clusters, count)
        steps = [self._step("create", declared)]
        while happens("one more step", 0.6) is not None and len(steps) < 6:
            what = "update"
            if happens("delete amid", 0.1) is not None:
                what = "delete"
            elif (size := happens("resource removed", 0.08)) is not None:
                left = 0 if size < 0.5 or not declared else len(declared) - 1
                declared = dict(list(declared.items())[:left])
            else:
                declared = self._next(declared or self._first(clusters, count), clusters)
            steps.append(self._step(what, declared))
        return [*steps, Step("delete", {}, {}, 0.0)]

    # The clusters

    def _cluster(self, name: str, *, wide: bool) -> Cluster:
        draw = self._draw
        slurm, continuous = draw.random() < 0.4, draw.random() < 0.6
        custom = draw.random() < 0.35
        count = 100 if wide else draw.choice((1, 1, 2, 2, 3, 4))
        groups: list[dict[str, Any]] = []
        for number in range(count):
            letters = "".join(draw.choices("abcdefghijkXYZ0123456789", k=60)) if wide else ""
            group: dict[str, Any] = {
                "InstanceGroupName": f"g{letters}{number}" if wide else f"workers{number}",
                "CurrentCount": 1 if wide else draw.choice((0, 1, 1, 2, 2, 3, 5, 8)),
            }
            if custom:
                group["CurrentImageId"] = draw.choice(images.GOOD)
            else:
                group["CurrentImageReleaseVersion"] = draw.choice((*RELEASES, "1.2.0", "1.2.0"))
                if not slurm and draw.random() < 0.2:
                    group["AutoPatchConfig"] = {"PatchingStrategy": "WhenIdle"}
            last = draw.choice(_LAST_WORDS)
            if last is not None and draw.random() < 0.7:
                group["SoftwareUpdateStatus"] = last
            groups.append(group)
        description: dict[str, Any] = {
            "ClusterName": name,
            "InstanceGroups": groups,
            "Orchestrator": {"Slurm": {}} if slurm else {"Eks": {"ClusterArn": "arn:eks"}},
        }
        if continuous:
            description["NodeProvisioningMode"] = "Continuous"
        cluster = load_cluster(
            description,
            rng=draw,
            now=BEGIN - draw.choice((3600.0, *(86400.0,) * 5, 400.0 * 86400.0)),
            releases=RELEASES,
        )
        for member in cluster.groups.values():
            # An earlier patch may have left nodes of it behind.
            if not custom and draw.random() < 0.3:
                for node in member.nodes[1:][: draw.choice((1, 1, 2))]:
                    node.software = Software(MANAGED, draw.choice(RELEASES))
        # Older clusters have been seen with and without either field.
        cluster.shows_images = continuous or draw.random() < 0.3
        cluster.shows_update_status = continuous or draw.random() < 0.5
        return cluster

    # The weather of the service

    def _faults(self) -> Faults:
        draw, strikes = self._draw, self._chance.strikes
        changes: dict[str, Any] = {
            "node_seconds": draw.choice((15.0, 60.0, 120.0, 300.0, *self._slow())),
            "settle_seconds": draw.choice((0.0, 5.0, 10.0, 30.0, 100.0)),
            "pending_seconds": draw.choice((0.0, 5.0, 10.0, 60.0)),
            "failure_seconds": draw.choice((60.0, 300.0, 1080.0)),
            "scale_seconds": draw.choice((60.0, 180.0)),
            "counts_arriving": draw.random() < 0.3,
            "moved_nodes": draw.choice(("Kept", "Replaced")),
            "new_instance_ids": draw.random() < 0.3,
            "failure_ends": draw.choice(("Failed", "RollbackComplete")),
            "instance_events": draw.random() < 0.1,
            "slurm_batches": "Honored",
        }
        failing = [images.FAILING]
        if (size := strikes("image fails")) is not None:
            failing.append(pick(images.GOOD, size))
            changes["failing_versions"] = (pick((*RELEASES, *(RELEASES[-1],) * 4), size),)
        changes["failing_amis"] = tuple(failing)
        if (size := strikes("nodes skipped")) is not None:
            changes["skipped_nodes"] = 1 + int(size * 4)
        if (size := strikes("capacity is wanting")) is not None:
            changes["wanting"], share = pick(_WANTING, size), (size * 3) % 1.0
            changes["capacity_after"] = pick((600.0, 7200.0, 200_000.0), share)
            if changes["wanting"] == "Failure":
                changes["capacity_after"] = min(7200.0, changes["capacity_after"])
        if (size := strikes("a node fails as the patch succeeds")) is not None:
            changes["nodes_fail_late"] = 1
            changes["late_failure_seconds"] = pick((60.0, 120.0, 900.0, 200_000.0), size)
        if strikes("service rollback fails") is not None:
            changes["rollback_fails"] = True
        if (size := strikes("alarm rolls back")) is not None:
            changes["alarm_after_batch"] = 1 + int(size * 2)
        if strikes("patch without change goes unseen") is not None:
            changes["noop_shows"] = "Unchanged"
        if strikes("current nodes are patched again") is not None:
            changes["repatch_current"] = True
        if (size := strikes("Slurm takes no batches")) is not None:
            changes["slurm_batches"] = pick(("Refused", "Ignored"), size)
        return Faults().changed(changes)

    def _slow(self) -> tuple[float, ...]:
        return (900.0, 2400.0) if self._timeouts is _LONG_TIMEOUTS else ()

    # What is declared

    def _first(self, clusters: list[Cluster], count: int) -> Declarations:
        names = list(clusters[0].groups)
        count = min(count, len(names))
        if count == 1:
            self._shares = {}
            return {"Software": self._properties(clusters[0], None)}
        ends = [0, *sorted(self._draw.sample(range(1, len(names)), count - 1)), len(names)]
        self._shares = {
            f"Software{letter}": names[start:end]
            for letter, start, end in zip("ABC", ends, ends[1:], strict=False)
        }
        return {
            logical_id: self._properties(clusters[0], share)
            for logical_id, share in self._shares.items()
        }

    def _properties(self, cluster: Cluster, names: list[str] | None) -> Properties:
        draw = self._draw
        properties: Properties = {
            "ServiceToken": FUNCTION_ARN,
            "ClusterName": cluster.name if draw.random() < 0.7 else cluster.arn,
        }
        if draw.random() < 0.06:
            properties["WaitForCompletion"] = "false"
        if draw.random() < 0.3:
            properties["AllowCallerCredentials"] = "true"
        properties |= self._timeout(properties)
        if names is None and draw.random() < 0.6:
            names = [name for name in cluster.groups if draw.random() < 0.7] or None
        self._software(properties, cluster, names)
        if draw.random() < 0.6:
            self._roll_out(properties, cluster)
        if draw.random() < 0.1:
            properties["OnCreate"] = "adopt"
        if draw.random() < 0.15:
            properties["OnRollback"] = "leave"
        if draw.random() < 0.4:
            properties["OnSkippedNodes"] = "warn"
        return self._spoiled(properties, cluster)

    def _software(self, properties: Properties, cluster: Cluster, names: list[str] | None) -> None:
        draw = self._draw
        for name in (*_OF_RELEASES, "ImageId", "ImageOwner", "InstanceGroups", "Revision"):
            properties.pop(name, None)
        custom = any(group.current.custom for group in cluster.groups.values())
        kind = draw.choices(
            ("ami", "latest", "release"),
            (7, 2, 0.5) if custom else (2, 5, 0.5 if cluster.slurm else 8),
        )[0]
        # Those of which there is a newer patch more often.
        release = draw.choice((*RELEASES, "1.2.9", "1.2.9", "1.3.0"))
        if kind == "ami":
            properties["ImageId"] = draw.choice((*images.GOOD, *images.GOOD, images.FAILING))
            if draw.random() < 0.7:
                properties["ImageOwner"] = "self"
        elif kind == "latest":
            properties["ImageId"] = "default"
            properties["Revision"] = draw.choice(("1", "2", "3"))
        else:
            if names is None:
                properties["ImageReleaseVersion"] = release
            if draw.random() < 0.3:
                properties["ReleaseLine"] = release.rpartition(".")[0]
            elif draw.random() < 0.3:
                properties["AllowDowngrade"] = "true"
            if draw.random() < 0.4:
                properties["Revision"] = draw.choice(("1", "2"))
        if names is not None:
            each = {"ImageReleaseVersion": release} if kind == "release" else {}
            properties["InstanceGroups"] = [{"InstanceGroupName": n, **each} for n in names]

    def _roll_out(self, properties: Properties, cluster: Cluster) -> None:
        properties["DeploymentConfig"] = self._config()
        properties.pop("AllowRollingUpdateOnSlurm", None)
        if cluster.slurm and self._draw.random() < 0.7:
            properties["AllowRollingUpdateOnSlurm"] = "true"

    def _config(self) -> dict[str, Any]:
        draw = self._draw
        config: dict[str, Any] = {}
        if draw.random() < 0.8:
            size = draw.choice((("INSTANCE_COUNT", "1"), ("INSTANCE_COUNT", "3"),
                                ("CAPACITY_PERCENTAGE", "50")))  # fmt: skip
            config["RollingUpdatePolicy"] = {
                "MaximumBatchSize": dict(zip(("Type", "Value"), size, strict=True))
            }
        if draw.random() < 0.5:
            config["WaitIntervalInSeconds"] = draw.choice(("0", "30", "120"))
        if draw.random() < 0.3:
            config["AutoRollbackConfiguration"] = [{"AlarmName": "errors"}]
        return config or {"WaitIntervalInSeconds": "0"}

    def _spoiled(self, properties: Properties, cluster: Cluster) -> Properties:
        size = self._chance.strikes("bad declaration")
        if size is None:
            return properties
        kind, rest = divmod(size * 4, 1.0)
        if kind == 0:
            properties["ClusterName"] = "nosuch"
        elif kind == 1:
            properties["InstanceGroups"] = [{"InstanceGroupName": "nosuch"}]
            if "ImageReleaseVersion" in properties or "ImageId" not in properties:
                _without_release(properties)
                properties["ImageId"] = "default"
        elif kind == 2:
            properties["Timeout"] = "soon"
        else:
            properties["ImageId"] = pick(images.UNUSABLE, rest)
            properties["ImageOwner"] = "self"
            _without_release(properties)
        return properties

    def _next(self, declared: Declarations, clusters: list[Cluster]) -> Declarations:
        after = copy.deepcopy(declared)
        for logical_id, properties in after.items():
            if properties.get("ClusterName") == "nosuch" or properties.get("Timeout") == "soon":
                share = self._shares.get(logical_id)
                after[logical_id] = self._properties(clusters[0], share)
            elif self._draw.random() < 0.9:
                self._change(properties, clusters, self._shares.get(logical_id))
        return after

    def _change(
        self, properties: Properties, clusters: list[Cluster], share: list[str] | None
    ) -> None:
        draw, alone = self._draw, share is None
        name = properties["ClusterName"]
        cluster = next(each for each in clusters if name in (each.name, each.arn))
        listed = properties.get("InstanceGroups")
        names = [entry["InstanceGroupName"] for entry in listed] if listed else None
        if names is not None and "nosuch" in names:
            names = share
        what = draw.choices(
            ("software", "config", "groups", "cluster", "name", "timeout", "nothing"),
            (8, 2, 3 if alone else 0, 2 if alone and len(clusters) > 1 else 0, 1, 1, 1),
        )[0]
        if what == "software":
            self._software(properties, cluster, names)
            self._spoiled(properties, cluster)
        elif what == "config":
            self._roll_out(properties, cluster)
        elif what == "groups":
            chosen = [each for each in cluster.groups if draw.random() < 0.6] or None
            self._software(properties, cluster, chosen)
        elif what == "cluster":
            other = next(each for each in clusters if each is not cluster)
            properties["ClusterName"] = draw.choice((other.name, other.arn))
            self._software(properties, other, None)
        elif what == "name":
            properties["ClusterName"] = cluster.arn if name == cluster.name else cluster.name
        elif what == "timeout":
            properties |= self._timeout(properties)

    def _timeout(self, properties: Properties) -> Properties:
        # Where patches take long, a short timeout is declared now and then, too. And what is
        # not waited for needs no long one: the library refuses it.
        waits = "WaitForCompletion" not in properties
        timeouts = self._timeouts if waits and self._draw.random() < 0.9 else _TIMEOUTS
        timeout = self._draw.choice(timeouts)
        return {"Timeout": str(timeout), "ServiceTimeout": str(min(3600, timeout + 180))}

    # What goes wrong beside it

    def _step(self, what: str, declared: Declarations) -> Step:
        strikes = self._chance.strikes
        failing: dict[str, float] = {}
        if strikes("another resource fails first") is not None:
            failing[BEFORE] = 1.0
        if (size := strikes("another resource fails meanwhile")) is not None:
            failing[BESIDE] = 1.0 + 900.0 * size**3
        if strikes("another resource fails afterwards") is not None:
            failing[AFTERWARDS] = 1.0
        size = strikes("operation cancelled")
        if failing or self._draw.random() < 0.2:
            self._others = replace(self._others, size=self._others.size + 1)
        names = tuple(name for name in OTHERS if name in {*self._others.names, *failing})
        others = replace(self._others, names=names)
        return Step(
            what,
            declared,
            template(declared, others, chained=self._chained),
            self._rest(),
            failing=failing,
            cancelled=None if size is None else 1.0 + 900.0 * size**3,
            rollback=strikes("operation without rollback") is None,
            rolled_back_after_all=strikes("rolled back after all") is not None,
        )

    def _rest(self) -> float:
        return self._draw.choice((8.0, 8.0, 20.0, 100.0, 4000.0))


def _without_release(properties: Properties) -> None:
    for name in _OF_RELEASES:
        properties.pop(name, None)
    for entry in properties.get("InstanceGroups", []):
        entry.pop("ImageReleaseVersion", None)
