"""The tasks of a stack: how each begins, what it sends, how it ends, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tests.cloudformation.kept import Kept, Unfinished, deletion
from tests.cloudformation.messages import NO_ANSWER, Answer, Event, GivenUp, Happening, Request
from tests.cloudformation.tasks import Phase, State, Task
from tests.cloudformation.template import GetAtt, NoAttribute, evaluated
from tests.cloudformation.unknowns import Unknowns

NEW = "REVIEW_IN_PROGRESS"
"""The status of a stack before its first operation."""


def _counter() -> Callable[[], str]:
    return map("{:012}".format, count(1)).__next__


@dataclass(eq=False)
class Work:
    """What a stack is made of, and the phase that is being worked on."""

    name: str = "stack"
    unknowns: Unknowns = field(default_factory=Unknowns)
    pause: float = 0.0
    """Seconds that CloudFormation takes between two phases of an operation."""
    new_id: Callable[[], str] = field(default_factory=_counter)
    """For requests, and for physical ids that CloudFormation invents."""
    now: float = 0.0
    status: str = NEW
    resources: dict[str, Kept] = field(default_factory=dict[str, Kept])
    waiting: dict[str, Request] = field(default_factory=dict[str, Request])
    """Requests without an answer, by their ids."""

    _said: list[Happening] = field(default_factory=list[Happening])
    _stable: dict[str, Kept] | None = None
    """The resources when an operation last completed; ``None``: none has."""
    _unfinished: dict[str, Unfinished] = field(default_factory=dict[str, Unfinished])
    _left: list[Task] = field(default_factory=list[Task])
    """Deletes that the next cleanup makes."""
    _changed: set[str] = field(default_factory=set[str])
    """What was created or updated since an operation last completed."""
    _phase: Phase | None = None
    _next: tuple[float, Callable[[], None]] | None = None

    # What comes from outside

    def answered(self, request_id: str, answer: Answer) -> list[Happening]:
        """The answer to a request. What nobody waits for has no effect."""
        self._answer(request_id, answer)
        return self._told()

    def tick(self, now: float) -> list[Happening]:
        """It is so late. What was due meanwhile happens, each at its time."""
        while (due := self.next_due()) is not None and due <= now:
            self.now = max(self.now, due)
            if self._next is not None and self._next[0] <= due:
                _, action = self._next
                self._next = None
                action()
            else:
                self._expire(min(self.waiting.values(), key=lambda each: each.expires).id)
        self.now = max(self.now, now)
        return self._told()

    def next_due(self) -> float | None:
        """When something happens by itself."""
        times = [request.expires for request in self.waiting.values()]
        if self._next is not None:
            times.append(self._next[0])
        return min(times, default=None)

    @property
    def at_rest(self) -> bool:
        return self._phase is None and self._next is None

    # How tasks begin

    def _run(
        self,
        tasks: list[Task],
        then: Callable[[Phase], None],
        *,
        stops: bool = False,
        tries: int = 1,
    ) -> None:
        self._phase = Phase(tasks, then, stops=stops, tries=tries)
        self._advance()

    def _advance(self) -> None:
        """Begin what can begin; where nothing goes on any more, the next phase."""
        phase = self._phase
        if phase is None:
            return
        while (task := phase.ready()) is not None:
            self._begin(phase, task)
        if self._phase is phase and not phase.of(State.RUNNING):
            self._phase = None
            phase.then(phase)

    def _begin(self, phase: Phase, task: Task) -> None:
        name, verb = task.logical_id, task.verb.upper()
        if task.verb == "Delete" and task.declared.retained:
            self._happen(name, "DELETE_SKIPPED")
            task.state = State.DONE
            return
        try:
            if task.properties is None:
                task.properties = evaluated(task.declared.properties, self._attribute)
        except NoAttribute as problem:
            # Nothing was sent, so there is nothing to take back.
            self._happen(name, f"{verb}_FAILED", str(problem))
            task.state = State.FAILED
            if phase.stops:
                self._stop(phase)
            return
        if task.verb == "Update" and not task.undoes:
            current = self.resources[name]
            task.old, task.physical_id = current.properties, current.physical_id
        if task.optional and not self._is_new(task):
            self.resources[name] = replace(self.resources[name], declared=task.declared)
            task.state = State.DONE
            return
        self._happen(name, f"{verb}_IN_PROGRESS")
        task.state, task.request_id = State.RUNNING, self.new_id()
        self._send(task)

    def _is_new(self, task: Task) -> bool:
        """An update has to be made."""
        current, references = self.resources[task.logical_id], task.declared.references
        touched = not references.isdisjoint(self._changed)
        if task.properties == current.properties:
            spurious = touched and self.unknowns.updates_dependents
            return task.logical_id in self._unfinished or spurious
        written = task.declared.properties != current.declared.properties
        return written or touched or self.unknowns.notices_stale

    def _attribute(self, reference: GetAtt) -> Any:
        return self.resources[reference.logical_id].attribute(reference.attribute)

    def _send(self, task: Task) -> None:
        assert task.properties is not None
        request = Request(
            id=task.request_id,
            type=task.verb,
            logical_id=task.logical_id,
            resource_type=task.declared.type,
            properties=task.properties,
            old_properties=task.old if task.verb == "Update" else None,
            physical_id=task.physical_id,
            sent=self.now,
            undoes=task.undoes,
        )
        self.waiting[request.id] = request
        self._said.append(request)

    # How tasks end

    def _answer(self, request_id: str, answer: Answer) -> None:
        if self.waiting.pop(request_id, None) is None:
            return
        assert self._phase is not None
        (task,) = (each for each in self._phase.tasks if each.request_id == request_id)
        self._finish(self._phase, task, answer)
        self._advance()

    def _expire(self, request_id: str) -> None:
        self._said.append(GivenUp(request_id, expired=True))
        self._answer(request_id, Answer(False, reason=NO_ANSWER))

    def _finish(self, phase: Phase, task: Task, answer: Answer) -> None:
        name, verb = task.logical_id, task.verb.upper()
        if task.verb == "Create" and answer.succeeded:
            self._happen(name, "CREATE_IN_PROGRESS", "Resource creation Initiated")
        self._happen(name, f"{verb}_{'COMPLETE' if answer.succeeded else 'FAILED'}", answer.reason)
        if not answer.succeeded:
            self._fail_task(phase, task, answer)
            return
        task.state = State.DONE
        if task.verb != "Delete":
            self._keep(task, answer)

    def _keep(self, task: Task, answer: Answer) -> None:
        name, before = task.logical_id, self.resources.get(task.logical_id)
        assert task.properties is not None
        assert answer.physical_id is not None
        kept = Kept(
            task.declared, task.properties, answer.physical_id, answer.attributes, task.request_id
        )
        if before is not None and kept.physical_id != task.physical_id:
            assert task.physical_id is not None
            old = replace(before, properties=task.old or {}, physical_id=task.physical_id)
            self._left.append(deletion(name, old))
        stable = self._stable or {}
        if task.undoes and name in stable and stable[name].request_id == task.restores:
            stable[name] = kept
        self.resources[name] = kept
        self._unfinished.pop(name, None)
        self._changed.add(name)

    def _fail_task(self, phase: Phase, task: Task, answer: Answer) -> None:
        task.state = State.FAILED
        if task.verb == "Delete":
            if task.tries < phase.tries:
                task.tries, task.state = task.tries + 1, State.WAITING
            elif phase.tries > 1:
                task.state = State.DONE  # It is left where it is.
            return
        self._is_unfinished(task, answer.physical_id)
        if phase.stops:
            self._stop(phase)

    def _is_unfinished(self, task: Task, physical_id: str | None) -> None:
        name = task.logical_id
        assert task.properties is not None
        if task.undoes:
            failed = Unfinished(self.resources[name].declared, task.old or {})
            self._unfinished.setdefault(name, failed)
            return
        if task.verb == "Create":
            physical_id = physical_id or f"{self.name}-{name}-{self.new_id()[-12:].upper()}"
        elif not self.unknowns.believes_failed_ids:
            physical_id = None
        self._unfinished[name] = Unfinished(task.declared, task.properties, physical_id)

    def _stop(self, phase: Phase) -> None:
        phase.stopped = True
        if self.unknowns.cancels:
            self._cancel(phase)

    def _cancel(self, phase: Phase) -> None:
        for task in phase.of(State.RUNNING):
            if task.verb == "Delete":
                continue  # Deletes go on to their end.
            what = "creation" if task.verb == "Create" else "update"
            reason = f"Resource {what} cancelled"
            self._happen(task.logical_id, f"{task.verb.upper()}_FAILED", reason)
            del self.waiting[task.request_id]
            self._said.append(GivenUp(task.request_id, expired=False))
            task.state = State.FAILED
            self._is_unfinished(task, None)

    # Saying

    def _happen(self, logical_id: str, status: str, reason: str = "") -> None:
        self._said.append(Event(logical_id, status, self.now, reason))

    def _become(self, status: str) -> None:
        self.status = status
        self._happen(self.name, status)

    def _later(self, action: Callable[[], None]) -> None:
        if self.pause:
            self._next = (self.now + self.pause, action)
        else:
            self._next = None
            action()

    def _told(self) -> list[Happening]:
        said, self._said = self._said, []
        return said
