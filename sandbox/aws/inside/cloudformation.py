"""Where MiniStack's CloudFormation differs from AWS's, patched from outside.

Each of these wraps a function of MiniStack before it starts.
"""

# ruff: noqa: SLF001 - MiniStack has no public names for what is changed or asked here.

from __future__ import annotations

import secrets
import string
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.aws.inside.modules import Json, module

_Key = tuple[str, str]
"""A stack's id and a resource's logical id."""

_Action = Callable[[Json], Any]
"""What answers requests of one kind."""

_OK = 200
_SUFFIX = 12
_LETTERS = string.ascii_letters + string.digits
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED")
_NOT_TERMINAL = (
    "This stack is currently in a non-terminal [{}] state. To update the stack from this state, "
    "please use the disable-rollback parameter with update-stack API. To rollback to the last known "
    "good state, use the rollback-stack API"
)


def patch_stacks() -> None:
    """All of the patches below."""
    _patch_events()
    _patch_failed_creates()
    _patch_log_groups()
    _patch_updates_after_a_failure()
    _patch_roles()
    _patch_exports()


def _stacks() -> Any:
    return module("services.cloudformation")._stacks


def _patch_events() -> None:
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


def _patch_failed_creates() -> None:
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


def _patch_log_groups() -> None:
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


def _patch_updates_after_a_failure() -> None:
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


def _patch_roles() -> None:
    """Let a stack show the service role that CloudFormation works with: the last that was given."""
    actions: dict[str, _Action] = module("services.cloudformation.handlers")._ACTION_HANDLERS
    actions["CreateStack"] = _keeping_role(actions["CreateStack"])
    actions["UpdateStack"] = _keeping_role(actions["UpdateStack"])
    actions["CreateChangeSet"] = _noting_role(actions["CreateChangeSet"])
    actions["ExecuteChangeSet"] = _taking_role(actions["ExecuteChangeSet"])
    actions["DescribeStacks"] = _showing_roles(actions["DescribeStacks"])


def _keeping_role(action: _Action) -> _Action:
    def act(request: Json) -> Any:
        answer = action(request)
        if answer[0] == _OK:
            _keep_role(_asked(request, "StackName"), _asked(request, "RoleARN"))
        return answer

    return act


def _noting_role(action: _Action) -> _Action:
    def create_change_set(request: Json) -> Any:
        answer = action(request)
        if answer[0] == _OK:
            _change_set(request)["RoleARN"] = _asked(request, "RoleARN")
        return answer

    return create_change_set


def _taking_role(action: _Action) -> _Action:
    def execute_change_set(request: Json) -> Any:
        executed = _change_set(request)
        answer = action(request)
        if answer[0] == _OK:
            _keep_role(executed["StackId"], executed["RoleARN"])
        return answer

    return execute_change_set


def _showing_roles(action: _Action) -> _Action:
    def describe_stacks(request: Json) -> Any:
        status, headers, body = action(request)
        text: str = body.decode()
        for stack in _stacks().values():
            shown = f"<StackId>{stack['StackId']}</StackId>"
            if role := stack.get("RoleARN"):
                text = text.replace(shown, f"{shown}<RoleARN>{role}</RoleARN>")
        return status, headers, text.encode()

    return describe_stacks


def _keep_role(stack: str, role: str) -> None:
    record: Json | None = module("services.cloudformation.handlers")._resolve_stack(stack)
    if record is not None and role:
        record["RoleARN"] = role


def _change_set(request: Json) -> Json:
    find = module("services.cloudformation.changesets")._find_change_set
    found: Json | None = find(_asked(request, "ChangeSetName"), _asked(request, "StackName"))[1]
    return {} if found is None else found


def _asked(request: Json, key: str) -> str:
    return str(module("services.cloudformation.handlers")._p(request, key))


def _patch_exports() -> None:
    """Let no exported value change that another stack imports; it is found out at the end."""
    stacks = module("services.cloudformation.stacks")
    handlers = module("services.cloudformation.handlers")
    exports = module("services.cloudformation")._exports
    resolve: Callable[..., tuple[Any, dict[str, Json]]] = stacks._resolve_stack_outputs

    def resolve_stack_outputs(*given: Any) -> Any:
        outputs, new = resolve(*given)
        for name, export in new.items():
            importers = sorted(
                stack
                for stack, record in _stacks().items()
                if record["StackStatus"] != "DELETE_COMPLETE"
                and name in handlers._imported_export_names(record, stack)
            )
            if importers and export["Value"] != exports.get(name, export)["Value"]:
                by = ", ".join(importers)
                raise ValueError(f"Export {name} cannot be updated as it is in use by {by}")
        return outputs, new

    stacks._resolve_stack_outputs = resolve_stack_outputs
