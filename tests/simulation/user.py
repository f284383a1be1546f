"""What a user does with a stack: one step after the other, and what has to be done after failures."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress

from tests.cloudformation.messages import Happening
from tests.cloudformation.stack import Refused
from tests.cloudformation.work import NEW
from tests.simulation.stacks import CloudFormation, Stack
from tests.simulation.story import Step
from tests.simulation.world import Wait, World

Course = Generator[float | Wait]

_HALFWAY = ("CREATE_FAILED", "UPDATE_FAILED")
_USABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", *_HALFWAY)
_TRIES = 3


class User:
    """Somebody who deploys a stack again and again."""

    def __init__(self, world: World, formation: CloudFormation, name: str) -> None:
        self._world = world
        self._formation = formation
        self._name = name

    def follow(self, steps: list[Step]) -> Course:
        """One step after the other. A stack that is of no use any more is replaced by another."""
        stack = self._formation.new_stack(self._name)
        for step in steps:
            if step.what != "delete" and (stack.status != NEW or step.declared):
                yield from self._operate(stack, step)
            if stack.status != NEW and (step.what == "delete" or stack.status not in _USABLE):
                yield from self._delete(stack)
            if stack.status == "DELETE_COMPLETE":
                stack = self._formation.new_stack(self._name)
            yield step.rest

    def _operate(self, stack: Stack, step: Step) -> Course:
        stack.failing = dict(step.failing)
        over = Wait()
        if step.cancelled is not None:
            self._world.after(2.0 + step.cancelled, lambda: self._cancel(stack, over))
        yield from self._do(
            stack, lambda: stack.model.operate(step.template, rollback=step.rollback)
        )
        over.end()
        tries = 0
        while stack.status == "UPDATE_ROLLBACK_FAILED":
            tries += 1
            skip = stack.model.stuck if tries == _TRIES else ()
            yield 60.0
            yield from self._do(stack, lambda skip=skip: stack.model.continue_rollback(skip))
        if stack.status in _HALFWAY and step.rolled_back_after_all:
            yield from self._do(stack, stack.model.roll_back)

    def _cancel(self, stack: Stack, over: Wait) -> None:
        """Cancelling a create is deleting it."""
        if not over.over and stack.status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
            create = stack.status == "CREATE_IN_PROGRESS"
            self._world.say("the user cancels")
            self._formation.do(stack, stack.model.delete if create else stack.model.cancel)

    def _delete(self, stack: Stack) -> Course:
        tries = 0
        while stack.status != "DELETE_COMPLETE":
            tries += 1
            retain = stack.model.stuck if tries > _TRIES and stack.status == "DELETE_FAILED" else ()
            yield from self._do(stack, lambda retain=retain: stack.model.delete(retain))
            yield 30.0

    def _do(self, stack: Stack, operation: Callable[..., list[Happening]]) -> Course:
        with suppress(Refused):  # Nothing is to be changed.
            self._formation.do(stack, operation)
            yield stack.rest
