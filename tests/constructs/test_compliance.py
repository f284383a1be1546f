"""cdk-nag and cfn-lint have nothing to say that is not answered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App, Duration, Environment, Stack, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from cdk_nag import AwsSolutionsChecks

from hyperpod_patching import BatchSize, ClusterSoftware, RollingUpdate, SoftwareImage

AMI = "ami-0123456789abcdef0"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:cluster/abcdef012345"


def declare_everything(stack: Stack) -> None:
    """All a template can hold: every image, every permission, every property, waiters."""
    key = kms.Key.from_key_arn(stack, "Key", KEY)
    alarm = cloudwatch.Alarm.from_alarm_name(stack, "Alarm", "errors")
    rolling_update = RollingUpdate(
        max_batch_size=BatchSize.percent(10),
        rollback_max_batch_size=BatchSize.count(4),
        wait_interval=Duration.minutes(5),
        rollback_alarms=[alarm],
    )
    for name, image in {
        "latest": SoftwareImage.latest(revision="2026-11"),
        "custom": SoftwareImage.custom_ami(AMI, encryption_key=key),
        "release": SoftwareImage.release("1.3.0"),
        "parameter": SoftwareImage.from_ssm_parameter("/ml/golden-image"),
    }.items():
        ClusterSoftware(
            stack,
            name,
            cluster=ARN if name == "release" else "ml",
            image=image,
            instance_groups=[name],
            rolling_update=rolling_update,
            timeout=Duration.hours(6) if name == "parameter" else None,
            cluster_tags={"team": "ml"} if name == "custom" else None,
        )


@pytest.fixture(params=["anywhere", "in a known place"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    app = App(outdir=str(tmp_path / "cdk.out"), stack_traces=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    known = Environment(account="123456789012", region="us-east-1")
    stack = Stack(app, "Training", env=known if request.param != "anywhere" else None)
    declare_everything(stack)
    app.synth()  # raises for a finding
    return tmp_path / "cdk.out"


def test_cdk_nag_finds_wildcards_alone_and_every_one_has_its_reason(directory: Path) -> None:
    report = json.loads((directory / "validation-report.json").read_text())
    (found,) = (one for one in report["pluginReports"] if one["pluginName"] == "AwsSolutions")
    assert found["violations"] == []
    answered = {one["ruleName"]: one["reason"] for one in found["suppressedViolations"]}
    assert len(answered) == 6
    assert all(name.startswith("AwsSolutions-IAM5[Resource::") for name in answered)
    assert all(len(reason) > 20 for reason in answered.values())


def test_cfn_lint_finds_nothing_but_what_the_cdk_itself_writes(directory: Path) -> None:
    linted = subprocess.run(
        [
            str(Path(sys.executable).with_name("cfn-lint")),
            *("--format", "json", "--regions", "us-east-1", "--"),
            str(directory / "Training.template.json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(linted.stdout or "[]")
    # The CDK lets a function depend on its role twice over.
    assert {(one["Rule"]["Id"], one["Location"]["Path"][1][:32]) for one in found} == {
        ("W3005", "HyperPodSoftwareProviderFunction")
    }
