"""What CloudFormation sends, what it is told, and what it shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ANSWER_LIMIT = 4096
TOO_LONG = "Response object is too long."
NO_ANSWER = (
    "CloudFormation did not receive a response from your Custom Resource. Please check your logs."
)


@dataclass(frozen=True)
class Request:
    """A request to a custom resource."""

    id: str
    type: str
    logical_id: str
    resource_type: str
    properties: Mapping[str, Any]
    old_properties: Mapping[str, Any] | None
    physical_id: str | None
    sent: float
    undoes: bool
    """It takes the resource back, whatever the stack's status says meanwhile."""

    @property
    def expires(self) -> float:
        """When CloudFormation stops waiting for the answer."""
        return self.sent + int(self.properties.get("ServiceTimeout", 3600))

    def event(self, stack_id: str, response_url: str) -> dict[str, Any]:
        """What the function is sent."""
        event: dict[str, Any] = {
            "RequestType": self.type,
            "ServiceToken": self.properties.get("ServiceToken"),
            "ResponseURL": response_url,
            "StackId": stack_id,
            "RequestId": self.id,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.resource_type,
            "ResourceProperties": self.properties,
        }
        if self.type != "Create":
            event["PhysicalResourceId"] = self.physical_id
        if self.type == "Update":
            event["OldResourceProperties"] = self.old_properties
        return event


@dataclass(frozen=True)
class Answer:
    """What CloudFormation makes of an answer."""

    succeeded: bool
    physical_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""


def read(body: bytes, event: Mapping[str, Any]) -> Answer:
    """The answer to an event, or the failure that CloudFormation makes of something else."""
    if len(body) > ANSWER_LIMIT:
        return Answer(False, reason=TOO_LONG)
    try:
        given: dict[str, Any] = json.loads(body)
        valid = _is_valid(given, event)
    except (ValueError, KeyError, AttributeError, TypeError):
        given, valid = {}, False
    if not valid:
        return Answer(False, reason="Invalid answer.")
    succeeded, reason = given["Status"] == "SUCCESS", given.get("Reason", "")
    return Answer(succeeded, given["PhysicalResourceId"], given.get("Data") or {}, reason)


def _is_valid(given: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    return (
        all(given[name] == event[name] for name in ("StackId", "RequestId", "LogicalResourceId"))
        and given["Status"] in ("SUCCESS", "FAILED")
        and 1 <= len(given["PhysicalResourceId"].encode()) <= 1024
        and isinstance(given.get("Reason", ""), str)
        and (given["Status"] == "SUCCESS" or bool(given["Reason"]))
        and isinstance(given.get("Data") or {}, dict)
    )


@dataclass(frozen=True)
class GivenUp:
    """Nobody waits for the answer to a request any more. The function is not told."""

    request_id: str
    expired: bool


@dataclass(frozen=True)
class Event:
    """A line of DescribeStackEvents. The stack's own lines carry its name."""

    logical_id: str
    status: str
    time: float
    reason: str = ""


Happening = Request | GivenUp | Event
