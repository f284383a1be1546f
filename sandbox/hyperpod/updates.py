"""What an UpdateClusterSoftware asks for, and why it may be refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.hyperpod.errors import validation
from sandbox.hyperpod.faults import Faults
from sandbox.hyperpod.model import Cluster, Group, Node
from sandbox.hyperpod.patch import Part, Patch, Rollout, read_config
from sandbox.hyperpod.words import MANAGED, Software


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the service learns of a custom AMI: `problem` says why it cannot be used at all."""

    problem: str | None = None
    snapshots: tuple[str, ...] = ()
    kms_key: str | None = None
    """The key of an encrypted image."""
    foreign: bool = False
    """Public and of another account: there is nothing to share."""


Images = Callable[[str], ImageFacts]
Authorize = Callable[[str, str, Mapping[str, str]], None]
"""Raises ServiceError where the caller may not do `(action, ARN, condition keys)`."""

_RELEASES_SINCE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""Clusters created before this have no release versions."""


def plan(
    cluster: Cluster,
    parameters: Mapping[str, Any],
    *,
    faults: Faults,
    releases: tuple[str, ...],
    images: Images,
    authorize: Authorize | None,
    now: float,
) -> Patch:
    """The patch that was asked for, not yet begun. Raises ServiceError where it is refused."""
    image = parameters.get("ImageId")
    wanted: dict[str, str | None] = dict.fromkeys(cluster.groups)
    specified: Sequence[Mapping[str, Any]] | None = parameters.get("InstanceGroups")
    if specified is not None:
        names = [str(entry["InstanceGroupName"]) for entry in specified]
        if len(set(names)) < len(names):
            raise validation("An instance group is named twice.")
        wanted = {
            str(entry["InstanceGroupName"]): entry.get("ImageReleaseVersion") for entry in specified
        }
    missing = [name for name in wanted if name not in cluster.groups]
    if missing:
        raise validation(f"{cluster.name} has no instance groups {', '.join(missing)}.")
    rollout = _rollout(cluster, parameters.get("DeploymentConfig"), faults)
    if image not in (None, MANAGED):
        groups = [cluster.groups[name] for name in wanted]
        _check_image(str(image), groups, images(str(image)), authorize, _region(cluster))
    targets = {
        name: _target(cluster, cluster.groups[name], image, release, releases)
        for name, release in wanted.items()
    }
    settled = now + faults.settle_seconds / faults.speed
    parts = [
        _part(cluster.groups[name], new, faults, settled, named=wanted[name] is not None)
        for name, new in targets.items()
    ]
    gone = None if faults.vanish_after is None else now + faults.vanish_after / faults.speed
    return Patch(cluster, parts, rollout, gone)


def _rollout(cluster: Cluster, config: Mapping[str, Any] | None, faults: Faults) -> Rollout:
    rollout = read_config(config)
    if not cluster.slurm or not config or faults.slurm_batches == "Honored":
        return rollout
    if faults.slurm_batches == "Ignored":
        return Rollout()
    raise validation("Rolling updates are available only for clusters integrated with Amazon EKS.")


def _region(cluster: Cluster) -> str:
    return cluster.arn.split(":")[3]


def _check_image(
    image: str,
    groups: Sequence[Group],
    facts: ImageFacts,
    authorize: Authorize | None,
    region: str,
) -> None:
    """A custom AMI is shared with the service by the caller, who has to be allowed to."""
    if facts.foreign:
        return
    if authorize:
        authorize("ec2:DescribeImages", "*", {})
        authorize("ec2:ModifyImageAttribute", f"arn:aws:ec2:{region}::image/{image}", {})
    if facts.problem:
        raise validation(facts.problem)
    if authorize:
        authorize("ec2:DescribeSnapshots", "*", {})
        for snapshot in facts.snapshots:
            arn = f"arn:aws:ec2:{region}::snapshot/{snapshot}"
            authorize("ec2:ModifySnapshotAttribute", arn, {})
    if len(facts.snapshots) > 1:
        raise validation(f"{image} has more than the primary snapshot volume.")
    if not facts.kms_key:
        return
    unkeyed = [group.name for group in groups if not _root_key(group)]
    if unkeyed:
        names = ", ".join(unkeyed)
        raise validation(f"{image} is encrypted, and no key is set for the root volume of {names}.")
    if authorize:
        authorize("kms:DescribeKey", facts.kms_key, {})
        authorize("kms:CreateGrant", facts.kms_key, {"kms:GrantIsForAWSResource": "true"})


def _root_key(group: Group) -> str | None:
    for entry in group.static.get("InstanceStorageConfigs", []):
        volume: Mapping[str, Any] = entry.get("EbsVolumeConfig") or {}
        if volume.get("RootVolume") and volume.get("VolumeKmsKeyId"):
            return str(volume["VolumeKmsKeyId"])
    return None


def _target(
    cluster: Cluster,
    group: Group,
    image: str | None,
    release: str | None,
    releases: tuple[str, ...],
) -> Software:
    if image is None and group.current.custom:
        raise validation(f"Instance group {group.name} uses a custom AMI: ImageId is required.")
    if image not in (None, MANAGED):
        if release:
            raise validation("ImageReleaseVersion cannot be combined with a custom AMI.")
        if cluster.slurm and not group.current.custom:
            raise validation(
                f"Instance group {group.name}: updating from the default image to a custom AMI is "
                "not supported on clusters orchestrated by Slurm."
            )
        return Software(str(image), None)
    if release:
        if cluster.slurm or cluster.created < _RELEASES_SINCE:
            raise validation("ImageReleaseVersion is not supported for this cluster.")
        if release not in releases:
            raise validation(f"There is no image release version {release}.")
        return Software(MANAGED, release)
    return Software(MANAGED, releases[-1])


def _part(group: Group, new: Software, faults: Faults, settled: float, *, named: bool) -> Part:
    again = faults.repatch_current and not named
    todo = [n for n in group.nodes if n.patchable and (again or n.software != new)]
    kept: list[Node] = todo[: max(0, len(todo) - faults.skipped_nodes)]
    return Part(group, group.current, new, kept, settled, passed_over=len(todo) - len(kept))
