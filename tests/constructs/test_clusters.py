"""One cluster is one, however it is said, and two clusters are two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

import pytest
from aws_cdk import App, CfnOutput, CfnParameter, Duration, Fn, NestedStack, Stack
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hyperpod_patching import ClusterSoftware, HyperPodCluster, SoftwareImage
from hyperpod_patching._cluster import AnyCluster
from hyperpod_software.contract.properties import SOFTWARE_TYPE
from tests.constructs.declarations import Properties
from tests.constructs.templates import Synthesize, flat, of_type, only, statements

ARN = "arn:aws:sagemaker:us-east-1:123456789012:cluster/abcdef012345"
EVERY_CLUSTER = "arn:<AWS::Partition>:sagemaker:<AWS::Region>:<AWS::AccountId>:cluster/*"


def declare(scope: Construct, name: str, **properties: Unpack[Properties]) -> ClusterSoftware:
    given: Properties = {
        "cluster": "other",
        "image": SoftwareImage.latest(),
        "instance_groups": ["a"],
        **properties,
    }
    return ClusterSoftware(scope, name, **given)


def ways_to_say(cluster: sagemaker.CfnCluster) -> dict[str, AnyCluster]:
    return {
        "the construct": cluster,
        "Ref": cluster.ref,
        "attribute": cluster.attr_cluster_arn,
        "reference": cluster.cluster_ref,
        "ARN of the reference": cluster.cluster_ref.cluster_arn,
        "intrinsic attribute": Fn.get_att("Cluster", "ClusterArn").to_string(),
        "intrinsic Ref": Fn.ref("Cluster"),
        "a token that is an ARN": HyperPodCluster.from_cluster_arn(cluster.ref),
        "name": "ml",
    }


def test_a_cluster_of_the_stack_is_the_same_however_it_is_said(stack: Stack) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster", cluster_name="ml")
    declare(stack, "First", cluster=cluster)
    for name, same in ways_to_say(cluster).items():
        with pytest.raises(ValueError, match="both the instance group a;"):
            declare(stack, name, cluster=same)


def test_a_cluster_of_another_stack_is_the_same_however_it_is_said(app: App, stack: Stack) -> None:
    cluster = sagemaker.CfnCluster(Stack(app, "Other"), "Cluster", cluster_name="ml")
    declare(stack, "First", cluster=cluster.ref)
    for same in (cluster, cluster.attr_cluster_arn, cluster.cluster_ref, "ml"):
        with pytest.raises(ValueError, match="the same cluster, ml, both"):
            declare(stack, "Second", cluster=same)


def test_clusters_of_two_stacks_with_the_same_id_are_two(
    app: App, stack: Stack, synthesize: Synthesize
) -> None:
    clusters = [sagemaker.CfnCluster(Stack(app, name), "Cluster") for name in ("Blue", "Green")]
    for index, cluster in enumerate(clusters):
        declare(stack, f"Software{index}", cluster=(cluster, cluster.ref)[index])
    with pytest.raises(ValueError, match="the same cluster, Blue/Cluster, both"):
        declare(stack, "Third", cluster=clusters[0])
    assert len(of_type(synthesize(stack), SOFTWARE_TYPE)) == 2


def test_parameters_of_two_stacks_with_the_same_id_are_two(app: App, stack: Stack) -> None:
    nested = NestedStack(stack, "Nested")
    one, other = (CfnParameter(each, "Cluster").value_as_string for each in (stack, nested))
    declare(stack, "First", cluster=one)
    declare(stack, "Second", cluster=other)
    with pytest.raises(ValueError, match="both the instance group a;"):
        declare(stack, "Third", cluster=f"{one}")


def tokens(stack: Stack) -> dict[str, str]:
    return {
        "import": Fn.import_value("Cluster"),
        "SSM": ssm.StringParameter.value_for_string_parameter(stack, "/ml/cluster"),
        "parameter": CfnParameter(stack, "Parameter").value_as_string,
        "list": Fn.select(0, Fn.split(",", Fn.import_value("Clusters"))),
        "part of an ARN": Fn.select(
            1, Fn.split("/", Fn.get_att("Cluster", "ClusterArn").to_string())
        ),
    }


@pytest.mark.parametrize("way", tokens(Stack()))
def test_a_token_that_is_said_to_be_an_arn_is_permitted_alone(
    stack: Stack, synthesize: Synthesize, way: str
) -> None:
    token = tokens(stack)[way]
    declare(stack, "Software", cluster=HyperPodCluster.from_cluster_arn(token))
    template = synthesize(stack)
    permitted = statements(template)["sagemaker:DescribeCluster"]["Resource"]
    assert permitted == flat(only(template, SOFTWARE_TYPE)["Properties"]["ClusterName"])
    assert permitted == flat(stack.resolve(token))


@pytest.mark.parametrize("say", [str, HyperPodCluster.from_cluster_name], ids=["token", "name"])
@pytest.mark.parametrize("way", tokens(Stack()))
def test_any_other_token_permits_the_clusters_of_the_region(
    stack: Stack, synthesize: Synthesize, way: str, say: Callable[[str], AnyCluster]
) -> None:
    declare(stack, "Software", cluster=say(tokens(stack)[way]), cluster_tags={"team": "ml"})
    permitted = statements(synthesize(stack))["sagemaker:DescribeCluster"]
    assert permitted["Resource"] == EVERY_CLUSTER
    assert "Condition" in permitted


@pytest.mark.parametrize("way", ways_to_say(sagemaker.CfnCluster(Stack(), "Cluster")))
def test_a_cluster_of_the_stack_is_permitted_alone_however_it_is_said(
    stack: Stack, synthesize: Synthesize, way: str
) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster", cluster_name="ml")
    declare(stack, "Software", cluster=ways_to_say(cluster)[way])
    permitted = statements(synthesize(stack))["sagemaker:DescribeCluster"]["Resource"]
    ambiguous = way in {"name", "intrinsic Ref"}  # Ref of what, a text does not say.
    assert permitted in ((EVERY_CLUSTER,) if ambiguous else ("<Cluster>", "<Cluster.ClusterArn>"))


def test_the_arn_of_a_known_cluster_is_no_attribute(stack: Stack, synthesize: Synthesize) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster")
    clusters: dict[str, AnyCluster] = {"Arn": ARN, "Construct": cluster, "Name": "ml"}
    for name, known in clusters.items():
        CfnOutput(stack, f"{name}Out", value=declare(stack, name, cluster=known).cluster_arn)
    said = {name: flat(one["Value"]) for name, one in synthesize(stack)["Outputs"].items()}
    assert said.pop("NameOut").endswith(".ClusterArn>")
    assert said == {"ArnOut": ARN, "ConstructOut": "<Cluster.ClusterArn>"}


def refused(stack: Stack, **properties: Unpack[Properties]) -> None:
    with pytest.raises(ValueError, match=r"one declaration only|but must be"):
        declare(stack, "Refused", **properties)


def test_what_is_refused_leaves_nothing_in_the_stack(stack: Stack, synthesize: Synthesize) -> None:
    refused(stack, cluster_tags={})
    refused(stack, wait_for_completion=False, timeout=Duration.hours(2))
    assert "Resources" not in synthesize(stack)


def test_what_is_refused_takes_no_group_no_permission_and_no_name(
    stack: Stack, synthesize: Synthesize
) -> None:
    declare(stack, "First", cluster="ml", instance_groups=["a"])
    refused(stack, cluster="ml")
    refused(stack, cluster=ARN, cluster_tags={"team": "ml"})
    refused(
        stack,
        cluster=ARN,
        timeout=Duration.hours(25),
        image=SoftwareImage.custom_ami("ami-0123456789abcdef0"),
    )
    declare(stack, "Refused")
    template = synthesize(stack)
    assert len(of_type(template, SOFTWARE_TYPE)) == 2
    assert statements(template)["sagemaker:DescribeCluster"]["Resource"] == EVERY_CLUSTER
    assert "ec2:DescribeImages" not in statements(template)
