"""Beyond the hour: a wait condition, made anew with every declaration."""

from __future__ import annotations

import pytest
from aws_cdk import App, CfnOutput, CfnResource, Duration, Stack

from hyperpod_patching import BatchSize, ClusterSoftware, RollingUpdate, SoftwareImage
from tests.constructs.templates import SOFTWARE, flat, of_type, only

HANDLE, CONDITION = "AWS::CloudFormation::WaitConditionHandle", "AWS::CloudFormation::WaitCondition"
AMI = "ami-0123456789abcdef0"


def declare(stack, **properties):
    return ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        **{
            "image": SoftwareImage.custom_ami(AMI),
            "instance_groups": ["workers"],
            "timeout": Duration.hours(12),
            **properties,
        },
    )


def logical_id(template, kind):
    (name,) = [name for name, one in template["Resources"].items() if one["Type"] == kind]
    return name


def test_within_the_hour_there_is_no_wait_condition(stack, synthesize):
    declare(stack, timeout=Duration.minutes(57))
    template = synthesize(stack)
    assert not of_type(template, HANDLE)
    assert "WaitConditionHandle" not in only(template, SOFTWARE)["Properties"]


def test_beyond_the_hour_the_stack_waits_for_the_signal_of_a_handle(stack, synthesize):
    declare(stack)
    template = synthesize(stack)
    handle = {"Ref": logical_id(template, HANDLE)}
    software = only(template, SOFTWARE)
    assert software["Properties"]["WaitConditionHandle"] == handle
    assert software["Properties"]["ServiceTimeout"] == "3600"
    assert software["Properties"]["Timeout"] == 43_020
    condition = only(template, CONDITION)
    assert condition["Properties"] == {"Count": 1, "Handle": handle, "Timeout": "43200"}
    assert condition["DependsOn"] == [logical_id(template, SOFTWARE)]


def test_what_depends_on_the_construct_waits_for_the_end_of_the_patch(stack, synthesize):
    software = declare(stack)
    CfnResource(stack, "Next", type="AWS::SNS::Topic").node.add_dependency(software)
    template = synthesize(stack)
    assert logical_id(template, CONDITION) in only(template, "AWS::SNS::Topic")["DependsOn"]


def test_the_attributes_are_those_of_the_end(stack, synthesize):
    software = declare(stack)
    CfnOutput(stack, "Outcome", value=software.outcome)
    CfnOutput(stack, "Nodes", value=software.patched_node_count)
    template = synthesize(stack)
    data = {"Fn::Split": ["|", {"Fn::GetAtt": [logical_id(template, CONDITION), "Data"]}]}
    assert template["Outputs"]["Outcome"]["Value"] == {"Fn::Select": [2, data]}
    assert template["Outputs"]["Nodes"]["Value"] == {"Fn::Select": [4, data]}
    assert flat(data)


@pytest.mark.parametrize(
    "change",
    [
        {"image": SoftwareImage.custom_ami("ami-0fedcba9876543210")},
        {"instance_groups": ["workers", "login"]},
        {"rolling_update": RollingUpdate(max_batch_size=BatchSize.count(1))},
        {"timeout": Duration.hours(2)},
    ],
    ids=["an image", "a group", "a policy", "a timeout"],
)
def test_a_new_declaration_is_a_new_wait_and_the_same_one_the_same(tmp_path, change):
    def waits(number, **properties):
        app = App(outdir=str(tmp_path / str(number)), stack_traces=False)
        declare(Stack(app, "Training"), **properties)
        template = app.synth().get_stack_by_name("Training").template
        return logical_id(template, HANDLE), logical_id(template, CONDITION)

    assert waits(1) == waits(2)
    assert not set(waits(1)) & set(waits(3, **change))


def test_nobody_has_to_wait(stack, declared):
    declare(stack, timeout=None, wait_for_completion=False)
    assert declared()["WaitForCompletion"] == "false"
