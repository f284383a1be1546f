"""The steps of the demo, in their order, and what each of them has to show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any

from hyperpod_software.contract.properties import SOFTWARE_TYPE, WAITER_TYPE
from sandbox.aws.images import CURRENT, FAILING, NEW, NEWER
from sandbox.clusters import Description, training
from sandbox.demo.cdk_cli import Cli, CommandResult, Context, words
from sandbox.demo.claims import Claim, Observations, Window, claims, common_statuses, waited
from sandbox.demo.ledger import (
    Counts,
    Ledger,
    counted,
    named,
    outdated_nodes,
    replacements_with_rollback,
    table,
)
from sandbox.demo.screen import Display, Screen
from sandbox.hyperpod import Faults
from sandbox.progress import group_progress
from sandbox.runner import Sandbox

PACE = 240.0
"""Seconds that pass in one of the demo's while everything waits."""

_FAST = 3000.0
"""The same while a patch of several hours runs."""

_CLUSTER = "ml"
_STACK = "HyperPodPatching"
_GROUPS = ("inference", "workers")
_BATCH = 25
_OLDER = "ami-00000000000000000"
_STACK_LOOK_EVERY = 0.4
_PREPARED = "REVIEW_IN_PROGRESS"
"""A new stack's status while there is only a change set."""
_TRIES = Faults().failure_seconds / 60
_exceptions: Any = import_module("botocore.exceptions")
_AWS_ERRORS: tuple[type[Exception], ...] = (_exceptions.BotoCoreError, _exceptions.ClientError)


class ScenarioError(Exception):
    """A step did not go as it should; the message says which and how."""

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        """`lines`: what the CLI had to say about it."""
        super().__init__(message)
        self.lines = lines


def cluster() -> Description:
    """EKS, which batches are for; the inference group is an AMI behind."""
    return training(_CLUSTER, inference=_OLDER)


def declaration(image: str, *, batch: str = f"{_BATCH}%", **more: str) -> Context:
    """The context keys that declare `image`; `more` with underscores for hyphens."""
    return {
        "cluster": _CLUSTER,
        "groups": ",".join(_GROUPS),
        "batch": batch,
        "image": image,
        **{key.replace("_", "-"): value for key, value in more.items()},
    }


def long_declaration() -> Context:
    """One node after the other, with a pause after each: hours, which need waiters."""
    return declaration(NEWER.id, batch="1", wait_interval="600", timeout="720")


def windows(events: Iterable[Mapping[str, Any]]) -> list[Window]:
    """How long the resource and each waiter took, by their events, oldest first."""
    began: dict[str, datetime] = {}
    found: list[Window] = []
    for event in events:
        name, status = event["LogicalResourceId"], event["ResourceStatus"]
        if event["ResourceType"] not in (SOFTWARE_TYPE, WAITER_TYPE):
            continue
        if status.endswith("_IN_PROGRESS"):
            began[name] = event["Timestamp"]
        else:
            minutes = (event["Timestamp"] - began[name]).total_seconds() / 60
            found.append(Window(event["ResourceType"], status, minutes))
    return found


class Scenario:
    """Runs the steps on a running sandbox, and collects what they show."""

    def __init__(self, sandbox: Sandbox, screen: Screen, cli: Cli) -> None:
        self._screen = screen
        self._control = sandbox.control
        self._cli = cli
        self._cloudformation = sandbox.client("cloudformation")
        self._ledger = Ledger(sandbox, _CLUSTER)
        self._seen = Observations(_CLUSTER, _GROUPS)
        self._statuses: dict[str, list[str]] = {}
        self._number = 0
        self._stack_status = ""
        self._stack_looked = 0.0
        self._stack_before = ""

    def close(self) -> None:
        self._ledger.close()
        self._cloudformation.close()

    def run(self) -> list[Claim]:
        """All steps; then what they have shown. Raises ScenarioError where one cannot go on."""
        steps: tuple[Callable[[], None], ...] = (
            self._introduce,
            self.first_deploy,
            self.diff,
            self.rolling_deploy,
            self.failing_deploy,
            self.same_declaration,
            self.other_batch,
            self.long_deploy,
            self.destroy,
        )
        try:
            for step in steps:
                step()
            return self._conclude()
        except _AWS_ERRORS as error:
            raise ScenarioError(f"MiniStack did not answer as it has to: {error}") from None

    def _introduce(self) -> None:
        self._screen.say(f"HyperPod cluster {_CLUSTER}, orchestrated by EKS:")
        for group in map(group_progress, self._ledger.description["InstanceGroups"]):
            nodes = counted(group.nodes, "node")
            self._screen.line(f"     {group.name:<10}  {nodes:>8}   {group.current}")

    # The steps

    def first_deploy(self) -> None:
        self._title(
            "First deploy",
            "Two groups are declared, and only inference does not run the AMI yet.",
        )
        needed = outdated_nodes(self._ledger.description, _GROUPS, CURRENT.id)
        result = self._cdk("deploy", declaration(CURRENT.id), groups=True)
        self._outputs(result)
        self._count("first deploy", called=1, needed=needed)

    def diff(self) -> None:
        self._title("Review", "A new AMI, as a reviewer sees it before anything happens.")
        result = self._cdk("diff", declaration(NEW.id))
        for line in result.difference:
            added, gone = "[+]" in line, "[-]" in line
            self._screen.verbatim(line, "green" if added else "red" if gone else "")
        self._screen.say(
            "CDK says `may be replaced` of any change of a custom resource. This one keeps its "
            "physical id, so CloudFormation updates it."
        )
        self._seen.difference = result.difference
        self._count("cdk diff", called=0, needed={})

    def rolling_deploy(self) -> None:
        self._title("Rolling deploy", f"The new AMI, in batches of {_BATCH} percent of each group.")
        needed = outdated_nodes(self._ledger.description, _GROUPS, NEW.id)
        result = self._cdk("deploy", declaration(NEW.id), groups=True)
        self._outputs(result)
        self._count("rolling deploy", called=1, needed=needed)

    def failing_deploy(self) -> None:
        self._title(
            "An AMI that fails",
            f"Lifecycle scripts fail on it. HyperPod gives up after {_TRIES:.0f} minutes and rolls "
            "back the batch; the deploy fails, and CloudFormation rolls back the stack.",
        )
        needed = replacements_with_rollback(self._ledger.description, _GROUPS, _BATCH)
        before = {event["EventId"] for event in self._events()}
        result = self._cdk("deploy", declaration(FAILING.id), groups=True, fails=True)
        self._failure(result, before)
        self._count("failing AMI, and back", called=1, needed=needed)

    def same_declaration(self) -> None:
        self._title("The same declaration again", "The last one that was good: nothing changes.")
        result = self._cdk("deploy", declaration(NEW.id))
        self._seen.repeated = next((line for line in result.lines if "(no changes)" in line), "")
        self._screen.say(self._seen.repeated.removeprefix("✅").strip())
        self._count("same again", called=0, needed={})

    def other_batch(self) -> None:
        self._title(
            "Another batch size",
            "The function is asked, finds both groups on the declared AMI, and leaves them alone.",
        )
        result = self._cdk("deploy", declaration(NEW.id, batch="50%"))
        self._seen.rebatched = result.outputs.get("Outcome", "")
        self._outputs(result)
        self._count("batch size", called=0, needed={})

    def long_deploy(self) -> None:
        self._title(
            "Past the hour",
            "One node at a time, ten minutes between them. CloudFormation gives a custom resource "
            "an hour; a timeout of twelve puts a chain of waiters behind it, which wait on for the "
            f"same patch. One second is now {_FAST:.0f} of HyperPod's.",
        )
        needed = outdated_nodes(self._ledger.description, _GROUPS, NEWER.id)
        before = {event["EventId"] for event in self._events()}
        self._control.set_pace(_FAST)
        result = self._cdk("deploy", long_declaration(), groups=True)
        self._seen.windows = windows(
            e for e in reversed(self._events()) if e["EventId"] not in before
        )
        self._seen.waited = result.outputs.get("Outcome", "")
        self._screen.line("   As the CLI showed it, hour by hour:")
        for line in result.windows[: len(waited(self._seen.windows)) - 1]:
            self._screen.verbatim(line)
        self._outputs(result)
        self._count("past the hour", called=1, needed=needed)

    def destroy(self) -> None:
        self._title("Destroy", "The stack goes; the cluster stays as it is.")
        result = self._cdk("destroy", long_declaration())
        if any("DELETE_SKIPPED" in line and "AWS::Logs::LogGroup" in line for line in result.lines):
            self._screen.say("Its log group is kept, as an audit trail.")
        self._count("destroy", called=0, needed={})

    # What they are made of

    def _title(self, title: str, text: str) -> None:
        self._number += 1
        self._screen.heading(f"{self._number}  {title}")
        self._screen.say(text)

    def _cdk(
        self, command: str, context: Context, *, groups: bool = False, fails: bool = False
    ) -> CommandResult:
        self._screen.command(words(command, context))
        self._ledger.begin()
        display = Display(self._screen, _STACK, groups=groups)
        self._stack_status, self._stack_before = "beginning", self._stack_now()
        self._statuses = {}
        began = time.monotonic()

        def look(stage: str) -> None:
            description = self._ledger.description
            self._notice(description)
            display.show(description, stage or self._status(), time.monotonic() - began)

        try:
            result = self._cli.run(command, context, look)
        finally:
            display.end()
        if bool(result.code) != fails:
            how = "succeeded" if fails else f"failed with exit status {result.code}"
            raise ScenarioError(f"`{' '.join(words(command, context))}` {how}", result.error_lines)
        self._note_stack()
        return result

    def _status(self) -> str:
        """The stack's status in CloudFormation, asked not too often; not the last command's."""
        now = time.monotonic()
        if now - self._stack_looked > _STACK_LOOK_EVERY:
            self._stack_looked = now
            status = self._stack_now()
            if status not in (self._stack_before, _PREPARED):
                self._stack_status, self._stack_before = status, ""
        return self._stack_status

    def _stack_now(self) -> str:
        stacks = self._stacks()
        return stacks[0]["StackStatus"] if stacks else "DELETE_COMPLETE"

    def _stacks(self) -> list[dict[str, Any]]:
        """This stack, among those that were not deleted."""
        answer: dict[str, Any] = self._cloudformation.describe_stacks()
        return [stack for stack in answer["Stacks"] if stack["StackName"] == _STACK]

    def _note_stack(self) -> None:
        stacks = self._stacks()
        self._seen.stack = stacks[0]["StackStatus"] if stacks else "deleted"
        if not stacks:
            return
        answer = self._cloudformation.describe_stack_resources(StackName=_STACK)
        self._seen.physical_ids |= {
            resource["PhysicalResourceId"]
            for resource in answer["StackResources"]
            if resource["ResourceType"] == SOFTWARE_TYPE
        }

    def _notice(self, description: Description) -> None:
        for group in map(group_progress, description["InstanceGroups"]):
            statuses = self._statuses.setdefault(group.name, [])
            if statuses[-1:] != [group.status]:
                statuses.append(group.status)

    def _events(self) -> list[dict[str, Any]]:
        """The stack's events, newest first."""
        answer: dict[str, Any] = self._cloudformation.describe_stack_events(StackName=_STACK)
        return list(answer["StackEvents"])

    def _outputs(self, result: CommandResult) -> None:
        for name in ("Outcome", "PatchedInstanceGroups", "PatchedNodeCount"):
            self._screen.verbatim(f"{_STACK}.{name} = {result.outputs.get(name, '?')}")

    def _failure(self, result: CommandResult, before: set[str]) -> None:
        events = [event for event in reversed(self._events()) if event["EventId"] not in before]
        failed = [e for e in events if e["ResourceStatus"] == "UPDATE_FAILED"]
        self._seen.reason = " ".join(failed[0]["ResourceStatusReason"].split()) if failed else ""
        self._seen.events = [
            e["ResourceStatus"] for e in events if e["LogicalResourceId"] == _STACK
        ]
        self._seen.rollback = common_statuses(self._statuses, _GROUPS)
        if not self._seen.reason or self._seen.reason not in result.failure:
            raise ScenarioError(
                "the CLI did not show the reason CloudFormation has", result.error_lines
            )
        self._screen.line("   The reason the CLI ends with:")
        self._screen.quote(self._seen.reason)
        self._screen.say(f"HyperPod: {' → '.join(self._seen.rollback)}")
        self._screen.say(f"CloudFormation: {' → '.join(self._seen.events)}")

    def _count(self, step: str, *, called: int, needed: Counts) -> None:
        entry = self._ledger.end(step, called=called, needed=needed)
        calls = counted(entry.calls, "UpdateClusterSoftware call")
        self._screen.say(f"Counted: {calls}; nodes replaced: {named(entry.replaced)}.", "bold")

    def _conclude(self) -> list[Claim]:
        self._seen.entries = self._ledger.entries
        self._seen.left_behind = self._ledger.left_behind | self._ledger.left_now()
        self._seen.description = self._ledger.description
        self._screen.heading("What was proven, from the sandbox's own records")
        self._screen.line("   UpdateClusterSoftware calls and nodes replaced, each made/needed:")
        self._screen.line()
        for line in table(self._seen.entries):
            self._screen.line(f"   {line}")
        self._screen.line()
        return claims(self._seen)
