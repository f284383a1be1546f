"""Stacks on a sandbox: synthesized once, deployed through CloudFormation's own API."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aws_cdk import App, DefaultStackSynthesizer
from aws_cdk import Stack as CdkStack

from benchmarks.meter import Meter
from sandbox import Sandbox
from sandbox.aws.images import ACCOUNT, REGION
from sandbox.clients import Clients

BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-{REGION}"
PATIENCE = 300.0
"""Seconds after which a stack is given up."""

Template = dict[str, Any]
Declare = Callable[[CdkStack], object]


@dataclass(frozen=True)
class Synthesized:
    """A stack as the CDK hands it over."""

    name: str
    template: Template
    files: dict[str, bytes]
    """Object keys in the bucket of assets, and what goes there."""


def synthesize(stacks: Mapping[str, Declare]) -> dict[str, Synthesized]:
    """What the CDK makes of these stacks, by their names."""
    outdir = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    try:
        app = App(outdir=str(outdir), stack_traces=False)
        for name, declare in stacks.items():
            synthesizer = DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
            declare(CdkStack(app, name, synthesizer=synthesizer))
        assembly = app.synth()
        return {
            name: Synthesized(name, assembly.get_stack_by_name(name).template, _files(outdir, name))
            for name in stacks
        }
    finally:
        shutil.rmtree(outdir, ignore_errors=True)


def _files(outdir: Path, name: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for asset in json.loads((outdir / f"{name}.assets.json").read_text())["files"].values():
        path = outdir / asset["source"]["path"]
        if path.suffix == ".json":
            continue  # the template itself
        (destination,) = asset["destinations"].values()
        if asset["source"]["packaging"] == "zip":
            path = Path(shutil.make_archive(str(path), "zip", path))
        files[destination["objectKey"]] = path.read_bytes()
    return files


class Cloud:
    """A sandbox with stacks in it, each with a meter of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Take a sandbox that is running."""
        self.sandbox = sandbox
        self.control = sandbox.control
        self.client = Clients(sandbox)
        self._publishing = threading.Lock()
        self._published: set[str] = set()
        self._meters = ExitStack()

    def __enter__(self) -> Self:
        """Make the bucket that assets go to."""
        self.client("s3").create_bucket(Bucket=BUCKET)
        return self

    def __exit__(self, *_error: object) -> None:
        """End the meters."""
        self._meters.close()
        self.client.close()

    def stack(self, synthesized: Synthesized) -> Stack:
        """A stack that may be deployed, again and again."""
        for key, content in synthesized.files.items():
            with self._publishing:
                new = key not in self._published
                self._published.add(key)
            if new:
                self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
        meter = Meter(self.sandbox.ministack_url, self.sandbox.hyperpod_url)
        return Stack(self, synthesized.name, self._meters.enter_context(meter))


class Stack:
    """One stack, and the meter of its functions."""

    def __init__(self, cloud: Cloud, name: str, meter: Meter) -> None:
        """A stack that is not deployed yet."""
        self.name = name
        self.meter = meter
        self._cloud = cloud
        self._deployed = False

    def begin(self, template: Template) -> None:
        """Begin to create or update it."""
        formation = self._cloud.client("cloudformation")
        call = formation.update_stack if self._deployed else formation.create_stack
        self._deployed = True
        call(
            StackName=self.name,
            TemplateBody=json.dumps(_metered(template, self.meter.url)),
            Capabilities=["CAPABILITY_IAM"],
            RoleARN=_ROLE,
        )

    def deploy(self, template: Template) -> str:
        """Create or update it and wait for the end; the stack's status then."""
        self.begin(template)
        return self.wait()

    def wait(self) -> str:
        """Wait until nothing is in progress; the status then."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            status = self.status
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.3)
        raise TimeoutError(f"{self.name} is {self.status} after {PATIENCE:g} seconds")

    def delete(self) -> None:
        """Delete it and wait for the end."""
        formation = self._cloud.client("cloudformation")
        formation.delete_stack(StackName=self.name)
        waiter = formation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": int(PATIENCE)})

    @property
    def status(self) -> str:
        """The stack's status."""
        formation = self._cloud.client("cloudformation")
        (described,) = formation.describe_stacks(StackName=self.name)["Stacks"]
        return str(described["StackStatus"])

    def known_at(self, kinds: tuple[str, ...]) -> float:
        """When CloudFormation knew that the last resource of these types was complete."""
        pages = self._cloud.client("cloudformation").get_paginator("describe_stack_events")
        times = [
            event["Timestamp"].timestamp()
            for page in pages.paginate(StackName=self.name)
            for event in page["StackEvents"]
            if event["ResourceType"].startswith(kinds)
            and event["ResourceStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        ]
        return float(max(times))

    def _physical_ids(self, kind: str) -> list[str]:
        formation = self._cloud.client("cloudformation")
        found = formation.describe_stack_resources(StackName=self.name)["StackResources"]
        return [str(one["PhysicalResourceId"]) for one in found if one["ResourceType"] == kind]

    def invocations(self) -> list[float]:
        """When each invocation of the stack's functions ended, as their logs have it."""
        logs = self._cloud.client("logs")
        groups = set(self._physical_ids("AWS::Logs::LogGroup"))
        groups |= {f"/aws/lambda/{name}" for name in self._physical_ids("AWS::Lambda::Function")}
        known = {
            group["logGroupName"]
            for page in logs.get_paginator("describe_log_groups").paginate()
            for group in page["logGroups"]
        }
        return sorted(
            event["timestamp"] / 1000
            for group in groups & known
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            for event in page["events"]
            if event["message"].startswith("REPORT ")
        )

    def transitions(self) -> list[float]:
        """When each state transition of the stack's state machines was, retries among them."""
        states = self._cloud.client("stepfunctions")
        return sorted(
            event["timestamp"].timestamp()
            for machine in self._physical_ids("AWS::StepFunctions::StateMachine")
            for execution in states.list_executions(stateMachineArn=machine)["executions"]
            for page in states.get_paginator("get_execution_history").paginate(
                executionArn=execution["executionArn"]
            )
            for event in page["events"]
            if event["type"].endswith("Scheduled")
        )


def _metered(template: Template, url: str) -> Template:
    """The template with its functions taking the meter for AWS."""
    metered: Template = json.loads(json.dumps(template))
    for resource in metered["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            environment = resource["Properties"].setdefault("Environment", {})
            variables = environment.setdefault("Variables", {})
            variables |= {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_SAGEMAKER": url}
    return metered
