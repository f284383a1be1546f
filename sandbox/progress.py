"""How far each group of a cluster is, from one answer of DescribeCluster, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WIDTH = 20
_MOVING = frozenset({"Pending", "InProgress", "RollbackInProgress"})


@dataclass(frozen=True, slots=True)
class GroupProgress:
    """One group. `done` counts nodes on the desired software; None where the service is silent."""

    name: str
    status: str
    nodes: int
    done: int | None
    current: str
    desired: str

    @property
    def moving(self) -> bool:
        return self.status in _MOVING

    def bar(self, width: int = _WIDTH) -> str:
        """A bar of `width` characters; dots where nobody knows."""
        if self.done is None or self.nodes == 0:
            return "·" * width
        filled = width * min(self.done, self.nodes) // self.nodes
        return "█" * filled + "░" * (width - filled)

    def line(self, name_width: int = 0) -> str:
        done = "?" if self.done is None else str(self.done)
        software = (
            self.current if self.current == self.desired else f"{self.current} → {self.desired}"
        )
        count = f"{done}/{self.nodes}"
        return f"{self.name:<{name_width}}  {self.bar()}  {count:>9}  {self.status:<18}  {software}"


def group_progress(group: Mapping[str, Any]) -> GroupProgress:
    """The progress of one member of `InstanceGroups`, whatever fields it lacks."""
    return GroupProgress(
        name=str(group.get("InstanceGroupName", "?")),
        status=str(group.get("SoftwareUpdateStatus") or group.get("Status", "?")),
        nodes=int(group.get("CurrentCount", 0)),
        done=group.get("TargetStateCount"),
        current=_software(group, "Current"),
        desired=_software(group, "Desired"),
    )


def _software(group: Mapping[str, Any], which: str) -> str:
    image = str(group.get(f"{which}ImageId", "unknown image"))
    release = group.get(f"{which}ImageReleaseVersion")
    return f"{image} {release}" if release else image


def progress_lines(description: Mapping[str, Any]) -> list[str]:
    """One line for each group of an answer of DescribeCluster, in columns."""
    groups = [group_progress(group) for group in description.get("InstanceGroups", [])]
    width = max((len(group.name) for group in groups), default=0)
    return [group.line(width) for group in groups]
