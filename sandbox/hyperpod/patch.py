"""One patch of a cluster on its way, as a state machine over given times.

Each group goes through its batches by itself; an alarm takes the whole patch back, failing lifecycle
scripts only the group they fail in. A step is taken when its time has come and says when the next
one is due, so hours cost as many steps as there are batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import Any, Protocol

from sandbox.hyperpod.errors import validation
from sandbox.hyperpod.faults import Faults
from sandbox.hyperpod.model import Cluster, Group, Node, new_instance_id
from sandbox.hyperpod.words import GroupStatus, NodeStatus, Software, UpdateStatus

FAILURE_MESSAGE = "Lifecycle scripts did not run successfully."

Alarms = Callable[[Sequence[str]], bool]
"""Whether any of the alarms of these names is in ALARM."""


class Note(Protocol):
    """Takes down one line of a cluster's history, which becomes an event."""

    def __call__(
        self, level: str, text: str, *, group: str | None = None, node: str | None = None
    ) -> None: ...


class Stage(Enum):
    SETTLING = auto()
    PENDING = auto()
    ROLLING = auto()
    WAITING = auto()
    FAILING = auto()
    BACK = auto()
    DONE = auto()


@dataclass(slots=True, eq=False)
class Part:
    """What the patch does in one group."""

    group: Group
    old: Software
    new: Software
    todo: list[Node]
    due: float
    passed_over: int = 0
    stage: Stage = Stage.SETTLING
    batch: list[Node] = field(default_factory=list[Node])
    done: list[Node] = field(default_factory=list[Node])
    batches: int = 0
    wait_until: float = 0.0
    last_word: UpdateStatus = UpdateStatus.ROLLBACK_COMPLETE
    went_back: bool = False
    untouched: bool = False
    """There was nothing to do, and nothing was shown of it."""
    moved_on: Software | None = None
    """What automatic patching brought to some of its nodes meanwhile."""
    broken: list[Node] = field(default_factory=list[Node])
    """Nodes that failed as it succeeded."""

    def lose(self, node: Node) -> None:
        """The node leaves the group."""
        for held in (self.todo, self.batch, self.done):
            if node in held:
                held.remove(node)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a step may look at besides the patch itself."""

    faults: Faults
    rng: Random
    alarms: Alarms
    note: Note

    def lasting(self, seconds: float) -> float:
        """So many seconds of the service, in seconds of the caller."""
        return seconds / self.faults.speed

    def node_time(self) -> float:
        stray = self.faults.jitter * self.rng.uniform(-1.0, 1.0)
        return self.lasting(self.faults.node_seconds * (1.0 + stray))

    def fails(self, software: Software) -> bool:
        if software.custom:
            return software.image in self.faults.failing_amis
        return software.release in self.faults.failing_versions


@dataclass(frozen=True, slots=True)
class Rollout:
    """A DeploymentConfig, read. `raw` is it as it came; batches of None take the whole group."""

    batch: Size | None = None
    rollback_batch: Size | None = None
    wait_seconds: float = 0.0
    alarms: tuple[str, ...] = ()
    raw: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """So many nodes, or so many percent of a group's."""

    value: int
    percent: bool

    def of(self, nodes: int, *, up: bool) -> int:
        """How many of a group's nodes that is; at least one."""
        if not self.percent:
            return self.value
        exact = nodes * self.value
        return max(1, -(-exact // 100) if up else exact // 100)


def read_config(config: Mapping[str, Any] | None) -> Rollout:
    """Read a DeploymentConfig. Refuses what the service model lets pass and cannot be meant."""
    if not config:
        return Rollout()
    policy: Mapping[str, Any] = config.get("RollingUpdatePolicy") or {}
    batch = _read_size(policy, "MaximumBatchSize")
    alarms: Sequence[Mapping[str, Any]] = config.get("AutoRollbackConfiguration") or []
    return Rollout(
        batch=batch,
        rollback_batch=_read_size(policy, "RollbackMaximumBatchSize") or batch,
        wait_seconds=float(config.get("WaitIntervalInSeconds", 0)),
        alarms=tuple(str(alarm["AlarmName"]) for alarm in alarms),
        raw=dict(config),
    )


def _read_size(policy: Mapping[str, Any], name: str) -> Size | None:
    size: Mapping[str, Any] | None = policy.get(name)
    if not size:
        return None
    percent = size["Type"] == "CAPACITY_PERCENTAGE"
    if percent and size["Value"] > 100:
        raise validation(f"{name} cannot be more than 100 percent.")
    return Size(int(size["Value"]), percent)


@dataclass(slots=True, eq=False)
class Patch:
    """All groups of one accepted UpdateClusterSoftware."""

    cluster: Cluster
    parts: list[Part]
    rollout: Rollout
    vanishes_at: float | None = None

    @property
    def due(self) -> float:
        return min((p.due for p in self.parts if p.stage is not Stage.DONE), default=float("inf"))

    @property
    def over(self) -> bool:
        return all(part.stage is Stage.DONE for part in self.parts)

    @property
    def going_back(self) -> bool:
        return any(part.stage is Stage.BACK for part in self.parts)

    @property
    def settling(self) -> bool:
        return any(part.stage is Stage.SETTLING for part in self.parts)

    def step(self, now: float, conditions: Conditions) -> None:
        """Take every step whose time has come."""
        for part in self.parts:
            if part.stage is not Stage.DONE and part.due <= now:
                _STEPS[part.stage](self, part, part.due, conditions)

    def move_on(
        self, part: Part, node: Node, software: Software, conditions: Conditions, now: float
    ) -> None:
        """Automatic patching replaces a node in the middle of this patch."""
        if node in part.todo:
            part.todo.remove(node)
            part.done.append(node)
        part.moved_on = software
        replace_node(node, software, conditions, now)

    def rescale(self, now: float, factor: float) -> None:
        """Let what is left take `factor` times as long."""
        for part in self.parts:
            part.due = now + (part.due - now) * factor
            part.wait_until = now + (part.wait_until - now) * factor

    # Steps. `now` is the time the step was due, which a late look does not change.

    def settled(self, part: Part, now: float, conditions: Conditions) -> None:
        group = part.group
        nothing = not part.todo and not part.passed_over
        if nothing and conditions.faults.noop_shows == "Unchanged":
            part.stage, part.untouched = Stage.DONE, True
            if part.moved_on:
                part.group.show(part.new, part.moved_on)
            return
        group.update = UpdateStatus.PENDING
        group.desired = part.new
        group.config = self.rollout.raw
        continuous = self.cluster.continuous
        group.status = GroupStatus.UPDATING if continuous else GroupStatus.SYSTEM_UPDATING
        part.stage = Stage.PENDING
        part.due = now + conditions.lasting(conditions.faults.pending_seconds)
        conditions.note("Info", f"Software update to {part.new} accepted.", group=group.name)

    def begin(self, part: Part, now: float, conditions: Conditions) -> None:
        part.group.update = UpdateStatus.IN_PROGRESS
        if part.todo:
            self._start_batch(part, now, conditions)
        else:
            self._succeed(part, conditions)

    def _start_batch(self, part: Part, now: float, conditions: Conditions) -> None:
        size = self._size(self.rollout.batch, part, conditions)
        part.batch, part.todo = part.todo[:size], part.todo[size:]
        _take_down(part, conditions)
        part.stage = Stage.ROLLING
        part.due = now + conditions.node_time()
        conditions.note(
            "Info",
            f"Batch {part.batches + 1} of the software update started: {len(part.batch)} nodes.",
            group=part.group.name,
        )

    def batch_up(self, part: Part, now: float, conditions: Conditions) -> None:
        if part.batch and conditions.fails(part.new):
            for node in part.batch:
                replace_node(node, part.new, conditions, None)
                node.status, node.message = NodeStatus.FAILURE, FAILURE_MESSAGE
            conditions.note("Error", FAILURE_MESSAGE, group=part.group.name)
            part.stage = Stage.FAILING
            part.due = now + conditions.lasting(conditions.faults.failure_seconds)
            return
        for node in part.batch:
            replace_node(node, part.new, conditions, now)
            _note_node(conditions, part, node, "runs the new software.")
        part.done += part.batch
        part.batch = []
        part.batches += 1
        conditions.note(
            "Info",
            f"Batch {part.batches} of the software update is done.",
            group=part.group.name,
        )
        part.stage = Stage.WAITING
        # After the last batch there is only something to wait for where alarms are watched.
        waits = self.rollout.wait_seconds if part.todo or self.rollout.alarms else 0.0
        part.wait_until = now + conditions.lasting(waits)
        part.due = now
        self.wait(part, now, conditions)

    def wait(self, part: Part, now: float, conditions: Conditions) -> None:
        if self._alarmed(part, conditions):
            self.take_back(now, conditions)
        elif now < part.wait_until:
            poll = conditions.lasting(conditions.faults.alarm_poll_seconds)
            watched = bool(self.rollout.alarms) and poll > 0
            part.due = min(part.wait_until, now + poll) if watched else part.wait_until
        elif part.todo:
            self._start_batch(part, now, conditions)
        else:
            self._succeed(part, conditions)

    def given_up(self, part: Part, now: float, conditions: Conditions) -> None:
        self.cluster.failure_message = (
            f"Software update of instance group {part.group.name} to {part.new} failed: "
            f"{FAILURE_MESSAGE}"
        )
        part.last_word = UpdateStatus(conditions.faults.failure_ends)
        self._go_back(part, now, conditions)

    def take_back(self, now: float, conditions: Conditions) -> None:
        """Take the whole patch back because of an alarm."""
        self.cluster.failure_message = "Software update rolled back: an alarm is in ALARM state."
        for part in self.parts:
            if not (part.went_back or part.untouched):
                self._go_back(part, now, conditions)

    def _go_back(self, part: Part, now: float, conditions: Conditions) -> None:
        group = part.group
        part.went_back = True
        group.update = UpdateStatus.ROLLBACK_IN_PROGRESS
        group.config = self.rollout.raw
        # The service swaps the two: what failed is current, and the old image is desired.
        group.current, group.desired = part.new, part.old
        continuous = self.cluster.continuous
        group.status = GroupStatus.UPDATING if continuous else GroupStatus.SYSTEM_UPDATING
        part.todo = part.batch + part.done
        part.batch, part.done = [], []
        part.stage = Stage.BACK
        conditions.note("Warn", f"Software update is rolled back to {part.old}.", group=group.name)
        self._next_back(part, now, conditions)

    def _next_back(self, part: Part, now: float, conditions: Conditions) -> None:
        size = self._size(self.rollout.rollback_batch, part, conditions)
        part.batch, part.todo = part.todo[:size], part.todo[size:]
        _take_down(part, conditions)
        part.due = now + (conditions.node_time() if part.batch else 0.0)

    def back_up(self, part: Part, now: float, conditions: Conditions) -> None:
        group = part.group
        if conditions.faults.rollback_fails and part.batch:
            for node in part.batch:
                node.status, node.message = NodeStatus.FAILURE, FAILURE_MESSAGE
            group.update, group.status = UpdateStatus.FAILED, GroupStatus.DEGRADED
            self._finish(part, "Error", "The rollback of the software update failed.", conditions)
            return
        for node in part.batch:
            replace_node(node, part.old, conditions, now)
            _note_node(conditions, part, node, "runs the old software again.")
        part.batch = []
        if part.todo:
            self._next_back(part, now, conditions)
            return
        group.current = group.desired = part.old
        group.update, group.status = part.last_word, GroupStatus.IN_SERVICE
        self._finish(part, "Warn", "The software update was rolled back.", conditions)

    def _succeed(self, part: Part, conditions: Conditions) -> None:
        group = part.group
        group.show(part.new, part.moved_on)
        group.update, group.status = UpdateStatus.SUCCEEDED, GroupStatus.IN_SERVICE
        part.broken = part.done[: conditions.faults.nodes_fail_late]
        for node in part.broken:
            node.status, node.message = NodeStatus.FAILURE, FAILURE_MESSAGE
        self._finish(part, "Info", "The software update succeeded.", conditions)

    def _finish(self, part: Part, level: str, text: str, conditions: Conditions) -> None:
        part.stage = Stage.DONE
        part.group.config = None
        conditions.note(level, text, group=part.group.name)

    def _size(self, size: Size | None, part: Part, conditions: Conditions) -> int:
        nodes = len(part.group.nodes)
        if size is None:
            return max(1, nodes)
        return size.of(nodes, up=conditions.faults.percent_rounds_up)

    def _alarmed(self, part: Part, conditions: Conditions) -> bool:
        after = conditions.faults.alarm_after_batch
        if after is not None and part.batches >= after:
            return True
        names = self.rollout.alarms
        if not names:
            return False
        return not set(names).isdisjoint(conditions.faults.alarms_in_alarm) or conditions.alarms(
            names
        )


_STEPS: dict[Stage, Callable[[Patch, Part, float, Conditions], None]] = {
    Stage.SETTLING: Patch.settled,
    Stage.PENDING: Patch.begin,
    Stage.ROLLING: Patch.batch_up,
    Stage.WAITING: Patch.wait,
    Stage.FAILING: Patch.given_up,
    Stage.BACK: Patch.back_up,
}


def _take_down(part: Part, conditions: Conditions) -> None:
    for node in part.batch:
        node.status = NodeStatus.SYSTEM_UPDATING
        _note_node(conditions, part, node, "is taken down.")


def replace_node(node: Node, software: Software, conditions: Conditions, now: float | None) -> None:
    """Give a node another root volume; `now` is left out where it does not come up."""
    node.software = software
    node.replacements += 1
    if now is None:
        return
    node.status = NodeStatus.RUNNING
    node.updated = now
    if conditions.faults.new_instance_ids:
        node.instance_id = new_instance_id(conditions.rng)
        node.launched = now


def _note_node(conditions: Conditions, part: Part, node: Node, what: str) -> None:
    if conditions.faults.instance_events:
        text = f"Instance {node.instance_id} {what}"
        conditions.note("Info", text, group=part.group.name, node=node.instance_id)
