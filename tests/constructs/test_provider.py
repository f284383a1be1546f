"""One function patches for a whole stack, and may do what is declared and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import pytest
from aws_cdk import App, NestedStack, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker

from hyperpod_patching import ClusterSoftware, SoftwareImage
from hyperpod_software.contract.properties import SOFTWARE_TYPE
from tests.constructs.declarations import Properties
from tests.constructs.templates import (
    Synthesize,
    Template,
    flat,
    of_type,
    only,
    statements,
    template_of,
)

AMI = "ami-0123456789abcdef0"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:cluster/abcdef012345"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
HERE = "<AWS::Region>:<AWS::AccountId>"


def software(
    stack: Stack, name: str = "Software", **properties: Unpack[Properties]
) -> ClusterSoftware:
    given: Properties = {
        "cluster": "ml",
        "image": SoftwareImage.latest(),
        "instance_groups": [name],
        **properties,
    }
    return ClusterSoftware(stack, name, **given)


def prefix_of(template: Template) -> str:
    function = only(template, "AWS::Lambda::Function")["Properties"]
    prefix: str = function["Environment"]["Variables"]["HYPERPOD_SOFTWARE_PREFIX"]
    return prefix


def test_every_declaration_of_a_stack_shares_one_function(
    stack: Stack, synthesize: Synthesize
) -> None:
    for name in ("workers", "login", "controller"):
        software(stack, name)
    template = synthesize(stack)
    assert len(of_type(template, SOFTWARE_TYPE)) == 3
    for kind in (
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::IAM::Role",
        "AWS::IAM::Policy",
    ):
        assert len(of_type(template, kind)) == 1


def test_the_function_is_as_declared(stack: Stack, synthesize: Synthesize) -> None:
    software(stack)
    function = only(synthesize(stack), "AWS::Lambda::Function")["Properties"]
    del function["Code"], function["Role"], function["LoggingConfig"], function["Environment"]
    assert function == {
        "Architectures": ["arm64"],
        "Description": "Patches the software of SageMaker HyperPod clusters",
        "Handler": "hyperpod_software.handler.handler",
        "MemorySize": 256,
        "Runtime": "python3.14",
        "Timeout": 180,
    }


def test_the_log_outlives_the_stack_by_a_year(stack: Stack, synthesize: Synthesize) -> None:
    software(stack)
    template = synthesize(stack)
    assert only(template, "AWS::Logs::LogGroup") == {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"RetentionInDays": 365},
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
    }
    function = only(template, "AWS::Lambda::Function")["Properties"]
    assert function["LoggingConfig"]["LogGroup"]["Ref"] in template["Resources"]


def test_the_role_has_no_managed_policy_and_the_function_none_but_this_role(
    stack: Stack, synthesize: Synthesize
) -> None:
    software(stack)
    template = synthesize(stack)
    assert set(only(template, "AWS::IAM::Role")["Properties"]) == {
        "AssumeRolePolicyDocument",
        "Description",
    }


def test_the_resource_waits_for_the_policy_and_the_permission(
    stack: Stack, synthesize: Synthesize
) -> None:
    software(stack)
    template = synthesize(stack)
    awaited = {
        template["Resources"][name]["Type"] for name in only(template, SOFTWARE_TYPE)["DependsOn"]
    }
    assert awaited == {"AWS::IAM::Policy", "AWS::Lambda::Permission"}


def test_the_role_may_do_this_and_nothing_else(stack: Stack, synthesize: Synthesize) -> None:
    software(stack, cluster=ARN)
    template = synthesize(stack)
    prefix = prefix_of(template)
    assert statements(template) == {
        "logs:CreateLogStream": {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "<HyperPodSoftwareProviderLogGroupF4138949.Arn>",
        },
        "events:PutRule": {
            "Action": [
                "events:PutRule",
                "events:PutTargets",
                "events:RemoveTargets",
                "events:DeleteRule",
            ],
            "Resource": f"arn:<AWS::Partition>:events:{HERE}:rule/{prefix}-*",
        },
        "ssm:PutParameter": {
            "Action": ["ssm:PutParameter", "ssm:GetParametersByPath", "ssm:DeleteParameters"],
            "Resource": f"arn:<AWS::Partition>:ssm:{HERE}:parameter/{prefix}/*",
        },
        "cloudformation:DescribeStacks": {
            "Action": ["cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents"],
            "Resource": "<AWS::StackId>",
        },
        "sagemaker:DescribeCluster": {
            "Action": [
                "sagemaker:DescribeCluster",
                "sagemaker:ListClusterNodes",
                "sagemaker:UpdateClusterSoftware",
            ],
            "Resource": ARN,
        },
    }


def test_only_rules_of_the_function_itself_may_call_it(
    stack: Stack, synthesize: Synthesize
) -> None:
    software(stack)
    template = synthesize(stack)
    assert flat(only(template, "AWS::Lambda::Permission")["Properties"]) == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "<HyperPodSoftwareProviderFunctionAA157C25.Arn>",
        "Principal": "events.amazonaws.com",
        "SourceArn": f"arn:<AWS::Partition>:events:{HERE}:rule/{prefix_of(template)}-*",
    }


@pytest.mark.parametrize("way", ["construct", "attribute"])
def test_a_cluster_of_the_stack_is_permitted_by_its_arn(
    stack: Stack, synthesize: Synthesize, way: str
) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster")
    software(stack, cluster=cluster if way == "construct" else cluster.attr_cluster_arn)
    permitted = statements(synthesize(stack))["sagemaker:DescribeCluster"]
    assert permitted["Resource"] == "<Cluster.ClusterArn>"


def test_a_name_alone_permits_the_clusters_of_the_region(
    stack: Stack, synthesize: Synthesize
) -> None:
    software(stack)
    permitted = statements(synthesize(stack))["sagemaker:DescribeCluster"]
    assert permitted["Resource"] == f"arn:<AWS::Partition>:sagemaker:{HERE}:cluster/*"
    assert "Condition" not in permitted


def test_tags_narrow_the_permission_for_a_name(stack: Stack, synthesize: Synthesize) -> None:
    software(stack, cluster_tags={"team": "ml", "stage": "prod"})
    permitted = statements(synthesize(stack))["sagemaker:DescribeCluster"]
    assert permitted["Condition"] == {
        "StringEquals": {"aws:ResourceTag/team": "ml", "aws:ResourceTag/stage": "prod"}
    }


@pytest.mark.parametrize(
    "image",
    [
        SoftwareImage.latest(),
        SoftwareImage.release("1.3.0"),
        SoftwareImage.public_ami(AMI),
        SoftwareImage.from_ssm_parameter("/aws/service/sagemaker-hyperpod/ami/id"),
    ],
    ids=["latest", "release", "public AMI", "AWS's parameter"],
)
def test_an_image_of_aws_needs_no_permission_for_ec2_or_kms(
    stack: Stack, synthesize: Synthesize, image: SoftwareImage
) -> None:
    software(stack, image=image)
    assert not [name for name in statements(synthesize(stack)) if name.startswith(("ec2", "kms"))]


@pytest.mark.parametrize(
    "image",
    [SoftwareImage.custom_ami(AMI), SoftwareImage.from_ssm_parameter("/ml/golden-image")],
    ids=["by id", "by parameter"],
)
def test_a_custom_ami_needs_permission_to_look_at_it_and_to_share_it(
    stack: Stack, synthesize: Synthesize, image: SoftwareImage
) -> None:
    software(stack, image=image)
    found = {k: v for k, v in statements(synthesize(stack)).items() if k.startswith(("ec2", "kms"))}
    assert found == {
        "ec2:DescribeImages": {
            "Action": ["ec2:DescribeImages", "ec2:DescribeSnapshots"],
            "Resource": "*",
        },
        "ec2:ModifyImageAttribute": {
            "Action": "ec2:ModifyImageAttribute",
            "Resource": "arn:<AWS::Partition>:ec2:<AWS::Region>::image/*",
        },
        "ec2:ModifySnapshotAttribute": {
            "Action": "ec2:ModifySnapshotAttribute",
            "Resource": "arn:<AWS::Partition>:ec2:<AWS::Region>::snapshot/*",
        },
    }


def test_a_key_is_permitted_by_its_arn_and_grants_only_to_aws_services(
    stack: Stack, synthesize: Synthesize
) -> None:
    key = kms.Key.from_key_arn(stack, "Key", KEY)
    software(stack, image=SoftwareImage.custom_ami(AMI, encryption_key=key))
    found = statements(synthesize(stack))
    assert found["kms:DescribeKey"] == {"Action": "kms:DescribeKey", "Resource": KEY}
    assert found["kms:CreateGrant"] == {
        "Action": "kms:CreateGrant",
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": True}},
        "Resource": KEY,
    }


@pytest.mark.parametrize("way", ["by name", "of the stack", "by ARN"])
def test_an_alias_permits_the_key_behind_it(stack: Stack, synthesize: Synthesize, way: str) -> None:
    ways: dict[str, Callable[[], kms.IKey]] = {
        "by name": lambda: kms.Alias.from_alias_name(stack, "Key", "alias/golden"),
        "of the stack": lambda: kms.Alias(
            stack,
            "Key",
            alias_name="alias/golden",
            target_key=kms.Key.from_key_arn(stack, "K", KEY),
        ),
        "by ARN": lambda: kms.Key.from_key_arn(
            stack, "Key", "arn:aws:kms:us-east-1:123456789012:alias/golden"
        ),
    }
    software(stack, image=SoftwareImage.custom_ami(AMI, encryption_key=ways[way]()))
    found = statements(synthesize(stack))
    alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/golden"}}
    for action, condition in {
        "kms:DescribeKey": alias,
        "kms:CreateGrant": {**alias, "Bool": {"kms:GrantIsForAWSResource": True}},
    }.items():
        assert found[action] == {
            "Action": action,
            "Condition": condition,
            "Resource": f"arn:<AWS::Partition>:kms:{HERE}:key/*",
        }


def test_where_roles_are_made_by_others_the_report_lists_all_that_ours_needs(
    tmp_path: Path,
) -> None:
    app = App(outdir=str(tmp_path / "out"), stack_traces=False)
    iam.Role.customize_roles(
        app,
        prevent_synthesis=True,
        use_precreated_roles={"Training/HyperPodSoftwareProvider/Role": "Patching"},
    )
    software(Stack(app, "Training"), cluster=ARN)
    template = template_of(app)
    kinds = {one["Type"] for one in template["Resources"].values()}
    assert not {kind for kind in kinds if kind.startswith("AWS::IAM")}
    function = only(template, "AWS::Lambda::Function")["Properties"]
    assert flat(function["Role"]).endswith(":role/Patching")
    assert only(template, SOFTWARE_TYPE)["DependsOn"] == [
        "HyperPodSoftwareProviderPermissionE9585ADF"
    ]
    report = json.loads((tmp_path / "out/iam-policy-report.json").read_text())
    (role,) = report["roles"]
    reported = {action for one in role["identityPolicyStatements"] for action in actions(one)}
    assert reported == {
        action
        for one in statements(ordinary(tmp_path, cluster=ARN)).values()
        for action in actions(one)
    }


def ordinary(tmp_path: Path, **properties: Unpack[Properties]) -> Template:
    app = App(outdir=str(tmp_path / "ordinary"), stack_traces=False)
    software(Stack(app, "Training"), **properties)
    return template_of(app)


def actions(statement: Template) -> list[str]:
    said = statement["Action"]
    return [said] if isinstance(said, str) else said


@pytest.mark.parametrize("count", [46, 480])
def test_as_many_clusters_by_arn_as_a_stack_can_hold_fit_the_role(
    stack: Stack, synthesize: Synthesize, count: int
) -> None:
    arns = [f"{ARN[:-5]}{index:05}" for index in range(count)]
    for index, arn in enumerate(arns):
        software(stack, f"s{index}", cluster=arn)
    template = synthesize(stack)
    inline = only(template, "AWS::IAM::Policy")
    managed = of_type(template, "AWS::IAM::ManagedPolicy")
    # The bounds of IAM, which counts no spaces.
    assert written(inline) <= 10_240
    assert all(written(one) <= 6_144 for one in managed)
    assert len(managed) <= 10
    policies = [one["Properties"]["PolicyDocument"]["Statement"] for one in (inline, *managed)]
    permitted = [
        arn
        for statement in flat([one for these in policies for one in these])
        if "sagemaker:UpdateClusterSoftware" in statement["Action"]
        for arn in statement["Resource"]
    ]
    assert sorted(permitted) == arns
    names = {one for one, its in template["Resources"].items() if its in (inline, *managed)}
    for one in of_type(template, SOFTWARE_TYPE):
        (arn,) = [one["Properties"]["ClusterName"]]
        its = [
            name
            for name in names & set(one["DependsOn"])
            if arn in json.dumps(template["Resources"][name])
        ]
        assert its, "a resource waits for the policy that permits its cluster"


def written(policy: Template) -> int:
    document = flat(policy["Properties"]["PolicyDocument"])
    text = json.dumps(document, separators=(",", ":"))
    for name, value in {
        "AWS::Partition": "aws-us-gov",
        "AWS::Region": "ap-southeast-2",
        "AWS::AccountId": "123456789012",
    }.items():
        text = text.replace(f"<{name}>", value)
    return len(text)


def test_the_same_permission_is_given_once(stack: Stack, synthesize: Synthesize) -> None:
    for name in ("workers", "login"):
        software(stack, name, image=SoftwareImage.custom_ami(AMI))
    statements(synthesize(stack))  # fails on a doubled one


def test_names_of_rules_and_parameters_begin_with_what_no_other_stack_has(
    app: App, stack: Stack, synthesize: Synthesize
) -> None:
    nested = NestedStack(stack, "Nested")
    renamed = Stack(app, "Renamed", stack_name="Training-2")
    software(stack)
    software(nested)
    software(renamed)
    assembly = app.synth()
    templates = [
        assembly.get_stack_by_name("Training").template,
        assembly.get_stack_by_name("Training-2").template,
    ]
    outdir = assembly.directory
    prefixes = {prefix_of(template) for template in templates}
    prefixes.add(nested_prefix(outdir, nested.template_file))
    assert len(prefixes) == 3
    assert all(re.fullmatch("HyperPodSoftware-[0-9a-f]{8}", prefix) for prefix in prefixes)


def nested_prefix(outdir: str, template_file: str) -> str:
    return prefix_of(json.loads((Path(outdir) / template_file).read_text()))


def test_the_same_code_deployed_under_two_stack_names_makes_different_names(tmp_path: Path) -> None:
    found: set[str] = set()
    for name in ("blue", "green"):
        app = App(outdir=str(tmp_path / name))
        software(Stack(app, "Training", stack_name=name))
        found.add(prefix_of(template_of(app, name)))
    assert len(found) == 2
