"""Declare, in a CDK stack, which software a SageMaker HyperPod cluster runs.

Deploying the stack makes it so.
"""

from ._cluster_software import ClusterSoftware, OnCreate, OnRollback, OnSkippedNodes
from ._image import SoftwareImage
from ._rolling_update import BatchSize, RollingUpdate
from ._validation import PropertyError

__all__ = [
    "BatchSize",
    "ClusterSoftware",
    "OnCreate",
    "OnRollback",
    "OnSkippedNodes",
    "PropertyError",
    "RollingUpdate",
    "SoftwareImage",
]
