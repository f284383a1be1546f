"""Which cluster: by construct, by name or by ARN."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import Reference, Stack, Tokenization
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.interfaces import aws_sagemaker as interfaces
from aws_cdk.region_info import RegionInfo

from hyperpod_software.contract.values import CLUSTER_ARN

from ._validation import (
    PropertyError,
    check_cluster,
    check_cluster_name,
    check_same_place,
    check_text,
    unresolved,
)

_ARN_ATTRIBUTE: Final = re.compile(r'\{"Fn::GetAtt": \["[^"]+", "ClusterArn"\]\}')


@dataclass(frozen=True)
class HyperPodCluster:
    """A cluster known by a token, and what the token holds: an ARN or a name.

    A value that only CloudFormation knows (``Fn.import_value``, an SSM parameter, a
    ``CfnParameter``) may be either. Saying which makes the function's permission as narrow as can
    be, and events are matched by that field alone.

    **Usage**::

        ClusterSoftware(
            self,
            "Software",
            cluster=HyperPodCluster.from_cluster_arn(Fn.import_value("ClusterArn")),
            image=SoftwareImage.release("1.3.0"),
        )

    A name or an ARN in plain text needs none of it. What is neither raises ``PropertyError``.
    """

    name_or_arn: str
    """The value."""

    is_arn: bool
    """Whether it is an ARN; else it is a name."""

    @staticmethod
    def from_cluster_arn(cluster_arn: str) -> HyperPodCluster:
        """The cluster that this ARN names.

        :param cluster_arn: the ARN (or a token that holds one).
        :raises PropertyError: for anything else.
        """
        return HyperPodCluster(check_text("cluster_arn", cluster_arn, CLUSTER_ARN), is_arn=True)

    @staticmethod
    def from_cluster_name(cluster_name: str) -> HyperPodCluster:
        """The cluster of this name.

        :param cluster_name: 1 to 63 letters, digits and inner hyphens (or a token that holds such
            a name).
        :raises PropertyError: for anything else.
        """
        return HyperPodCluster(check_cluster_name(cluster_name), is_arn=False)


AnyCluster = (
    sagemaker.CfnCluster
    | interfaces.IClusterRef
    | interfaces.ClusterReference
    | HyperPodCluster
    | str
)
"""All that can be said as ``cluster``."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster as this stack knows it."""

    name_or_arn: str
    """What the API's ``ClusterName`` is given."""

    is_arn: bool | None
    """Whether that is an ARN; ``None`` where only CloudFormation knows."""

    identities: frozenset[str]
    """All by which another construct of this stack may know the same cluster."""

    label: str
    """The cluster as a message names it."""

    construct: sagemaker.CfnCluster | None = None
    """Where the cluster itself is declared, if it is in this app."""

    @property
    def arn(self) -> str | None:
        """The ARN, where it is known to be one."""
        return self.name_or_arn if self.is_arn else None

    @classmethod
    def of(cls, stack: Stack, value: AnyCluster) -> Cluster:
        """The cluster that ``value`` names, seen from ``stack``."""
        is_arn: bool | None = None
        match value:
            case sagemaker.CfnCluster():
                return cls._of_construct(stack, value, value.attr_cluster_arn)
            case HyperPodCluster():
                given, is_arn = value.name_or_arn, value.is_arn
            case interfaces.ClusterReference():
                given, is_arn = value.cluster_arn, True
            case str():
                given = check_cluster(value)
            case _:
                reference = getattr(value, "cluster_ref", None)
                given = check_cluster(getattr(reference, "cluster_arn", value))
                is_arn = True
        if construct := _construct_behind(given):
            return cls._of_construct(stack, construct, given)
        name = identity(stack, given)
        if not unresolved(given):
            is_arn = given.startswith("arn:")
        elif is_arn is None and (given.startswith("arn:") or _ARN_ATTRIBUTE.fullmatch(name)):
            is_arn = True
        if is_arn:
            _check_arn(stack, given)
        return cls(name_or_arn=given, is_arn=is_arn, identities=frozenset({name}), label=name)

    @classmethod
    def _of_construct(cls, stack: Stack, cluster: sagemaker.CfnCluster, arn: str) -> Cluster:
        path, home = cluster.node.path, Stack.of(cluster)
        check_same_place("cluster", path, stack, region=home.region, account=home.account)
        names = {path}
        if home.node.path == stack.node.path:
            # How a template that is written by hand refers to it.
            names |= {
                json.dumps(stack.resolve(one)) for one in (cluster.ref, cluster.attr_cluster_arn)
            }
        label = path
        if cluster.cluster_name is not None:
            names.add(identity(stack, cluster.cluster_name))
            if not unresolved(cluster.cluster_name):
                label = cluster.cluster_name
        return cls(
            name_or_arn=arn,
            is_arn=True,
            identities=frozenset(names),
            label=label,
            construct=cluster,
        )


def identity(stack: Stack, value: str) -> str:
    """A name by which equal values are found equal, tokens among them, and no others.

    What two stacks call by the same logical id is not the same, so the constructs behind a token
    belong to its name.
    """
    if not unresolved(value):
        return value
    tokens = Tokenization.reverse_string(value).tokens
    behind = [token.target.node.path for token in tokens if isinstance(token, Reference)]
    return " of ".join([json.dumps(stack.resolve(value), sort_keys=True), *behind])


def _construct_behind(value: str) -> sagemaker.CfnCluster | None:
    """The cluster whose ARN a token is; ``Ref`` of a cluster is its ARN, too."""
    if not unresolved(value):
        return None
    fragments = Tokenization.reverse_string(value)
    token: Any = fragments.first_token
    if fragments.length == 1 and isinstance(token, Reference):
        target = token.target
        if isinstance(target, sagemaker.CfnCluster) and token.display_name in ("Ref", "ClusterArn"):
            return target
    return None


def _check_arn(stack: Stack, arn: str) -> None:
    """Refuse an ARN of a place this stack is surely not deployed to."""
    parts = arn.split(":")
    if len(parts) != 6:  # Parts of it are known to CloudFormation alone.
        return
    _, partition, _, region, account, _ = parts
    check_same_place("cluster", arn, stack, region=region, account=account)
    for place in (region, stack.region):
        own = None if unresolved(place) else RegionInfo.get(place).partition
        if own and own != partition and not unresolved(partition):
            raise PropertyError("cluster", arn, f"in the partition of {place}, {own}")
