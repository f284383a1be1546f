"""What there is to see while a patch runs: metrics, log lines, and HyperPod's events."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "HyperPodSoftware"
"""The metrics' namespace. The function's log lines carry them; nothing else publishes there."""
DIMENSION: Final = "ClusterName"
"""Their one dimension: the cluster as it was declared."""
NODES_DONE: Final = "NodesDone"
NODES_TOTAL: Final = "NodesTotal"
FAILURES: Final = "Failures"

LOG_FIELDS: Final = ("stage", "reason", "seconds_left")
"""What a line on waiting says first: what is done, why, and the time that is left."""

EVENT_SOURCE: Final = "aws.sagemaker"
STATE_CHANGE: Final = "SageMaker HyperPod Cluster State Change"
CLUSTER_EVENT: Final = "SageMaker HyperPod Cluster Event"
EVENT_CLUSTER_ARN: Final = "ClusterArn"
EVENT_CLUSTER_NAME: Final = "ClusterName"
