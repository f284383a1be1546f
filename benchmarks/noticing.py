"""From the true end of a patch to CloudFormation's knowing of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from benchmarks.cloud import PATIENCE, Cloud, Stack, Synthesized, synthesize
from benchmarks.contestants import ALL, WITH_EVENTS, Contestant, Patch
from benchmarks.section import Section, times
from sandbox import Sandbox
from sandbox.aws.images import NEW
from sandbox.clusters import slurm

MINUTE = 20.0
"""Seconds that a minute of EventBridge's schedules lasts here."""
_UNDISTURBED = 40.0
"""Seconds that every patch lasts at least: by then, all others have begun."""
_SETTLING = 2.0
"""Seconds of the service from the call to the first node's going down."""


@dataclass(frozen=True)
class Measured:
    """One patch, in seconds of the machine's clock."""

    until_look: float
    """From the true end to the look that saw it."""
    until_known: float
    """From that look to CloudFormation's knowing."""


def run(*, quick: bool) -> Section:
    """Let every contestant wait for patches that end at evenly spaced moments between two looks."""
    repetitions = 2 if quick else 5
    minute = MINUTE / 2 if quick else MINUTE
    patches = {
        f"{one.key}-{number}": (one, _seconds_of_patch(one, number, repetitions, minute))
        for one in reversed(ALL)
        for number in range(repetitions)
    }
    synthesized = synthesize(
        {name: one.of(Patch(name, NEW.id, ("workers",))) for name, (one, _) in patches.items()}
    )
    with Sandbox(clusters=[], minute=minute) as sandbox, Cloud(sandbox) as cloud:
        for name, (one, seconds) in patches.items():
            _add_cluster(cloud, name, one, seconds)
        stacks = {name: _begin(cloud, synthesized[name]) for name in patches}
        for stack in stacks.values():
            stack.wait()
        measured = {
            one: [
                _measured(cloud, stacks[name], one)
                for name, (contestant, _) in patches.items()
                if contestant is one
            ]
            for one in ALL
        }
    return _section(measured, minute)


def _seconds_of_patch(one: Contestant, number: int, repetitions: int, minute: float) -> float:
    """How long a patch lasts that ends at this one of evenly spaced moments between two looks."""
    interval = one.interval_minutes * minute or one.interval_seconds
    share = (number + 0.5) / repetitions
    # A whole number of intervals comes before.
    return interval * (ceil(_UNDISTURBED / interval) + share)


def _add_cluster(cloud: Cloud, name: str, one: Contestant, seconds: float) -> None:
    description = slurm(name, workers=4)
    for group in description["InstanceGroups"]:
        # Nothing that a peer could take for the end of the patch that is to come.
        group.pop("SoftwareUpdateStatus")
    cloud.control.add(description)
    cloud.control.set(
        name,
        jitter=0.0,
        settle_seconds=_SETTLING / 2,
        pending_seconds=_SETTLING / 2,
        node_seconds=seconds - _SETTLING,
        **one.faults,
    )


def _begin(cloud: Cloud, synthesized: Synthesized) -> Stack:
    stack = cloud.stack(synthesized)
    stack.begin(synthesized.template)
    end = time.monotonic() + PATIENCE
    while not cloud.control.calls(stack.name, accepted=True):
        if time.monotonic() > end:
            raise TimeoutError(f"{stack.name} made no call within {PATIENCE:g} seconds")
        time.sleep(0.1)
    return stack


def _measured(cloud: Cloud, stack: Stack, one: Contestant) -> Measured:
    end = true_end(cloud, stack.name)
    look = min(
        call.at
        for call in stack.meter.calls
        if call.operation == "SageMaker.DescribeCluster" and call.at >= end
    )
    return Measured(look - end, stack.known_at(one.end) - look)


def true_end(cloud: Cloud, cluster: str) -> float:
    """When the last node of a cluster came up on its new software, as the simulation has it."""
    pages = cloud.client("sagemaker").get_paginator("list_cluster_nodes")
    return float(
        max(
            node["LastSoftwareUpdateTime"].timestamp()
            for page in pages.paginate(ClusterName=cluster)
            for node in page["ClusterNodeSummaries"]
        )
    )


def _section(measured: Mapping[Contestant, Sequence[Measured]], minute: float) -> Section:
    def seconds(one: Contestant) -> list[float]:
        # A schedule is as much slower on AWS as its minutes are longer there; nothing else is.
        by_schedule = one.interval_minutes and one is not WITH_EVENTS
        stretch = 60.0 / minute if by_schedule else 1.0
        return [each.until_look * stretch + each.until_known for each in measured[one]]

    ours = median(seconds(WITH_EVENTS))
    rows = [
        [
            one.name,
            f"{median(seconds(one)):.2f}",
            f"{max(seconds(one)):.2f}",
            times(median(seconds(one)), ours),
            f"{median(each.until_known for each in measured[one]):.2f}",
            str(len(measured[one])),
        ]
        for one in measured
    ]
    return Section(
        "From the true end of a patch to CloudFormation knowing",
        ("", "median, s", "longest, s", "ratio", "of it after the look, s", "patches"),
        rows,
        (
            (
                "The true end is the simulation's: the last node came up on the new image. CloudFormation"
                " knows when the stack's event says `CREATE_COMPLETE`. Each contestant patched clusters of"
                " its own whose patches ended at evenly spaced moments between two looks, so that the"
                " median is not a matter of luck."
            ),
            (
                f"A minute of EventBridge's schedules lasted {minute:g} seconds here; what was spent"
                f" waiting for a schedule is given in real minutes, {60 / minute:g} times as long, and"
                " everything else as the machine's clock had it. On AWS an event's own way comes on"
                " top, from HyperPod through EventBridge; the sandbox's bus delivers at once."
            ),
            (
                "The provider framework's state machine ran on MiniStack's Step Functions, by its own"
                " clock, with its default of five seconds."
            ),
            (
                "Each of them makes one `DescribeCluster` a look. At the end ours then verifies every node"
                " and describes the cluster once more, which is part of its time after the look; the peers"
                " take the group's word."
            ),
        ),
    )
