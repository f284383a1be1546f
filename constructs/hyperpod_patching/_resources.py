"""CloudFormation resources, as the constructs of an app say them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from aws_cdk import CfnResource, Stack
from constructs import IConstruct

_REFERENCES: Final = re.compile(
    r'"(?:Ref|Fn::GetAtt)": \[?"([A-Za-z0-9]+)(?:", "([^"]+)"\])?'
    r"|\$\{([A-Za-z0-9]+)(?:\.([^}]+))?\}"  # in Fn::Sub
)


def resources_in(construct: IConstruct) -> Iterator[CfnResource]:
    """All resources of a construct, itself among them."""
    return (one for one in construct.node.find_all() if isinstance(one, CfnResource))


def properties_of(resource: CfnResource) -> dict[str, Any]:
    """A resource's properties as they are now, under the CDK's names, with references resolved."""
    # Protected; but the public getters of jsii fail for a Lazy, and tell nothing of its content.
    properties = resource._cfn_properties  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    resolved: dict[str, Any] = Stack.of(resource).resolve(properties)
    return resolved


def references_in(resolved: object) -> Iterator[tuple[str, str]]:
    """What a value refers to: logical ids, and of each the attribute (none: ``Ref``)."""
    for name, attribute, named, its in _REFERENCES.findall(json.dumps(resolved)):
        yield name or named, attribute or its
