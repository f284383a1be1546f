"""The stack this resource is in, as CloudFormation shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hyperpod_software.adapters.clients import client, in_time

# A stack's own events by which an operation of the user's begins.
_BEGINS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS"})


@dataclass(frozen=True)
class Operation:
    """What the stack is doing."""

    rolls_back: bool
    has_role: bool
    """CloudFormation works with a service role, and not with the caller's credentials."""


@dataclass(frozen=True)
class History:
    """What the stack's events say of one resource."""

    status: str | None = None
    """The newest, or ``None`` where there is none to be found."""
    at: float | None = None
    failed: bool = False
    """It failed in the operation that is under way: what comes now takes it back."""


class Stack:
    """Reads the stack; changes nothing."""

    def operation(self, stack_id: str) -> Operation:
        """No request says that it belongs to a rollback: the stack's status does, also when
        the rollback is over and a request of it is delivered once more."""
        answer = client("cloudformation").describe_stacks(StackName=stack_id)
        shown = answer["Stacks"][0]
        return Operation("ROLLBACK" in str(shown["StackStatus"]), bool(shown.get("RoleARN")))

    def history(self, stack_id: str, logical_id: str) -> History:
        """What is known of a resource since the stack's operation began."""
        newest: dict[str, Any] | None = None
        for event in self._events(stack_id):
            status = str(event["ResourceStatus"])
            if event["LogicalResourceId"] == logical_id:
                newest = newest or event
                if status in ("CREATE_FAILED", "UPDATE_FAILED"):
                    return _history(newest, failed=True)
            elif event.get("PhysicalResourceId") == stack_id and status in _BEGINS:
                break
        return _history(newest)

    def _events(self, stack_id: str) -> Iterator[dict[str, Any]]:
        """Newest first."""
        token: dict[str, str] = {}
        while True:
            page = client("cloudformation").describe_stack_events(StackName=stack_id, **token)
            yield from page["StackEvents"]
            if not page.get("NextToken"):
                return
            in_time("DescribeStackEvents", "the stack's events")
            token = {"NextToken": page["NextToken"]}


def _history(newest: dict[str, Any] | None, *, failed: bool = False) -> History:
    if newest is None:
        return History()
    stamp: datetime = newest["Timestamp"]
    return History(str(newest["ResourceStatus"]), stamp.timestamp(), failed)
