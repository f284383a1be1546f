"""How the nodes are replaced: the API's ``DeploymentConfig``, in CDK's types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch

from hyperpod_software.contract.properties import (
    CAPACITY_PERCENTAGE,
    INSTANCE_COUNT,
    AlarmMember,
    BatchMember,
    DeploymentMember,
    PolicyMember,
)
from hyperpod_software.contract.values import ALARM_NAME, ALARMS, BATCH_SIZES, WAIT_INTERVAL

from ._validation import PropertyError, check_flag, check_same_place, check_text, check_whole

_FACTORIES: Final = {INSTANCE_COUNT: "BatchSize.count", CAPACITY_PERCENTAGE: "BatchSize.percent"}
_ALARM_ARN_PARTS: Final = 7


@dataclass(frozen=True)
class BatchSize:
    """How many nodes are replaced at the same time.

    **Usage**::

        BatchSize.count(4)  # at most 4 nodes
        BatchSize.percent(10)  # at most 10 percent of a group's nodes

    Out of bounds, or with a fraction, it raises ``PropertyError``. The API (``CapacitySizeConfig``)
    bounds both from below only; the upper bounds are ours, since more can only be a mistake.
    """

    type: str
    """The API's ``Type``: ``INSTANCE_COUNT`` or ``CAPACITY_PERCENTAGE``."""

    value: float
    """The API's ``Value``: a number of nodes, or a percentage."""

    def __post_init__(self) -> None:
        """Refuse what the API would refuse, however the object was made."""
        given = cast("object", self.type)
        if not isinstance(given, str) or given not in BATCH_SIZES:
            raise PropertyError("BatchSize.type", given, " or ".join(BATCH_SIZES))
        check_whole(_FACTORIES[given], self.value, BATCH_SIZES[given])

    @staticmethod
    def count(nodes: float) -> BatchSize:
        """At most this many nodes at a time.

        :param nodes: a whole number from 1 to 6758, the most nodes that a group has (or a number
            token).
        :raises PropertyError: for anything else.
        """
        return BatchSize(INSTANCE_COUNT, nodes)

    @staticmethod
    def percent(percentage: float) -> BatchSize:
        """At most this share of the nodes at a time.

        AWS does not document how the service rounds a percentage to nodes.

        :param percentage: a whole number from 1 to 100 (or a number token). The API bounds only
            the minimum; a percentage above 100 is refused here because it can only be a mistake.
        :raises PropertyError: for anything else.
        """
        return BatchSize(CAPACITY_PERCENTAGE, percentage)

    def render(self) -> dict[str, Any]:
        """The API's ``CapacitySizeConfig``."""
        return {BatchMember.TYPE: self.type, BatchMember.VALUE: self.value}


@dataclass(frozen=True, kw_only=True)
class RollingUpdate:
    """Replace the nodes batch by batch, and roll back when something goes wrong.

    It is the API's ``DeploymentConfig``. AWS documents it for clusters that EKS orchestrates; see
    ``allow_on_slurm``.

    **Usage**::

        RollingUpdate(
            max_batch_size=BatchSize.percent(10),
            wait_interval=Duration.minutes(5),  # after each batch
            rollback_alarms=[alarm],  # one in ALARM: HyperPod rolls back
        )

    The ``timeout`` of the ``ClusterSoftware`` must hold all batches and the waits between them.

    At least one other property must be given. A change of a rolling update alone never patches a
    node: it says how the next change of the image is rolled out.

    :raises PropertyError: when nothing is given, when ``rollback_max_batch_size`` stands without
        ``max_batch_size`` (the API requires the latter), and for values out of bounds.
    """

    max_batch_size: BatchSize | None = None
    """How many nodes are replaced at the same time. Default: all nodes of the groups at once."""

    rollback_max_batch_size: BatchSize | None = None
    """How many nodes are put back at the same time when the service rolls back. Needs
    ``max_batch_size``. Default: the service decides."""

    wait_interval: Duration | None = None
    """How long the service waits after each batch, and watches the alarms, before it goes on:
    whole seconds, up to an hour. Default: it does not wait, so alarms have little time to ring."""

    rollback_alarms: Sequence[cloudwatch.IAlarm] | None = None
    """1 to 10 alarms; when one is in ALARM, the service rolls the update back. The cluster's
    execution role needs ``cloudwatch:DescribeAlarms``. Default: no alarm is watched."""

    allow_on_slurm: bool = False
    """Whether it is sent for a cluster that Slurm orchestrates, too. What HyperPod does with it
    there is not documented: it may replace every node at once. Default: such a cluster is refused
    before anything is patched."""

    def __post_init__(self) -> None:
        """Refuse half-specified and impossible policies where they are written."""
        for name in ("max_batch_size", "rollback_max_batch_size"):
            size: object = getattr(self, name)
            if size is not None and not isinstance(size, BatchSize):
                raise PropertyError(name, size, "BatchSize.count(…) or BatchSize.percent(…)")
        if self.rollback_max_batch_size is not None and self.max_batch_size is None:
            raise PropertyError("max_batch_size", None, "given with rollback_max_batch_size")
        if self.wait_interval is not None:
            _check_wait(self.wait_interval)
        if self.rollback_alarms is not None:
            # Kept as a tuple, so that the value stays what was checked.
            object.__setattr__(self, "rollback_alarms", _check_alarms(self.rollback_alarms))
        check_flag("allow_on_slurm", self.allow_on_slurm)
        if all(
            value is None
            for value in (self.max_batch_size, self.wait_interval, self.rollback_alarms)
        ):
            raise PropertyError(
                "rolling_update",
                None,
                "at least one of max_batch_size, wait_interval and rollback_alarms "
                "(or left out altogether)",
            )

    def check_place(self, stack: Stack) -> None:
        """Refuse an alarm of a place that this stack is surely not deployed to."""
        for index, alarm in enumerate(self.rollback_alarms or ()):
            home, arn = Stack.of(alarm), alarm.alarm_arn.split(":")
            # An alarm that was imported by its ARN is where the ARN says.
            region, account = (
                arn[3:5] if len(arn) == _ALARM_ARN_PARTS else (home.region, home.account)
            )
            check_same_place(
                f"rollback_alarms[{index}]", alarm.alarm_name, stack, region=region, account=account
            )

    def render(self) -> dict[str, Any]:
        """The API's ``DeploymentConfiguration``."""
        config: dict[str, Any] = {}
        if self.max_batch_size is not None:
            policy = {PolicyMember.BATCH: self.max_batch_size.render()}
            if self.rollback_max_batch_size is not None:
                policy[PolicyMember.ROLLBACK_BATCH] = self.rollback_max_batch_size.render()
            config[DeploymentMember.POLICY] = policy
        if self.wait_interval is not None:
            config[DeploymentMember.WAIT_INTERVAL] = self.wait_interval.to_seconds()
        if self.rollback_alarms is not None:
            config[DeploymentMember.ALARMS] = [
                {AlarmMember.NAME: alarm.alarm_name} for alarm in self.rollback_alarms
            ]
        return config


def _check_wait(value: object) -> None:
    if not isinstance(value, Duration):
        raise PropertyError("wait_interval", value, "a Duration")
    if value.is_unresolved():
        return
    seconds = value.to_seconds(integral=False)
    if seconds != int(seconds) or not WAIT_INTERVAL.allows(int(seconds)):
        raise PropertyError(
            "wait_interval", f"{seconds:g} seconds", f"whole seconds from {WAIT_INTERVAL}"
        )


def _check_alarms(value: object) -> tuple[cloudwatch.IAlarm, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise PropertyError("rollback_alarms", value, "a list of alarms")
    alarms: Sequence[cloudwatch.IAlarm] = value  # pyright: ignore[reportUnknownVariableType]
    if not ALARMS.allows(len(alarms)):
        raise PropertyError("rollback_alarms", f"{len(alarms)} alarms", f"{ALARMS} alarms")
    seen: set[str] = set()
    for index, alarm in enumerate(alarms):
        name = f"rollback_alarms[{index}]"
        if not hasattr(alarm, "alarm_name"):
            raise PropertyError(name, alarm, "a CloudWatch alarm, such as Alarm.from_alarm_name(…)")
        if check_text(name, alarm.alarm_name, ALARM_NAME) in seen:
            raise PropertyError(name, alarm.alarm_name, "named once")
        seen.add(alarm.alarm_name)
    return tuple(alarms)
