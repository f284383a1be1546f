"""One stack, and what CloudFormation does with it: a state machine without clock and network.

Every method returns what happens: requests that are sent, requests that are given up, events that
are shown. It is told the time by `tick`; all else happens at the time that it was told last. The
sequences are those of AWS's documentation; what that leaves open is a switch of `Unknowns`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tests.cloudformation.change_set import Change, changes
from tests.cloudformation.messages import NO_ANSWER, Answer, Event, GivenUp, Happening, Request
from tests.cloudformation.tasks import Phase, State, Task, in_order, in_reverse
from tests.cloudformation.template import REF, GetAtt, NoAttribute, Resource, Template, evaluated
from tests.cloudformation.unknowns import Order, Revert, Unknowns
from tests.cloudformation.wait_condition import HANDLE, TYPES, UNCHANGEABLE, WaitConditions

NEW = "REVIEW_IN_PROGRESS"
"""The status of a stack before its first operation."""
CLEANUP_TRIES = 3
"""How often CloudFormation tries to delete what an update left, before it leaves it alone."""


class Refused(Exception):
    """The stack's status does not allow what is asked for."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A resource as CloudFormation knows it."""

    declared: Resource
    properties: dict[str, Any]
    physical_id: str
    attributes: Mapping[str, Any]
    request_id: str
    """The request that made it so."""

    def attribute(self, name: str) -> Any:
        if name == REF:
            return self.physical_id
        if name not in self.attributes:
            raise NoAttribute(f"Vendor response doesn't contain {name} attribute")
        return self.attributes[name]


@dataclass(frozen=True)
class Unfinished:
    """What was sent to a resource last, and failed or was cancelled."""

    declared: Resource
    properties: dict[str, Any]
    physical_id: str | None = None
    """That of the failed answer, or invented. ``None``: the one it had."""


def _counter() -> Callable[[], str]:
    return map("{:012}".format, count(1)).__next__


@dataclass(eq=False)
class Stack:
    """A stack and its operations."""

    name: str = "stack"
    unknowns: Unknowns = field(default_factory=Unknowns)
    pause: float = 0.0
    """Seconds that CloudFormation takes between two phases of an operation."""
    new_id: Callable[[], str] = field(default_factory=_counter)
    """For requests, and for physical ids that CloudFormation invents."""
    new_url: Callable[[str], str] = "https://handle.invalid/{}".format
    """For the handles of wait conditions, by logical id."""
    now: float = 0.0
    status: str = NEW
    resources: dict[str, Kept] = field(default_factory=dict[str, Kept])
    waiting: dict[str, Request] = field(default_factory=dict[str, Request])
    """Requests without an answer, by their ids."""
    stuck: set[str] = field(default_factory=set[str])
    """What could not be rolled back, or not be deleted."""

    _said: list[Happening] = field(default_factory=list[Happening])
    _template: Template = field(default_factory=dict[str, Resource])
    _rollback: bool = True
    _stable: dict[str, Kept] | None = None
    """The resources when an operation last completed; ``None``: none has."""
    _unfinished: dict[str, Unfinished] = field(default_factory=dict[str, Unfinished])
    _left: list[Task] = field(default_factory=list[Task])
    """Deletes that the next cleanup makes."""
    _changed: set[str] = field(default_factory=set[str])
    """What was created or updated since an operation last completed."""
    _phase: Phase | None = None
    _next: tuple[float, Callable[[], None]] | None = None
    _conditions: WaitConditions = field(default_factory=WaitConditions)

    # What a user does

    def operate(self, template: Template, *, rollback: bool = True) -> list[Happening]:
        """Create or update the stack; without `rollback`, what succeeded is preserved."""
        self._allow(NEW, "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE",
                    "CREATE_FAILED", "UPDATE_FAILED")  # fmt: skip
        self._check(template)
        if self.status.endswith("_COMPLETE"):
            self._stable = dict(self.resources)
            self._changed.clear()
        self._template, self._rollback = template, rollback
        self._become("CREATE_IN_PROGRESS" if self.status == NEW else "UPDATE_IN_PROGRESS")
        self._later(self._tidy)
        return self._told()

    def changes(self, template: Template) -> list[Change]:
        """What a change set would list."""
        self._check(template)
        return changes(self._declared, template)

    def cancel(self) -> list[Happening]:
        """Cancel an update."""
        self._allow("UPDATE_IN_PROGRESS")
        if self._phase is None:
            self._roll_back()
        else:
            self._phase.then = lambda _: self._later(self._roll_back)
            self._stop(self._phase)
            self._advance()
        return self._told()

    def roll_back(self) -> list[Happening]:
        """Take a stack whose failed operation did not roll back to where it was stable."""
        self._allow("CREATE_FAILED", "UPDATE_FAILED")
        self._roll_back()
        return self._told()

    def continue_rollback(self, skip: Collection[str] = ()) -> list[Happening]:
        """Go on with a rollback that failed. What is skipped counts as taken back."""
        self._allow("UPDATE_ROLLBACK_FAILED")
        if not self.stuck.issuperset(skip):
            raise Refused("Only what could not be rolled back can be skipped.")
        for name in skip:
            self._skip(name)
        self._roll_back()
        return self._told()

    def delete(self, retain: Collection[str] = ()) -> list[Happening]:
        """Delete the stack. Where it is being created, that is cancelled."""
        if self.status == "CREATE_IN_PROGRESS":
            if self._phase is not None:
                self._cancel(self._phase)
                self._phase = None
        elif self.status != NEW and self.status.endswith(("_IN_PROGRESS", "DELETE_COMPLETE")):
            raise Refused(f"The stack is {self.status}.")
        if retain and not (self.status == "DELETE_FAILED" and self.stuck.issuperset(retain)):
            raise Refused("Only what could not be deleted can be retained.")
        for name in retain:
            self._happen(name, "DELETE_SKIPPED")
            self.resources.pop(name, None)
            self._unfinished.pop(name, None)
            self._left = [task for task in self._left if task.logical_id != name]
        self._become("DELETE_IN_PROGRESS")
        self._later(lambda: self._delete_all("DELETE"))
        return self._told()

    # What comes from outside

    def answered(self, request_id: str, answer: Answer) -> list[Happening]:
        """The answer to a request. What nobody waits for has no effect."""
        self._answer(request_id, answer)
        return self._told()

    def signalled(
        self, url: str, *, succeeded: bool, data: Any = "", reason: str = ""
    ) -> list[Happening]:
        """A signal at the handle of a wait condition."""
        name = self._conditions.signalled(url, succeeded=succeeded, data=data, reason=reason)
        if name is not None:
            self._end_wait(name)
        return self._told()

    def tick(self, now: float) -> list[Happening]:
        """It is so late. What was due meanwhile happens, each at its time."""
        while (due := self.next_due()) is not None and due <= now:
            self.now = max(self.now, due)
            wait = self._conditions.due
            if self._next is not None and self._next[0] <= due:
                _, action = self._next
                self._next = None
                action()
            elif wait is not None and wait[0] <= due:
                self._end_wait(wait[1])
            else:
                self._expire(min(self.waiting.values(), key=lambda each: each.expires).id)
        self.now = max(self.now, now)
        return self._told()

    def next_due(self) -> float | None:
        """When something happens by itself."""
        times = [request.expires for request in self.waiting.values()]
        if self._next is not None:
            times.append(self._next[0])
        if self._conditions.due is not None:
            times.append(self._conditions.due[0])
        return min(times, default=None)

    @property
    def at_rest(self) -> bool:
        return self._phase is None and self._next is None

    # The phases of an operation

    def _tidy(self) -> None:
        """What an operation without rollback left unfinished comes first."""
        tasks = self._reverts() if self.unknowns.reverts is Revert.NEXT_TIME else []
        deletes = self._failed_creates()
        if self.unknowns.deletes_failed_first:
            tasks += deletes
        else:
            self._left += deletes
        self._run(tasks, lambda _: self._provision(), tries=CLEANUP_TRIES)

    def _provision(self) -> None:
        tasks = [
            Task("Update", name, declared, optional=True)
            if name in self.resources
            else Task("Create", name, declared)
            for name, declared in self._template.items()
        ]
        in_order(tasks)
        self._run(tasks, self._provisioned, stops=self._rollback)

    def _provisioned(self, phase: Phase) -> None:
        if not phase.failed:
            self._later(self._clean_up)
        elif self._rollback:
            self._later(self._roll_back)
        else:
            at_once = self.unknowns.reverts is Revert.AT_ONCE
            self._run(self._reverts() if at_once else [], lambda _: self._fail())

    def _fail(self) -> None:
        self._become("CREATE_FAILED" if self.status.startswith("CREATE") else "UPDATE_FAILED")

    def _clean_up(self) -> None:
        if self.status == "CREATE_IN_PROGRESS":
            self._become("CREATE_COMPLETE")
            return
        for name in [name for name in self.resources if name not in self._template]:
            self._left.append(_deletion(name, self.resources.pop(name)))
        self._become("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._later(lambda: self._delete_left("UPDATE_COMPLETE"))

    def _delete_left(self, status: str) -> None:
        tasks, self._left = in_reverse(self._needless()), []
        self._run(tasks, lambda _: self._become(status), tries=CLEANUP_TRIES)

    def _roll_back(self) -> None:
        if self._stable is None:
            self._become("ROLLBACK_IN_PROGRESS")
            self._later(lambda: self._delete_all("ROLLBACK"))
            return
        self._become("UPDATE_ROLLBACK_IN_PROGRESS")
        self._later(self._undo)

    def _undo(self) -> None:
        assert self._stable is not None
        tasks: list[Task] = []
        for name, stable in self._stable.items():
            current, unfinished = self.resources[name], name in self._unfinished
            replaced = current.physical_id != stable.physical_id
            if current.request_id == stable.request_id and not unfinished:
                if self.unknowns.evaluates_anew and self.unknowns.undoes_beyond:
                    tasks.append(self._back(name, stable))
            elif replaced and not self.unknowns.updates_replaced_back:
                self._left.append(_deletion(name, current))
                self.resources[name] = stable
                self._unfinished.pop(name, None)
            else:
                tasks.append(self._back(name, stable))
        for name in [name for name in self.resources if name not in self._stable]:
            self._left.append(_deletion(name, self.resources.pop(name)))
            self._unfinished.pop(name, None)
        self._left += self._failed_creates()
        if self.unknowns.undoing is Order.DEPENDENCIES_FIRST:
            in_order(tasks)
        elif self.unknowns.undoing is Order.DEPENDENTS_FIRST:
            in_reverse(tasks)
        self._run(tasks, self._undone)

    def _undone(self, phase: Phase) -> None:
        self.stuck = {task.logical_id for task in phase.of(State.FAILED)}
        if phase.failed:
            self._become("UPDATE_ROLLBACK_FAILED")
            return
        self._become("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._later(lambda: self._delete_left("UPDATE_ROLLBACK_COMPLETE"))

    def _skip(self, name: str) -> None:
        """Count what could not be rolled back as if it had been."""
        assert self._stable is not None
        stable, current = self._stable[name], self.resources[name]
        if not self.unknowns.skips_to_stable:
            stable = replace(current, declared=stable.declared, properties=stable.properties)
            self._stable[name] = stable
        self.resources[name] = stable
        self._unfinished.pop(name, None)
        self._happen(name, "UPDATE_COMPLETE")

    def _delete_all(self, what: str) -> None:
        self._left = self._needless() + self._failed_creates()
        its = [_deletion(name, kept) for name, kept in self.resources.items()]

        def deleted(phase: Phase) -> None:
            for task in its:
                if task.state is State.DONE:
                    del self.resources[task.logical_id]
                    self._unfinished.pop(task.logical_id, None)
            self._left = [_again(task) for task in self._left if task.state is not State.DONE]
            self.stuck = {task.logical_id for task in phase.of(State.FAILED)}
            self._become(f"{what}_FAILED" if phase.failed else f"{what}_COMPLETE")

        self._run(in_reverse(self._left + its), deleted)

    # The tasks of a phase

    def _back(self, name: str, stable: Kept) -> Task:
        current, unfinished = self.resources[name], self._unfinished.get(name)
        return Task(
            "Update",
            name,
            stable.declared,
            properties=None if self.unknowns.evaluates_anew else stable.properties,
            old=unfinished.properties if unfinished else current.properties,
            physical_id=(unfinished and unfinished.physical_id) or current.physical_id,
            restores=stable.request_id,
            optional=self.unknowns.evaluates_anew and unfinished is None,
        )

    def _reverts(self) -> list[Task]:
        """Failed resources taken back, each to how it was when it last succeeded."""
        back = [self._back(name, self.resources[name])
                for name in self._unfinished if name in self.resources]  # fmt: skip
        in_order(back)
        return back

    def _needless(self) -> list[Task]:
        """The deletes that are left. What was replaced and taken back is in use again."""
        used = {(name, kept.physical_id) for name, kept in self.resources.items()}
        return [task for task in self._left if (task.logical_id, task.physical_id) not in used]

    def _failed_creates(self) -> list[Task]:
        """What could not be created is deleted, be it by an invented name."""
        tasks: list[Task] = []
        for name in [name for name in self._unfinished if name not in self.resources]:
            failed = self._unfinished.pop(name)
            tasks.append(Task("Delete", name, failed.declared, failed.properties,
                              physical_id=failed.physical_id))  # fmt: skip
        return tasks

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
        if task.declared.type in TYPES:
            self._begin_own(phase, task)
        else:
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

    def _begin_own(self, phase: Phase, task: Task) -> None:
        """Do what CloudFormation does itself: a wait condition, or its handle."""
        assert task.properties is not None
        answer: Answer | None
        if task.verb == "Delete":
            answer = Answer(True)
        elif task.declared.type == HANDLE:
            answer = Answer(True, self.new_url(task.logical_id))
        elif task.verb == "Update":
            answer = Answer(False, reason=UNCHANGEABLE)
        else:
            answer = self._conditions.begin(task.logical_id, task.properties, self.now)
        if answer is not None:
            self._finish(phase, task, answer)

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

    def _end_wait(self, logical_id: str) -> None:
        assert self._phase is not None
        (task,) = (each for each in self._phase.of(State.RUNNING) if each.logical_id == logical_id)
        self._finish(self._phase, task, self._conditions.end(logical_id))
        self._advance()

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
            self._left.append(_deletion(name, old))
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
            self._conditions.forget(task.logical_id)
            if self.waiting.pop(task.request_id, None) is not None:
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

    def _check(self, template: Template) -> None:
        """What CloudFormation finds out before it begins."""
        for name, resource in template.items():
            for other in resource.dependencies - template.keys():
                raise Refused(f"Unresolved resource dependencies [{other}] of {name}")
            if name in self.resources and self.resources[name].declared.type != resource.type:
                raise Refused(f"Update of resource type is not permitted: {name}")
        if self.status.endswith("_COMPLETE") and template == self._declared:
            raise Refused("No updates are to be performed.")

    @property
    def _declared(self) -> Template:
        return {name: kept.declared for name, kept in self.resources.items()}

    def _allow(self, *statuses: str) -> None:
        if self.status not in statuses:
            raise Refused(f"The stack is {self.status}.")


def _deletion(name: str, kept: Kept) -> Task:
    return Task("Delete", name, kept.declared, kept.properties, physical_id=kept.physical_id)


def _again(task: Task) -> Task:
    return replace(task, state=State.WAITING, after=[])
