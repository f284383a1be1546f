"""What the handler and SageMaker accept, checked while the template is written.

botocore checks only required members and minimums, so a bad pattern or a value above its maximum
would otherwise come back minutes later as a failed deployment. What is allowed stands in the
contract with the handler. Values that only CloudFormation knows (tokens) pass through unresolved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from aws_cdk import Stack, Token

from hyperpod_software.contract import values
from hyperpod_software.contract.values import Range, Text

_LONGEST_SHOWN: Final = 80

# Systems Manager's own rules for a parameter's name.
_PARAMETER: Final = Text(
    "the name of an SSM parameter: letters, digits and _.- in at most 15 levels, each after a / "
    "where there are several, without a version",
    r"[a-zA-Z0-9_.\-]+|(/[a-zA-Z0-9_.\-]+){1,15}",
    1011,
)
# What AWS allows in tags; nothing here has a meaning in an IAM policy.
_TAG_KEY: Final = Text(
    "1 to 128 letters, digits, spaces and any of _.:/=+-@", r"[\w .:/=+\-@]+", 128
)
_TAG_VALUE: Final = Text(
    "at most 256 letters, digits, spaces and any of _.:/=+-@", r"[\w .:/=+\-@]*", 256
)


class PropertyError(ValueError):
    """A property has a value that SageMaker HyperPod, or this library, does not accept.

    The message is one sentence naming the property, its value and what is allowed; the three parts
    are also kept apart, for a program that wants to say it in its own words.
    """

    def __init__(self, property_name: str, value: object, requirement: str) -> None:
        """Say that ``property_name`` has ``value``, which ``requirement`` does not allow."""
        super().__init__(f"{property_name} is {_shown(value)}, but must be {requirement}")
        self.property_name = property_name
        self.value = value
        self.requirement = requirement


def _shown(value: object) -> str:
    """A value as an error message shows it: on one line, and never longer than a line."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken __repr__ must not hide what is wrong
        text = f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def unresolved(value: object) -> bool:
    """Whether only CloudFormation will know this value."""
    # NaN and infinities are no tokens, and JSON to jsii cannot carry them.
    askable = isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))
    return askable and bool(Token.is_unresolved(value))


def check_same_place(
    property_name: str, value: object, stack: Stack, *, region: str, account: str
) -> None:
    """Refuse what is in a place that this stack is surely not deployed to."""
    for what, own, other in (("region", stack.region, region), ("account", stack.account, account)):
        if own != other and not unresolved(own) and not unresolved(other):
            raise PropertyError(property_name, value, f"in the stack's own {what}, {own}")


def check_text(property_name: str, value: object, text: Text) -> str:
    """A text that the contract allows, or a token."""
    if isinstance(value, str) and (text.allows(value) or unresolved(value)):
        return value
    raise PropertyError(property_name, value, text.allowed)


def check_whole(property_name: str, value: object, bounds: Range) -> float:
    """A whole number that the contract allows, or a token."""
    if isinstance(value, float) and unresolved(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and bounds.allows(value):
        return value
    raise PropertyError(property_name, value, bounds.allowed)


def check_cluster(value: object) -> str:
    """The name or the ARN of a cluster."""
    if not isinstance(value, str):
        raise PropertyError("cluster", value, "a CfnCluster, a cluster's name or its ARN")
    named, arn = values.CLUSTER_NAME, values.CLUSTER_ARN
    if named.allows(value) or arn.allows(value) or unresolved(value):
        return value
    raise PropertyError("cluster", value, f"{named.allowed} or {arn.allowed}")


def check_cluster_name(value: object) -> str:
    """The name of a cluster."""
    # "arn:" may be all that is known of a token.
    if isinstance(value, str) and value.startswith("arn:"):
        raise PropertyError("cluster_name", value, values.CLUSTER_NAME.allowed)
    return check_text("cluster_name", value, values.CLUSTER_NAME)


def check_instance_groups(value: object) -> tuple[str, ...]:
    """The names of different instance groups, as many as a call takes."""
    name = "instance_groups"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise PropertyError(name, value, "a list of instance group names")
    groups: Sequence[Any] = value  # pyright: ignore[reportUnknownVariableType]
    if len(groups) == 1 and isinstance(groups[0], str) and Token.is_unresolved([groups[0]]):
        raise PropertyError(
            name, groups, "a list whose length is known at synthesis (its items may be tokens)"
        )
    if not values.GROUPS.allows(len(groups)):
        raise PropertyError(
            name,
            groups,
            f"{values.GROUPS} instance group names; leave it out for every group of the cluster",
        )
    seen: dict[str, None] = {}
    for index, group in enumerate(groups):
        check_text(f"{name}[{index}]", group, values.GROUP_NAME)
        if group in seen:
            raise PropertyError(f"{name}[{index}]", group, "named once")
        seen[group] = None
    return tuple(seen)


def check_known(property_name: str, value: object, text: Text) -> str:
    """A text that the contract allows, and no token."""
    if isinstance(value, str) and text.allows(value):
        return value
    raise PropertyError(property_name, value, f"{text.allowed}, known at synthesis")


def check_parameter_name(value: object) -> str:
    """The name of a parameter in Systems Manager, known at synthesis."""
    return check_known("parameter_name", value, _PARAMETER)


def check_flag(property_name: str, value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    raise PropertyError(property_name, value, "True or False")


def check_tag(property_name: str, key: object, value: object) -> tuple[str, str]:
    """A tag's key and value."""
    check_text(f"{property_name}'s key", key, _TAG_KEY)
    check_text(f"{property_name}[{key!r}]", value, _TAG_VALUE)
    return str(key), str(value)
