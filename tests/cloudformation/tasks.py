"""The tasks of one phase of an operation, and which may begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.cloudformation.template import Resource


class State(Enum):
    """How far a task is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(eq=False)
class Task:
    """Something to do with one resource."""

    verb: str
    """As the requests' types: Create, Update, Delete."""
    logical_id: str
    declared: Resource
    properties: dict[str, Any] | None = None
    """``None``: what the declared ones stand for when it begins."""
    old: dict[str, Any] | None = None
    physical_id: str | None = None
    restores: str = ""
    """The request whose result it takes the resource back to. Empty: it goes forward."""
    optional: bool = False
    """Nothing is done where nothing is new."""
    after: list[Task] = field(default_factory=list["Task"])
    state: State = State.WAITING
    tries: int = 1
    request_id: str = ""

    @property
    def undoes(self) -> bool:
        return bool(self.restores)


@dataclass(eq=False)
class Phase:
    """Tasks that go on side by side, each after those it has to come after."""

    tasks: list[Task]
    then: Callable[[Phase], None]
    """What follows when no task can go on."""
    stops: bool = False
    """A failure keeps every other task from beginning; else only those that come after it."""
    tries: int = 1
    """How often a task is tried."""
    stopped: bool = False

    def ready(self) -> Task | None:
        if self.stopped:
            return None
        return next(
            (
                task
                for task in self.tasks
                if task.state is State.WAITING
                and all(other.state is State.DONE for other in task.after)
            ),
            None,
        )

    def of(self, *states: State) -> list[Task]:
        return [task for task in self.tasks if task.state in states]

    @property
    def failed(self) -> bool:
        return self.stopped or bool(self.of(State.FAILED))


def in_order(tasks: list[Task]) -> list[Task]:
    """Each task comes after those of its dependencies."""
    for task in tasks:
        task.after = [other for other in tasks if _depends(task, other)]
    return tasks


def in_reverse(tasks: list[Task]) -> list[Task]:
    """Each task comes after those of its dependents."""
    for task in tasks:
        task.after = [other for other in tasks if _depends(other, task)]
    return tasks


def _depends(one: Task, other: Task) -> bool:
    return other.logical_id in one.declared.dependencies
