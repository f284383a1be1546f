"""The app says what its context keys say, or in one line why it cannot."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from aws_cdk import App, Validations
from botocore.model import ListShape, Shape, StructureShape
from botocore.session import get_session
from cdk_nag import AwsSolutionsChecks

from app import HyperPodPatching, main
from app_context import ALIASES, ELSEWHERE, KEYS, Context, ContextError, declared_keys
from hyperpod_patching import BatchSize, ClusterSoftware, RollingUpdate, SoftwareImage
from tests.constructs.templates import Template, template_of

ROOT = Path(__file__).parents[2]
AMI = "ami-0123456789abcdef0"


def template(**context: object) -> Template:
    app = App(stack_traces=False)
    stack = HyperPodPatching(app, Context({key.replace("_", "-"): v for key, v in context.items()}))
    return template_of(app, stack.stack_name)


def declared(**context: object) -> Template:
    resources = template(cluster="ml", **{"image": "default"} | context)["Resources"].values()
    (found,) = (one for one in resources if one["Type"] == "Custom::HyperPodClusterSoftware")
    properties: Template = found["Properties"]
    for name in ("ServiceToken", "ServiceTimeout", "Timeout", "ClusterName"):
        properties.pop(name)
    return properties


def names_of_the_library() -> Iterator[str]:
    yield from list(inspect.signature(ClusterSoftware.__init__).parameters)[3:]  # self, scope, id
    yield from (
        field.name for kind in (RollingUpdate, BatchSize) for field in dataclasses.fields(kind)
    )
    for kind in (SoftwareImage, BatchSize):
        for name, one in vars(kind).items():
            if isinstance(one, staticmethod):
                yield name
    for one in vars(SoftwareImage).values():
        if isinstance(one, staticmethod):
            yield from inspect.signature(one).parameters


def names_of_the_api() -> Iterator[str]:
    shapes: list[Shape | None] = [
        get_session()
        .get_service_model("sagemaker")
        .operation_model("UpdateClusterSoftware")
        .input_shape
    ]
    while shapes:
        shape = shapes.pop()
        if isinstance(shape, ListShape):
            shapes.append(shape.member)
        elif isinstance(shape, StructureShape):
            yield from shape.members
            shapes.extend(shape.members.values())


def words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", name).lower())


# What the command line and others call it.
OTHERS = ("batch_size", "rollback_batch_size", "StackName", "ClusterArn", "KmsKeyId")
PROPERTIES = sorted(
    {tuple(words(name)) for name in (*names_of_the_library(), *names_of_the_api(), *OTHERS)}
)


def run(
    context: Mapping[str, object], outdir: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
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


def test_a_cluster_and_an_image_are_all_it_needs() -> None:
    assert declared() == {"ImageId": "default"}


def test_no_image_is_put_on_a_cluster_unasked() -> None:
    with pytest.raises(ContextError, match=r"^-c image=… is missing: it must be default, ami-…"):
        template(cluster="ml")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("default", {"ImageId": "default"}),
        (AMI, {"ImageId": AMI, "ImageOwner": "self"}),
        (f"public:{AMI}", {"ImageId": AMI}),
        ("release:1.3.0", {"ImageReleaseVersion": "1.3.0"}),
        ("release-line:1.3", {"ImageReleaseVersion": "1.3.0", "ReleaseLine": "1.3"}),
        ("release-line:1.3.2", {"ImageReleaseVersion": "1.3.2", "ReleaseLine": "1.3"}),
    ],
)
def test_an_image_is_understood(image: str, said: Template) -> None:
    assert declared(image=image) == said


@pytest.mark.parametrize(
    ("name", "owner"), [("/aws/service/ami", None), ("/ml/golden-image", "self")]
)
def test_an_image_may_be_the_name_of_a_parameter(name: str, owner: str | None) -> None:
    said = declared(image=f"ssm:{name}")
    assert said["ImageId"]["Ref"].startswith("SsmParameterValue")
    assert said.get("ImageOwner") == owner


def test_every_key_has_its_effect() -> None:
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


def test_keys_may_be_numbers_and_lists_in_cdk_json() -> None:
    assert declared(batch=4, groups=["workers"]) == declared(batch="4", groups="workers")


def test_the_stack_and_the_timeout_are_as_asked_and_the_outputs_are_the_attributes() -> None:
    app = App(stack_traces=False)
    HyperPodPatching(
        app, Context({"cluster": "ml", "image": AMI, "stack": "Weekly", "timeout": "20"})
    )
    found = template_of(app, "Weekly")
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
        ({"image": "release-line:1"}, "-c image=release-line:1: must be a line of releases MAJOR"),
        ({"image": "release-line:1.3."}, "-c image=release-line:1.3.: must be a release version"),
        ({"image": "release-line:1.3.2.1"}, "-c image=release-line:1.3.2.1: must be a release"),
        ({"allow-downgrade": "yes"}, "-c allow-downgrade=yes: must be left out unless image is"),
        ({"allow-downgrade": "1"}, "-c allow-downgrade=1: must be yes or no"),
        ({"allow-batch-on-slurm": True}, "-c allow-batch-on-slurm=True: must be given together"),
        ({"image": "ssm:"}, "-c image=ssm:: must be the name of an SSM parameter"),
        ({"image": AMI, "revision": "1"}, "-c revision=1: must be left out unless image is def"),
        ({"revision": ""}, "-c revision=: must be 1 to 64 printable"),
        ({"groups": ""}, "-c groups=: must be 1 to 100 instance group names; leave it out for"),
        ({"groups": "a,,b"}, "-c groups=a,,b: '' must be an instance group's name"),
        ({"groups": "a,b,a"}, "-c groups=a,b,a: 'a' must be named once"),
        ({"groups": ["a", 1]}, "-c groups=a,1: must be a list of names"),
        ({"batch": "0%"}, "-c batch=0%: must be a whole number from 1 to 100"),
        ({"batch": "101%"}, "-c batch=101%: must be a whole number from 1 to 100"),
        ({"batch": "0"}, "-c batch=0: must be a whole number from 1"),
        ({"batch": "7000"}, "-c batch=7000: must be a whole number from 1 to 6758"),
        ({"batch": "ten"}, "-c batch=ten: must be a number of nodes such as 4, or a percentage"),
        ({"batch": "-1"}, "-c batch=-1: must be a number of nodes"),
        ({"rollback-batch": "4"}, "-c rollback-batch=4: must be given together with batch"),
        ({"wait-interval": "5m"}, "-c wait-interval=5m: must be a whole number of seconds"),
        ({"wait-interval": "3601"}, "-c wait-interval=3601: must be whole seconds from 0 to 3600"),
        ({"alarms": ""}, "-c alarms=: must be 1 to 10 alarms"),
        ({"alarms": "a,,b"}, "-c alarms=a,,b: '' must be the name of a CloudWatch alarm"),
        ({"timeout": "x"}, "-c timeout=x: must be a whole number of minutes"),
        ({"timeout": "1441"}, "-c timeout=1441: must be from 5 minutes to 24 hours"),
        ({"timeout": "58", "wait": "no"}, "-c timeout=58: must be at most 57 minutes for a depl"),
        ({"allow-caller-credentials": "1"}, "-c allow-caller-credentials=1: must be yes or no"),
        ({"timeout": "²"}, "-c timeout=²: must be a whole number of minutes"),
        ({"on-create": "Patch"}, "-c on-create=Patch: must be patch or adopt"),
        ({"on-rollback": ""}, "-c on-rollback=: must be restore or leave"),
        (
            {"alarms": "b,arn:aws:ours"},
            "-c alarms=b,arn:aws:ours: 'arn:aws:ours' must be the name of a CloudWatch alarm",
        ),
        (
            {"cluster-tags": ""},
            "-c cluster-tags=: '' must be KEY=VALUE, each key once, in a comma-separated list",
        ),
        ({"cluster-tags": "a"}, "-c cluster-tags=a: 'a' must be KEY=VALUE"),
        ({"cluster-tags": "a=b,a=c"}, "-c cluster-tags=a=b,a=c: 'a=c' must be KEY=VALUE, each key"),
        ({"cluster-tags": "a*=b"}, "-c cluster-tags=a*=b: 'a*' must be 1 to 128 letters"),
        ({"cluster-tags": {"a": 1}}, "-c cluster-tags=a=1: 1 must be at most 256 letters"),
        ({"cluster-tags": {}}, "-c cluster-tags=: must be a mapping of at least one tag"),
        ({"wait": "maybe"}, "-c wait=maybe: must be yes or no"),
        ({"stack": "1st"}, "-c stack=1st: must be 1 to 128 letters"),
        ({"stack": ""}, "-c stack=: must be 1 to 128 letters"),
        ({"image": "x" * 9999}, "-c image=" + "x" * 79 + "…: must be"),
        ({"image": "a\nb"}, "-c image=a b: must be"),
    ],
)
def test_a_bad_key_is_one_line(context: dict[str, object], line: str) -> None:
    given = {"cluster": "ml", "image": "default", **context} if context else {}
    with pytest.raises(ContextError) as refused:
        HyperPodPatching(App(), Context(given))
    said = str(refused.value)
    assert said.startswith(line)
    assert "\n" not in said


def test_cdk_nag_finds_nothing_in_it() -> None:
    app = App(stack_traces=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    HyperPodPatching(app, Context({"cluster": "ml", "image": AMI, "groups": "workers"}))
    app.synth()  # raises for a finding


def spellings(name: tuple[str, ...]) -> set[str]:
    pascal = "".join(map(str.capitalize, name))
    return {"-".join(name), "_".join(name), pascal, pascal[0].lower() + pascal[1:]}


@pytest.mark.parametrize("name", PROPERTIES, ids="-".join)
def test_no_property_of_library_or_api_is_ignored(name: tuple[str, ...]) -> None:
    for typed in spellings(name):
        senseless: object = {"senseless": {}}
        context = {"cluster": "ml", "image": "default", typed: senseless}
        with pytest.raises(ContextError, match=f"-c {typed}=") as refused:
            HyperPodPatching(App(), Context(context))
        key = "-".join(name)
        assert key in {*KEYS, *ALIASES} or str(refused.value).endswith(f": {ELSEWHERE[key]}")


def test_what_is_said_elsewhere_names_a_key() -> None:
    for hint in set(ELSEWHERE.values()):
        assert set(re.findall(r"[a-z-]+", hint)) & set(KEYS) or "app of your own" in hint


VALUES = {
    "cluster": "ml",
    "image": AMI,
    "groups": "workers,login",
    "batch": "25%",
    "rollback-batch": "4",
    "wait-interval": "300",
    "alarms": "errors",
    "allow-batch-on-slurm": "yes",
    "stack": "Weekly",
    "wait": "no",
}


@pytest.mark.parametrize("alias", ALIASES)
def test_a_property_is_taken_for_its_key(alias: str) -> None:
    key = ALIASES[alias]
    others = {"cluster": "ml", "image": AMI, "batch": "25%"}
    by_key = template(**{**others, key: VALUES[key]})
    others.pop(key, None)
    for typed in spellings(tuple(alias.split("-"))):
        assert template(**{**others, typed.replace("_", "-"): VALUES[key]}) == by_key


def test_a_key_may_be_written_in_any_way() -> None:
    typed = {"Cluster": "ml", "IMAGE": AMI, "rollbackBatch": "4", "Batch": 4, "on_create": "adopt"}
    keys = {"cluster": "ml", "image": AMI, "rollback-batch": "4", "batch": 4, "on-create": "adopt"}
    assert template(**typed) == template(**keys)


def test_a_key_and_its_alias_must_agree() -> None:
    Context({"groups": "workers", "instance-groups": "workers"})
    with pytest.raises(ContextError) as refused:
        Context({"groups": "workers", "InstanceGroups": "login"})
    assert str(refused.value) == (
        "-c groups=workers and -c InstanceGroups=login: both are groups, give one of them"
    )


@pytest.mark.parametrize("value", ["no", "false", False])
def test_wait_may_be_said_as_the_property_says_it(value: object) -> None:
    assert declared(wait=value)["WaitForCompletion"] == "false"


def test_a_release_may_take_back_a_newer_one_where_allowed() -> None:
    said = {"ImageReleaseVersion": "1.3.0"}
    assert declared(image="release:1.3.0", allow_downgrade="no") == said
    assert declared(image="release:1.3.0", allow_downgrade="yes") == {
        **said,
        "AllowDowngrade": "true",
    }


def test_a_batch_may_be_sent_to_slurm_where_allowed() -> None:
    assert declared(batch="4", allow_batch_on_slurm="no") == declared(batch="4")
    assert declared(wait_interval=60, allow_on_slurm=True) == {
        **declared(wait_interval="60"),
        "AllowRollingUpdateOnSlurm": "true",
    }


def test_a_patch_of_a_day_has_waiters_and_may_go_on_credentials_of_the_caller() -> None:
    found = template(cluster="ml", image=AMI, timeout="1440", allow_caller_credentials="yes")
    kinds = [one["Type"] for one in found["Resources"].values()]
    assert kinds.count("Custom::HyperPodPatchWaiter") == 25
    assert declared(allow_caller_credentials="no") == declared()
    assert declared(allow_caller_credentials="yes") == {
        **declared(),
        "AllowCallerCredentials": "true",
    }


@pytest.mark.parametrize("tags", ["team=ml, stage=prod", {"team": "ml", "stage": "prod"}])
def test_cluster_tags_narrow_the_role(tags: object) -> None:
    found = json.dumps(template(cluster="ml", image="default", cluster_tags=tags))
    assert (
        '{"StringEquals": {"aws:ResourceTag/team": "ml", "aws:ResourceTag/stage": "prod"}}' in found
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("group", "groups"),
        ("wait-intervall", "wait-interval"),
        ("images", "image"),
        ("alarm", "alarms"),
        ("instance-group", "groups"),
        ("max_batches", "batch"),
    ],
)
def test_a_mistyped_key_is_refused_and_the_right_one_named(typed: str, meant: str) -> None:
    for declared in ((), (typed,)):
        with pytest.raises(ContextError) as refused:
            Context({"cluster": "ml", typed: "x"}, declared)
        assert str(refused.value) == f"-c {typed}=… is not a context key of this app: {meant} is"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("environment", "its keys are cluster, cluster-tags, image, groups, "),
        ("", "its keys are cluster, "),
        ("batch-of-nodes", "batch is"),
        ("cluster ", "cluster is"),
        ("foo:bar", "its keys are "),
        ("versions", "image=release:"),
        ("Deployment-Configuration", "batch, rollback-batch, wait-interval and alarms say it"),
    ],
)
def test_a_key_that_nobody_reads_is_refused(typed: str, hint: str) -> None:
    with pytest.raises(ContextError) as refused:
        Context({"cluster": "ml", typed: "x"})
    said = f"-c {typed.strip()}=… is not a context key of this app: {hint}"
    assert str(refused.value).startswith(said)


def test_context_of_the_cdk_and_of_the_users_files_is_let_through() -> None:
    others = {
        "@aws-cdk/core:target-partitions": ["aws"],
        "@aws-cdk-containers/ecs-service-extensions:enableDefaultLogDriver": True,
        "aws:cdk:enable-path-metadata": True,
        "aws-cdk:enableDiffNoFail": True,
        "availability-zones:account=1:region=us-east-1": [],
        "acknowledged-issue-numbers": [1],
    }
    declared = {"environment": "prod", "team": "ml", "version": "1.2", "type": "x"}
    declared |= {"clusterRole": "x", "releaseName": "x", "public-ip": "x", "imageTag": "x"}
    Context({**others, **declared, **dict.fromkeys(KEYS, "x")}, declared)


HOSTILE: tuple[object, ...] = (
    *(
        "",
        " ",
        "\x00",
        "a\nb",
        "\x1b[31m",
        "\ud800",
        "٣",
        "x" * 9999,
        "a,,b",
        "=",
        "${Token[TOKEN.1]}",
    ),
    *(
        "arn:",
        "-1",
        "1e3",
        "ami-",
        "public:",
        "release:",
        "ssm:",
        "ssm:/",
        "ssm:/a//b",
        "ssm:ml/golden",
    ),
    *("ssm:/a:1", True, 1.5, 10**30, [], ["a", "a"], [None], {}, {"a": {}}, {"Ref": "x"}),
    {"$jsii.byref": "x"},
)


@pytest.mark.parametrize("key", KEYS)
def test_no_value_ends_in_a_traceback(key: str, tmp_path: Path) -> None:
    refused = 0
    for value in HOSTILE:
        context = {"cluster": "ml", "image": "default", key: value}
        try:
            main(App(context=context, outdir=str(tmp_path), stack_traces=False))
        except SystemExit as end:
            refused += 1
            said = str(end.code)
            assert said.startswith(f"error: -c {key}=") or "$jsii" in str(value)
            assert said.isprintable()
            assert len(said) < 400
    assert refused > len(HOSTILE) / 3


def test_a_bare_name_of_a_parameter_has_no_slash() -> None:
    assert declared(image="ssm:golden")["ImageOwner"] == "self"
    with pytest.raises(ContextError, match=r"^-c image=ssm:ml/golden: must be the name of an SSM"):
        template(cluster="ml", image="ssm:ml/golden")


def test_what_goes_wrong_elsewhere_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: App) -> None:
        raise RuntimeError("SomeName: of jsii\n  with a second line")

    monkeypatch.setattr(App, "synth", breaks)
    with pytest.raises(SystemExit, match=r"^error: SomeName: of jsii with a second line \(more"):
        main(App(context={"cluster": "ml", "image": "default"}))
    monkeypatch.setenv("CDK_DEBUG", "true")
    with pytest.raises(RuntimeError):
        main(App(context={"cluster": "ml", "image": "default"}))


def test_only_the_users_files_may_declare_what_is_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    for folder in (project, home):
        folder.mkdir()
    app = f"{sys.executable} {ROOT / 'app.py'}"
    files = {
        project / "cdk.json": {"app": app, "context": {"cluster": "ml", "team": "ml"}},
        project / "cdk.context.json": {
            "ami:account=1:filters.name.0=x": "ami-1",
            "cli-telemetry": 1,
        },
        home / ".cdk.json": {"context": {"environment": "prod", "groups": ["login"]}},
    }
    for file, content in files.items():
        file.write_text(json.dumps(content))
    keys = ("--no-staging", "-c", "image=default", "-c", "Batch=25%")
    done = cdk("synth", *keys, outdir=tmp_path / "out", cwd=project, home=home)
    assert done.returncode == 0, done.stderr
    assert "InstanceGroupName: login" in done.stdout
    assert "Type: CAPACITY_PERCENTAGE" in done.stdout
    monkeypatch.setenv("HOME", str(home))
    names = {"cluster", "team", "ami:account=1:filters.name.0=x", "cli-telemetry", "environment"}
    assert declared_keys(project) == {*names, "groups"}
    (project / "cdk.json").write_text("no JSON")
    (project / "cdk.context.json").write_text("[]")
    (home / ".cdk.json").unlink()
    assert declared_keys(project) == set()


def test_it_runs_from_anywhere_and_twice_the_same(tmp_path: Path) -> None:
    context = {"cluster": "ml", "image": AMI, "groups": "workers", "batch": "25%", "timeout": 360}
    found: list[dict[str, str]] = []
    for seed in ("1", "2"):
        outdir = tmp_path / seed
        done = run(context, outdir, PYTHONHASHSEED=seed)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found.append(
            {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in outdir.iterdir()}
        )
    assert found[0] == found[1]


def test_the_command_line_shows_one_line_for_a_bad_key(tmp_path: Path) -> None:
    keys = ("-c", "cluster=ml", "-c", "image=default", "-c", "batch=0%")
    done = cdk("synth", *keys, outdir=tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: -c batch=0%: must be a whole number from 1 to 100",
        # The CDK's own last word.
        "python3 app.py: Subprocess exited with error 1",
    ]


def test_the_command_line_shows_another_image_and_nothing_else_as_the_readme_does(
    tmp_path: Path,
) -> None:
    shown = re.search(
        r"^\$ cdk (diff --method=template .*)\n((?:.+\n)+)```$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    assert shown is not None
    arguments = shown[1].split()
    assert "timeout=360" in arguments
    image = next(one for one in arguments if one.startswith("image="))
    before = ["image=ami-00000000000000001" if one == image else one for one in arguments]
    assert cdk("synth", *before[2:], outdir=tmp_path / "before").returncode == 0
    done = cdk(
        *(*arguments, "--template", str(tmp_path / "before/HyperPodPatching.template.json")),
        outdir=tmp_path / "after",
    )
    lines = (line.rstrip() for line in (done.stdout + done.stderr).splitlines())
    assert [line for line in lines if line] == [
        "Stack HyperPodPatching",
        *shown[2].splitlines(),
        "✨  Number of stacks with differences: 1",
    ]


def cdk(
    *arguments: str, outdir: Path, cwd: Path = ROOT, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cdk", *arguments, "--no-notices", "--no-color", "--output", str(outdir)],
        cwd=cwd,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home or outdir.parent),
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CI": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
