"""The stack this resource is in, as CloudFormation shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hyperpod_software.edges.aws import client, in_time


@dataclass(frozen=True)
class ResourceEvent:
    """The newest stack event about the resource."""

    status: str
    at: float


class Stack:
    """Reads the stack; changes nothing."""

    def is_rolling_back(self, stack_id: str) -> bool:
        """No request says that it belongs to a rollback: the stack's status does, also when
        the rollback is over and a request of it is delivered once more."""
        answer = client("cloudformation").describe_stacks(StackName=stack_id)
        return "ROLLBACK" in str(answer["Stacks"][0]["StackStatus"])

    def newest_event(self, stack_id: str, logical_id: str) -> ResourceEvent | None:
        """The newest event about the resource, or ``None`` where there is none to be found."""
        token: dict[str, str] = {}
        while True:
            page = client("cloudformation").describe_stack_events(StackName=stack_id, **token)
            for event in page["StackEvents"]:  # newest first
                if event["LogicalResourceId"] == logical_id:
                    stamp: datetime = event["Timestamp"]
                    return ResourceEvent(str(event["ResourceStatus"]), stamp.timestamp())
            if not page.get("NextToken"):
                return None
            in_time("DescribeStackEvents", "the stack's events")
            token = {"NextToken": page["NextToken"]}
