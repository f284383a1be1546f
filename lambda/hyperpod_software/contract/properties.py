"""The custom resources and their properties, by the names that stand in templates."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final

SOFTWARE_TYPE: Final = "Custom::HyperPodClusterSoftware"
"""It declares software. CloudFormation cannot change the type of a resource that exists."""
WAITER_TYPE: Final = "Custom::HyperPodPatchWaiter"
"""It waits on for a patch that takes longer than one custom resource can."""


class Property(StrEnum):
    """The properties of the resource that declares software."""

    SERVICE_TOKEN = "ServiceToken"  # noqa: S105 - an ARN
    SERVICE_TIMEOUT = "ServiceTimeout"
    CLUSTER = "ClusterName"
    IMAGE_ID = "ImageId"
    IMAGE_OWNER = "ImageOwner"
    KEY = "KmsKeyId"
    RELEASE = "ImageReleaseVersion"
    RELEASE_LINE = "ReleaseLine"
    ALLOW_DOWNGRADE = "AllowDowngrade"
    GROUPS = "InstanceGroups"
    DEPLOYMENT = "DeploymentConfig"
    ALLOW_ON_SLURM = "AllowRollingUpdateOnSlurm"
    REVISION = "Revision"
    TIMEOUT = "Timeout"
    ON_CREATE = "OnCreate"
    ON_ROLLBACK = "OnRollback"
    ON_SKIPPED_NODES = "OnSkippedNodes"
    WAIT = "WaitForCompletion"
    ALLOW_CALLER_CREDENTIALS = "AllowCallerCredentials"
    WAIT_HANDLE = "WaitConditionHandle"
    """What versions before declared; it means nothing any more."""


class WaiterProperty(StrEnum):
    """The properties of a waiter."""

    SERVICE_TOKEN = "ServiceToken"  # noqa: S105 - an ARN
    SERVICE_TIMEOUT = "ServiceTimeout"
    RESOURCE = "Resource"
    """The logical id of the resource that declares the software."""
    WINDOW = "Window"
    HANDOVER = "Handover"


class GroupMember(StrEnum):
    """Of each of the ``InstanceGroups``, as in the API."""

    NAME = "InstanceGroupName"
    RELEASE = "ImageReleaseVersion"


class DeploymentMember(StrEnum):
    """Of a ``DeploymentConfig``, as in the API."""

    POLICY = "RollingUpdatePolicy"
    WAIT_INTERVAL = "WaitIntervalInSeconds"
    ALARMS = "AutoRollbackConfiguration"


class PolicyMember(StrEnum):
    """Of a ``RollingUpdatePolicy``, as in the API."""

    BATCH = "MaximumBatchSize"
    ROLLBACK_BATCH = "RollbackMaximumBatchSize"


class BatchMember(StrEnum):
    """Of a batch size, as in the API."""

    TYPE = "Type"
    VALUE = "Value"


class AlarmMember(StrEnum):
    """Of each alarm, as in the API."""

    NAME = "AlarmName"


LATEST_IMAGE: Final = "default"
"""An ``ImageId`` that names whatever is newest, and so no image."""
OWN_IMAGE: Final = "self"
"""The ``ImageOwner`` of a custom AMI: this account."""
INSTANCE_COUNT: Final = "INSTANCE_COUNT"
CAPACITY_PERCENTAGE: Final = "CAPACITY_PERCENTAGE"


class OnCreate(Enum):
    """What happens when the declaration is deployed for the first time."""

    PATCH = "patch"
    """Patch every declared group that does not provably run the declared image already."""

    ADOPT = "adopt"
    """Patch nothing: only check that the cluster and its groups exist."""


class OnRollback(Enum):
    """What happens to groups that were patched when CloudFormation rolls the stack back."""

    RESTORE = "restore"
    """Patch back the groups that provably run the failed image, if the image declared before is
    a pinned one (an AMI or a release)."""

    LEAVE = "leave"
    """Leave them as they are."""


class OnSkippedNodes(Enum):
    """What it means when the service reports success and left nodes out.

    On EKS a node is skipped when evicting its pods would violate a PodDisruptionBudget.
    """

    FAIL = "fail"
    """The deployment fails and names the nodes."""

    WARN = "warn"
    """The deployment succeeds with the outcome ``PatchedWithSkippedNodes``."""
