"""Which cluster: by construct, by name or by ARN."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_sagemaker as sagemaker

from ._validation import PropertyError, check_cluster, unresolved


@dataclass(frozen=True)
class Cluster:
    """A cluster as this stack knows it."""

    name_or_arn: str
    """What the API's ``ClusterName`` is given."""

    arn: str | None
    """The ARN, where it is known to be one."""

    declared: bool
    """Whether the cluster itself is declared in this app, so that its groups can be read there."""

    identities: frozenset[str]
    """All by which another construct of this stack may know the same cluster."""

    @property
    def label(self) -> str:
        """The cluster as a message names it."""
        return min(self.identities, key=len)

    @classmethod
    def of(cls, stack: Stack, value: sagemaker.CfnCluster | str) -> Cluster:
        """The cluster that ``value`` names, seen from ``stack``."""
        if isinstance(value, sagemaker.CfnCluster):
            return cls._of_construct(stack, value)
        checked = check_cluster(value)
        resolved = stack.resolve(checked) if unresolved(checked) else checked
        is_arn = checked.startswith("arn:") or _is_arn_attribute(resolved)
        if checked.startswith("arn:"):
            _check_environment(stack, checked)
        return cls(
            name_or_arn=checked,
            arn=checked if is_arn else None,
            declared=False,
            identities=frozenset({identity(resolved)}),
        )

    @classmethod
    def _of_construct(cls, stack: Stack, cluster: sagemaker.CfnCluster) -> Cluster:
        names = {identity(stack.resolve(cluster.attr_cluster_arn))}
        if cluster.cluster_name is not None:
            names.add(identity(stack.resolve(cluster.cluster_name)))
        return cls(
            name_or_arn=cluster.attr_cluster_arn,
            arn=cluster.attr_cluster_arn,
            declared=True,
            identities=frozenset(names),
        )


def identity(resolved: Any) -> str:
    """A name by which equal values, tokens among them, are found equal."""
    return resolved if isinstance(resolved, str) else json.dumps(resolved, sort_keys=True)


def _is_arn_attribute(resolved: Any) -> bool:
    """Whether it is ``Fn::GetAtt`` of a cluster's ARN, however it was written."""
    match resolved:
        case {"Fn::GetAtt": [str(), "ClusterArn"]}:
            return True
        case _:
            return False


def _check_environment(stack: Stack, arn: str) -> None:
    """Refuse an ARN of a place this stack is surely not deployed to."""
    _, _, _, region, account, _ = arn.split(":", 5)
    for what, own, other in (("region", stack.region, region), ("account", stack.account, account)):
        if own != other and not unresolved(own) and not unresolved(other):
            raise PropertyError("cluster", arn, f"in the stack's own {what}, {own}")
