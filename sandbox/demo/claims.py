"""What the demo claims, each claim measured: pure functions over what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.images import CURRENT, FAILING, NEW, NEWER
from sandbox.demo.ledger import Entry, named
from sandbox.progress import group_progress

_HOUR = 60.0
_AT_ONCE = 2.0
"""Minutes that the clock may be put ahead while a result is passed on."""
_TOUCHED = ("InProgress", "RollbackInProgress", "RollbackComplete", "Failed")


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that was to be shown. `otherwise`: what was measured instead."""

    text: str
    holds: bool
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A custom resource in which CloudFormation waited: its type, its status then, and how long."""

    kind: str
    status: str
    minutes: float


@dataclass
class Observations:
    """What was seen on the way, of a cluster and the instance groups declared."""

    cluster: str
    groups: Sequence[str]
    entries: list[Entry] = field(default_factory=list[Entry])
    """What each step did."""
    left_behind: set[str] = field(default_factory=set[str])
    """Rules and parameters that a step left in the account."""
    physical_ids: set[str] = field(default_factory=set[str])
    """Of the custom resource, after every step."""
    stack: str = ""
    """How the last step left the stack."""
    difference: list[str] = field(default_factory=list[str])
    """What `cdk diff` showed of the new AMI."""
    reason: str = ""
    """Why the failing AMI failed, as CloudFormation has it and the CLI showed it."""
    rollback: list[str] = field(default_factory=list[str])
    """What the groups went through then, oldest first; empty if they differed."""
    events: list[str] = field(default_factory=list[str])
    """What the stack went through then."""
    repeated: str = ""
    """What the CLI said of the same declaration."""
    rebatched: str = ""
    """The outcome of another batch size."""
    windows: list[Window] = field(default_factory=list[Window])
    """In what CloudFormation waited in the deploy that took hours, in its order."""
    waited: str = ""
    """Its outcome."""
    description: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The cluster at the end."""


def common_statuses(statuses: Mapping[str, Sequence[str]], groups: Sequence[str]) -> list[str]:
    """The statuses these groups went through since nodes were touched, if all went through the same."""
    paths = [[status for status in statuses[group] if status in _TOUCHED] for group in groups]
    return paths[0] if all(path == paths[0] for path in paths) else []


def claims(seen: Observations) -> list[Claim]:
    """All that the demo claims."""
    return [claim(seen) for claim in _CLAIMS]


def _calls_made(seen: Observations) -> Claim:
    calls = sum(entry.calls for entry in seen.entries)
    called = sum(entry.called for entry in seen.entries)
    return Claim(
        f"{calls} UpdateClusterSoftware calls for {called} deploys that declared another AMI; none "
        "for anything else.",
        all(entry.calls == entry.called for entry in seen.entries),
        f"{calls} UpdateClusterSoftware calls, {called} needed",
    )


def _nodes_replaced(seen: Observations) -> Claim:
    done = sum(sum(entry.replaced.values()) for entry in seen.entries)
    needed = sum(sum(entry.needed.values()) for entry in seen.entries)
    return Claim(
        f"{done} node replacements, {needed} needed; group by group the same. The system group, "
        "which was not declared, was never touched.",
        all(entry.exact for entry in seen.entries),
        "; ".join(
            f"{entry.step}: nodes replaced: {named(entry.replaced)}, needed: {named(entry.needed)}"
            for entry in seen.entries
            if not entry.exact
        ),
    )


def _change_reviewed(seen: Observations) -> Claim:
    lines = seen.difference
    values = [line.partition("] ")[2] for line in lines if "[-]" in line or "[+]" in line]
    properties = [line for line in lines if "[~]" in line and "Custom::" not in line]
    return Claim(
        "cdk diff showed ImageId, from the old AMI to the new one, and no other change.",
        values == [CURRENT.id, NEW.id] and ["ImageId" in p for p in properties] == [True],
        "cdk diff showed something else than the change of ImageId",
    )


def _rolled_back(seen: Observations) -> Claim:
    ends = seen.events[-1:]
    return Claim(
        "The failing AMI: HyperPod took its first batch back, then CloudFormation the stack.",
        seen.rollback == ["InProgress", "RollbackInProgress", "Failed"]
        and ends == ["UPDATE_ROLLBACK_COMPLETE"],
        f"HyperPod went through {seen.rollback}, the stack ended {ends}",
    )


def _reason_shown(seen: Observations) -> Claim:
    parts = (FAILING.id, *seen.groups, "Lifecycle scripts", "Log group: ")
    return Claim(
        "The CLI showed the AMI, the groups, HyperPod's own reason and where the log is.",
        all(part in seen.reason for part in parts),
        f"the reason was: {seen.reason}",
    )


def _idle_when_nothing_changed(seen: Observations) -> Claim:
    return Claim(
        "The same declaration and another batch size patched nothing; the custom resource was "
        "never replaced.",
        bool(seen.repeated)
        and seen.rebatched == "NothingToPatch"
        and seen.physical_ids == {seen.cluster},
        f"outcome {seen.rebatched}, physical ids {sorted(seen.physical_ids)}",
    )


def waited(windows: Sequence[Window]) -> list[Window]:
    """Those that waited for the patch: the others passed its result on at once."""
    return [window for window in windows if window.minutes > _AT_ONCE]


def _waited_for(seen: Observations) -> Claim:
    waiting = waited(seen.windows)
    done = all(window.status.endswith("_COMPLETE") for window in seen.windows)
    within = all(window.minutes < _HOUR for window in waiting)
    one_after_another = waiting == seen.windows[: len(waiting)]
    return Claim(
        f"Past the hour, {len(waiting)} custom resources waited one after another for the end of "
        f"one patch, none for more than an hour. The {len(seen.windows) - len(waiting)} behind "
        "them were done at once.",
        len(waiting) > 2 and done and within and one_after_another and seen.waited == "Patched",
        f"waited, in this order: {[f'{w.status} {w.minutes:.0f} min' for w in seen.windows]}, with "
        f"the outcome {seen.waited}",
    )


def _software_at_the_end(seen: Observations) -> Claim:
    groups = [group_progress(group) for group in seen.description["InstanceGroups"]]
    declared = [group for group in groups if group.name in seen.groups]
    nodes = sum(group.nodes for group in declared)
    done = sum(group.done or 0 for group in declared if group.current == NEWER.id)
    text = f"{done} of {nodes} declared nodes run {NEWER.id}"
    return Claim(f"{text}, also after the stack has gone.", done == nodes, text)


def _nothing_left_in_the_account(seen: Observations) -> Claim:
    left = ", ".join(sorted(seen.left_behind))
    return Claim(
        "Event rules and parameters left by any step: none. The stack: deleted.",
        not left and seen.stack == "deleted",
        f"left behind: {left or 'nothing'}; the stack: {seen.stack}",
    )


_CLAIMS: tuple[Callable[[Observations], Claim], ...] = (
    _calls_made,
    _nodes_replaced,
    _change_reviewed,
    _rolled_back,
    _reason_shown,
    _idle_when_nothing_changed,
    _waited_for,
    _software_at_the_end,
    _nothing_left_in_the_account,
)
