"""What there is to watch."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import Duration, Fn, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from aws_cdk.aws_events_targets import SnsTopic

from hyperpod_patching import ClusterSoftware, HyperPodCluster, SoftwareImage
from hyperpod_patching._cluster import AnyCluster
from hyperpod_software.adapters.logs import measured
from hyperpod_software.contract.signals import NAMESPACE
from tests.constructs.templates import Synthesize, flat, only


@pytest.fixture
def software(stack: Stack) -> ClusterSoftware:
    return ClusterSoftware(
        stack, "Software", cluster="ml", image=SoftwareImage.latest(), instance_groups=["workers"]
    )


def test_the_metrics_are_those_that_the_function_s_log_lines_carry(
    software: ClusterSoftware,
) -> None:
    said = measured("ml", 0.0, NodesDone=1, NodesTotal=2, Failures=0)
    (directive,) = said["_aws"]["CloudWatchMetrics"]
    metrics = [
        software.metric_nodes_done(),
        software.metric_nodes_total(),
        software.metric_failures(),
    ]
    assert [one["Name"] for one in directive["Metrics"]] == [one.metric_name for one in metrics]
    assert {one.namespace for one in metrics} == {NAMESPACE}
    for one in metrics:
        assert one.dimensions is not None
        (dimension,) = one.dimensions
        assert directive["Dimensions"] == [[dimension]]
        assert said[dimension] == one.dimensions[dimension]


def test_a_metric_takes_the_usual_options(software: ClusterSoftware) -> None:
    metric = software.metric_failures(period=Duration.minutes(5), statistic="Maximum")
    assert metric.period.to_minutes() == 5
    assert metric.statistic == "Maximum"
    assert software.metric_failures().statistic == "Sum"


def test_an_alarm_on_failures_is_one_call(
    stack: Stack, software: ClusterSoftware, synthesize: Synthesize
) -> None:
    software.metric_failures().create_alarm(stack, "Alarm", threshold=1, evaluation_periods=1)
    alarm = only(synthesize(stack), "AWS::CloudWatch::Alarm")["Properties"]
    assert alarm["Dimensions"] == [{"Name": "ClusterName", "Value": "ml"}]


def test_state_changes_are_matched_by_name_where_only_the_name_is_known(
    stack: Stack, software: ClusterSoftware, synthesize: Synthesize
) -> None:
    topic: Any = sns.Topic(stack, "Topic")  # jsii names parameters otherwise than its interfaces
    target: Any = SnsTopic(topic)
    software.on_state_change("Changed", target=target)
    rule = only(synthesize(stack), "AWS::Events::Rule")["Properties"]
    assert rule["EventPattern"] == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker HyperPod Cluster State Change"],
        "detail": {"ClusterName": ["ml"]},
    }
    assert len(rule["Targets"]) == 1


def test_state_changes_are_matched_by_arn_where_it_is_known(
    stack: Stack, synthesize: Synthesize
) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster")
    software = ClusterSoftware(stack, "Software", cluster=cluster, image=SoftwareImage.latest())
    software.on_state_change("Changed")
    rule = only(synthesize(stack), "AWS::Events::Rule")["Properties"]
    assert flat(rule["EventPattern"]["detail"]) == {"ClusterArn": ["<Cluster.ClusterArn>"]}


@pytest.mark.parametrize(
    ("say", "fields"),
    [
        (str, ["ClusterArn", "ClusterName"]),
        (HyperPodCluster.from_cluster_arn, ["ClusterArn"]),
        (HyperPodCluster.from_cluster_name, ["ClusterName"]),
    ],
    ids=["a token", "an ARN", "a name"],
)
def test_state_changes_are_matched_by_either_field_where_a_token_may_be_either(
    stack: Stack, synthesize: Synthesize, say: Callable[[str], AnyCluster], fields: list[str]
) -> None:
    token = Fn.import_value("Cluster")
    software = ClusterSoftware(stack, "Software", cluster=say(token), image=SoftwareImage.latest())
    software.on_state_change("Changed")
    detail = only(synthesize(stack), "AWS::Events::Rule")["Properties"]["EventPattern"]["detail"]
    either = [{field: [{"Fn::ImportValue": "Cluster"}]} for field in fields]
    assert detail == ({"$or": either} if len(either) > 1 else either[0])


def test_the_widgets_fit_one_dashboard(
    stack: Stack, software: ClusterSoftware, synthesize: Synthesize
) -> None:
    board = cloudwatch.Dashboard(stack, "Dashboard")
    board.add_widgets(*software.dashboard_widgets())
    body = only(synthesize(stack), "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    graph, failures, decisions = json.loads(flat(body))["widgets"]
    assert graph["properties"]["title"] == "Software: nodes patched"
    assert [one[1] for one in graph["properties"]["metrics"]] == ["NodesDone", "NodesTotal"]
    assert failures["properties"]["view"] == "singleValue"
    assert "SOURCE '<HyperPodSoftwareProviderLogGroup" in decisions["properties"]["query"]
    assert all(one["x"] + one["width"] <= 24 for one in (graph, failures, decisions))
