"""What each of the handler's invocations asks of AWS."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from benchmarks.cloud import Cloud, Stack, Synthesized, synthesize
from benchmarks.contestants import Patch, ours
from benchmarks.meter import Call
from benchmarks.section import Section, count
from hyperpod_patching import BatchSize, RollingUpdate
from sandbox.aws.images import NEW
from sandbox.clusters import training

_NAME = "calls"
_KEYS = "KMS, through Parameter Store"
_QUIET = 2.0
"""Seconds without a call after which the function is done."""
_COLUMNS = (
    "begins to patch",
    "looks, the patch goes on",
    "looks, the patch has ended",
    "nothing to patch",
    "Delete",
)
Asked = Counter[str]


def run(cloud: Cloud, minute: float) -> Section:
    """Create a stack that patches, update its policy alone, delete it: all on the sandbox."""
    description = training(_NAME, workers=1)
    for group in description["InstanceGroups"]:
        group.pop("SoftwareUpdateStatus")
    cloud.control.add(description)
    # Without events, so that no two invocations of the function are under way at once.
    cloud.control.set(_NAME, jitter=0.0, speed=60.0 / minute, lost_events=1.0)
    one, two = _declared(1), _declared(2)
    stack = cloud.stack(one)
    begin, *looks, last = _deployed(stack, one)
    (nothing,) = _deployed(stack, two)
    before = len(stack.meter.calls)
    stack.delete()
    deleted = _asked(_until_quiet(stack)[before:])
    return _section((begin, _most_often(looks), last, nothing, deleted), len(looks))


def _declared(batch: int) -> Synthesized:
    policy = RollingUpdate(max_batch_size=BatchSize.count(batch))
    patch = Patch(_NAME, NEW.id, ("workers",), policy)
    return synthesize({_NAME: lambda stack: ours(stack, patch)})[_NAME]


def _deployed(stack: Stack, what: Synthesized) -> list[Asked]:
    """Deploy it; what each invocation asked for meanwhile."""
    before = len(stack.meter.calls)
    status = stack.deploy(what.template)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise RuntimeError(f"{stack.name} is {status}")
    calls, ends = _until_quiet(stack)[before:], stack.invocations()
    return [_asked(each) for _, each in groupby(calls, lambda call: bisect_left(ends, call.at))]


def _until_quiet(stack: Stack) -> list[Call]:
    """The calls, once the function is done: it goes on for a moment after its answer."""
    while time.time() < stack.meter.calls[-1].at + _QUIET:
        time.sleep(0.2)
    return stack.meter.calls


def _asked(calls: Iterable[Call]) -> Asked:
    asked = Asked()
    for call in calls:
        asked[call.operation.rpartition(".")[2]] += 1
        asked[_KEYS] += call.keys_used
    return asked


def _most_often(looks: Sequence[Asked]) -> Asked:
    ((most, _),) = Counter(frozenset(look.items()) for look in looks).most_common(1)
    return Asked(dict(most))


def _section(columns: Sequence[Asked], looks: int) -> Section:
    keys = [column.pop(_KEYS) for column in columns]
    rows = [
        [name, *(_shown(column[name]) for column in columns)]
        for name in sorted({name for column in columns for name in column})
    ]
    return Section(
        "Calls of one invocation",
        ("", *_COLUMNS),
        [
            *rows,
            ["**all**", *(count(column.total()) for column in columns)],
            [_KEYS, *map(_shown, keys)],
        ],
        (
            (
                "A Create that patches one node of one group to a custom AMI, an Update that changes the"
                " batch alone, and a Delete, deployed by CloudFormation on the sandbox; one invocation in"
                f" each column. Of the {looks} looks while the patch went on, the one that was most often"
                " alike is shown; where something new was seen, a look reads what is remembered once more"
                " and writes it. The look at the end includes the answer's delivery, which is no call of"
                " AWS's API, and what is cleared away after it."
            ),
            (
                "KMS is asked by Parameter Store: for each SecureString that is written, and for each that"
                " is read. These are the request, the answer, and a waiter's address."
            ),
        ),
    )


def _shown(number: int) -> str:
    return count(number) if number else "–"
