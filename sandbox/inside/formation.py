"""Where MiniStack's CloudFormation differs from AWS's, mended from outside.

Each of these wraps a function of MiniStack before it starts.
"""

# ruff: noqa: SLF001 - MiniStack has no public names for what is changed or asked here.

from __future__ import annotations

import secrets
import string
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.inside.modules import Json, module

_Key = tuple[str, str]
"""A stack's id and a resource's logical id."""

_SUFFIX = 12
_LETTERS = string.ascii_letters + string.digits
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED")
_NOT_TERMINAL = (
    "This stack is currently in a non-terminal [{}] state. To update the stack from this state, "
    "please use the disable-rollback parameter with update-stack API. To rollback to the last known "
    "good state, use the rollback-stack API"
)


def mend_stacks() -> None:
    """All of the mends below."""
    _mend_events()
    _mend_failed_creates()
    _mend_log_groups()
    _mend_updates_after_a_failure()


def _stacks() -> Any:
    return module("services.cloudformation")._stacks


def _mend_events() -> None:
    """Let a resource that is new in a stack update be created, not updated, in its events."""
    stacks = module("services.cloudformation.stacks")
    original: Callable[..., None] = stacks._add_event
    new: set[_Key] = set()

    def add_event(
        stack_id: str, stack: str, logical_id: str, kind: str, status: str, *rest: Any, **more: Any
    ) -> None:
        record: Json = _stacks().get(stack) or {}
        resources: Json = record.get("_resources", {})
        key = (stack_id, logical_id)
        updates = status == record.get("StackStatus") == "UPDATE_IN_PROGRESS"
        if updates and logical_id not in (stack, *resources):
            new.add(key)
        if key in new:
            status = status.replace("UPDATE_", "CREATE_")
            if not status.endswith("_IN_PROGRESS"):
                new.discard(key)
            if status == "CREATE_COMPLETE":
                resources[logical_id]["ResourceStatus"] = status
        original(stack_id, stack, logical_id, kind, status, *rest, **more)

    stacks._add_event = add_event


def _mend_failed_creates() -> None:
    """Let a custom resource whose Create failed be deleted, under the id that it answered with."""
    stacks = module("services.cloudformation.stacks")
    custom = module("services.cloudformation.custom_resource")
    invoke: Callable[..., Any] = custom.invoke_custom_resource
    deliver: Callable[[str, Json], bool] = custom.deliver_response
    answered: dict[_Key, str] = {}
    failed: dict[_Key, Json] = {}

    def deliver_response(token: str, answer: Json) -> bool:
        key = (str(answer.get("StackId")), str(answer.get("LogicalResourceId")))
        if answer.get("Status") == "FAILED" and answer.get("PhysicalResourceId"):
            answered[key] = str(answer["PhysicalResourceId"])
        return deliver(token, answer)

    def invoke_custom_resource(
        request: str, name: str, properties: Json, stack: str, *rest: Any, **more: Any
    ) -> Any:
        stack_id, kind = rest
        key = (stack_id, name)
        answered.pop(key, None)
        failed.pop(key, None)  # Whatever failed before under this name is tried again.
        try:
            return invoke(request, name, properties, stack, *rest, **more)
        except (RuntimeError, TimeoutError):
            if request == "Create":
                failed[key] = {
                    "PhysicalResourceId": answered.get(key) or _generated(stack, name),
                    "ResourceType": kind,
                    "ResourceStatus": "CREATE_FAILED",
                    "LogicalResourceId": name,
                    "Properties": properties,
                    "Attributes": {},
                }
            raise

    def take_in(stack_id: str, stack: Json) -> list[str]:
        """Give the stack what it failed to create; the logical ids."""
        names = [name for (owner, name) in failed if owner == stack_id]
        for name in names:
            stack.setdefault("_resources", {})[name] = failed.pop((stack_id, name))
        return names

    roll_back: Callable[..., Awaitable[None]] = stacks._roll_back_operation
    delete: Callable[..., Awaitable[None]] = stacks._delete_stack_async

    async def roll_back_operation(
        name: str, stack_id: str, stack: Json, operation: Json, *rest: Any, **more: Any
    ) -> None:
        created = [*operation.get("created", []), *take_in(stack_id, stack)]
        await roll_back(name, stack_id, stack, {**operation, "created": created}, *rest, **more)

    async def delete_stack_async(name: str, stack_id: str, *rest: Any, **more: Any) -> None:
        take_in(stack_id, _stacks().get(name) or {})
        await delete(name, stack_id, *rest, **more)

    custom.deliver_response = deliver_response
    custom.invoke_custom_resource = invoke_custom_resource
    handlers = module("services.cloudformation.handlers")
    for place in (stacks, handlers):
        place._roll_back_operation = roll_back_operation
        place._delete_stack_async = delete_stack_async


def _mend_log_groups() -> None:
    """Let a log group without a name be called `STACK-LOGICALID-SUFFIX`, and keep that name."""
    handlers: Json = module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    kind: Json = handlers["AWS::Logs::LogGroup"]
    create: Callable[..., Any] = kind["create"]
    update: Callable[..., Any] = kind["update"]

    def create_group(logical_id: str, properties: Json, stack: str) -> Any:
        return create(logical_id, _named(properties, _generated(stack, logical_id)), stack)

    def update_group(name: str, old: Json, properties: Json, *rest: Any) -> Any:
        return update(name, _named(old, name), _named(properties, name), *rest)

    kind["create"] = create_group
    kind["update"] = update_group


def _named(properties: Json, name: str) -> Json:
    return {"LogGroupName": name, **properties}


def _generated(stack: str, logical_id: str) -> str:
    """A name as CloudFormation makes it."""
    suffix = "".join(secrets.choice(_LETTERS) for _ in range(_SUFFIX))
    return f"{stack}-{logical_id}-{suffix}"


def _mend_updates_after_a_failure() -> None:
    """Let a stack that failed with its rollback disabled be updated, if that is disabled again."""
    handlers = module("services.cloudformation.handlers")
    original: Callable[[Json], Any] = handlers._update_stack

    def update_stack(request: Json) -> Any:
        stack: Json = handlers._resolve_stack(handlers._p(request, "StackName")) or {}
        status = stack.get("StackStatus")
        if status not in _FAILED:
            return original(request)
        if handlers._p(request, "DisableRollback", "false").lower() != "true":
            return handlers._error("ValidationError", _NOT_TERMINAL.format(status))
        stack["StackStatus"] = "UPDATE_COMPLETE"
        try:
            return original(request)
        finally:
            if stack["StackStatus"] == "UPDATE_COMPLETE":
                stack["StackStatus"] = status

    handlers._update_stack = handlers._ACTION_HANDLERS["UpdateStack"] = update_stack
