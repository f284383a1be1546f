"""The EventBridge rule that makes the handler look again: one per request in flight."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperpod_software.adapters.clients import client
from hyperpod_software.contract.names import rule_name
from hyperpod_software.contract.signals import (
    CLUSTER_EVENT,
    EVENT_CLUSTER_ARN,
    EVENT_SOURCE,
    STATE_CHANGE,
)
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.errors import AwsError

log = logging.getLogger(__name__)

TARGET_ID = "handler"


@dataclass(frozen=True)
class Poll:
    """What a rule's target says: look at this request."""

    path: str
    until: float
    """When CloudFormation has given the request up in any case (epoch seconds)."""


class Polling:
    """Puts and removes the rule of a request.

    The rule's name follows from the request's parameter path, and its target carries that
    path only: no pre-signed URL can be read from a rule, and the limit of 8,192 characters
    for a target's input is never near.
    """

    def start(self, path: str, function_arn: str, until: float, cluster: Cluster | None) -> None:
        """Look every minute, and at once when HyperPod tells of this cluster."""
        rule: dict[str, Any] = {
            "Name": rule_name(path),
            "Description": "Watches a HyperPod software update; removed when it ends.",
            "ScheduleExpression": "rate(1 minute)",
            "State": "ENABLED",
        }
        if cluster is not None:
            rule["EventPattern"] = json.dumps(event_pattern(cluster))
        client("events").put_rule(**rule)
        target = {"Id": TARGET_ID, "Arn": function_arn, "Input": poll_input(path, until)}
        answer = client("events").put_targets(Rule=rule["Name"], Targets=[target])
        if answer.get("FailedEntryCount"):
            code = answer["FailedEntries"][0].get("ErrorCode", "Unknown")
            raise AwsError("PutTargets", AwsError.Kind.TRANSIENT, str(code), "")

    def stop(self, path: str) -> bool:
        """Remove target and rule, each on its own: one that fails stops nothing else.
        ``True`` when the rule is gone, and EventBridge removes none that has a target."""
        name = rule_name(path)
        steps: tuple[Callable[[], Any], ...] = (
            lambda: client("events").remove_targets(Rule=name, Ids=[TARGET_ID]),
            lambda: client("events").delete_rule(Name=name),
        )
        gone = False
        for step in steps:
            try:
                step()
                gone = True
            except AwsError as problem:
                gone = problem.kind is AwsError.Kind.NOT_FOUND
                if gone:
                    continue
                said = {"stage": "polling", "rule": name, "problem": str(problem)}
                log.error(said)  # noqa: TRY400 - a traceback would add nothing
        return gone


def poll_input(path: str, until: float) -> str:
    """The whole input of the rule's target."""
    return json.dumps({"HyperPodSoftwareRequest": path, "Until": int(until)})


def read_poll(event: dict[str, Any]) -> Poll | None:
    """The poll that an event is, or ``None`` for anything else."""
    path, until = event.get("HyperPodSoftwareRequest"), event.get("Until")
    if isinstance(path, str) and isinstance(until, int):
        return Poll(path, until)
    return None


def event_pattern(cluster: Cluster) -> dict[str, Any]:
    """HyperPod's events for this cluster, without the flood about single instances.

    An event is only a reason to look: it may be lost, doubled or about something else.
    The ARN is matched in ``detail``, for ``resources`` has been seen to carry the name.
    """
    return {
        "source": [EVENT_SOURCE],
        "detail-type": [STATE_CHANGE, CLUSTER_EVENT],
        "detail": {
            "$or": [
                {EVENT_CLUSTER_ARN: [cluster.arn]},
                {
                    "EventDetails": {
                        EVENT_CLUSTER_ARN: [cluster.arn],
                        "ResourceType": ["Cluster", "InstanceGroup"],
                    }
                },
            ]
        },
    }
