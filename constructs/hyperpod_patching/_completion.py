"""Beyond the hour: a wait condition that waits for the end of a patch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from aws_cdk import (
    Acknowledgment,
    CfnWaitCondition,
    CfnWaitConditionHandle,
    CustomResource,
    Fn,
    Stack,
    Token,
    Validations,
)
from constructs import Construct

from ._timeout import Timeout

# The order in which the function's signal carries them, each between bars.
_ATTRIBUTES: Final = ("ClusterArn", "Outcome", "PatchedInstanceGroups", "PatchedNodeCount")


class Completion:
    """The end of one declaration's patch.

    A wait condition cannot be updated, so each wait needs logical ids of its own: they derive
    from a hash of what is declared. The same declaration is the same template; a new one is a
    new wait.
    """

    def __init__(self, scope: Construct, properties: Mapping[str, Any]) -> None:
        """Make the handle that the function is to signal."""
        declared = json.dumps(Stack.of(scope).resolve(dict(properties)), sort_keys=True)
        self._scope = scope
        self._hash = hashlib.sha256(declared.encode()).hexdigest()[:8]
        self.handle = CfnWaitConditionHandle(scope, f"Handle{self._hash}")
        """What the function is to signal; ``Ref`` of it is a pre-signed URL."""
        self._data = ""

    def after(self, resource: CustomResource, timeout: Timeout) -> CfnWaitCondition:
        """Wait once the resource has answered, which it does when the patch runs."""
        condition = CfnWaitCondition(
            self._scope,
            f"Completion{self._hash}",
            handle=self.handle.ref,
            timeout=str(timeout.wait_condition_timeout),
            count=1,
        )
        condition.node.add_dependency(resource)
        self._data = Token.as_string(condition.attr_data)
        # The attribute is a text, as AWS's own examples use it, but its schema calls it a
        # structure: CDK's validation would warn of every output that is made from it.
        Validations.of(Stack.of(self._scope)).acknowledge(
            Acknowledgment(
                id="CloudFormation-Validate::F6101",
                reason="Data of a wait condition is a text, which its schema takes for a structure.",
            )
        )
        return condition

    def attribute(self, name: str) -> str:
        """An attribute as the signal carries it: ``{"…":"|arn|outcome|groups|count|"}``."""
        return Fn.select(_ATTRIBUTES.index(name) + 1, Fn.split("|", self._data))
