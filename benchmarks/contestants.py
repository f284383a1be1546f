"""Four ways to wait for the end of a patch, as CDK stacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws_cdk import CustomResource, Duration, IgnoreMode, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.custom_resources import Provider

from hyperpod_patching import ClusterSoftware, RollingUpdate, SoftwareImage

_HERE = Path(__file__).parent
_PEERS = ["*", "!peers", "!peers/*.py"]
"""What is left out of the peers' asset: all but the peers."""
_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")


@dataclass(frozen=True)
class Patch:
    """What a stack declares."""

    cluster: str
    image: str
    groups: tuple[str, ...]
    rolling_update: RollingUpdate | None = None
    timeout: Duration | None = None


@dataclass(frozen=True, eq=False)
class Contestant:
    """One way to wait."""

    name: str
    """As the tables call it."""
    key: str
    """As its stacks and clusters are called."""
    declare: Callable[[Stack, Patch], object]
    interval_minutes: float = 0.0
    """Minutes between two looks by an EventBridge schedule; 0 where a state machine looks."""
    interval_seconds: float = 0.0
    """Seconds between two looks by a state machine."""
    faults: dict[str, Any] = field(default_factory=dict[str, Any])
    end: tuple[str, ...] = _CUSTOM
    """Types of the resource whose completion is CloudFormation's knowing."""
    memory: float = 0.125
    """Of its functions, in GB."""

    def of(self, patch: Patch) -> Callable[[Stack], object]:
        """What declares this patch in a stack."""
        return lambda stack: self.declare(stack, patch)


def ours(stack: Stack, patch: Patch) -> None:
    """Our own construct."""
    ClusterSoftware(
        stack,
        "Software",
        cluster=patch.cluster,
        image=SoftwareImage.custom_ami(patch.image),
        instance_groups=list(patch.groups),
        rolling_update=patch.rolling_update,
        timeout=patch.timeout,
    )


def stock_crhelper(stack: Stack, patch: Patch) -> None:
    """A function with crhelper as it comes: a rule that looks every two minutes."""
    function = _function(stack, "Function", "stock_crhelper.handler")
    CustomResource(
        stack, "Software", service_token=function.function_arn, properties=_properties(patch)
    )


def provider_framework(stack: Stack, patch: Patch) -> None:
    """The CDK's provider framework with its defaults: a state machine, every five seconds."""
    provider = Provider(
        stack,
        "Provider",
        # jsii calls the parameters of a class and of its interface by different names.
        on_event_handler=_function(stack, "OnEvent", "provider.on_event"),  # pyright: ignore[reportArgumentType]
        is_complete_handler=_function(stack, "IsComplete", "provider.is_complete"),  # pyright: ignore[reportArgumentType]
    )
    CustomResource(
        stack, "Software", service_token=provider.service_token, properties=_properties(patch)
    )


def every_change(stack: Stack, patch: Patch) -> CustomResource:
    """A call on every change, as `AwsCustomResource` makes it."""
    function = _function(stack, "Function", "every_change.handler")
    return CustomResource(
        stack, "Software", service_token=function.function_arn, properties=_properties(patch)
    )


def _function(stack: Stack, name: str, handler: str) -> lambda_.Function:
    return lambda_.Function(
        stack,
        name,
        code=lambda_.Code.from_asset(str(_HERE), exclude=_PEERS, ignore_mode=IgnoreMode.GIT),
        handler=f"peers.{handler}",
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        timeout=Duration.minutes(3),
    )


def _properties(patch: Patch) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "ClusterName": patch.cluster,
        "ImageId": patch.image,
        "InstanceGroups": [{"InstanceGroupName": name} for name in patch.groups],
    }
    if patch.rolling_update is not None:
        properties["DeploymentConfig"] = patch.rolling_update.render()
    return properties


WITH_EVENTS = Contestant(
    "ours, with events", "ours-with-events", ours, interval_minutes=1, memory=0.25
)
WITHOUT_EVENTS = Contestant(
    "ours, all events lost",
    "ours-without-events",
    ours,
    interval_minutes=1,
    faults={"lost_events": 1.0},
    memory=0.25,
)
CRHELPER = Contestant("stock crhelper", "stock-crhelper", stock_crhelper, interval_minutes=2)
PROVIDER = Contestant(
    "CDK's provider framework", "provider-framework", provider_framework, interval_seconds=5
)
ALL = (WITH_EVENTS, WITHOUT_EVENTS, CRHELPER, PROVIDER)
