"""Nodes replaced beyond the necessary, over a fixed set of declared changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aws_cdk import CfnWaitCondition, CfnWaitConditionHandle
from aws_cdk import Stack as CdkStack

from benchmarks.cloud import Cloud, Declare, Synthesized, synthesize
from benchmarks.contestants import Patch, every_change, ours
from benchmarks.section import Section
from hyperpod_patching import BatchSize, RollingUpdate
from sandbox.aws.images import CURRENT, NEW, NEWER
from sandbox.clusters import training

_SPEED = 150.0
"""Seconds of the service in one of ours: a batch of nodes takes two of ours."""
_WORKERS = 16


@dataclass(frozen=True)
class Actor:
    """A handler, and how HyperPod treats nodes that run the wanted image already."""

    name: str
    key: str
    declare: Callable[[CdkStack, Patch], object]
    replaces_current: bool


@dataclass(frozen=True)
class Declared:
    """What a stack says at one time."""

    image: str = CURRENT.id
    groups: tuple[str, ...] = ("workers",)
    percent: int = 50
    fails: bool = False
    """Another resource of the stack fails, once this one says that it is done."""


@dataclass(frozen=True)
class Change:
    """One declared change, on a cluster of its own whose workers run `CURRENT`."""

    name: str
    key: str
    needed: int
    """Nodes that have to be replaced for it, back and forth."""
    before: Declared | None
    """Deployed first, and not counted."""
    after: Declared


_BOTH = ("workers", "inference")
_ACTORS = (
    Actor("ours", "ours", ours, replaces_current=True),
    Actor("a call on every change, A", "call-a", every_change, replaces_current=True),
    Actor("a call on every change, B", "call-b", every_change, replaces_current=False),
)
_CHANGES = (
    Change("first deploy of an image", "first", _WORKERS, None, Declared(NEW.id)),
    Change("adopt a cluster that is patched already", "adopt", 0, None, Declared()),
    Change("deploy the same again", "again", 0, Declared(), Declared()),
    Change("change only the policy", "policy", 0, Declared(), Declared(percent=25)),
    Change("add a group of one node", "group", 1, Declared(), Declared(groups=_BOTH)),
    Change(
        "change only the policy; another resource fails",
        "policy-undone",
        0,
        Declared(),
        Declared(percent=25, fails=True),
    ),
    Change(
        "change the image; another resource fails",
        "image-undone",
        2 * _WORKERS,
        Declared(),
        Declared(NEW.id, percent=25, fails=True),
    ),
)


@dataclass(frozen=True)
class Result:
    """What came of one change."""

    replaced: int
    calls: int
    status: str
    image: str
    """That the workers truly run in the end."""


def run(cloud: Cloud) -> Section:
    """Deploy every change by every handler."""
    # An app for what comes before and one for what comes after: all names stay, as for a user.
    stories = [(actor, change) for change in _CHANGES for actor in _ACTORS]
    before, after = (
        synthesize(
            {
                _name(actor, change): _declaration(actor, _name(actor, change), declared)
                for actor, change in stories
                if (declared := getattr(change, when)) is not None
            }
        )
        for when in ("before", "after")
    )

    def told(story: tuple[Actor, Change]) -> Result:
        name = _name(*story)
        return _story(cloud, *story, before.get(name), after[name])

    with ThreadPoolExecutor(len(_ACTORS)) as pool:
        return _section(dict(zip(stories, pool.map(told, stories), strict=True)))


def _name(actor: Actor, change: Change) -> str:
    return f"{actor.key}-{change.key}"


def _declaration(actor: Actor, cluster: str, declared: Declared) -> Declare:
    policy = RollingUpdate(max_batch_size=BatchSize.percent(declared.percent))

    def declare(stack: CdkStack) -> None:
        actor.declare(stack, Patch(cluster, declared.image, declared.groups, policy))
        if declared.fails:
            # A wait that nobody ends, begun when the patch is said to be done.
            handle = CfnWaitConditionHandle(stack, "Handle")
            later = CfnWaitCondition(stack, "Later", count=1, handle=handle.ref, timeout="1")
            later.node.add_dependency(stack.node.find_child("Software"))

    return declare


def _story(
    cloud: Cloud, actor: Actor, change: Change, before: Synthesized | None, after: Synthesized
) -> Result:
    cluster = after.name
    description = training(cluster, inference=NEWER.id, workers=_WORKERS)
    description["InstanceGroups"][1]["CurrentCount"] = 1
    cloud.control.add(description)
    cloud.control.set(cluster, speed=_SPEED, jitter=0.0, repatch_current=actor.replaces_current)
    stack = cloud.stack(after)
    if before is not None:
        stack.deploy(before.template)
        _settle(cloud, cluster)
    replaced, calls = _replaced(cloud, cluster), len(cloud.control.calls(cluster))
    # CloudFormation itself finds nothing to do where nothing changes.
    same = change.before == change.after
    status = stack.status if same else stack.deploy(after.template)
    _settle(cloud, cluster)
    return Result(
        replaced=_replaced(cloud, cluster) - replaced,
        calls=len(cloud.control.calls(cluster)) - calls,
        status=status,
        image=str(cloud.control.describe(cluster)["InstanceGroups"][2]["CurrentImageId"]),
    )


def _replaced(cloud: Cloud, cluster: str) -> int:
    return sum(cloud.control.replaced(cluster).values())


def _settle(cloud: Cloud, cluster: str) -> None:
    """Wait until the cluster rests."""

    def rests(description: dict[str, Any]) -> bool:
        groups: list[dict[str, Any]] = description["InstanceGroups"]
        return all(
            group["Status"] == "InService"
            and group.get("SoftwareUpdateStatus") not in ("Pending", "InProgress")
            for group in groups
        )

    cloud.control.wait(rests, cluster, timeout=120)


def _section(results: dict[tuple[Actor, Change], Result]) -> Section:
    rows: list[Sequence[str]] = [
        [
            change.name,
            str(change.needed),
            *(_cell(results[actor, change], change) for actor in _ACTORS),
        ]
        for change in _CHANGES
    ]
    beyond = [
        sum(max(0, results[actor, change].replaced - change.needed) for change in _CHANGES)
        for actor in _ACTORS
    ]
    rows.append(["**beyond the necessary**", "", *(f"**{number}**" for number in beyond)])
    return Section(
        "Nodes replaced beyond the necessary",
        ("declared change", "needed", *(actor.name for actor in _ACTORS)),
        rows,
        (
            (
                f"Each change had an EKS cluster of its own with three other nodes and {_WORKERS}"
                " workers. *Needed* is how many nodes have to be replaced for it; the other columns are"
                " how many were, and by how many `UpdateClusterSoftware` calls. Every change was"
                " deployed by CloudFormation on the sandbox."
            ),
            (
                "A call on every change is what `AwsCustomResource` makes: `onCreate` and `onUpdate` are"
                " the call, and it answers when the call is accepted. Whether HyperPod replaces nodes"
                " that run the wanted custom AMI already is documented nowhere: in A it does, in B it"
                " leaves them. Ours was measured where it does."
            ),
            (
                'In "change the image; another resource fails", every worker has to go there and back.'
                " The handler that calls on every change says that it is done while the patch has just"
                " begun; the rollback's call comes in the middle, is refused, and the stack is stuck"
                " with a cluster that does not run what it declares."
            ),
        ),
    )


def _cell(result: Result, change: Change) -> str:
    calls = f"{result.calls} call{'' if result.calls == 1 else 's'}"
    text = f"{result.replaced} ({calls})"
    if result.status.endswith("_FAILED"):
        return f"{text}, {result.status}"
    declared = CURRENT.id if change.after.fails else change.after.image
    return text if result.image == declared else f"{text}, another image than declared"
