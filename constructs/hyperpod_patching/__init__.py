"""Declare, in a CDK stack, which software a SageMaker HyperPod cluster runs.

Deploying the stack makes it so.
"""

from hyperpod_software.contract.properties import OnCreate, OnRollback, OnSkippedNodes

from ._cluster import HyperPodCluster
from ._cluster_software import ClusterSoftware
from ._image import SoftwareImage
from ._rolling_update import BatchSize, RollingUpdate
from ._validation import PropertyError

__all__ = [
    "BatchSize",
    "ClusterSoftware",
    "HyperPodCluster",
    "OnCreate",
    "OnRollback",
    "OnSkippedNodes",
    "PropertyError",
    "RollingUpdate",
    "SoftwareImage",
]
