"""Beyond the hour: a chain of waiters behind the resource."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Unpack

import jsii
import pytest
from aws_cdk import (
    App,
    Aspects,
    CfnCondition,
    CfnOutput,
    CfnResource,
    CrossStackReferences,
    Duration,
    Environment,
    Fn,
    IAspect,
    NestedStack,
    ReferenceStrength,
    Stack,
)
from constructs import IConstruct

from hyperpod_patching import BatchSize, ClusterSoftware, RollingUpdate, SoftwareImage
from hyperpod_software.adapters.properties import parse_declaration, parse_waiter
from hyperpod_software.contract.properties import SOFTWARE_TYPE, WAITER_TYPE
from hyperpod_software.model.request import Request, RequestInfo, RequestType
from tests.constructs.declarations import Properties, resource_of
from tests.constructs.templates import Synthesize, Template, of_type, only, template_of

AMI = "ami-0123456789abcdef0"


def declare(stack: Stack, **properties: Unpack[Properties]) -> ClusterSoftware:
    given: Properties = {
        "cluster": "ml",
        "image": SoftwareImage.custom_ami(AMI),
        "instance_groups": ["workers"],
        "timeout": Duration.hours(6),
        **properties,
    }
    return ClusterSoftware(stack, "Software", **given)


def waiters(template: Template) -> dict[str, Template]:
    """Logical id → waiter, in the order of their windows."""
    found = {name: one for name, one in template["Resources"].items() if one["Type"] == WAITER_TYPE}
    return dict(sorted(found.items(), key=lambda item: item[1]["Properties"]["Window"]))


def logical_id(template: Template) -> str:
    name: str
    (name,) = [name for name, one in template["Resources"].items() if one["Type"] == SOFTWARE_TYPE]
    return name


def as_sent(properties: Template, **changes: str) -> Template:
    """Properties as CloudFormation sends them."""
    known = {name: one for name, one in properties.items() if name != "ServiceToken"}
    return {**json.loads(json.dumps(known), parse_int=str), **changes}


@pytest.mark.parametrize(
    ("minutes", "windows"), [(5, 1), (57, 1), (58, 2), (114, 2), (115, 3), (1440, 26)]
)
def test_a_timeout_has_as_many_windows_as_the_function_counts(
    stack: Stack, synthesize: Synthesize, minutes: int, windows: int
) -> None:
    declare(stack, timeout=Duration.minutes(minutes))
    template = synthesize(stack)
    ticket = RequestInfo(RequestType.CREATE, "stack", "Software", "1", "https://b", None, 0.0)
    declared = parse_declaration(as_sent(only(template, SOFTWARE_TYPE)["Properties"]))
    assert Request(ticket, declared, None).windows == windows
    handed = {"Handover": "patch 0123456789abcdef"}
    read = [
        parse_waiter(as_sent(one["Properties"], **handed)) for one in of_type(template, WAITER_TYPE)
    ]
    assert sorted(one.window for one in read) == list(range(2, windows + 1))


def test_each_waiter_gets_what_the_one_before_hands_over(
    stack: Stack, synthesize: Synthesize
) -> None:
    declare(stack, timeout=Duration.hours(3))
    template = synthesize(stack)
    chain = [logical_id(template), *waiters(template)]
    for number, (before, name) in enumerate(pairwise(chain), start=2):
        properties = dict(template["Resources"][name]["Properties"])
        assert properties.pop("ServiceToken")
        assert properties == {
            "Resource": chain[0],
            "Window": number,
            "Handover": {"Fn::GetAtt": [before, "Handover"]},
            "ServiceTimeout": "3600",
        }


def test_a_new_image_changes_no_text_of_a_waiter() -> None:
    def synthesized(image: str) -> Template:
        app = App(stack_traces=False)
        stack = Stack(app, "Training")
        declare(stack, image=SoftwareImage.custom_ami(image))
        return template_of(app)

    before, after = synthesized(AMI), synthesized("ami-00000000000000001")
    changed = [name for name, one in before["Resources"].items() if after["Resources"][name] != one]
    assert changed == [logical_id(before)]


def test_what_depends_on_the_construct_waits_for_the_last_waiter(
    stack: Stack, synthesize: Synthesize
) -> None:
    software = declare(stack)
    CfnResource(stack, "Next", type="AWS::SNS::Topic").node.add_dependency(software)
    template = synthesize(stack)
    assert list(waiters(template))[-1] in only(template, "AWS::SNS::Topic")["DependsOn"]


def test_the_resource_waits_for_policy_and_permission_and_the_waiters_for_it(
    stack: Stack, synthesize: Synthesize
) -> None:
    declare(stack)
    template = synthesize(stack)
    awaited = template["Resources"][logical_id(template)]["DependsOn"]
    assert {template["Resources"][name]["Type"] for name in awaited} == {
        "AWS::IAM::Policy",
        "AWS::Lambda::Permission",
    }
    assert not any("DependsOn" in one for one in waiters(template).values())


def test_whatever_the_construct_waits_for_its_waiters_wait_for_too(
    stack: Stack, synthesize: Synthesize
) -> None:
    before = CfnResource(stack, "Before", type="AWS::SNS::Topic")
    declare(stack).node.add_dependency(before)
    assert all(one["DependsOn"] == ["Before"] for one in waiters(synthesize(stack)).values())


def test_the_attributes_are_those_of_the_last_waiter(stack: Stack, synthesize: Synthesize) -> None:
    software = declare(stack)
    CfnOutput(stack, "Outcome", value=software.outcome)
    CfnOutput(stack, "Count", value=software.patched_node_count)
    template = synthesize(stack)
    last = list(waiters(template))[-1]
    assert template["Outputs"]["Outcome"]["Value"] == {"Fn::GetAtt": [last, "Outcome"]}
    assert template["Outputs"]["Count"]["Value"] == {"Fn::GetAtt": [last, "PatchedNodeCount"]}


def test_outputs_move_once_when_a_second_window_is_needed_and_never_again() -> None:
    def owner_of_outcome(minutes: int) -> tuple[str, str]:
        app = App(stack_traces=False)
        stack = Stack(app, "Training")
        CfnOutput(stack, "Outcome", value=declare(stack, timeout=Duration.minutes(minutes)).outcome)
        template = template_of(app)
        owner, _ = template["Outputs"]["Outcome"]["Value"]["Fn::GetAtt"]
        return template["Resources"][owner]["Type"], owner

    one, two, three, most = (owner_of_outcome(minutes) for minutes in (57, 58, 180, 1440))
    assert one[0] == SOFTWARE_TYPE
    assert two[0] == WAITER_TYPE
    assert two == three == most


def test_the_logical_ids_are_those_a_stack_was_deployed_with(
    stack: Stack, synthesize: Synthesize
) -> None:
    # A changed id would be another waiter, which knows nothing of the patch before.
    declare(stack, timeout=Duration.hours(3))
    assert list(waiters(synthesize(stack))) == [
        "SoftwareWaiter20608FBB3",
        "SoftwareWaiter3BD4CD3D9",
        "SoftwareWaiterLast71669E08",
    ]


def test_an_overridden_logical_id_reaches_the_waiters(stack: Stack, synthesize: Synthesize) -> None:
    software = declare(stack)
    resource_of(software).override_logical_id("Old344B41CB")
    found = waiters(synthesize(stack)).values()
    assert {one["Properties"]["Resource"] for one in found} == {"Old344B41CB"}
    assert next(iter(found))["Properties"]["Handover"]["Fn::GetAtt"][0] == "Old344B41CB"


@pytest.mark.parametrize(
    "way", ["directly", "by an aspect of the stack", "by one for the resource"]
)
def test_a_condition_on_the_resource_holds_for_its_waiters(
    stack: Stack, synthesize: Synthesize, way: str
) -> None:
    software = declare(stack)
    condition = CfnCondition(stack, "Weekend", expression=Fn.condition_equals("a", "b"))
    resource = resource_of(software)
    everything = way == "by an aspect of the stack"

    @jsii.implements(IAspect)
    class OnWeekends:
        def visit(self, node: IConstruct) -> None:
            if isinstance(node, CfnResource) and (everything or node.node.path in paths):
                node.cfn_options.condition = condition

    paths = {resource.node.path}
    if way == "directly":
        resource.cfn_options.condition = condition
    else:
        Aspects.of(stack if everything else software).add(OnWeekends())
    template = synthesize(stack)
    assert [one.get("Condition") for one in waiters(template).values()] == ["Weekend"] * 6


def test_an_image_that_only_cloudformation_knows_may_take_long(
    stack: Stack, synthesize: Synthesize
) -> None:
    declare(stack, image=SoftwareImage.from_ssm_parameter("/golden"))
    assert len(of_type(synthesize(stack), WAITER_TYPE)) == 6


HERE = Environment(account="123456789012", region="us-east-1")
THERE = Environment(account="123456789012", region="us-west-2")


@pytest.mark.parametrize("hours", [0.5, 6])
@pytest.mark.parametrize("used", ["in an output", "in a resource", "in a text"])
def test_an_attribute_that_changes_may_not_cross_a_stack(
    app: App, stack: Stack, used: str, hours: float
) -> None:
    outcome = declare(stack, timeout=Duration.hours(hours)).outcome
    other = Stack(app, "Other")
    if used == "in a resource":
        CfnResource(other, "Topic", type="AWS::SNS::Topic", properties={"DisplayName": outcome})
    else:
        CfnOutput(other, "Out", value=outcome if used == "in an output" else f"It is {outcome}.")
    with pytest.raises(RuntimeError, match="Outcome of Training/Software is exported") as caught:
        app.synth()
    for way in ("(Training/Exports)", "cluster_arn", "SSM parameter", "an event", "WEAK"):
        assert way in str(caught.value)


@pytest.mark.parametrize("home", [HERE, None], ids=["to another region", "from a nested stack"])
def test_nor_may_it_go_another_way(app: App, home: Environment | None) -> None:
    producer = Stack(app, "Training", env=home, cross_region_references=home is not None)
    consumer = Stack(
        app,
        "Other",
        env=None if home is None else THERE,
        cross_region_references=home is not None,
    )
    software = declare(producer if home else NestedStack(NestedStack(producer, "In"), "Inner"))
    CfnOutput(consumer, "Nodes", value=software.patched_node_count)
    with pytest.raises(RuntimeError, match=r"PatchedNodeCount of Training/.*Software is exported"):
        app.synth()


@pytest.mark.parametrize("way", ["alone", "joined", "substituted", "by a text"])
def test_an_exported_output_of_an_attribute_that_changes_is_refused(
    app: App, stack: Stack, way: str
) -> None:
    count = declare(stack).patched_node_count
    said = {
        "alone": count,
        "joined": Fn.join("-", ["nodes", count]),
        "substituted": Fn.sub("${Count} nodes", {"Count": count}),
        "by a text": Fn.sub("${SoftwareWaiterLast71669E08.PatchedNodeCount} nodes"),
    }
    CfnOutput(stack, "Count", value=said[way], export_name="count")
    with pytest.raises(
        RuntimeError, match=r"PatchedNodeCount of Training/Software is exported .*Training/Count"
    ):
        app.synth()


def test_a_weak_reference_and_a_nested_stack_may_use_every_attribute(
    app: App, stack: Stack, synthesize: Synthesize
) -> None:
    software = declare(stack)
    nested, other = NestedStack(stack, "Nested"), Stack(app, "Other")
    CrossStackReferences.of(software.node.find_child("WaiterLast")).produce(ReferenceStrength.WEAK)
    for one in (nested, other):
        CfnResource(
            one, "Topic", type="AWS::SNS::Topic", properties={"DisplayName": software.outcome}
        )
    assert "Export" not in str(synthesize(stack)["Outputs"])


def test_the_arn_may_cross_a_stack(app: App, stack: Stack) -> None:
    software = declare(stack)
    CfnOutput(Stack(app, "Other"), "Arn", value=software.cluster_arn)
    app.synth()


def test_an_export_of_the_arn_by_a_name_of_its_own_keeps_its_name() -> None:
    def exported(minutes: int) -> Template:
        app = App(stack_traces=False)
        stack = Stack(app, "Training")
        software = declare(stack, timeout=Duration.minutes(minutes))
        CfnOutput(stack, "Arn", value=software.cluster_arn, export_name="ml-arn")
        export: Template = template_of(app)["Outputs"]["Arn"]["Export"]
        return export

    assert exported(57) == exported(58)


@pytest.mark.parametrize("nested", [False, True], ids=["of the stack", "of a nested stack"])
def test_too_many_resources_are_told_with_their_waiters(
    app: App, stack: Stack, nested: bool
) -> None:
    declare(stack, timeout=Duration.hours(24))
    home = NestedStack(stack, "Nested") if nested else stack
    for number in range(480):
        CfnResource(home, f"Topic{number}", type="AWS::SNS::Topic")
    if nested:
        app.synth()
        return
    with pytest.raises(RuntimeError, match="25 of them waiters of Training/Software"):
        app.synth()


def test_batches_change_no_waiter(stack: Stack, synthesize: Synthesize) -> None:
    declare(stack, rolling_update=RollingUpdate(max_batch_size=BatchSize.percent(10)))
    assert {tuple(sorted(one["Properties"])) for one in waiters(synthesize(stack)).values()} == {
        ("Handover", "Resource", "ServiceTimeout", "ServiceToken", "Window")
    }
