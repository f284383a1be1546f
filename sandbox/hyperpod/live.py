"""A cluster with all that is going on in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sandbox.hyperpod.distort import distort_cluster
from sandbox.hyperpod.errors import conflict, validation
from sandbox.hyperpod.events import Event, cluster_event, state_change
from sandbox.hyperpod.faults import Faults
from sandbox.hyperpod.model import Cluster, Group, Node, new_node
from sandbox.hyperpod.patch import Alarms, Conditions, Part, Patch, Stage, replace_node
from sandbox.hyperpod.views import View
from sandbox.hyperpod.words import (
    MANAGED,
    MOVING,
    ClusterStatus,
    GroupStatus,
    NodeStatus,
    Software,
    is_newer_patch,
)

_NEVER = float("inf")
_KEPT_ANSWERS = 64


@dataclass(slots=True, eq=False)
class _Scaling:
    group: Group
    due: float
    until: float = 0.0
    """Before this no node can be had."""


@dataclass(slots=True, eq=False)
class _Move:
    node: Node
    target: Group
    due: float


@dataclass(slots=True, eq=False)
class _Recovery:
    node: Node
    due: float


class Live:
    """One cluster, its patch, its scaling, its coming and going.

    `post` takes the events it makes, with the settings of the moment.
    """

    def __init__(
        self, cluster: Cluster, faults: Faults, post: Callable[[Event, Faults], None]
    ) -> None:
        self.cluster = cluster
        self.faults = faults
        self.gone = False
        self._post = post
        self._patch: Patch | None = None
        self._scalings: list[_Scaling] = []
        self._moves: list[_Move] = []
        self._recoveries: list[_Recovery] = []
        self._created_at = _NEVER
        self._deleted_at = _NEVER
        self._vanishes_at = _NEVER
        self._answers: deque[tuple[float, dict[str, Any]]] = deque(maxlen=_KEPT_ANSWERS)
        self._told = self._statuses()
        self._events = 0

    # Looking

    @property
    def busy(self) -> str | None:
        """Why nothing can be started now, or None."""
        if self._patch:
            return "A software update is in progress."
        if self._scalings and not self.cluster.continuous:
            return "An instance group is being scaled."
        if self.cluster.status is not ClusterStatus.IN_SERVICE:
            return f"The cluster is in status {self.cluster.status}."
        return None

    @property
    def patch(self) -> Patch | None:
        return self._patch

    @property
    def due(self) -> float:
        times = [self._created_at, self._deleted_at, self._vanishes_at]
        times += [each.due for each in self._alone]
        if self._patch:
            times.append(self._patch.due)
        return min(times)

    @property
    def _alone(self) -> list[_Scaling | _Move | _Recovery]:
        return [*self._scalings, *self._moves, *self._recoveries]

    def view(self, releases: tuple[str, ...]) -> View:
        return View(self.cluster, self.faults, releases)

    def answered(self, answer: dict[str, Any], now: float, rng: Random) -> dict[str, Any]:
        """What a caller of DescribeCluster is given in place of the truth."""
        faults = self.faults
        if faults.stale_describes:
            self._answers.append((now, answer))
            if rng.random() < faults.stale_describes:
                until = now - faults.stale_seconds / faults.speed
                old = [kept for time, kept in self._answers if time <= until]
                answer = old[-1] if old else self._answers[0][1]
        return distort_cluster(answer, faults, rng)

    # Doing

    def change_faults(self, faults: Faults, now: float) -> None:
        factor = self.faults.speed / faults.speed
        self.faults = faults
        if factor == 1.0:
            return
        if self._patch:
            self._patch.rescale(now, factor)
        for each in self._alone:
            each.due = now + (each.due - now) * factor
        for name in ("_created_at", "_deleted_at", "_vanishes_at"):
            setattr(self, name, now + (getattr(self, name) - now) * factor)

    def start(self, patch: Patch) -> None:
        self._patch = patch
        if patch.vanishes_at is not None:
            # Once announced it comes, be the patch over by then or not.
            self._vanishes_at = patch.vanishes_at
        self.cluster.failure_message = None

    def create(self, now: float) -> None:
        self.cluster.status = ClusterStatus.CREATING
        for group in self.cluster.groups.values():
            group.status = GroupStatus.CREATING
            for node in group.nodes:
                node.status = NodeStatus.PENDING
        self._created_at = now + self.faults.create_seconds / self.faults.speed
        self._tell_state(now)

    def delete(self, now: float) -> None:
        self.cluster.status = ClusterStatus.DELETING
        for group in self.cluster.groups.values():
            group.status = GroupStatus.DELETING
            for node in group.nodes:
                node.status = NodeStatus.SHUTTING_DOWN
        self._deleted_at = now + self.faults.delete_seconds / self.faults.speed
        self._tell_state(now)

    def scale(self, name: str, count: int, now: float, rng: Random) -> None:
        """In Continuous mode it blocks nothing; else it is an operation of the whole cluster."""
        group, faults = self.cluster.groups[name], self.faults
        if not self.cluster.continuous:
            problem = self.busy
            if problem:
                raise conflict(problem)
            group.status, self.cluster.status = GroupStatus.UPDATING, ClusterStatus.UPDATING
        group.target_count = count
        group.scaling = True
        staying = [node for node in group.nodes if node.status not in MOVING]
        for node in staying[count:]:  # the newest go first
            self._leave(group, node, NodeStatus.SHUTTING_DOWN)
        if self.cluster.continuous and (not faults.capacity_after or faults.wanting != "Absent"):
            self._launch(group, now, rng)
        self._scalings = [s for s in self._scalings if s.group is not group]
        due, until = (now + s / faults.speed for s in (faults.scale_seconds, faults.capacity_after))
        self._scalings.append(_Scaling(group, due, until))
        self._tell_state(now)

    def move_on(
        self, name: str, releases: tuple[str, ...], count: int, now: float, rng: Random
    ) -> int:
        """Automatic patching brings so many idle nodes of a group to the newest patch of the line
        it is on, or is coming to. What is shown of that is not documented: here the images and
        the counts, and no status."""
        group = self.cluster.groups[name]
        part = self._part(group)
        runs = part.new.release if part else group.current.release
        newest = [release for release in releases if is_newer_patch(release, runs)]
        leaves = part is not None and part.stage in (Stage.BACK, Stage.FAILING)
        if leaves or not newest or self.cluster.slurm:
            return 0
        software = Software(MANAGED, newest[-1])
        conditions = Conditions(self.faults, rng, lambda _: False, self._noter(now, rng))
        held = part.batch if part else []
        idle = [node for node in group.nodes if node.status is NodeStatus.RUNNING
                and node not in held
                and is_newer_patch(software.release, node.software.release)]  # fmt: skip
        for node in idle[:count]:
            if self._patch and part:
                self._patch.move_on(part, node, software, conditions, now)
            else:
                replace_node(node, software, conditions, now)
        if idle and part is None:
            group.show(group.current, software)
        return len(idle[:count])

    def move(self, source: str, target: str, now: float) -> None:
        """MoveClusterNodes for a running node of a group: it keeps its id."""
        if not self.cluster.continuous:
            raise validation("Nodes are moved in clusters in Continuous mode only.")
        group = self.cluster.groups[source]
        node = next((n for n in group.nodes if n.status is NodeStatus.RUNNING), None)
        if node is None:
            raise validation(f"{source} has no node that could be moved.")
        self._leave(group, node, NodeStatus.DETACHING)
        due = now + self.faults.scale_seconds / self.faults.speed
        self._moves.append(_Move(node, self.cluster.groups[target], due))

    def _leave(self, group: Group, node: Node, status: NodeStatus) -> None:
        node.status = status
        part = self._part(group)
        if part:
            part.lose(node)

    def _launch(self, group: Group, now: float, rng: Random) -> None:
        """Begin to bring up the nodes that a group lacks."""
        staying = sum(node.status not in MOVING for node in group.nodes)
        for _ in range(group.target_count - staying):
            node = new_node(self.cluster, group.name, group.desired, rng, now)
            node.arriving, node.status = True, NodeStatus.PENDING
            group.nodes.append(node)

    # Time

    def advance(self, now: float, rng: Random, alarms: Alarms) -> None:
        """Let everything happen whose time has come, in its order."""
        while self.due <= now and not self.gone:
            moment = self.due
            self._at(moment, rng, alarms)
            self._tell_state(moment)

    def _at(self, moment: float, rng: Random, alarms: Alarms) -> None:
        patch = self._patch
        if min(self._deleted_at, self._vanishes_at) <= moment:
            self.gone = True
            return
        if self._created_at <= moment:
            self._created(moment)
        for scaling in [s for s in self._scalings if s.due <= moment]:
            self._scaled(scaling, moment, rng)
        for move in [move for move in self._moves if move.due <= moment]:
            self._moved(move, moment)
        for recovery in [each for each in self._recoveries if each.due <= moment]:
            self._recoveries.remove(recovery)
            if recovery.node.status is NodeStatus.FAILURE:
                recovery.node.status = NodeStatus.RUNNING
        if patch:
            patch.step(moment, Conditions(self.faults, rng, alarms, self._noter(moment, rng)))
            self._after_step(patch, moment)

    def _after_step(self, patch: Patch, moment: float) -> None:
        cluster = self.cluster
        back = moment + self.faults.late_failure_seconds / self.faults.speed
        for part in patch.parts:
            self._recoveries += [_Recovery(node, back) for node in part.broken]
            part.broken = []
        if patch.over:
            self._patch = None
        if cluster.continuous:
            return
        if patch.over:
            cluster.status = ClusterStatus.IN_SERVICE
        elif patch.going_back:
            cluster.status = ClusterStatus.ROLLING_BACK
        elif not patch.settling:
            cluster.status = ClusterStatus.SYSTEM_UPDATING

    def _created(self, moment: float) -> None:
        self._created_at = _NEVER
        self.cluster.status = ClusterStatus.IN_SERVICE
        for group in self.cluster.groups.values():
            group.status = GroupStatus.IN_SERVICE
            for node in group.nodes:
                node.status = NodeStatus.RUNNING
                node.launched = node.updated = moment

    def _scaled(self, scaling: _Scaling, moment: float, rng: Random) -> None:
        group, wanting = scaling.group, self.faults.wanting
        group.nodes = [node for node in group.nodes if node.status is not NodeStatus.SHUTTING_DOWN]
        lacks = sum(not node.arriving for node in group.nodes) < group.target_count
        if self.cluster.continuous and lacks and moment < scaling.until:
            # They come and go until there is capacity.
            scaling.due = min(scaling.until, moment + self.faults.scale_seconds / self.faults.speed)
            if wanting != "Failure":
                scaling.due = scaling.until
                return
            failed = [node for node in group.nodes if node.status is NodeStatus.FAILURE]
            for node in [node for node in group.nodes if node.arriving]:
                node.status, node.message = NodeStatus.FAILURE, "Insufficient capacity."
                if node in failed:
                    group.nodes.remove(node)
            self._launch(group, moment, rng)
            return
        self._scalings.remove(scaling)
        group.scaling = False
        part = self._part(group)
        if not self.cluster.continuous:
            group.status, self.cluster.status = GroupStatus.IN_SERVICE, ClusterStatus.IN_SERVICE
        self._launch(group, moment, rng)
        for node in [node for node in group.nodes if node.arriving]:
            node.arriving, node.status = False, NodeStatus.RUNNING
            node.software = part.new if part and part.stage is Stage.SETTLING else group.desired
            if part and part.stage is not Stage.BACK and node.software == part.new:
                part.done.append(node)

    def _moved(self, move: _Move, moment: float) -> None:
        node, target = move.node, move.target
        if node.status is NodeStatus.ATTACHING:
            self._moves.remove(move)
            node.status = NodeStatus.RUNNING
            if self.faults.moved_nodes == "Replaced":
                node.software, node.updated = target.desired, moment
            return
        for group in self.cluster.groups.values():
            if node in group.nodes:
                group.nodes.remove(node)
                group.target_count -= 1
        target.nodes.append(node)
        target.target_count += 1
        node.status = NodeStatus.ATTACHING
        move.due = moment + self.faults.scale_seconds / self.faults.speed

    def _part(self, group: Group) -> Part | None:
        parts = self._patch.parts if self._patch else []
        return next((p for p in parts if p.group is group and p.stage is not Stage.DONE), None)

    # Telling

    def _statuses(self) -> tuple[object, ...]:
        groups = self.cluster.groups.values()
        return (self.cluster.status, *(group.status for group in groups))

    def _tell_state(self, moment: float) -> None:
        statuses = self._statuses()
        if statuses != self._told:
            self._told = statuses
            self._post(state_change(self.cluster, moment), self.faults)

    def _noter(self, moment: float, rng: Random) -> Callable[..., None]:
        def note(
            level: str, text: str, *, group: str | None = None, node: str | None = None
        ) -> None:
            if not self.cluster.continuous:
                return
            self._events += 1
            event_id = f"{rng.getrandbits(128):032x}"
            event = cluster_event(
                self.cluster, moment, level, text, event_id=event_id, group=group, node=node
            )
            self._post(event, self.faults)

        return note
