"""A stack that patches one HyperPod cluster, steered by context keys; no code to write.

cdk deploy -c cluster=ml -c image=ami-0123456789abcdef0 -c groups=workers -c batch=25%
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar, cast

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

# In a checkout the library stands beside this file; elsewhere it is installed.
_ROOT: Final = Path(__file__).resolve().parent
if (_ROOT / "constructs").is_dir():
    sys.path[:0] = [str(_ROOT / "constructs"), str(_ROOT / "lambda")]

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
from hyperpod_software.contract.answers import Attribute  # noqa: E402

KEYS: Final = (
    "cluster",
    "cluster-tags",
    "image",
    "groups",
    "revision",
    "allow-downgrade",
    "batch",
    "rollback-batch",
    "wait-interval",
    "alarms",
    "allow-batch-on-slurm",
    "timeout",
    "allow-caller-credentials",
    "on-create",
    "on-rollback",
    "on-skipped-nodes",
    "wait",
    "stack",
)
"""The context keys of this app. ``cluster`` and ``image`` must be given."""
ALIASES: Final = {
    "alarm-name": "alarms",
    "allow-on-slurm": "allow-batch-on-slurm",
    "allow-rolling-update-on-slurm": "allow-batch-on-slurm",
    "batch-size": "batch",
    "cluster-arn": "cluster",
    "cluster-name": "cluster",
    "image-id": "image",
    "instance-group-name": "groups",
    "instance-groups": "groups",
    "max-batch-size": "batch",
    "maximum-batch-size": "batch",
    "rollback-alarms": "alarms",
    "rollback-batch-size": "rollback-batch",
    "rollback-max-batch-size": "rollback-batch",
    "rollback-maximum-batch-size": "rollback-batch",
    "stack-name": "stack",
    "wait-for-completion": "wait",
    "wait-interval-in-seconds": "wait-interval",
}
"""The library's and the API's names of what has a key, and the key."""
ELSEWHERE: Final = {
    "at-least": "image=release-line:1.3.2 says it",
    "auto-rollback-configuration": "alarms=NAME,NAME says it",
    "count": "batch=4 says it",
    "custom-ami": "image=ami-… says it",
    "deployment-config": "batch, rollback-batch, wait-interval and alarms say it",
    "encryption-key": "it has none for a key of KMS; declare ClusterSoftware in an app of your own",
    "from-ssm-parameter": "image=ssm:/parameter/name says it",
    "image-release-version": "image=release:MAJOR.MINOR.PATCH says it",
    "kms-key-id": "it has none for a key of KMS; declare ClusterSoftware in an app of your own",
    "latest": "image=default says it",
    "line": "image=release-line:1.3 says it",
    "parameter-name": "image=ssm:/parameter/name says it",
    "percent": "batch=25% says it",
    "public-ami": "image=public:ami-… says it",
    "release": "image=release:MAJOR.MINOR.PATCH says it",
    "release-line": "image=release-line:1.3 says it",
    "rolling-update": "batch, rollback-batch, wait-interval and alarms say it",
    "rolling-update-policy": "batch and rollback-batch say it",
    "type": "batch=4 or batch=25% says it",
    "value": "batch=4 or batch=25% says it",
    "version": "image=release:MAJOR.MINOR.PATCH says it",
}
"""Their names of what is said otherwise here, and how."""
# Feature flags, what the command line adds to each run, and what it looked up itself.
_OF_THE_CDK: Final = re.compile(
    r"@[\w.-]+/.*|aws(-|:)cdk:.*|[\w-]+:account=.*|acknowledged-issue-numbers|"
    r"assets-ecr-repository-name|cli-telemetry",
    re.ASCII | re.DOTALL,
)
_IMAGES: Final = (
    "default, ami-… (an AMI of this account), public:ami-…, release:MAJOR.MINOR.PATCH, "
    "release-line:MAJOR.MINOR or ssm:/parameter/name"
)

# The library's properties, and the keys their values come from.
_KEYS_OF_PROPERTIES: Final = {
    "at_least": "image",
    "cluster": "cluster",
    "cluster_tags": "cluster-tags",
    "image_id": "image",
    "instance_groups": "groups",
    "line": "image",
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


class ContextError(Exception):
    """A context key is missing, or its value cannot be deployed."""


class Context:
    """The context keys of this app, as text."""

    def __init__(self, values: Mapping[str, object], declared: Collection[str] = ()) -> None:
        """Take the app's whole context, and refuse what may be meant for this app and is not read.

        :param declared: keys that the user's own files declare; others' keys may stand there.
        """
        self._values: dict[str, object] = {}
        self._typed: dict[str, str] = {}
        for typed, value in values.items():
            key = _key_of(typed)
            if key is None:
                _refuse_unless_of_others(typed, declared=typed in declared)
            elif key in self._values and self._values[key] != value:
                raise ContextError(
                    f"{self._shown(key)} and -c {_line(typed)}={_line(value)}: "
                    f"both are {key}, give one of them"
                )
            elif value is not None:
                self._values[key], self._typed[key] = value, typed
                if "${Token[" in str(value):
                    raise self.refused(key, "plain text, not a token of the CDK")

    def text(self, key: str, requirement: str = "text") -> str | None:
        """A key's value. In cdk.json it may be a number as well."""
        value = self._values.get(key)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise self.refused(key, requirement)

    def names(self, key: str) -> list[str] | None:
        """A comma list. In cdk.json it may be a list as well."""
        value = self._values.get(key)
        if isinstance(value, list):
            items = cast("list[object]", value)
            names = [item for item in items if isinstance(item, str)]
            if len(names) < len(items):
                raise self.refused(key, "a list of names")
            return names
        text = self.text(key, "a comma list of names")
        if text is None:
            return None
        return [name.strip() for name in text.split(",")] if text.strip() else []

    def tags(self, key: str) -> dict[str, str] | None:
        """A comma list of ``KEY=VALUE``. In cdk.json it may be a mapping as well."""
        value = self._values.get(key)
        if isinstance(value, dict):
            # Its values are the library's to check.
            return cast("dict[str, str]", value)
        items = self.names(key)
        if items is None:
            return None
        tags: dict[str, str] = {}
        for item in items or [""]:
            name, equals, tag = item.partition("=")
            if not equals or name in tags:
                raise self.refused(key, "KEY=VALUE, each key once, parted by commas", item)
            tags[name] = tag
        return tags

    def number(self, key: str, unit: str) -> int | None:
        """A whole number."""
        requirement = f"a whole number of {unit}"
        text = self.text(key, requirement)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text):
            raise self.refused(key, requirement)
        return int(text)

    def choice(self, key: str, default: _Choice) -> _Choice:
        """One of an enumeration's values."""
        choices = {str(choice.value): choice for choice in type(default)}
        requirement = " or ".join(choices)
        text = self.text(key, requirement)
        if text is None:
            return default
        if text not in choices:
            raise self.refused(key, requirement)
        return choices[text]

    def flag(self, key: str, *, default: bool) -> bool:
        """``yes`` or ``no``, or what the library's properties and JSON have for it."""
        value = self._values.get(key, default)
        if isinstance(value, bool):
            return value
        text = self.text(key, "yes or no")
        if text not in ("yes", "true", "no", "false"):
            raise self.refused(key, "yes or no")
        return text in ("yes", "true")

    def refused(self, key: str, requirement: str, item: object = None) -> ContextError:
        """The error that says what a key's value, or one item of it, must be."""
        named = "" if item is None else f"{_line(repr(item))} "
        return ContextError(f"{self._shown(key)}: {named}must be {requirement}")

    def _shown(self, key: str) -> str:
        """A key as it was given."""
        return f"-c {_line(self._typed.get(key, key))}={_line(self._values.get(key))}"


class HyperPodPatching(Stack):
    """One cluster's software, and what became of it as outputs."""

    def __init__(self, scope: Construct, context: Context) -> None:
        """Declare what the context says.

        :raises ContextError: when it says something that cannot be deployed.
        """
        name = context.text("stack")
        name = _DEFAULT_STACK if name is None else name
        if not _STACK_NAME.fullmatch(name):
            raise context.refused("stack", "1 to 128 letters, digits and hyphens, a letter first")
        super().__init__(scope, name, description="The software of a SageMaker HyperPod cluster")
        try:
            software = _declared(self, context)
        except PropertyError as error:
            raise _in_words_of_context(error, context) from error
        CfnOutput(self, Attribute.CLUSTER_ARN, value=software.cluster_arn)
        CfnOutput(self, Attribute.OUTCOME, value=software.outcome)
        CfnOutput(self, Attribute.GROUPS, value=software.patched_instance_groups)
        CfnOutput(self, Attribute.NODES, value=software.patched_node_count)


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
        wait_for_completion=context.flag("wait", default=True),
        allow_caller_credentials=context.flag("allow-caller-credentials", default=False),
        cluster_tags=context.tags("cluster-tags"),
    )


def _image(context: Context) -> SoftwareImage:
    text = context.text("image", _IMAGES)
    if text is None:
        raise ContextError(
            f"-c image=… is missing: it must be {_IMAGES}. No image is put on a cluster unasked"
        )
    revision = context.text("revision")
    allow_downgrade = context.flag("allow-downgrade", default=False)
    if allow_downgrade and not text.startswith("release:"):
        raise context.refused("allow-downgrade", "left out unless image is release:…")
    if revision is not None and not text.startswith(("default", "release:", "release-line:")):
        raise context.refused(
            "revision", "left out unless image is default, release:… or release-line:…"
        )
    if text == "default":
        return SoftwareImage.latest(revision=revision)
    if text.startswith("ami-"):
        return SoftwareImage.custom_ami(text)
    match text.partition(":"):
        case "public", ":", image_id:
            return SoftwareImage.public_ami(image_id)
        case "release", ":", version:
            return SoftwareImage.release(
                version, revision=revision, allow_downgrade=allow_downgrade
            )
        case "release-line", ":", oldest:
            line = ".".join(oldest.split(".")[:2])
            return SoftwareImage.release_line(
                line, at_least=None if line == oldest else oldest, revision=revision
            )
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
    on_slurm = context.flag("allow-batch-on-slurm", default=False)
    if batch is None and wait is None and alarms is None:
        if on_slurm:
            raise context.refused(
                "allow-batch-on-slurm", "given together with batch, wait-interval or alarms"
            )
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
        allow_on_slurm=on_slurm,
    )


def _batch(context: Context, key: str) -> BatchSize | None:
    requirement = "a number of nodes such as 4, or a percentage such as 25%"
    text = context.text(key, requirement)
    if text is None:
        return None
    number = text.removesuffix("%")
    if not _NUMBER.fullmatch(number):
        raise context.refused(key, requirement)
    size = BatchSize.count if number == text else BatchSize.percent
    try:
        return size(int(number))
    except PropertyError as error:
        raise context.refused(key, error.requirement) from error


def _in_words_of_context(error: PropertyError, context: Context) -> ContextError:
    # Of a list or a mapping it names the item: "instance_groups[0]", "cluster_tags's key".
    name = re.split(r"\W", error.property_name)[0]
    key = _KEYS_OF_PROPERTIES.get(name)
    if key is None:
        return ContextError(str(error))
    return context.refused(
        key, error.requirement, None if name == error.property_name else error.value
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


_KEYS_OF_NAMES: Final = {_plain(key): key for key in KEYS} | {
    _plain(alias): key for alias, key in ALIASES.items()
}
_HINTS: Final = {
    **{name: f"{key} is" for name, key in _KEYS_OF_NAMES.items()},
    **{_plain(name): hint for name, hint in ELSEWHERE.items()},
}


def _key_of(name: str) -> str | None:
    """The key that a name means, however it is written: max_batch_size, MaxBatchSize …"""
    return _KEYS_OF_NAMES.get(_plain(name))


def _refuse_unless_of_others(name: str, *, declared: bool) -> None:
    """Refuse a name that nobody reads: who wrote it expects something of it.

    A file may declare what is for others, but nothing that reads like a name of ours.
    """
    if _OF_THE_CDK.fullmatch(name):
        return
    plain = _plain(name)
    if declared and plain not in _HINTS:
        near = difflib.get_close_matches(plain, _KEYS_OF_NAMES, n=1, cutoff=0.8)
    else:
        near = difflib.get_close_matches(plain, _HINTS, n=1, cutoff=0.6)
        near = near or sorted((one for one in _HINTS if one in plain), key=len, reverse=True)
    # A single word such as "version" is anybody's.
    if declared and (not near or plain in ELSEWHERE):
        return
    hint = _HINTS[near[0]] if near else f"its keys are {', '.join(KEYS)}"
    raise ContextError(f"-c {_line(name)}=… is not a context key of this app: {hint}")


def _line(value: object) -> str:
    """A value as an error shows it: printable, on one line, and no longer than a line."""
    match value:
        case list():
            text = ",".join(map(str, cast("list[object]", value)))
        case dict():
            items = cast("dict[object, object]", value).items()
            text = ",".join(f"{name}={one}" for name, one in items)
        case _:
            text = str(value)
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def declared_keys(project: Path) -> set[str]:
    """The context keys in the user's files, which the CDK merges with those of the command line."""
    keys: set[str] = set()
    for file, holder in (
        (project / "cdk.json", "context"),
        (project / "cdk.context.json", None),
        (Path("~/.cdk.json"), "context"),
    ):
        try:
            found: object = json.loads(file.expanduser().read_text("utf-8-sig"))
        except (OSError, ValueError, RuntimeError):
            continue  # No file, or one about which the CDK's command line has its own word.
        if holder is not None and isinstance(found, dict):
            found = cast("dict[str, object]", found).get(holder)
        if isinstance(found, dict):
            keys.update(cast("dict[str, object]", found))
    return keys


def main(app: App | None = None) -> None:
    """Synthesize the stack, or say in one line why not."""
    try:
        # Without stack traces: they only point into jsii, at a path that differs from run to run.
        app = app or App(stack_traces=False)
        HyperPodPatching(app, Context(app.node.get_all_context(), declared_keys(Path.cwd())))
        app.synth()
    except ContextError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        if os.environ.get("CDK_DEBUG") == "true":  # cdk --debug
            raise
        sys.exit(f"error: {' '.join(str(error).split())} (more with cdk --debug)")


if __name__ == "__main__":
    main()
