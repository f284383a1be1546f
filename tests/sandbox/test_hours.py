"""Hours pass in seconds where everything waits, and for all alike."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox import Sandbox
from sandbox.waiting import until

HOUR = 3600
CODE = """
import json, time
def handler(event, context):
    print(json.dumps({"now": time.time(), "asked": event.get("ResponseURL")}))
"""
"""Answers nobody."""


def silent(stack: str, seconds: int) -> dict[str, Any]:
    """A custom resource that is never answered, and a schedule beside it."""
    function = {"Fn::GetAtt": ["Function", "Arn"]}
    target = {"Id": "function", "Arn": function}
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    policy = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    resources: dict[str, Any] = {
        "Role": ("AWS::IAM::Role", {"AssumeRolePolicyDocument": policy}),
        "Function": (
            "AWS::Lambda::Function",
            {
                "FunctionName": stack,
                "Code": {"ZipFile": CODE},
                "Handler": "index.handler",
                "Runtime": "python3.13",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        ),
        "Schedule": (
            "AWS::Events::Rule",
            {"ScheduleExpression": "rate(1 minute)", "State": "ENABLED", "Targets": [target]},
        ),
        "Resource": ("Custom::Silent", {"ServiceToken": function, "ServiceTimeout": seconds}),
    }
    return {
        "Resources": {
            name: {"Type": kind, "Properties": properties}
            | ({"DependsOn": "Schedule"} if name == "Resource" else {})
            for name, (kind, properties) in resources.items()
        }
    }


@pytest.fixture(scope="module")
def quick() -> Iterator[Sandbox]:
    with Sandbox(pace=math.inf) as sandbox:
        yield sandbox


class Silence:
    """Such a stack."""

    def __init__(self, sandbox: Sandbox, name: str, seconds: int) -> None:
        self.name = name
        self._sandbox = sandbox
        self._formation = sandbox.client("cloudformation")
        self._formation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(silent(name, seconds)),
            Capabilities=["CAPABILITY_IAM"],
        )

    def times(self) -> dict[str, float]:
        """When the custom resource went through each status."""
        found = self._formation.describe_stack_events(StackName=self.name)["StackEvents"]
        return {
            event["ResourceStatus"]: event["Timestamp"].timestamp()
            for event in found
            if event["LogicalResourceId"] == "Resource"
        }

    def await_failure(self) -> dict[str, float]:
        until(lambda: "CREATE_FAILED" in self.times() or None, "the failure")
        return self.times()

    def said(self) -> list[dict[str, Any]]:
        """What the function said, oldest first, each with the time of its line."""
        logs = self._sandbox.client("logs")
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{self.name}")["events"]
        logs.close()
        return [
            {**json.loads(event["message"]), "at": event["timestamp"] / 1000}
            for event in events
            if event["message"].startswith("{")
        ]

    def close(self) -> None:
        self._formation.close()


def test_an_hour_without_an_answer_fails_in_seconds_and_counts_from_the_request(
    quick: Sandbox,
) -> None:
    silence = Silence(quick, "hour", HOUR)
    times = silence.await_failure()
    silence.close()
    assert HOUR <= times["CREATE_FAILED"] - times["CREATE_IN_PROGRESS"] < HOUR + 60


def test_functions_schedules_stacks_and_the_service_have_one_time(quick: Sandbox) -> None:
    silence = Silence(quick, "minutes", 600)
    times = silence.await_failure()
    said = silence.said()
    silence.close()
    began, ended = times["CREATE_IN_PROGRESS"], times["CREATE_FAILED"]
    scheduled = [line["now"] for line in said if not line["asked"] and line["now"] < ended]
    assert len(scheduled) >= 8
    assert all(30 < after - before < 90 for before, after in pairwise(scheduled))
    assert all(abs(line["at"] - line["now"]) < 60 for line in said)
    asked, *_ = (line for line in said if line["asked"])  # Later the Delete is asked for.
    (signed,) = parse_qs(urlsplit(str(asked["asked"])).query)["X-Amz-Date"]
    issued = datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    assert -61 < began - issued < 61  # a minute may pass between them, on a busy machine
    assert 0 <= asked["now"] - began < 60
    assert quick.control.status()["Now"] >= ended


def test_the_pace_can_change_and_is_the_machines_at_first() -> None:
    with Sandbox(clusters=[]) as sandbox:
        silence = Silence(sandbox, "pace", HOUR)
        until(lambda: silence.times() or None, "the request")
        assert sandbox.ministack.clock.ahead == 0
        sandbox.control.set_pace(math.inf)
        silence.await_failure()
        silence.close()
        assert sandbox.ministack.clock.ahead > HOUR / 2
