"""What an hour of waiting takes, and what a patch of twelve hours costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aws_cdk import Duration

from benchmarks import prices
from benchmarks.cloud import Cloud, Stack, synthesize
from benchmarks.contestants import (
    ALL,
    CRHELPER,
    PROVIDER,
    WITH_EVENTS,
    WITHOUT_EVENTS,
    Contestant,
    Patch,
)
from benchmarks.noticing import true_end
from benchmarks.section import Section, count, times
from hyperpod_patching import BatchSize, RollingUpdate
from sandbox.aws.images import NEW
from sandbox.clusters import training

MINUTE = 1.5
"""Seconds that a minute of EventBridge's schedules lasts here, and one of the service as well."""
_BATCHES = 12
"""Of one node each, so that the patch lasts an hour."""
_OURS = (WITH_EVENTS, WITHOUT_EVENTS)
_HOURS = 12
_HAND_OVERS = math.ceil(_HOURS * 60 / 57) - 1
"""A window ends after 57 minutes, and a waiter takes the patch up."""


@dataclass(frozen=True)
class Counts:
    """What was counted, or derived from it."""

    looks: float
    invocations: float
    calls: float
    transitions: float
    keys: float

    def scaled(self, by: float) -> Counts:
        """So many times as much."""
        return Counts(*(number * by for number in self.numbers))

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        pairs = zip(self.numbers, other.numbers, strict=True)
        return Counts(*(mine + theirs for mine, theirs in pairs))

    @property
    def numbers(self) -> tuple[float, ...]:
        """All of them, in order."""
        return (self.looks, self.invocations, self.calls, self.transitions, self.keys)


@dataclass(frozen=True)
class Waited:
    """One contestant's patch of an hour."""

    waiting: Counts
    """From the first look after the call to the last before the true end, made to an hour."""
    around: Counts
    """Before and after."""


class Hour:
    """A patch of an hour for each contestant, on a sandbox whose hours are short."""

    def __init__(self, cloud: Cloud, minute: float) -> None:
        """Begin all of them; `finish` waits for their ends."""
        self._cloud = cloud
        self._minute = minute
        self._stacks: dict[Contestant, Stack] = {}
        synthesized = synthesize({one.key: one.of(_patch(one)) for one in ALL})
        for one in ALL:
            self._add_cluster(one)
            stack = cloud.stack(synthesized[one.key])
            stack.begin(synthesized[one.key].template)
            self._stacks[one] = stack

    def _add_cluster(self, one: Contestant) -> None:
        description = training(one.key, workers=_BATCHES)
        for group in description["InstanceGroups"]:
            group.pop("SoftwareUpdateStatus")
        self._cloud.control.add(description)
        # A state machine keeps the machine's time: its patch is a part of an hour.
        self._cloud.control.set(one.key, jitter=0.0, speed=60.0 / self._minute, **one.faults)

    def finish(self) -> Section:
        """Wait for the ends, and count."""
        waited: dict[Contestant, Waited] = {}
        for one, stack in self._stacks.items():
            status = stack.wait()
            if status != "CREATE_COMPLETE":
                raise RuntimeError(f"{stack.name} is {status}")
            waited[one] = self._count(one, stack)
        return _section({one: _per_hour(one, waited) for one in ALL}, waited, self._minute)

    def _count(self, one: Contestant, stack: Stack) -> Waited:
        (accepted,) = self._cloud.control.calls(one.key, accepted=True)
        called, over = float(accepted["Time"]), true_end(self._cloud, one.key)
        calls, invocations = stack.meter.calls, stack.invocations()
        transitions = stack.transitions()
        looks = [call.at for call in calls if call.operation == "SageMaker.DescribeCluster"]
        # From look to look, so that what is counted belongs to whole looks.
        begin, *_, end = (at for at in looks if called < at < over)

        def counted(within: Callable[[float], bool]) -> Counts:
            made = [call for call in calls if within(call.at)]
            return Counts(
                looks=sum(map(within, looks)),
                invocations=sum(map(within, invocations)),
                calls=len(made),
                transitions=sum(map(within, transitions)),
                keys=sum(call.keys_used for call in made),
            )

        hours = (end - begin) / 3600
        if one.interval_minutes:
            hours *= 60 / self._minute
        return Waited(
            waiting=counted(lambda at: begin <= at < end).scaled(1 / hours),
            around=counted(lambda at: not begin <= at < end),
        )


def _patch(one: Contestant) -> Patch:
    return Patch(
        one.key,
        NEW.id,
        ("workers",),
        RollingUpdate(max_batch_size=BatchSize.count(1)),
        Duration.hours(_HOURS) if one in _OURS else None,
    )


def _per_hour(one: Contestant, waited: dict[Contestant, Waited]) -> Counts:
    """The counts of an hour, at as many looks as the schedule has on AWS.

    MiniStack looks at its schedules now and then, so that its minutes are a bit long: a look's
    share of everything was measured, and the looks follow from the schedule and the events.
    """
    measured = waited[one].waiting
    if one is PROVIDER:
        return measured
    looks = 60 / one.interval_minutes
    if one is WITH_EVENTS:
        looks += max(0.0, measured.looks - waited[WITHOUT_EVENTS].waiting.looks)
    return measured.scaled(looks / measured.looks)


def _section(
    hours: dict[Contestant, Counts], waited: dict[Contestant, Waited], minute: float
) -> Section:
    bills = {
        one: _bill(_whole(one, hours[one]).plus(waited[one].around), one.memory) for one in hours
    }
    ours = bills[WITH_EVENTS].total
    rows: list[Sequence[str]] = [
        [
            one.name,
            count(hour.looks),
            count(hour.invocations),
            count(hour.calls),
            count(hour.transitions),
            f"${bills[one].total:.4f}",
            f"${bills[one].functions:.4f}",
            f"${bills[one].transitions:.4f}",
            f"${bills[one].keys:.4f}",
            times(bills[one].total, ours),
        ]
        for one, hour in hours.items()
    ]
    extra = hours[WITH_EVENTS].looks - hours[WITHOUT_EVENTS].looks
    return Section(
        "An hour of waiting, and a patch of twelve hours",
        (
            "",
            "looks",
            "Lambda invocations",
            "AWS calls",
            "state transitions",
            f"dollars, {_HOURS} h",
            "functions",
            "transitions",
            "keys",
            "ratio",
        ),
        rows,
        (
            (
                f"Looks to transitions: per hour of waiting, from the first look after the call to the"
                f" last before the true end of a patch of {_BATCHES} batches of five minutes each. Dollars: twelve such hours, and"
                " what was counted before and after."
            ),
            (
                f"A minute of the schedules, and of the service, lasted {minute:g} seconds here. The"
                " looks of ours and crhelper's are those of their schedules (60 and 30 an hour), plus"
                f" {count(extra)} that events caused, as the difference between ours with and without"
                " them; what each look takes was counted. The provider framework was counted by the"
                " machine's clock: its state machine knows nothing of short minutes."
            ),
            (
                "AWS calls are those of the functions: theirs to SageMaker, SSM, EventBridge and"
                " CloudFormation, and the provider framework's to Lambda and Step Functions. What Step"
                " Functions and EventBridge do to invoke a function is no call of a function."
            ),
            (
                f"Only ours waits for twelve hours: in {_HAND_OVERS + 1} windows, whose {_HAND_OVERS}"
                " hand-overs are counted as two looks each. In the first window a look reads one SecureString,"
                " the request; in the others a second one, the waiter's address. crhelper's and the provider framework's resources are"
                f" given up by CloudFormation after one ({CRHELPER.name} does not notice and polls on;"
                " the provider framework's `total_timeout` is an hour at most): their dollars are those"
                " of twelve hours if there were such."
            ),
            *prices.SAID,
        ),
    )


def _whole(one: Contestant, hour: Counts) -> Counts:
    """All the hours, and for each hand-over of ours two looks: the one that ends a window, and the
    waiter's first. In a waiter's window, every look reads two SecureStrings in place of one."""
    looks = 2 * _HAND_OVERS if one in _OURS else 0
    whole = hour.scaled(_HOURS + looks / hour.looks)
    of_waiters = _HAND_OVERS / (_HAND_OVERS + 1)
    return replace(whole, keys=whole.keys * (1 + of_waiters))


def _bill(counts: Counts, memory: float) -> prices.Bill:
    return prices.bill(
        invocations=counts.invocations,
        gigabytes=memory,
        transitions=counts.transitions,
        keys=counts.keys,
    )
