"""What there is to watch: metrics in the function's log lines, and HyperPod's own events."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_logs as logs
from constructs import Construct

from hyperpod_software.contract.signals import (
    DIMENSION,
    EVENT_CLUSTER_ARN,
    EVENT_CLUSTER_NAME,
    EVENT_SOURCE,
    FAILURES,
    LOG_FIELDS,
    NAMESPACE,
    NODES_DONE,
    NODES_TOTAL,
    STATE_CHANGE,
)

from ._cluster import Cluster

# A look a minute: within a period all looks tell the same story, and the last one counts.
_PERIOD: Final = Duration.minutes(1)


def metric(
    scope: Construct, cluster: Cluster, name: str, statistic: str, options: dict[str, Any]
) -> cloudwatch.Metric:
    """A metric of a cluster's patches. ``options`` are CDK's ``MetricOptions``."""
    given: dict[str, Any] = {"statistic": statistic, "period": _PERIOD, **options}
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={DIMENSION: cluster.name_or_arn},
        **given,
    ).attach_to(scope)


def state_change_pattern(cluster: Cluster) -> events.EventPattern:
    """HyperPod's events about this cluster's state. The ARN is matched in ``detail``, for
    ``resources`` has been seen to carry the name; both are, where it may be either."""
    by_arn, by_name = (
        {field: [cluster.name_or_arn]} for field in (EVENT_CLUSTER_ARN, EVENT_CLUSTER_NAME)
    )
    either = {"$or": [by_arn, by_name]}
    return events.EventPattern(
        source=[EVENT_SOURCE],
        detail_type=[STATE_CHANGE],
        detail=either if cluster.is_arn is None else by_arn if cluster.is_arn else by_name,
    )


def widgets(
    scope: Construct, cluster: Cluster, log_group: logs.ILogGroup, title: str
) -> list[cloudwatch.IWidget]:
    """How far the patch is, what failed, and the function's last words."""

    def shown(name: str, statistic: str, label: str) -> cloudwatch.Metric:
        return metric(scope, cluster, name, statistic, {"label": label})

    rows: list[cloudwatch.ConcreteWidget] = [
        cloudwatch.GraphWidget(
            title=f"{title}: nodes patched",
            left=[
                shown(NODES_DONE, "Maximum", "nodes done"),
                shown(NODES_TOTAL, "Maximum", "nodes in all"),
            ],
            left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
            width=12,
        ),
        cloudwatch.SingleValueWidget(
            title=f"{title}: failed deploys",
            metrics=[shown(FAILURES, "Sum", "failures")],
            set_period_to_time_range=True,
            width=4,
            height=6,
        ),
        cloudwatch.LogQueryWidget(
            title=f"{title}: the last decisions",
            log_group_names=[log_group.log_group_name],
            query_lines=[
                f"fields {', '.join(('@timestamp', *LOG_FIELDS))}",
                "filter ispresent(reason)",
                "sort @timestamp desc",
                "limit 20",
            ],
            width=24,
            height=6,
        ),
    ]
    return list(rows)  # pyright: ignore[reportReturnType] - jsii names parameters differently
