"""A stack that patches one HyperPod cluster, steered by context keys; no code to write.

cdk deploy -c cluster=ml -c image=ami-0123456789abcdef0 -c groups=workers -c batch=25%
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from app_context import NUMBER, Context, ContextError, declared_keys

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
    if not NUMBER.fullmatch(number):
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
