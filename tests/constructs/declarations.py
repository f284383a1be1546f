"""What tests declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from aws_cdk import CfnResource, Duration

from hyperpod_patching import ClusterSoftware, OnCreate, RollingUpdate, SoftwareImage
from hyperpod_patching._cluster import AnyCluster


class Properties(TypedDict, total=False):
    """What a test says of a `ClusterSoftware`, or leaves to what its file usually says."""

    cluster: AnyCluster
    image: SoftwareImage
    instance_groups: Sequence[str] | None
    rolling_update: RollingUpdate | None
    timeout: Duration | None
    on_create: OnCreate
    wait_for_completion: bool
    cluster_tags: Mapping[str, str] | None


def resource_of(software: ClusterSoftware) -> CfnResource:
    """The custom resource itself, under the CDK's construct for one."""
    custom = software.node.default_child
    assert custom is not None
    resource = custom.node.default_child
    assert isinstance(resource, CfnResource)
    return resource
