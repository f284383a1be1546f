"""How awkward the service is: its pace, and everything that can go wrong.

Durations are seconds of the service's own time, which `speed` lets pass faster than the caller's.
Chances lie between 0 (never) and 1 (always). Settings are given for a run, and again for single
clusters, where they come on top.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast


class SettingError(ValueError):
    """A setting that cannot be; the message names it and says what is allowed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The next `times` calls of `operation` (`*`: any) end with `code`.

    Besides codes of the service, `AnswerLost` lets the call happen and its answer vanish.
    """

    code: str
    operation: str = "*"
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The settings, each with the calm default."""

    # The pace.
    speed: float = 1.0
    """Seconds of the service's time in one second of the caller's."""
    node_seconds: float = 300.0
    """From a node's going down until it runs again; one batch takes as long as one node."""
    jitter: float = 0.1
    """How far durations of nodes stray from `node_seconds`, as a fraction of it."""
    settle_seconds: float = 10.0
    """After a call was accepted, DescribeCluster still shows what was before, this long."""
    pending_seconds: float = 10.0
    """How long a group stays `Pending`."""
    failure_seconds: float = 1080.0
    """Failing lifecycle scripts are tried again this long, then the service rolls back."""
    alarm_poll_seconds: float = 30.0
    """How often alarms are looked at while the wait interval lasts."""
    scale_seconds: float = 180.0
    """From a wish for more or fewer nodes until it is fulfilled, or tried again."""
    capacity_after: float = 0.0
    """In Continuous mode, nodes that scaling asks for cannot be had for so long."""
    create_seconds: float = 300.0
    delete_seconds: float = 120.0

    # How a patch goes.
    failing_amis: tuple[str, ...] = ()
    """Lifecycle scripts fail on every node with one of these images."""
    failing_versions: tuple[str, ...] = ()
    """The same for release versions of the managed image."""
    alarm_after_batch: int | None = None
    """After this batch (from 1) an alarm is taken to be in ALARM, whatever CloudWatch says."""
    alarms_in_alarm: tuple[str, ...] = ()
    """Alarms taken to be in ALARM, by name."""
    rollback_fails: bool = False
    """The service's own rollback fails as well, and leaves the group Degraded."""
    failure_ends: str = "Failed"
    """The last word after failing scripts and a good rollback: `Failed` or `RollbackComplete`."""
    skipped_nodes: int = 0
    """In each group so many nodes are passed over, and the group succeeds all the same."""
    vanish_after: float | None = None
    """The cluster is gone this long after a patch was accepted."""
    noop_shows: str = "Succeeded"
    """A patch that changes nothing shows: `Succeeded` (newly), or `Unchanged` (the last status)."""
    repatch_current: bool = False
    """Nodes already on the wanted software are replaced as well, unless a release was named: AWS
    documents that only nodes that are not on it are touched."""
    slurm_batches: str = "Refused"
    """What a DeploymentConfig does on Slurm, of which AWS says that it is for EKS: it is `Honored`,
    `Ignored` (every node at once), or `Refused`."""
    percent_rounds_up: bool = False
    """Batches by percentage are rounded up instead of down (never below one node)."""
    new_instance_ids: bool = False
    """A replaced node gets another instance id and launch time."""
    nodes_fail_late: int = 0
    """In each group so many patched nodes fail as the patch succeeds."""
    late_failure_seconds: float = 1800.0
    """How long these stay so."""

    # How scaling goes, in Continuous mode, where it blocks nothing.
    wanting: str = "Absent"
    """What is seen of nodes that cannot be had yet: none is there (`Absent`), they are `Pending`,
    or each try ends in `Failure` and is made again with another node."""
    counts_arriving: bool = False
    """CurrentCount counts nodes that have never run."""
    moved_nodes: str = "Kept"
    """The software of a node that moved into another group: `Kept`, or `Replaced` by that of the
    group."""

    # What answers look like.
    throttling: float = 0.0
    server_errors: float = 0.0
    conflicts: float = 0.0
    """Chance of a ConflictException on a call that changes something."""
    answers_lost: float = 0.0
    """Chance that an accepted UpdateClusterSoftware is never answered."""
    refusals: tuple[Refusal, ...] = ()
    """Refusals in order, before chance has its say."""
    stale_describes: float = 0.0
    """Chance that DescribeCluster answers with how things were `stale_seconds` ago."""
    stale_seconds: float = 60.0
    unknown_values: float = 0.0
    """Chance that an enumerated field shows a word outside the service model."""
    flapping: float = 0.0
    """Chance that an optional field is missing or contradicts itself in one answer."""
    shows_images: bool | None = None
    """Whether image fields are shown; None: as the cluster's mode has it (only in Continuous)."""
    shows_update_status: bool | None = None
    """Whether SoftwareUpdateStatus is shown; None: as the cluster's mode has it."""
    shows_releases: bool | None = None
    """Whether release versions are shown; None: on EKS."""

    # Events.
    lost_events: float = 0.0
    doubled_events: float = 0.0
    late_events: float = 0.0
    late_seconds: float = 120.0
    instance_events: bool = True
    """Whether single nodes have events too, as they do in Continuous mode."""

    def changed(self, changes: Mapping[str, Any]) -> Faults:
        """These settings with some of them replaced, checked.

        Raises SettingError for a name or a value that cannot be.
        """
        return dataclasses.replace(self, **{k: _checked(k, v) for k, v in changes.items()})


_FIELDS = {field.name: field.type for field in dataclasses.fields(Faults)}
_CHANCES = frozenset(
    {
        "jitter",
        "throttling",
        "server_errors",
        "conflicts",
        "answers_lost",
        "stale_describes",
        "unknown_values",
        "flapping",
        "lost_events",
        "doubled_events",
        "late_events",
    }
)
_WORDS = {
    "failure_ends": ("Failed", "RollbackComplete"),
    "noop_shows": ("Succeeded", "Unchanged"),
    "slurm_batches": ("Honored", "Ignored", "Refused"),
    "wanting": ("Absent", "Pending", "Failure"),
    "moved_nodes": ("Kept", "Replaced"),
}


def _checked(name: str, value: Any) -> Any:
    kind = _FIELDS.get(name)
    if kind is None:
        raise SettingError(f"unknown setting {name!r}; there are: {', '.join(sorted(_FIELDS))}")
    if name == "refusals":
        return _refusals(value)
    if value is None and str(kind).endswith("| None"):
        return None
    if str(kind).startswith("bool"):
        return _expect(name, value, "true or false", ok=isinstance(value, bool))
    if str(kind).startswith("tuple"):
        return _names(name, value)
    if str(kind).startswith("str"):
        words = _WORDS[name]
        return _expect(name, value, f"one of {', '.join(words)}", ok=value in words)
    return _number(name, str(kind), value)


def _expect(name: str, value: Any, allowed: str, *, ok: bool) -> Any:
    if not ok:
        raise SettingError(f"{name} is {value!r}, and must be {allowed}")
    return value


def _names(name: str, value: Any) -> tuple[str, ...]:
    items: list[Any] = list(cast(Sequence[Any], value)) if isinstance(value, list | tuple) else []
    ok = isinstance(value, list | tuple) and all(isinstance(item, str) for item in items)
    _expect(name, value, "a list of names", ok=ok)
    return tuple(items)


def _number(name: str, kind: str, value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind.startswith("int"):
        ok = number and isinstance(value, int) and value >= 0
        return _expect(name, value, "a whole number, 0 or more", ok=ok)
    if name in _CHANCES:
        return _expect(name, value, "between 0 and 1", ok=number and 0 <= value <= 1)
    if name == "speed":
        ok = number and value > 0 and math.isfinite(value)
        return float(_expect(name, value, "a number above 0", ok=ok))
    ok = number and value >= 0 and math.isfinite(value)
    return float(_expect(name, value, "seconds, 0 or more", ok=ok))


def _refusals(value: Any) -> tuple[Refusal, ...]:
    if not isinstance(value, list | tuple):
        raise SettingError(f"refusals is {value!r}, and must be a list")
    return tuple(_refusal(item) for item in cast(Sequence[Any], value))


def _refusal(item: Any) -> Refusal:
    if isinstance(item, Refusal):
        return item
    problem = "a refusal is {'code': …, 'operation': … or '*', 'times': 1 or more}"
    if not isinstance(item, Mapping):
        raise SettingError(f"{problem}, not {item!r}")
    entry = cast(Mapping[str, Any], item)
    code, operation = entry.get("code"), entry.get("operation", "*")
    times: Any = entry.get("times", 1)
    known = set(entry) <= {"code", "operation", "times"}
    words = isinstance(code, str) and isinstance(operation, str)
    if not (known and words and isinstance(times, int) and times >= 1):
        raise SettingError(f"{problem}, not {dict(entry)!r}")
    return Refusal(str(code), str(operation), times)
