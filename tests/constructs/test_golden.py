"""What typical declarations become, whole, for a reviewer to read: a change shows as a diff."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker

from hyperpod_patching import BatchSize, ClusterSoftware, RollingUpdate, SoftwareImage
from tests.constructs.templates import Synthesize, Template, flat

GOLDEN = Path(__file__).with_name("golden")
RENEW = "RENEW_GOLDEN"
AMI = "ami-0123456789abcdef0"


def custom_ami_in_batches(stack: Stack) -> None:
    metric = cloudwatch.Metric(namespace="Training", metric_name="Errors")
    alarm = cloudwatch.Alarm(stack, "Errors", metric=metric, threshold=1, evaluation_periods=1)
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.custom_ami(AMI),
        instance_groups=["workers"],
        rolling_update=RollingUpdate(
            max_batch_size=BatchSize.percent(10),
            wait_interval=Duration.minutes(5),
            rollback_alarms=[alarm],
        ),
    )


def release_line_on_eks(stack: Stack) -> None:
    eks = {"clusterArn": "arn:aws:eks:us-east-1:123456789012:cluster/ml"}
    cluster = sagemaker.CfnCluster(
        stack, "Cluster", cluster_name="ml", orchestrator={"eks": eks}, instance_groups=[]
    )
    ClusterSoftware(
        stack,
        "Software",
        cluster=cluster,
        image=SoftwareImage.release_line("1.3", at_least="1.3.2"),
        instance_groups=["workers"],
        rolling_update=RollingUpdate(max_batch_size=BatchSize.count(4)),
    )


def latest_with_a_revision(stack: Stack) -> None:
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.latest(revision="2026-11"),
        cluster_tags={"team": "ml"},
    )


def twelve_hours(stack: Stack) -> None:
    software = ClusterSoftware(
        stack,
        "Software",
        cluster="arn:aws:sagemaker:us-east-1:123456789012:cluster/abcdef012345",
        image=SoftwareImage.release("1.3.0"),
        instance_groups=["workers"],
        timeout=Duration.hours(12),
    )
    CfnOutput(stack, "Outcome", value=software.outcome)


def two_of_one_cluster(stack: Stack) -> None:
    for group in ("login", "workers"):
        ClusterSoftware(
            stack,
            group.capitalize(),
            cluster="ml",
            image=SoftwareImage.custom_ami(AMI),
            instance_groups=[group],
        )


DECLARATIONS: dict[str, Callable[[Stack], None]] = {
    declare.__name__: declare
    for declare in (
        custom_ami_in_batches,
        release_line_on_eks,
        latest_with_a_revision,
        twelve_hours,
        two_of_one_cluster,
    )
}


def readable(template: Template) -> str:
    """A template without what says nothing of the declaration: the CDK's own, and digests."""
    resources: Template = {
        name: {key: value for key, value in resource.items() if key != "Metadata"}
        for name, resource in template["Resources"].items()
    }
    shown: Template = {"Resources": flat(resources)}
    if "Outputs" in template:
        shown["Outputs"] = flat(template["Outputs"])
    text = json.dumps(shown, indent=2)
    return re.sub(r"\b[0-9a-f]{64}\b", "<digest>", text) + "\n"


@pytest.mark.parametrize("name", DECLARATIONS)
def test_a_typical_declaration_becomes_what_it_became_before(
    name: str, stack: Stack, synthesize: Synthesize
) -> None:
    DECLARATIONS[name](stack)
    now, file = readable(synthesize(stack)), GOLDEN / f"{name}.json"
    if RENEW in os.environ:
        file.write_text(now)
    before = file.read_text()
    changed = difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", n=5)
    assert now == before, "\n".join(
        [
            f"if all of this is meant, {RENEW}=1 make test ARGS=tests/constructs/test_golden.py",
            *changed,
        ]
    )


def test_every_golden_template_has_its_declaration() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(DECLARATIONS)


def test_digests_of_code_are_left_out(stack: Stack, synthesize: Synthesize) -> None:
    latest_with_a_revision(stack)
    template = synthesize(stack)
    (function,) = (
        one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function"
    )
    before = readable(template)
    function["Properties"]["Code"]["S3Key"] = f"{'0' * 64}.zip"
    assert readable(template) == before
