"""Patches of more than an hour: a chain of custom resources that wait for the end of one patch.

CloudFormation waits an hour at most for a custom resource. The resource that declares the software
is the first window onto its patch; each waiter is one more. A window that ends before the patch
answers with a ``Handover``, the id of the patch that goes on; one that ends with the patch answers
with its result. That attribute is the one property of the next waiter that ever changes, so that
CloudFormation updates a waiter exactly when there is something to carry on or to pass on, and the
text of a waiter in the template never changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import jsii
from aws_cdk import (
    AspectPriority,
    Aspects,
    CfnOutput,
    CfnResource,
    CustomResource,
    Duration,
    IAspect,
    Stack,
)
from constructs import Construct, IConstruct, IValidation

from hyperpod_software.contract.answers import HANDOVER, Attribute
from hyperpod_software.contract.properties import WAITER_TYPE, WaiterProperty
from hyperpod_software.contract.times import SERVICE_TIMEOUT

from ._resources import properties_of, references_in, resources_in

_CHANGING: Final = (HANDOVER, Attribute.OUTCOME, Attribute.GROUPS, Attribute.NODES)
"""The attributes that a new patch changes: all but the cluster's ARN."""
_MAX_RESOURCES: Final = 500
# Made by the CDK for a reference to a stack in another region.
_EXPORT_WRITER: Final = "Custom::CrossRegionExportWriter"


def add_waiters(
    scope: Construct, first: CustomResource, *, service_token: str, windows: int
) -> CustomResource:
    """Chain waiters behind a resource, so that there are as many windows as said; the last one."""
    chain = [first]
    for window in range(2, windows + 1):
        waiter = CustomResource(
            scope,
            # Its own name, so that outputs stay when the chain grows or shrinks.
            "WaiterLast" if window == windows else f"Waiter{window}",
            resource_type=WAITER_TYPE,
            service_token=service_token,
            service_timeout=Duration.seconds(SERVICE_TIMEOUT),
            properties={
                # A token: whoever renames the construct overrides the id afterwards.
                WaiterProperty.RESOURCE: _cfn(first).logical_id,
                WaiterProperty.WINDOW: window,
                WaiterProperty.HANDOVER: chain[-1].get_att_string(HANDOVER),
            },
        )
        chain.append(waiter)
    if windows > 1:
        # After the aspects of an app, which may be what sets the condition.
        priority = AspectPriority.READONLY - 1
        Aspects.of(scope).add(_SameCondition(chain), priority=priority)
    scope.node.add_validation(_Validation(scope, chain))
    return chain[-1]


def _cfn(resource: CustomResource) -> CfnResource:
    child = resource.node.default_child
    assert isinstance(child, CfnResource)
    return child


@jsii.implements(IAspect)
class _SameCondition:
    """A condition that a user puts on the resource holds for its waiters, too."""

    def __init__(self, chain: Sequence[CustomResource]) -> None:
        self._first, *self._waiters = map(_cfn, chain)

    def visit(self, node: IConstruct) -> None:
        if node.node.path == self._first.node.path:
            for waiter in self._waiters:
                waiter.cfn_options.condition = self._first.cfn_options.condition


@jsii.implements(IValidation)
class _Validation:
    """What would be found out at the end of a deployment, with the nodes patched already.

    The CDK validates once references are resolved, so the exports that it makes of them are seen.
    """

    def __init__(self, scope: Construct, chain: Sequence[CustomResource]) -> None:
        self._path = scope.node.path
        self._stack = Stack.of(scope)
        self._chain = chain

    def validate(self) -> list[str]:
        """The mistakes, in words of use."""
        return [*self._exports(), *self._too_many()]

    def _exports(self) -> Iterator[str]:
        """CloudFormation refuses to change an exported value that another stack imports."""
        stack = self._stack
        names = [str(stack.resolve(_cfn(each).logical_id)) for each in self._chain]
        changing = {(name, attribute): attribute for name in names for attribute in _CHANGING}
        while True:
            for path, said in _exports_of(stack):
                for one in said & changing.keys():
                    yield self._exported(changing[one], path)
            parent, nested = stack.nested_stack_parent, stack.nested_stack_resource
            if parent is None or not isinstance(nested, CfnResource):
                return
            # What a nested stack puts out is an attribute of its resource in the parent.
            name = str(parent.resolve(nested.logical_id))
            changing = {
                (name, f"Outputs.{stack.resolve(output.logical_id)}"): changing[one]
                for output in _outputs_of(stack)
                for one in set(references_in(stack.resolve(output.value))) & changing.keys()
            }
            stack = parent

    def _exported(self, attribute: str, where: str) -> str:
        return (
            f"{attribute} of {self._path} is exported to other stacks ({where}), but changes with "
            "every patch, and an exported value that another stack imports cannot change. Export "
            "cluster_arn only; pass the others on in an SSM parameter, an event, or by a weak "
            "reference (ReferenceStrength.WEAK)."
        )

    def _too_many(self) -> Iterator[str]:
        waiters, found = len(self._chain) - 1, list(resources_in(self._stack))
        if not waiters or len(found) <= _MAX_RESOURCES:
            return
        count = sum(_is_in(self._stack, one) for one in found)
        if count > _MAX_RESOURCES:
            yield (
                f"The stack has {count} resources, {waiters} of them waiters of {self._path}, and "
                f"CloudFormation allows {_MAX_RESOURCES}. Declare a shorter timeout, or give long "
                "patches a stack of their own."
            )


def _exports_of(stack: Stack) -> Iterator[tuple[str, set[tuple[str, str]]]]:
    """Where something of a stack is exported, and what is referred to there."""
    for output in _outputs_of(stack):
        if output.export_name is not None:
            path, _, _ = output.node.path.partition("/Output{")  # the CDK's own
            yield path, set(references_in(stack.resolve(output.value)))
    for resource in resources_in(stack):
        if resource.cfn_resource_type == _EXPORT_WRITER and _is_in(stack, resource):
            yield resource.node.path, set(references_in(properties_of(resource)))


def _outputs_of(stack: Stack) -> Iterator[CfnOutput]:
    found = (one for one in stack.node.find_all() if isinstance(one, CfnOutput))
    return (one for one in found if _is_in(stack, one))


def _is_in(stack: Stack, construct: IConstruct) -> bool:
    """It is the stack's own, and not one of a stack that is nested in it."""
    return Stack.of(construct).node.path == stack.node.path
