"""What SageMaker accepts, checked while the template is written.

botocore checks only required members and minimums, so a bad pattern or a value above its maximum
would otherwise come back minutes later as a failed deployment. Every bound here is the one of the
SageMaker service model (``UpdateClusterSoftware``) unless a comment says otherwise. Values that
only CloudFormation knows (tokens) pass through unresolved.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final

from aws_cdk import Stack, Token

_LONGEST_SHOWN: Final = 80

_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", re.ASCII)
_NAME_MAX: Final = 63
_CLUSTER_ARN: Final = re.compile(
    r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:cluster/[a-z0-9]{12}", re.ASCII
)
_A_CLUSTER_NAME: Final = "a HyperPod cluster's name (1 to 63 letters, digits and inner hyphens)"
_A_CLUSTER_ARN: Final = "a HyperPod cluster's ARN (ending in cluster/ and 12 characters)"
_AMI: Final = re.compile(r"ami-[0-9a-fA-F]{8,17}", re.ASCII)
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+", re.ASCII)
_VERSION_MAX: Final = 64
_LINE: Final = re.compile(r"[0-9]+\.[0-9]+", re.ASCII)
_LINE_MAX: Final = _VERSION_MAX - 2  # for ".0"
_GROUPS_MAX: Final = 100
_ALARM_NAME_MAX: Final = 255
_INTEGER_MAX: Final = 2**31 - 1
# Ours: the revision is never sent to SageMaker.
_REVISION: Final = re.compile(r"[!-~]([ -~]{0,62}[!-~])?", re.ASCII)
# Systems Manager's own rules for a parameter's name.
_PARAMETER: Final = re.compile(r"[a-zA-Z0-9_.\-]+|(/[a-zA-Z0-9_.\-]+)+", re.ASCII)
_PARAMETER_MAX: Final = 1011
_PARAMETER_LEVELS: Final = 15
# What AWS allows in tags; nothing here has a meaning in an IAM policy.
_TAG_KEY: Final = re.compile(r"[\w .:/=+\-@]{1,128}")
_TAG_VALUE: Final = re.compile(r"[\w .:/=+\-@]{0,256}")


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


def _text(property_name: str, value: object, pattern: re.Pattern[str], requirement: str) -> str:
    if isinstance(value, str) and (pattern.fullmatch(value) or unresolved(value)):
        return value
    raise PropertyError(property_name, value, requirement)


def check_cluster(value: object) -> str:
    """The name or the ARN of a cluster."""
    if not isinstance(value, str):
        raise PropertyError("cluster", value, "a CfnCluster, a cluster's name or its ARN")
    if _is_cluster_name(value) or _CLUSTER_ARN.fullmatch(value) or unresolved(value):
        return value
    raise PropertyError("cluster", value, f"{_A_CLUSTER_NAME} or {_A_CLUSTER_ARN}")


def check_cluster_arn(value: object) -> str:
    """The ARN of a cluster."""
    return _text("cluster_arn", value, _CLUSTER_ARN, _A_CLUSTER_ARN)


def check_cluster_name(value: object) -> str:
    """The name of a cluster."""
    if (
        isinstance(value, str)
        and not value.startswith("arn:")
        and (_is_cluster_name(value) or unresolved(value))
    ):
        return value
    raise PropertyError("cluster_name", value, _A_CLUSTER_NAME)


def _is_cluster_name(value: str) -> bool:
    return len(value) <= _NAME_MAX and _NAME.fullmatch(value) is not None


def check_instance_groups(value: object) -> tuple[str, ...]:
    """The names of 1 to 100 different instance groups."""
    name = "instance_groups"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise PropertyError(name, value, "a list of instance group names")
    groups: Sequence[Any] = value  # pyright: ignore[reportUnknownVariableType]
    if len(groups) == 1 and isinstance(groups[0], str) and Token.is_unresolved([groups[0]]):
        raise PropertyError(
            name, groups, "a list whose length is known at synthesis (its items may be tokens)"
        )
    if not 1 <= len(groups) <= _GROUPS_MAX:
        raise PropertyError(
            name,
            groups,
            "1 to 100 instance group names; leave it out for every group of the cluster",
        )
    seen: dict[str, None] = {}
    for index, group in enumerate(groups):
        if isinstance(group, str) and len(group) > _NAME_MAX and not unresolved(group):
            raise PropertyError(f"{name}[{index}]", group, "at most 63 characters long")
        _text(f"{name}[{index}]", group, _NAME, "letters and digits, with hyphens only inside")
        if group in seen:
            raise PropertyError(f"{name}[{index}]", group, "named once")
        seen[group] = None
    return tuple(seen)


def check_ami(value: object) -> str:
    """The id of an AMI."""
    return _text("image_id", value, _AMI, "an AMI id: ami- and 8 to 17 hexadecimal digits")


def check_version(property_name: str, value: object) -> str:
    """A release version of a HyperPod-managed AMI."""
    requirement = "a release version MAJOR.MINOR.PATCH of at most 64 characters, such as 1.3.0"
    if isinstance(value, str) and len(value) > _VERSION_MAX and not unresolved(value):
        raise PropertyError(property_name, value, requirement)
    return _text(property_name, value, _VERSION, requirement)


def check_line(value: object) -> str:
    """A line of releases: what all its release versions begin with."""
    if isinstance(value, str) and len(value) <= _LINE_MAX and _LINE.fullmatch(value):
        return value
    raise PropertyError(
        "line", value, "a line of releases MAJOR.MINOR, known at synthesis, such as 1.3"
    )


def check_revision(value: object) -> str:
    """A revision: free text that makes the same image a new declaration."""
    return _text(
        "revision",
        value,
        _REVISION,
        "1 to 64 printable ASCII characters that neither begin nor end with a space",
    )


def check_parameter_name(value: object) -> str:
    """The name of a parameter in Systems Manager, known at synthesis."""
    if (
        isinstance(value, str)
        and len(value) <= _PARAMETER_MAX
        and value.count("/") <= _PARAMETER_LEVELS
        and _PARAMETER.fullmatch(value)
    ):
        return value
    raise PropertyError(
        "parameter_name",
        value,
        "the name of an SSM parameter, known at synthesis: letters, digits and _.- in at most "
        "15 levels, each after a / where there are several, without a version",
    )


def check_flag(property_name: str, value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    raise PropertyError(property_name, value, "True or False")


def check_integer(property_name: str, value: object, maximum: int = _INTEGER_MAX) -> float:
    """A whole number from 1 to ``maximum``."""
    if isinstance(value, float) and unresolved(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= maximum:
        return value
    raise PropertyError(property_name, value, f"a whole number from 1 to {maximum}")


def check_alarm_name(property_name: str, value: object) -> str:
    """The name of a CloudWatch alarm."""
    requirement = "the name of a CloudWatch alarm: 1 to 255 characters, not blank, and not its ARN"
    # "." of the model's pattern does not match the end of a line.
    if isinstance(value, str) and unresolved(value):
        return value
    if (
        isinstance(value, str)
        and value.strip()
        and not value.startswith("arn:")
        and len(value) <= _ALARM_NAME_MAX
        # … and CloudWatch takes no control characters.
        and not re.search(r"[\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]", value)
    ):
        return value
    raise PropertyError(property_name, value, requirement)


def check_tag(property_name: str, key: object, value: object) -> tuple[str, str]:
    """A tag's key and value."""
    _text(
        f"{property_name}'s key",
        key,
        _TAG_KEY,
        "1 to 128 letters, digits, spaces and any of _.:/=+-@",
    )
    _text(
        f"{property_name}[{key!r}]",
        value,
        _TAG_VALUE,
        "at most 256 letters, digits, spaces and any of _.:/=+-@",
    )
    return str(key), str(value)
