"""Stacks on a sandbox: synthesized, deployed, and what became of them.

The story that a user sees goes through the CDK's command line. Everything else hands the same
templates, made by the real app or the real construct, to CloudFormation itself, which is quicker.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from aws_cdk import App
from aws_cdk import Stack as CdkStack
from botocore.exceptions import ClientError

from app import HyperPodPatching
from app_context import Context
from hyperpod_software.contract.names import PREFIX_VARIABLE
from hyperpod_software.contract.properties import SOFTWARE_TYPE, WAITER_TYPE
from sandbox.aws.images import ACCOUNT, REGION
from sandbox.clients import Clients
from sandbox.runner import Sandbox
from sandbox.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-{{}}-role-{ACCOUNT}-{REGION}"
"""The roles of the CDK's bootstrap, by name."""
BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
SPEED = 600
"""How many seconds of the service pass in one: a node is patched in half a second."""
MINUTE = 1
"""How many seconds the minute of a schedule lasts."""

Template = dict[str, Any]

# --- Synthesis ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Synthesized:
    """A stack as the CDK hands it over: its template, and the files that go with it."""

    name: str
    template: Template
    files: dict[str, bytes]
    """Object keys in the bootstrap bucket, and what goes there."""

    @property
    def software(self) -> Template:
        """The custom resource; there has to be exactly one."""
        (found,) = (
            one for one in self.template["Resources"].values() if one["Type"] == SOFTWARE_TYPE
        )
        return dict(found)

    @property
    def prefix(self) -> str:
        """What the names of this stack's rules and parameters begin with."""
        return str(
            next(
                one["Properties"]["Environment"]["Variables"][PREFIX_VARIABLE]
                for one in self.template["Resources"].values()
                if one["Type"] == "AWS::Lambda::Function" and "Environment" in one["Properties"]
            )
        )


def by_app(stack_name: str, **context: str) -> Synthesized:
    """What app.py makes of these context keys."""
    with _kernel, _outdir() as outdir:
        app = App(outdir=str(outdir), stack_traces=False)
        keys = {key.replace("_", "-"): value for key, value in context.items()}
        HyperPodPatching(app, Context({"stack": stack_name, "image": "default", **keys}))
        return _read(app, stack_name, outdir)


def by_hand(stack_name: str, declare: Callable[[CdkStack], object]) -> Synthesized:
    """What an app of one's own makes that declares things in a stack."""
    with _kernel, _outdir() as outdir:
        app = App(outdir=str(outdir), stack_traces=False)
        declare(CdkStack(app, stack_name))
        return _read(app, stack_name, outdir)


_kernel = threading.Lock()
"""The CDK's own process, behind Python, answers one thread at a time."""


@contextmanager
def _outdir() -> Generator[Path]:
    outdir = Path(tempfile.mkdtemp(prefix="cdk-out-"))
    try:
        yield outdir
    finally:
        shutil.rmtree(outdir, ignore_errors=True)


def _read(app: App, name: str, outdir: Path) -> Synthesized:
    template: Template = app.synth().get_stack_by_name(name).template
    assets = json.loads((outdir / f"{name}.assets.json").read_text())["files"]
    files = {}
    for asset in assets.values():
        path = outdir / asset["source"]["path"]
        (destination,) = asset["destinations"].values()
        if path.suffix == ".zip":
            files[destination["objectKey"]] = path.read_bytes()
    return Synthesized(name, template, files)


# --- Deployment ---------------------------------------------------------------------------------


class Cloud:
    """A sandbox with the stacks in it."""

    operation: Mapping[str, str] = {"RoleARN": ROLE.format("cfn-exec")}
    """What else CloudFormation is told with each operation."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.control = sandbox.control
        self.client = Clients(sandbox)
        self._published: set[str] = set()
        self._clock = threading.Lock()

    def close(self) -> None:
        self.client.close()

    @property
    def operator(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - made once
        """A client of CloudFormation that creates, updates and deletes stacks."""
        return self.client("cloudformation")

    def add(self, *descriptions: dict[str, Any], **faults: Any) -> None:
        """Add clusters, all with these settings.

        Unless told otherwise they send no events: at this speed hours of them come at once, and
        each wakes a function of its own. Then the schedule alone makes the function look.
        """
        for description in descriptions:
            self.control.add(description)
            self.control.set(description["ClusterName"], **{"lost_events": 1.0, **faults})

    def deploy(self, synthesized: Synthesized, **operation: Any) -> Stack:
        """Create or update a stack, and wait for its end."""
        stack = self.begin(synthesized, **operation)
        stack.wait()
        return stack

    def begin(self, synthesized: Synthesized, **operation: Any) -> Stack:
        """Begin to create or update a stack; `operation` is told to CloudFormation as well, but
        for what is None."""
        for key, content in synthesized.files.items():
            if key not in self._published:
                self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
                self._published.add(key)
        stack = Stack(self, synthesized)
        arguments = {
            "StackName": synthesized.name,
            "TemplateBody": json.dumps(synthesized.template),
            "Capabilities": ["CAPABILITY_IAM"],
            **self.operation,
            **operation,
        }
        arguments = {key: value for key, value in arguments.items() if value is not None}
        if stack.exists():
            self.operator.update_stack(**arguments)
        else:
            self.operator.create_stack(**arguments)
        return stack

    def hold(self, cluster: str) -> None:
        """Let patches take minutes, and show at once, until the cluster is let go."""
        self.control.set(cluster, speed=1, settle_seconds=0)

    def let_go(self, cluster: str) -> None:
        """Let patches go on at the usual speed."""
        self.control.set(cluster, speed=SPEED)

    @contextmanager
    def clock_held(self) -> Generator[None]:
        """Let no hours pass meanwhile, where they otherwise pass as fast as they can."""
        with self._clock:
            self.control.set_pace(1)
            try:
                yield
            finally:
                self.control.set_pace(math.inf)

    def cdk(self, *arguments: str) -> Said:
        """The CDK's command line, as a user runs it in a checkout."""
        with _outdir() as outdir, tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                ["cdk", *arguments, "--output", str(outdir), "--no-color"],
                cwd=ROOT,
                env=self.sandbox.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            try:
                code = until(
                    process.poll,
                    f"`cdk {arguments[0]}` to go on",
                    moves=lambda: os.fstat(said.fileno()).st_size,
                )
            finally:
                process.kill()
                process.wait(PATIENCE)
            said.seek(0)
            return Said(code, said.read().decode())


class Guarded(Cloud):
    """An account in which policies are enforced, and stacks are made by the CDK's own roles."""

    def assume(self, role: str) -> dict[str, str]:
        """Credentials of a role, as the SDK's variables."""
        answer = self.client("sts").assume_role(RoleArn=role, RoleSessionName="tests")
        credentials = answer["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        }

    @cached_property
    def operator(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - made once
        keys = self.assume(ROLE.format("deploy"))
        session = boto3.Session(
            keys["AWS_ACCESS_KEY_ID"],
            keys["AWS_SECRET_ACCESS_KEY"],
            keys["AWS_SESSION_TOKEN"],
            REGION,
        )
        return session.client("cloudformation", endpoint_url=self.sandbox.ministack_url)

    def close(self) -> None:
        self.operator.close()
        super().close()


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    text: str

    @property
    def words(self) -> str:
        """The text with its line breaks gone, for sentences that were wrapped."""
        return " ".join(self.text.split())


class Stack:
    """A stack that was deployed, or is on its way."""

    def __init__(self, cloud: Cloud, synthesized: Synthesized) -> None:
        self.name = synthesized.name
        self._cloud = cloud
        self._synthesized = synthesized

    def _described(self) -> dict[str, Any] | None:
        formation = self._cloud.client("cloudformation")
        try:
            (found,) = formation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return None
        described: dict[str, Any] = found
        return described

    def exists(self) -> bool:
        return self._described() is not None

    @property
    def status(self) -> str | None:
        described = self._described()
        return described["StackStatus"] if described else None

    @property
    def role(self) -> str | None:
        """The service role that CloudFormation works with."""
        described = self._described()
        return described.get("RoleARN") if described else None

    @property
    def outputs(self) -> dict[str, str]:
        described = self._described()
        assert described is not None
        return {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])}

    def wait(self) -> str:
        """Wait until nothing is in progress; the status then."""

        def ended() -> str | None:
            status = self.status or "DELETE_COMPLETE"
            return None if status.endswith("_IN_PROGRESS") else status

        return until(ended, f"the end of {self.name}", moves=lambda: len(self.events()))

    def delete(self) -> None:
        self._cloud.operator.delete_stack(StackName=self.name, **self._cloud.operation)
        assert self.wait() == "DELETE_COMPLETE"

    def events(self) -> list[dict[str, Any]]:
        """The events of the stack, oldest first."""
        pages = self._cloud.client("cloudformation").get_paginator("describe_stack_events")
        events: list[dict[str, Any]] = []
        for page in pages.paginate(StackName=self.name):
            events += page["StackEvents"]
        return events[::-1]

    @property
    def physical_id(self) -> str:
        """The custom resource's id, as CloudFormation knows it."""
        return next(self._physical_ids())

    def _physical_ids(self) -> Iterator[str]:
        formation = self._cloud.client("cloudformation")
        found = formation.describe_stack_resources(StackName=self.name)["StackResources"]
        return (
            str(one["PhysicalResourceId"]) for one in found if one["ResourceType"] == SOFTWARE_TYPE
        )

    def statuses(self) -> list[str]:
        """What the custom resource went through, oldest first."""
        return [
            str(event["ResourceStatus"])
            for event in self.events()
            if event["ResourceType"] == SOFTWARE_TYPE
        ]

    @property
    def failure(self) -> str:
        """The reason of the last failure of the custom resource, or of one of its waiters, as
        CloudFormation shows it."""
        return str(
            next(
                event.get("ResourceStatusReason")
                for event in reversed(self.events())
                if event["ResourceType"] in (SOFTWARE_TYPE, WAITER_TYPE)
                and event["ResourceStatus"].endswith("_FAILED")
            )
        )

    # What the function did

    def log(self) -> list[dict[str, Any]]:
        """The lines that the function logged, in their order; whatever is no JSON is left out."""
        group = f"{self.name}-HyperPodSoftware"
        logs = self._cloud.client("logs")
        lines: list[dict[str, Any]] = []
        for found in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            for page in logs.get_paginator("filter_log_events").paginate(
                logGroupName=found["logGroupName"]
            ):
                for event in page["events"]:
                    try:
                        line = json.loads(event["message"])
                    except ValueError:
                        continue
                    lines += [line] if isinstance(line, dict) else []
        return lines

    def stages(self, stage: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if line.get("stage") == stage]

    def ends(self, count: int = 1) -> list[dict[str, Any]]:
        """What the function says about the end of its first so many requests, one line for each:
        looks at the same time may come to the same end. Logs come a bit later than answers."""

        def found() -> list[dict[str, Any]] | None:
            lines: dict[str, dict[str, Any]] = {}
            for line in self.stages("finished"):
                lines.setdefault(line["request"], line)
            return list(lines.values()) if len(lines) >= count else None

        return until(found, f"the end of {count} requests in the log of {self.name}")

    def outcomes(self, count: int = 1) -> list[str]:
        return [str(line["outcome"]) for line in self.ends(count)]

    def left(self) -> list[str]:
        """The rules and parameters that stay, once the function had its time to tidy up: of a
        declaration that is there, what was declared may stay."""
        try:
            until(lambda: None if self._left() else True, "nothing to be left")
        except TimeoutError:
            return self._left()
        return []

    def _left(self) -> list[str]:
        prefix = self._synthesized.prefix
        rules = self._cloud.client("events").list_rules(NamePrefix=prefix)["Rules"]
        parameters = self._cloud.client("ssm").get_parameters_by_path(
            Path=f"/{prefix}", Recursive=True
        )["Parameters"]
        names = [str(one["Name"]) for one in (*rules, *parameters)]
        declared = self.exists() and any(self._physical_ids())
        return [name for name in names if not (declared and "/declaration/" in name)]


# --- Permissions --------------------------------------------------------------------------------

DENIALS = ("AccessDenied", "UnauthorizedOperation", "not authorized", "NotAuthorized")


def denied(stack: Stack, requests: int) -> list[str]:
    """What the function, having ended so many requests, says it was not allowed to do."""
    stack.ends(requests)
    return [line for line in map(str, stack.log()) if is_denied(line)]


def is_denied(text: str) -> bool:
    return any(word in text for word in DENIALS)


# --- Clusters -----------------------------------------------------------------------------------


def images(cloud: Cloud, cluster: str) -> dict[str, str]:
    """The image that each group truly runs."""
    groups = cloud.control.describe(cluster)["InstanceGroups"]
    return {
        group["InstanceGroupName"]: str(
            group.get("CurrentImageReleaseVersion") or group["CurrentImageId"]
        )
        for group in groups
    }


def patched(cloud: Cloud, cluster: str) -> list[tuple[str, list[str] | None]]:
    """The accepted patch calls: image or release, and groups."""
    return [_call(one["Parameters"]) for one in cloud.control.calls(cluster, accepted=True)]


def _call(parameters: dict[str, Any]) -> tuple[str, list[str] | None]:
    groups: list[dict[str, Any]] | None = parameters.get("InstanceGroups")
    releases = {str(group.get("ImageReleaseVersion", "")) for group in groups or []} - {""}
    image = parameters.get("ImageId") or ",".join(sorted(releases))
    return str(image), None if groups is None else [one["InstanceGroupName"] for one in groups]
