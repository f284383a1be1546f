"""What the function is called by, the names that it makes up, and what it may call in AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENTRY_POINT: Final = "hyperpod_software.handler.handler"
PREFIX_VARIABLE: Final = "HYPERPOD_SOFTWARE_PREFIX"
"""The environment variable that says how all names begin that the function makes up."""
LOG_GROUP_VARIABLE: Final = "HYPERPOD_SOFTWARE_LOG_GROUP"
"""The one that says where to look; every reason ends with it."""

DEFAULT_PREFIX: Final = "HyperPodSoftware"


def prefix_for(owner: str) -> str:
    """The prefix of one stack's function; ``owner`` is a digest of whose it is."""
    return f"{DEFAULT_PREFIX}-{owner[:8]}"


def parameter_path(prefix: str, *parts: str) -> str:
    """Where something is remembered in Parameter Store: by resource, and then by request."""
    return "/" + "/".join((prefix, *parts))


def rule_name(path: str) -> str:
    """The EventBridge rule of what is remembered there: at most 64 characters, no slashes."""
    prefix, resource, request = path.strip("/").split("/")
    return f"{prefix}-{resource}-{request[:8]}"


def all_parameters(prefix: str) -> str:
    """The parameters of a prefix, as an ARN ends with them."""
    return f"{prefix}/*"


def all_rules(prefix: str) -> str:
    """The rules of a prefix, as an ARN ends with them."""
    return f"{prefix}-*"


OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "cloudformation": ("DescribeStacks", "DescribeStackEvents"),
    "ec2": ("DescribeImages", "DescribeSnapshots"),
    "events": ("PutRule", "PutTargets", "RemoveTargets", "DeleteRule"),
    "sagemaker": ("DescribeCluster", "ListClusterNodes", "UpdateClusterSoftware"),
    "ssm": ("PutParameter", "GetParametersByPath", "DeleteParameters"),
}
"""Every operation the handler calls, by service: its role may, and its SDK can, call no other."""
