"""A stack that patches one HyperPod cluster, steered by context keys; no code to write.

cdk deploy -c cluster=ml -c image=ami-0123456789abcdef0 -c groups=workers -c batch=25%
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar, cast

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

# In a checkout the library stands beside this file; elsewhere it is installed.
_SOURCES: Final = Path(__file__).resolve().parent / "constructs"
if _SOURCES.is_dir():
    sys.path.insert(0, str(_SOURCES))

from hyperpod_patching import (  # noqa: E402
    BatchSize,
    ClusterSoftware,
    OnCreate,
    OnRollback,
    OnSkippedNodes,
    PropertyError,
    RollingUpdate,
    SoftwareImage,
)

KEYS: Final = (
    "cluster",
    "image",
    "groups",
    "revision",
    "batch",
    "rollback-batch",
    "wait-interval",
    "alarms",
    "timeout",
    "on-create",
    "on-rollback",
    "on-skipped-nodes",
    "wait",
    "stack",
)
"""The context keys of this app. ``cluster`` and ``image`` must be given."""
_IMAGES: Final = (
    "default, ami-… (an AMI of this account), public:ami-…, release:MAJOR.MINOR.PATCH or "
    "ssm:/parameter/name"
)

# The library's properties, and the keys their values come from.
_KEYS_OF_PROPERTIES: Final = {
    "cluster": "cluster",
    "image_id": "image",
    "instance_groups": "groups",
    "parameter_name": "image",
    "revision": "revision",
    "rollback_alarms": "alarms",
    "timeout": "timeout",
    "version": "image",
    "wait_interval": "wait-interval",
}
_DEFAULT_STACK: Final = "HyperPodPatching"
_STACK_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_LONGEST_SHOWN: Final = 80

_Choice = TypeVar("_Choice", bound=Enum)


class Wait(Enum):
    """Whether the deploy waits for the end of the patch."""

    YES = "yes"
    NO = "no"


class ContextError(Exception):
    """A context key is missing, or its value cannot be deployed."""


class Context:
    """The context keys of this app, as text."""

    def __init__(self, values: Mapping[str, object]) -> None:
        """Take the app's whole context, and refuse what looks like a mistyped key of ours."""
        self._values = values
        for key in values:
            _refuse_near_miss(key)
            if key in KEYS and "${Token[" in str(values[key]):
                raise self.refused(key, "plain text, not a token of the CDK")

    def text(self, key: str, default: str | None = None) -> str | None:
        """A key's value. In cdk.json it may be a number as well."""
        value = self._values.get(key, default)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise self.refused(key, "text")

    def names(self, key: str) -> list[str] | None:
        """A comma list. In cdk.json it may be a list as well."""
        value = self._values.get(key)
        if isinstance(value, list):
            items = cast("list[object]", value)
            names = [item for item in items if isinstance(item, str)]
            if len(names) < len(items):
                raise self.refused(key, "a list of names")
            return names
        text = self.text(key)
        if text is None:
            return None
        return [name.strip() for name in text.split(",")] if text.strip() else []

    def number(self, key: str, unit: str) -> int | None:
        """A whole number."""
        text = self.text(key)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text):
            raise self.refused(key, f"a whole number of {unit}")
        return int(text)

    def choice(self, key: str, default: _Choice) -> _Choice:
        """One of an enumeration's values."""
        text = self.text(key)
        if text is None:
            return default
        choices = type(default)
        for choice in choices:
            if choice.value == text:
                return choice
        raise self.refused(key, " or ".join(str(choice.value) for choice in choices))

    def refused(self, key: str, requirement: str, item: object = None) -> ContextError:
        """The error that says what a key's value, or one item of it, must be."""
        value = self._values.get(key)
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        text = " ".join(",".join(map(str, items)).split())
        if len(text) > _LONGEST_SHOWN:
            text = text[: _LONGEST_SHOWN - 1] + "…"
        named = "" if item is None else f"{str(item)[:_LONGEST_SHOWN]!r} "
        return ContextError(f"-c {key}={text}: {named}must be {requirement}")


class HyperPodPatching(Stack):
    """One cluster's software, and what became of it as outputs."""

    def __init__(self, scope: Construct, context: Context) -> None:
        """Declare what the context says.

        :raises ContextError: when it says something that cannot be deployed.
        """
        name = context.text("stack", _DEFAULT_STACK) or ""
        if not _STACK_NAME.fullmatch(name):
            raise context.refused("stack", "1 to 128 letters, digits and hyphens, a letter first")
        super().__init__(scope, name, description="The software of a SageMaker HyperPod cluster")
        try:
            software = _declared(self, context)
        except PropertyError as error:
            raise _in_words_of_context(error, context) from error
        CfnOutput(self, "ClusterArn", value=software.cluster_arn)
        CfnOutput(self, "Outcome", value=software.outcome)
        CfnOutput(self, "PatchedInstanceGroups", value=software.patched_instance_groups)
        CfnOutput(self, "PatchedNodeCount", value=software.patched_node_count)


def _declared(scope: Construct, context: Context) -> ClusterSoftware:
    cluster = context.text("cluster")
    if cluster is None:
        raise ContextError("-c cluster=… is missing: it must be a HyperPod cluster's name or ARN")
    timeout = context.number("timeout", "minutes")
    return ClusterSoftware(
        scope,
        "ClusterSoftware",
        cluster=cluster,
        image=_image(context),
        instance_groups=context.names("groups"),
        rolling_update=_rolling_update(scope, context),
        timeout=None if timeout is None else Duration.minutes(timeout),
        on_create=context.choice("on-create", OnCreate.PATCH),
        on_rollback=context.choice("on-rollback", OnRollback.RESTORE),
        on_skipped_nodes=context.choice("on-skipped-nodes", OnSkippedNodes.FAIL),
        wait_for_completion=context.choice("wait", Wait.YES) is Wait.YES,
    )


def _image(context: Context) -> SoftwareImage:
    text = context.text("image")
    if text is None:
        raise ContextError(
            f"-c image=… is missing: it must be {_IMAGES}. No image is put on a cluster unasked"
        )
    revision = context.text("revision")
    if text == "default":
        return SoftwareImage.latest(revision=revision)
    if revision is not None:
        raise context.refused("revision", "left out unless image is default")
    if text.startswith("ami-"):
        return SoftwareImage.custom_ami(text)
    match text.partition(":"):
        case "public", ":", image_id:
            return SoftwareImage.public_ami(image_id)
        case "release", ":", version:
            return SoftwareImage.release(version)
        case "ssm", ":", parameter:
            return SoftwareImage.from_ssm_parameter(parameter)
        case _:
            raise context.refused("image", _IMAGES)


def _rolling_update(scope: Construct, context: Context) -> RollingUpdate | None:
    batch = _batch(context, "batch")
    rollback_batch = _batch(context, "rollback-batch")
    if rollback_batch is not None and batch is None:
        raise context.refused("rollback-batch", "given together with batch")
    wait = context.number("wait-interval", "seconds")
    alarms = context.names("alarms")
    if batch is None and wait is None and alarms is None:
        return None
    return RollingUpdate(
        max_batch_size=batch,
        rollback_max_batch_size=rollback_batch,
        wait_interval=None if wait is None else Duration.seconds(wait),
        rollback_alarms=None
        if alarms is None
        else [
            cloudwatch.Alarm.from_alarm_name(scope, f"Alarm{index}", name)
            for index, name in enumerate(alarms)
        ],
    )


def _batch(context: Context, key: str) -> BatchSize | None:
    text = context.text(key)
    if text is None:
        return None
    number = text.removesuffix("%")
    if not _NUMBER.fullmatch(number):
        raise context.refused(key, "a number of nodes such as 4, or a percentage such as 25%")
    size = BatchSize.count if number == text else BatchSize.percent
    try:
        return size(int(number))
    except PropertyError as error:
        raise context.refused(key, error.requirement) from error


def _in_words_of_context(error: PropertyError, context: Context) -> ContextError:
    name, bracket, _ = error.property_name.partition("[")
    key = _KEYS_OF_PROPERTIES.get(name)
    if key is None:
        return ContextError(str(error))
    return context.refused(key, error.requirement, error.value if bracket else None)


def _refuse_near_miss(key: str) -> None:
    """Other context is none of this app's business, unless it reads like a key of its own."""
    if key in KEYS or any(mark in key for mark in ":/@"):
        return

    def plain(name: str) -> str:
        return name.lower().replace("-", "").replace("_", "")

    known = {plain(name): name for name in KEYS}
    for near in difflib.get_close_matches(plain(key), known, n=1, cutoff=0.75):
        raise ContextError(f"-c {key}=… is not a context key of this app: {known[near]} is")


def main() -> None:
    """Synthesize the stack, or say in one line why not."""
    # Without stack traces: they only point into jsii, at a path that differs from run to run.
    app = App(stack_traces=False)
    try:
        HyperPodPatching(app, Context(app.node.get_all_context()))
    except ContextError as error:
        sys.exit(f"error: {error}")
    app.synth()


if __name__ == "__main__":
    main()
