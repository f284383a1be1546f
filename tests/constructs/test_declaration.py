"""What is declared reaches the handler under the API's own names."""

from __future__ import annotations

import pytest
from aws_cdk import App, CfnElement, CfnOutput, CfnParameter, Duration, Fn, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from hyperpod_patching import (
    BatchSize,
    ClusterSoftware,
    OnCreate,
    OnRollback,
    OnSkippedNodes,
    RollingUpdate,
    SoftwareImage,
)
from hyperpod_software.contract.properties import SOFTWARE_TYPE
from tests.constructs.declarations import resource_of
from tests.constructs.templates import Declared, Synthesize, Template, only

AMI = "ami-0123456789abcdef0"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:cluster/abcdef012345"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_only_what_is_declared_is_said_and_defaults_are_left_unsaid(
    stack: Stack, declared: Declared
) -> None:
    ClusterSoftware(stack, "Software", cluster="ml", image=SoftwareImage.latest())
    assert declared() == {"ClusterName": "ml", "ImageId": "default"}


def test_everything_that_can_be_declared_is_said(stack: Stack, declared: Declared) -> None:
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.custom_ami(AMI, encryption_key=kms.Key.from_key_arn(stack, "Key", KEY)),
        instance_groups=["workers", "login-1"],
        rolling_update=RollingUpdate(
            max_batch_size=BatchSize.percent(10),
            rollback_max_batch_size=BatchSize.count(4),
            wait_interval=Duration.minutes(5),
            rollback_alarms=[
                cloudwatch.Alarm.from_alarm_name(stack, "Errors", "errors"),
                cloudwatch.Alarm.from_alarm_name(stack, "Latency", "latency"),
            ],
        ),
        on_create=OnCreate.ADOPT,
        on_rollback=OnRollback.LEAVE,
        on_skipped_nodes=OnSkippedNodes.WARN,
        wait_for_completion=False,
        allow_caller_credentials=True,
    )
    assert declared() == {
        "ClusterName": "ml",
        "ImageId": AMI,
        "ImageOwner": "self",
        "KmsKeyId": KEY,
        "InstanceGroups": [{"InstanceGroupName": "workers"}, {"InstanceGroupName": "login-1"}],
        "DeploymentConfig": {
            "RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "CAPACITY_PERCENTAGE", "Value": 10},
                "RollbackMaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 4},
            },
            "WaitIntervalInSeconds": 300,
            "AutoRollbackConfiguration": [{"AlarmName": "errors"}, {"AlarmName": "latency"}],
        },
        "OnCreate": "adopt",
        "OnRollback": "leave",
        "OnSkippedNodes": "warn",
        "WaitForCompletion": "false",
        "AllowCallerCredentials": "true",
    }


@pytest.mark.parametrize(
    ("rolling_update", "config"),
    [
        (
            RollingUpdate(max_batch_size=BatchSize.count(1)),
            {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}}},
        ),
        (RollingUpdate(wait_interval=Duration.seconds(0)), {"WaitIntervalInSeconds": 0}),
        (RollingUpdate(wait_interval=Duration.hours(1)), {"WaitIntervalInSeconds": 3600}),
    ],
    ids=["a batch", "no wait", "an hour's wait"],
)
def test_a_part_of_a_rolling_update_is_enough(
    stack: Stack, declared: Declared, rolling_update: RollingUpdate, config: Template
) -> None:
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.latest(),
        rolling_update=rolling_update,
    )
    assert declared()["DeploymentConfig"] == config


def test_an_alarm_of_the_stack_is_named_by_its_reference(stack: Stack, declared: Declared) -> None:
    metric = cloudwatch.Metric(namespace="Training", metric_name="Errors")
    alarm = cloudwatch.Alarm(stack, "Errors", metric=metric, threshold=1, evaluation_periods=1)
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.latest(),
        rolling_update=RollingUpdate(rollback_alarms=[alarm]),
    )
    (reference,) = declared()["DeploymentConfig"]["AutoRollbackConfiguration"]
    resource = alarm.node.default_child
    assert isinstance(resource, CfnElement)
    assert reference == {"AlarmName": {"Ref": stack.get_logical_id(resource)}}


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (SoftwareImage.latest(), {"ImageId": "default"}),
        (
            SoftwareImage.latest(revision="2026-11"),
            {"ImageId": "default", "Revision": "2026-11"},
        ),
        (SoftwareImage.public_ami(AMI), {"ImageId": AMI}),
        (SoftwareImage.custom_ami(AMI), {"ImageId": AMI, "ImageOwner": "self"}),
    ],
    ids=["latest", "latest with a revision", "public AMI", "custom AMI"],
)
def test_an_image_is_said_as_the_api_says_it(
    stack: Stack, declared: Declared, image: SoftwareImage, said: Template
) -> None:
    ClusterSoftware(stack, "Software", cluster="ml", image=image, instance_groups=["workers"])
    assert declared() == {
        "ClusterName": "ml",
        "InstanceGroups": [{"InstanceGroupName": "workers"}],
        **said,
    }


def test_a_release_can_have_a_revision_that_asks_for_what_is_left(
    stack: Stack, declared: Declared
) -> None:
    image = SoftwareImage.release("1.3.0", revision="2026-11")
    ClusterSoftware(stack, "Software", cluster="ml", image=image)
    assert declared() == {
        "ClusterName": "ml",
        "ImageReleaseVersion": "1.3.0",
        "Revision": "2026-11",
    }


def test_a_release_is_said_for_each_group(stack: Stack, declared: Declared) -> None:
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.release("1.3.0"),
        instance_groups=["a", "b"],
    )
    assert declared() == {
        "ClusterName": "ml",
        "InstanceGroups": [
            {"InstanceGroupName": "a", "ImageReleaseVersion": "1.3.0"},
            {"InstanceGroupName": "b", "ImageReleaseVersion": "1.3.0"},
        ],
    }


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (
            SoftwareImage.release("1.3.0", allow_downgrade=True),
            {"ImageReleaseVersion": "1.3.0", "AllowDowngrade": "true"},
        ),
        (
            SoftwareImage.release_line("1.3"),
            {"ImageReleaseVersion": "1.3.0", "ReleaseLine": "1.3"},
        ),
        (
            SoftwareImage.release_line("1.3", at_least="1.3.2"),
            {"ImageReleaseVersion": "1.3.2", "ReleaseLine": "1.3"},
        ),
    ],
    ids=["a downgrade", "a line", "a line from a release on"],
)
def test_what_else_a_release_may_be_is_said_beside_it(
    stack: Stack, declared: Declared, image: SoftwareImage, said: Template
) -> None:
    ClusterSoftware(stack, "Software", cluster="ml", image=image)
    assert declared() == {"ClusterName": "ml", **said}


def test_a_line_of_releases_is_said_beside_the_groups(stack: Stack, declared: Declared) -> None:
    image = SoftwareImage.release_line("1.3", at_least="1.3.2")
    ClusterSoftware(stack, "Software", cluster="ml", image=image, instance_groups=["a"])
    assert declared() == {
        "ClusterName": "ml",
        "InstanceGroups": [{"InstanceGroupName": "a", "ImageReleaseVersion": "1.3.2"}],
        "ReleaseLine": "1.3",
    }


def test_batches_on_slurm_are_said_beside_the_policy(stack: Stack, declared: Declared) -> None:
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.latest(),
        rolling_update=RollingUpdate(wait_interval=Duration.minutes(1), allow_on_slurm=True),
    )
    assert declared() == {
        "ClusterName": "ml",
        "ImageId": "default",
        "DeploymentConfig": {"WaitIntervalInSeconds": 60},
        "AllowRollingUpdateOnSlurm": "true",
    }


def test_a_release_for_every_group_is_said_once(stack: Stack, declared: Declared) -> None:
    ClusterSoftware(stack, "Software", cluster="ml", image=SoftwareImage.release("1.3.0"))
    assert declared() == {"ClusterName": "ml", "ImageReleaseVersion": "1.3.0"}


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("/aws/service/sagemaker-hyperpod/ami/x86_64/slurm-ubuntu-22.04/latest/ami-id", None),
        ("/ml/golden-image", "self"),
        ("golden-image", "self"),
    ],
    ids=["AWS's own", "a path", "a name"],
)
def test_a_parameter_is_read_by_cloudformation(
    stack: Stack, synthesize: Synthesize, name: str, owner: str | None
) -> None:
    ClusterSoftware(stack, "Software", cluster="ml", image=SoftwareImage.from_ssm_parameter(name))
    template = synthesize(stack)
    software = only(template, SOFTWARE_TYPE)
    parameter = software["Properties"]["ImageId"]["Ref"]
    assert template["Parameters"][parameter] == {
        "Type": "AWS::SSM::Parameter::Value<String>",
        "Default": name,
    }
    assert software["Properties"].get("ImageOwner") == owner


def test_one_parameter_serves_two_declarations(stack: Stack, synthesize: Synthesize) -> None:
    for group in ("workers", "login"):
        ClusterSoftware(
            stack,
            group,
            cluster="ml",
            image=SoftwareImage.from_ssm_parameter("/ml/golden-image"),
            instance_groups=[group],
        )
    parameters = set(synthesize(stack)["Parameters"]) - {"BootstrapVersion"}
    assert len(parameters) == 1


@pytest.mark.parametrize("value", ["ml", ARN])
def test_a_cluster_is_named_as_it_was_given(stack: Stack, declared: Declared, value: str) -> None:
    ClusterSoftware(stack, "Software", cluster=value, image=SoftwareImage.latest())
    assert declared()["ClusterName"] == value


def test_a_cluster_of_the_stack_is_named_by_its_arn(stack: Stack, declared: Declared) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster", cluster_name="ml")
    ClusterSoftware(stack, "Software", cluster=cluster, image=SoftwareImage.latest())
    assert declared()["ClusterName"] == {"Fn::GetAtt": ["Cluster", "ClusterArn"]}


def test_a_cluster_of_another_stack_is_imported(app: App, stack: Stack, declared: Declared) -> None:
    other = Stack(app, "Other")
    cluster = sagemaker.CfnCluster(other, "Cluster", cluster_name="ml")
    ClusterSoftware(stack, "Software", cluster=cluster, image=SoftwareImage.latest())
    assert "Fn::ImportValue" in declared()["ClusterName"]


def test_tokens_pass_through_unresolved(stack: Stack, declared: Declared) -> None:
    text = CfnParameter(stack, "Text").value_as_string
    number = CfnParameter(stack, "Number", type="Number").value_as_number
    ClusterSoftware(
        stack,
        "Software",
        cluster=text,
        image=SoftwareImage.custom_ami(text),
        instance_groups=[text, Fn.import_value("group")],
        rolling_update=RollingUpdate(
            max_batch_size=BatchSize.percent(number),
            wait_interval=Duration.seconds(number),
            rollback_alarms=[cloudwatch.Alarm.from_alarm_name(stack, "Alarm", text)],
        ),
        timeout=Duration.hours(24),
    )
    said = declared()
    assert said["ClusterName"] == said["ImageId"] == {"Ref": "Text"}
    assert said["InstanceGroups"] == [
        {"InstanceGroupName": {"Ref": "Text"}},
        {"InstanceGroupName": {"Fn::ImportValue": "group"}},
    ]
    assert said["DeploymentConfig"] == {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENTAGE", "Value": {"Ref": "Number"}}
        },
        "WaitIntervalInSeconds": {"Ref": "Number"},
        "AutoRollbackConfiguration": [{"AlarmName": {"Ref": "Text"}}],
    }


def test_a_hundred_groups_with_the_longest_names_are_accepted(
    stack: Stack, declared: Declared
) -> None:
    groups = [f"{index:03}" + "x" * 60 for index in range(100)]
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.latest(),
        instance_groups=groups,
    )
    assert [one["InstanceGroupName"] for one in declared()["InstanceGroups"]] == groups


@pytest.mark.parametrize(
    ("timeout", "seconds", "service_timeout"),
    [
        (None, 3420, "3600"),
        (Duration.minutes(57), 3420, "3600"),
        (Duration.minutes(5), 300, "480"),
        (Duration.seconds(1801), 1801, "1981"),
        (Duration.hours(24), 86_400, "3600"),
    ],
    ids=["default", "longest without waiters", "shortest", "odd", "longest"],
)
def test_cloudformation_waits_longer_than_the_handler(
    stack: Stack,
    synthesize: Synthesize,
    timeout: Duration | None,
    seconds: int,
    service_timeout: str,
) -> None:
    ClusterSoftware(stack, "Software", cluster="ml", image=SoftwareImage.latest(), timeout=timeout)
    software = only(synthesize(stack), SOFTWARE_TYPE)
    assert software["Properties"]["Timeout"] == seconds
    assert software["Properties"]["ServiceTimeout"] == service_timeout


def test_the_attributes_can_be_used_in_outputs(stack: Stack, synthesize: Synthesize) -> None:
    software = ClusterSoftware(stack, "Software", cluster="ml", image=SoftwareImage.latest())
    for name in ("cluster_arn", "outcome", "patched_instance_groups", "patched_node_count"):
        CfnOutput(stack, name.replace("_", ""), value=getattr(software, name))
    got = [one["Value"]["Fn::GetAtt"][1] for one in synthesize(stack)["Outputs"].values()]
    assert got == ["ClusterArn", "Outcome", "PatchedInstanceGroups", "PatchedNodeCount"]


def test_the_logical_id_is_the_one_a_stack_was_deployed_with(
    stack: Stack, synthesize: Synthesize
) -> None:
    # A changed id would be another resource: every deployed stack would delete and create.
    ClusterSoftware(stack, "Software", cluster="ml", image=SoftwareImage.latest())
    assert set(synthesize(stack)["Resources"]) == {
        "HyperPodSoftwareProviderFunctionAA157C25",
        "HyperPodSoftwareProviderLogGroupF4138949",
        "HyperPodSoftwareProviderPermissionE9585ADF",
        "HyperPodSoftwareProviderRoleDefaultPolicy743F1C64",
        "HyperPodSoftwareProviderRole295405E1",
        "Software344B41CB",
    }


def test_a_renamed_construct_keeps_its_resource_by_its_logical_id(
    stack: Stack, synthesize: Synthesize
) -> None:
    home = Construct(stack, "Home")
    software = ClusterSoftware(home, "Renamed", cluster="ml", image=SoftwareImage.latest())
    resource_of(software).override_logical_id("Software344B41CB")
    assert synthesize(stack)["Resources"]["Software344B41CB"]["Type"] == SOFTWARE_TYPE
