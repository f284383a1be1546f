"""One stack, and what CloudFormation does with it: a state machine without clock and network.

Every method returns what happens: requests that are sent, requests that are given up, events that
are shown. It is told the time by `tick`; all else happens at the time that it was told last. The
sequences are those of AWS's documentation; what that leaves open is a switch of `Unknowns`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from tests.cloudformation.change_set import Change, changes
from tests.cloudformation.kept import Kept, deletion
from tests.cloudformation.messages import Happening
from tests.cloudformation.tasks import Phase, State, Task, in_order, in_reverse
from tests.cloudformation.template import Resource, Template
from tests.cloudformation.unknowns import Order, Revert
from tests.cloudformation.work import NEW, Work

CLEANUP_TRIES = 3
"""How often CloudFormation tries to delete what an update left, before it leaves it alone."""


class Refused(Exception):
    """The stack's status does not allow what is asked for."""


@dataclass(eq=False)
class Stack(Work):
    """A stack and its operations."""

    stuck: set[str] = field(default_factory=set[str])
    """What could not be rolled back, or not be deleted."""

    _template: Template = field(default_factory=dict[str, Resource])
    _rollback: bool = True

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

    # The phases of an operation

    def _tidy(self) -> None:
        """What an operation without rollback left unfinished comes first."""
        reverts = self._reverts() if self.unknowns.reverts is Revert.NEXT_TIME else []
        deletes = self._failed_creates()
        if not self.unknowns.deletes_failed_first:
            self._left, deletes = self._left + deletes, []

        def tidied(phase: Phase) -> None:
            if any(task.state is State.FAILED for task in reverts):
                self._provisioned(phase)  # What cannot be taken back fails the operation.
            elif phase.tasks:
                self._later(self._provision)
            else:
                self._provision()

        self._run(reverts + deletes, tidied, tries=CLEANUP_TRIES)

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
            back = self._reverts() if at_once else []
            self._later(lambda: self._run(back, lambda _: self._fail()))

    def _fail(self) -> None:
        self._become("CREATE_FAILED" if self.status.startswith("CREATE") else "UPDATE_FAILED")

    def _clean_up(self) -> None:
        if self.status == "CREATE_IN_PROGRESS":
            self._become("CREATE_COMPLETE")
            return
        for name in [name for name in self.resources if name not in self._template]:
            self._left.append(deletion(name, self.resources.pop(name)))
            self._unfinished.pop(name, None)
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
                self._left.append(deletion(name, current))
                self.resources[name] = stable
                self._unfinished.pop(name, None)
            else:
                tasks.append(self._back(name, stable))
        for name in [name for name in self.resources if name not in self._stable]:
            self._left.append(deletion(name, self.resources.pop(name)))
            self._unfinished.pop(name, None)
        self._left += self._failed_creates()
        first = self.unknowns.undoing is Order.DEPENDENCIES_FIRST
        (in_order if first else in_reverse)(tasks)
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
        its = [deletion(name, kept) for name, kept in self.resources.items()]

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

    # What is allowed

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


def _again(task: Task) -> Task:
    return replace(task, state=State.WAITING, after=[])
