"""HyperPod takes one patch of a cluster at a time: its declarations wait for each other."""

from __future__ import annotations

import json
import re
from typing import Unpack

import jsii
import pytest
from aws_cdk import (
    Aspects,
    CfnResource,
    Duration,
    Fn,
    IAspect,
    NestedStack,
    Stack,
)
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, IConstruct

from hyperpod_patching import ClusterSoftware, HyperPodCluster, SoftwareImage
from hyperpod_patching._cluster import AnyCluster
from hyperpod_software.contract.properties import SOFTWARE_TYPE
from tests.constructs.declarations import Properties, resource_of
from tests.constructs.templates import Synthesize, Template


def declare(scope: Construct, name: str, **properties: Unpack[Properties]) -> ClusterSoftware:
    given: Properties = {
        "cluster": "ml",
        "image": SoftwareImage.release("1.3.0"),
        "instance_groups": [name],
        **properties,
    }
    return ClusterSoftware(scope, name, **given)


def waits(template: Template) -> dict[str, set[str]]:
    """Which resources each resource waits for, directly or not, by logical id."""
    direct = {
        name: {
            other
            for other in template["Resources"]
            if other != name and re.search(rf'"{other}"|\$\{{{other}[.}}]', json.dumps(its))
        }
        for name, its in template["Resources"].items()
    }
    found = {name: set(others) for name, others in direct.items()}
    for _ in found:
        for others in found.values():
            others |= {far for near in list(others) for far in found[near]}
    return found


def order(template: Template) -> str:
    """The groups in the order of deployment, which is all there is, or a failure."""
    waiting = waits(template)
    kinds = {
        its["Properties"]["InstanceGroups"][0]["InstanceGroupName"]: name
        for name, its in template["Resources"].items()
        if its["Type"] == SOFTWARE_TYPE
    }
    assert not [name for name, others in waiting.items() if name in others], "a cycle"
    names = set(kinds.values())
    ranked = sorted(kinds, key=lambda group: len(waiting[kinds[group]] & names))
    assert [len(waiting[kinds[group]] & names) for group in ranked] == list(range(len(ranked)))
    return "".join(ranked)


def logical_id(stack: Stack, construct: ClusterSoftware) -> str:
    name: str = stack.resolve(stack.get_logical_id(resource_of(construct)))
    return name


def test_declarations_of_one_cluster_wait_in_the_order_of_declaration(
    stack: Stack, synthesize: Synthesize
) -> None:
    for name in "abcd":
        declare(stack, name)
    assert order(synthesize(stack)) == "abcd"


def test_declarations_of_several_clusters_do_not_wait(stack: Stack, synthesize: Synthesize) -> None:
    for name in "ab":
        declare(stack, name, cluster=f"ml-{name}")
    template = synthesize(stack)
    waiting = waits(template)
    found = {name for name, its in template["Resources"].items() if its["Type"] == SOFTWARE_TYPE}
    assert len(found) == 2
    assert not any(waiting[name] & found for name in found)


def test_one_cluster_said_in_several_ways_is_one_row(stack: Stack, synthesize: Synthesize) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster", cluster_name="ml")
    arn = HyperPodCluster.from_cluster_arn(cluster.attr_cluster_arn)
    ways: tuple[AnyCluster, ...] = (cluster.ref, cluster, "ml", arn)
    for name, way in zip("abcd", ways, strict=True):
        declare(stack, name, cluster=way)
    assert order(synthesize(stack)) == "abcd"


def test_what_joins_two_rows_makes_them_one(stack: Stack, synthesize: Synthesize) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster", cluster_name="ml")
    declare(stack, "a", cluster="ml")
    declare(stack, "b", cluster=Fn.ref("Cluster"))
    declare(stack, "c", cluster=cluster)
    assert order(synthesize(stack)) == "abc"


@pytest.mark.parametrize(
    "way", ["directly", "by scope", "by another", "by reference", "by a text", "late"]
)
def test_an_order_that_was_given_is_kept(stack: Stack, synthesize: Synthesize, way: str) -> None:
    first, home = Construct(stack, "First"), Construct(stack, "Home")
    a, _, c = declare(first, "a"), declare(stack, "b"), declare(home, "c")
    match way:
        case "directly":
            a.node.add_dependency(c)
        case "by scope":
            first.node.add_dependency(home)
        case "by another":
            between = CfnResource(stack, "Between", type="AWS::SNS::Topic")
            between.node.add_dependency(c)
            a.node.add_dependency(between)
        case "by reference":
            counted = {"DisplayName": c.patched_node_count}
            between = CfnResource(stack, "Between", type="AWS::SNS::Topic", properties=counted)
            a.node.add_dependency(between)
        case "by a text":
            counted = {"DisplayName": Fn.sub(f"${{{logical_id(stack, c)}.PatchedNodeCount}}")}
            between = CfnResource(stack, "Between", type="AWS::SNS::Topic", properties=counted)
            a.node.add_dependency(between)
        case _:  # late

            @jsii.implements(IAspect)
            class Late:
                def visit(self, node: IConstruct) -> None:
                    if node.node.path == stack.node.path:
                        a.node.add_dependency(c)

            Aspects.of(stack).add(Late())
    assert order(synthesize(stack)) == "bca"


def test_the_next_declaration_of_a_cluster_waits_for_the_last_waiter_of_the_one_before(
    stack: Stack, synthesize: Synthesize
) -> None:
    for name in "abc":
        declare(stack, name, timeout=Duration.hours(2))
    template = synthesize(stack)
    assert order(template) == "abc"
    waiting = waits(template)
    for earlier, later in ("ab", "bc"):
        (last,) = [one for one in waiting if one.startswith(f"{earlier}WaiterLast")]
        chain = [one for one in waiting if one.startswith(later)]
        assert len(chain) == 3
        assert all(last in waiting[one] for one in chain)


def test_a_nested_stack_that_waits_for_a_declaration_makes_no_cycle(
    stack: Stack, synthesize: Synthesize
) -> None:
    a, b = declare(stack, "a"), declare(stack, "b")
    nested = NestedStack(stack, "Nested")
    CfnResource(nested, "Topic", type="AWS::SNS::Topic").node.add_dependency(b)
    a.node.add_dependency(nested)
    assert order(synthesize(stack)) == "ba"


def test_a_cycle_of_the_app_s_own_is_not_made_longer(stack: Stack, synthesize: Synthesize) -> None:
    one, other = declare(stack, "a"), declare(stack, "b")
    for each, awaited in ((one, other), (other, one)):
        between = CfnResource(
            stack, f"After{each.node.id}", type="AWS::SNS::Topic", properties={"X": awaited.outcome}
        )
        each.node.add_dependency(between)
    names = {logical_id(stack, each) for each in (one, other)}
    for name in names:
        its = synthesize(stack)["Resources"][name]
        assert not names & set(its["DependsOn"])
