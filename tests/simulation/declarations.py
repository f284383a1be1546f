"""What a set of properties calls for, read for the checks alone: none of the handler's code in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sandbox.hyperpod.model import Cluster
from sandbox.hyperpod.words import MANAGED, Software, is_newer_patch, release_key

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """The software declared for one group."""

    image: str | None
    release: str | None
    revision: str | None
    line: str | None = None
    """The release line that is declared: anything of it that is no older will do."""

    def runs_on(self, software: Software) -> bool:
        """That is what is declared."""
        newer = self.line is not None and is_newer_patch(software.release, self.release)
        return newer or software == self.pinned

    @property
    def pinned(self) -> Software | None:
        """The software that this names exactly; the newest image is none such."""
        if self.release is not None:
            return Software(MANAGED, self.release)
        if self.image in (None, MANAGED):
            return None
        return Software(str(self.image), None)


def wanted(properties: Properties | None, cluster: Cluster) -> dict[str, Wanted]:
    """Group → what is declared for it, of the groups that the cluster has."""
    if properties is None:
        return {}
    image, revision = properties.get("ImageId"), properties.get("Revision")
    line = properties.get("ReleaseLine")
    listed: list[dict[str, Any]] | None = properties.get("InstanceGroups")
    if listed is None:
        release = properties.get("ImageReleaseVersion")
        return dict.fromkeys(cluster.groups, Wanted(image, release, revision, line))
    return {
        entry["InstanceGroupName"]: Wanted(image, entry.get("ImageReleaseVersion"), revision, line)
        for entry in listed
        if entry["InstanceGroupName"] in cluster.groups
    }


def changed(new: Properties, old: Properties | None, cluster: Cluster) -> list[str]:
    """The groups whose declared software is not what was declared before."""
    before = wanted(old, cluster)
    return [name for name, software in wanted(new, cluster).items() if software != before.get(name)]


def takes_back(new: Properties, old: Properties | None, cluster: Cluster, name: str) -> bool:
    """Newer patch releases of the declared line are to be taken back in this group."""
    if new.get("AllowDowngrade") == "true":
        return True
    declared = wanted(new, cluster).get(name)
    before = wanted(old, cluster).get(name) if means(old, cluster) else None
    if before is None or declared is None or declared.line is not None:
        return False
    if not (before.release and declared.release):
        return False
    return release_key(before.release) > release_key(declared.release)


def means(properties: Properties | None, cluster: Cluster) -> bool:
    """Whether the properties are about this cluster."""
    name = (properties or {}).get("ClusterName")
    return name in (cluster.name, cluster.arn)


def config(properties: Properties) -> Any:
    """The deployment configuration with its numbers as numbers."""
    return _with_numbers(properties.get("DeploymentConfig"))


def _with_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: int(item) if key in ("Value", "WaitIntervalInSeconds") else _with_numbers(item)
            for key, item in cast("dict[str, Any]", value).items()
        }
    if isinstance(value, list):
        return [_with_numbers(item) for item in cast("Iterable[Any]", value)]
    return value
