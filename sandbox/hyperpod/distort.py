"""Answers that do not tell the whole truth: unknown words, and fields that come and go."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from sandbox.hyperpod.faults import Faults

UNKNOWN = "FailedMaintenance"
"""A word that is in no service model and was seen all the same."""

_ENUMERATED = ("Status", "SoftwareUpdateStatus", "ImageVersionStatus")
_OPTIONAL = (
    "ImageVersionStatus",
    "SoftwareUpdateStatus",
    "TargetStateCount",
    "CurrentImageId",
    "DesiredImageId",
    "CurrentImageReleaseVersion",
    "DesiredImageReleaseVersion",
)


def distort_cluster(answer: dict[str, Any], faults: Faults, rng: Random) -> dict[str, Any]:
    """An answer of DescribeCluster, with what chance makes of it."""
    if not (faults.unknown_values or faults.flapping):
        return answer
    answer = copy.deepcopy(answer)
    if rng.random() < faults.unknown_values:
        answer["ClusterStatus"] = UNKNOWN
    for group in answer["InstanceGroups"]:
        for name in _ENUMERATED:
            if name in group and rng.random() < faults.unknown_values:
                group[name] = UNKNOWN
        for name in _OPTIONAL:
            if name in group and rng.random() < faults.flapping:
                del group[name]
        if "ImageVersionStatus" in group and rng.random() < faults.flapping:
            group["ImageVersionStatus"] = rng.choice(("UpToDate", "UpdateAvailable"))
    return answer


def distort_node(summary: dict[str, Any], faults: Faults, rng: Random) -> dict[str, Any]:
    """One node of ListClusterNodes, with what chance makes of it."""
    if faults.unknown_values and rng.random() < faults.unknown_values:
        summary["InstanceStatus"] = {**summary["InstanceStatus"], "Status": UNKNOWN}
    if faults.flapping:
        for name in ("ImageVersionStatus", "CurrentImageReleaseVersion", "PrivateDnsHostname"):
            if name in summary and rng.random() < faults.flapping:
                del summary[name]
    return summary
