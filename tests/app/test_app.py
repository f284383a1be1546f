"""The app says what its context keys say, or in one line why it cannot."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from app import KEYS, Context, ContextError, HyperPodPatching

ROOT = Path(__file__).parents[2]
AMI = "ami-0123456789abcdef0"


def template(**context):
    app = App(stack_traces=False)
    stack = HyperPodPatching(app, Context({key.replace("_", "-"): v for key, v in context.items()}))
    return app.synth().get_stack_by_name(stack.stack_name).template


def declared(**context):
    resources = template(cluster="ml", **{"image": "default"} | context)["Resources"].values()
    (found,) = (one for one in resources if one["Type"] == "Custom::HyperPodClusterSoftware")
    properties = found["Properties"]
    for name in ("ServiceToken", "ServiceTimeout", "Timeout", "ClusterName"):
        properties.pop(name)
    return properties


def run(context, outdir, **environment):
    return subprocess.run(
        [sys.executable, str(ROOT / "app.py")],
        cwd=outdir.parent,
        env={
            "PATH": os.environ["PATH"],
            "CDK_CONTEXT_JSON": json.dumps(context),
            "CDK_OUTDIR": str(outdir),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_cluster_and_an_image_are_all_it_needs():
    assert declared() == {"ImageId": "default"}


def test_no_image_is_put_on_a_cluster_unasked():
    with pytest.raises(ContextError, match=r"^-c image=… is missing: it must be default, ami-…"):
        template(cluster="ml")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("default", {"ImageId": "default"}),
        (AMI, {"ImageId": AMI, "ImageOwner": "self"}),
        (f"public:{AMI}", {"ImageId": AMI}),
        ("release:1.3.0", {"ImageReleaseVersion": "1.3.0"}),
    ],
)
def test_an_image_is_understood(image, said):
    assert declared(image=image) == said


@pytest.mark.parametrize(
    ("name", "owner"), [("/aws/service/ami", None), ("/ml/golden-image", "self")]
)
def test_an_image_may_be_the_name_of_a_parameter(name, owner):
    said = declared(image=f"ssm:{name}")
    assert said["ImageId"]["Ref"].startswith("SsmParameterValue")
    assert said.get("ImageOwner") == owner


def test_every_key_has_its_effect():
    said = declared(
        image="default",
        groups="workers, login",
        revision="2026-11",
        batch="25%",
        rollback_batch="4",
        wait_interval="300",
        alarms="errors,latency",
        on_create="adopt",
        on_rollback="leave",
    )
    assert said == {
        "ImageId": "default",
        "Revision": "2026-11",
        "InstanceGroups": [{"InstanceGroupName": "workers"}, {"InstanceGroupName": "login"}],
        "DeploymentConfig": {
            "RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "CAPACITY_PERCENTAGE", "Value": 25},
                "RollbackMaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 4},
            },
            "WaitIntervalInSeconds": 300,
            "AutoRollbackConfiguration": [{"AlarmName": "errors"}, {"AlarmName": "latency"}],
        },
        "OnCreate": "adopt",
        "OnRollback": "leave",
    }


def test_keys_may_be_numbers_and_lists_in_cdk_json():
    assert declared(batch=4, groups=["workers"]) == declared(batch="4", groups="workers")


def test_the_stack_and_the_timeout_are_as_asked_and_the_outputs_are_the_attributes():
    app = App(stack_traces=False)
    HyperPodPatching(
        app, Context({"cluster": "ml", "image": AMI, "stack": "Weekly", "timeout": "20"})
    )
    found = app.synth().get_stack_by_name("Weekly").template
    (software,) = (
        one
        for one in found["Resources"].values()
        if one["Type"] == "Custom::HyperPodClusterSoftware"
    )
    assert software["Properties"]["Timeout"] == 1200
    assert {name: one["Value"]["Fn::GetAtt"][1] for name, one in found["Outputs"].items()} == {
        name: name
        for name in ("ClusterArn", "Outcome", "PatchedInstanceGroups", "PatchedNodeCount")
    }


@pytest.mark.parametrize(
    ("context", "line"),
    [
        ({}, "-c cluster=… is missing: it must be a HyperPod cluster's name or ARN"),
        ({"cluster": ""}, "-c cluster=: must be a HyperPod cluster's name"),
        ({"cluster": "m_l"}, "-c cluster=m_l: must be a HyperPod cluster's name"),
        ({"cluster": "${Token[TOKEN.1]}"}, "-c cluster=${Token[TOKEN.1]}: must be plain text"),
        ({"cluster": True}, "-c cluster=True: must be text"),
        ({"image": "foo"}, "-c image=foo: must be default, ami-… (an AMI of this account), pub"),
        ({"image": ""}, "-c image=: must be default, ami-…"),
        ({"image": "ami-xyz"}, "-c image=ami-xyz: must be an AMI id"),
        ({"image": "public:ami-"}, "-c image=public:ami-: must be an AMI id"),
        ({"image": "release:1.3"}, "-c image=release:1.3: must be a release version"),
        ({"image": "ssm:"}, "-c image=ssm:: must be the name of an SSM parameter"),
        ({"image": AMI, "revision": "1"}, "-c revision=1: must be left out unless image is def"),
        ({"revision": ""}, "-c revision=: must be 1 to 64 printable"),
        ({"groups": ""}, "-c groups=: must be 1 to 100 instance group names; leave it out for"),
        ({"groups": "a,,b"}, "-c groups=a,,b: '' must be letters and digits"),
        ({"groups": "a,b,a"}, "-c groups=a,b,a: 'a' must be named once"),
        ({"groups": ["a", 1]}, "-c groups=a,1: must be a list of names"),
        ({"batch": "0%"}, "-c batch=0%: must be a whole number from 1 to 100"),
        ({"batch": "101%"}, "-c batch=101%: must be a whole number from 1 to 100"),
        ({"batch": "0"}, "-c batch=0: must be a whole number from 1"),
        ({"batch": "ten"}, "-c batch=ten: must be a number of nodes such as 4, or a percentage"),
        ({"batch": "-1"}, "-c batch=-1: must be a number of nodes"),
        ({"rollback-batch": "4"}, "-c rollback-batch=4: must be given together with batch"),
        ({"wait-interval": "5m"}, "-c wait-interval=5m: must be a whole number of seconds"),
        ({"wait-interval": "3601"}, "-c wait-interval=3601: must be whole seconds from 0 to 3600"),
        ({"alarms": ""}, "-c alarms=: must be 1 to 10 alarms"),
        ({"alarms": "a,,b"}, "-c alarms=a,,b: '' must be the name of a CloudWatch alarm"),
        ({"timeout": "x"}, "-c timeout=x: must be a whole number of minutes"),
        ({"timeout": "721"}, "-c timeout=721: must be from 5 minutes to 12 hours"),
        ({"timeout": "²"}, "-c timeout=²: must be a whole number of minutes"),
        ({"on-create": "Patch"}, "-c on-create=Patch: must be patch or adopt"),
        ({"on-rollback": ""}, "-c on-rollback=: must be restore or leave"),
        ({"stack": "1st"}, "-c stack=1st: must be 1 to 128 letters"),
        ({"stack": ""}, "-c stack=: must be 1 to 128 letters"),
        ({"image": "x" * 9999}, "-c image=" + "x" * 79 + "…: must be"),
        ({"image": "a\nb"}, "-c image=a b: must be"),
    ],
)
def test_a_bad_key_is_one_line(context, line):
    given = {"cluster": "ml", "image": "default", **context} if context else {}
    with pytest.raises(ContextError) as refused:
        HyperPodPatching(App(), Context(given))
    said = str(refused.value)
    assert said.startswith(line)
    assert "\n" not in said


def test_cdk_nag_finds_nothing_in_it():
    app = App(stack_traces=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    HyperPodPatching(app, Context({"cluster": "ml", "image": AMI, "groups": "workers"}))
    app.synth()  # raises for a finding


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("group", "groups"),
        ("Groups", "groups"),
        ("rollbackBatch", "rollback-batch"),
        ("rollback_batch", "rollback-batch"),
        ("wait-intervall", "wait-interval"),
        ("on_create", "on-create"),
        ("cluster-name", "cluster"),
        ("images", "image"),
        ("alarm", "alarms"),
    ],
)
def test_a_mistyped_key_is_refused_and_the_right_one_named(typed, meant):
    with pytest.raises(ContextError) as refused:
        Context({"cluster": "ml", typed: "x"})
    assert str(refused.value) == f"-c {typed}=… is not a context key of this app: {meant} is"


def test_context_of_others_is_let_through():
    others = {
        "@aws-cdk/core:target-partitions": ["aws"],
        "aws:cdk:enable-path-metadata": True,
        "availability-zones:account=1:region=us-east-1": [],
        "acknowledged-issue-numbers": [1],
        "environment": "prod",
        "team": "ml",
    }
    Context({**others, **dict.fromkeys(KEYS, "x")})


def test_it_runs_from_anywhere_and_twice_the_same(tmp_path):
    context = {"cluster": "ml", "image": AMI, "groups": "workers", "batch": "25%"}
    found = []
    for seed in ("1", "2"):
        outdir = tmp_path / seed
        done = run(context, outdir, PYTHONHASHSEED=seed)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found.append(
            {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in outdir.iterdir()}
        )
    assert found[0] == found[1]


def test_the_command_line_shows_one_line_for_a_bad_key(tmp_path):
    keys = ("-c", "cluster=ml", "-c", "image=default", "-c", "batch=0%")
    done = cdk("synth", *keys, outdir=tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: -c batch=0%: must be a whole number from 1 to 100",
        # The CDK's own last word.
        "python3 app.py: Subprocess exited with error 1",
    ]


def test_the_command_line_shows_another_image_and_nothing_else(tmp_path):
    keys = ("-c", "cluster=ml", "-c", "groups=workers", "-c", "batch=25%", "-c")
    assert cdk("synth", *keys, f"image={AMI}", outdir=tmp_path / "before").returncode == 0
    before = tmp_path / "before/HyperPodPatching.template.json"
    done = cdk(
        *("diff", "--template", str(before), *keys, "image=ami-0fedcba9876543210"),
        outdir=tmp_path / "after",
    )
    shown = (line.rstrip() for line in (done.stdout + done.stderr).splitlines())
    assert [line for line in shown if line] == [
        "Stack HyperPodPatching",
        "Resources",
        "[~] Custom::HyperPodClusterSoftware ClusterSoftware/Resource ClusterSoftwareCE00E3E5",
        " └─ [~] ImageId",
        f"     ├─ [-] {AMI}",
        "     └─ [+] ami-0fedcba9876543210",
        "✨  Number of stacks with differences: 1",
    ]


def cdk(*arguments, outdir):
    return subprocess.run(
        ["cdk", *arguments, "--no-notices", "--no-color", "--output", str(outdir)],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(outdir.parent),
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CI": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
