"""What goes through the CDK's command line, or lasts as long as a timeout.

The command line spends most of its time asleep, and a timeout all of it. So all this is begun
before the first test of the module that asks for it, each with a cluster and a stack of its own,
and the tests look at it later.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sandbox.clusters import slurm, training
from sandbox.images import FAILING, NEW, NEWER
from sandbox.waiting import until
from tests.end_to_end.stacks import (
    Cloud,
    Said,
    Stack,
    by_app,
    images,
    impatient,
    seconds_of_timeout,
)

UNASKED = ("--require-approval", "never")


@dataclass(frozen=True)
class Step:
    """One command of the story, and what the cluster saw of it."""

    said: Said
    calls: list[dict[str, Any]]
    replaced: dict[str, int]
    """How many nodes of each group were replaced."""
    images: dict[str, str]
    outputs: dict[str, str]
    status: str | None
    failure: str | None


@dataclass(frozen=True)
class Told:
    """The whole story: a user, a cluster and the command line."""

    stack: Stack
    created: Step
    repeated: Step
    widened: Step
    rebatched: Step
    compared: Step
    failed: Step
    destroyed: Step


def tell_story(cloud: Cloud) -> Told:
    cluster = "story"
    stack = Stack(cloud, by_app("Story", cluster=cluster))
    cloud.add(training(cluster), lost_events=0.0)

    def step(command: str, *options: str, **context: str) -> Step:
        keys = {"cluster": cluster, "stack": stack.name, **context}
        return take(cloud, stack, cluster, lambda: run(cloud, command, *options, **keys))

    def deploy(**context: str) -> Step:
        return step("deploy", *UNASKED, **context)

    return Told(
        stack=stack,
        created=deploy(image=NEW.id, groups="workers", batch="50%"),
        repeated=deploy(image=NEW.id, groups="workers", batch="50%"),
        widened=deploy(image=NEW.id, groups="workers,inference", batch="50%"),
        rebatched=deploy(image=NEW.id, groups="workers,inference", batch="25%"),
        compared=step("diff", image=NEWER.id, groups="workers,inference", batch="25%"),
        failed=deploy(image=FAILING.id, groups="workers,inference", batch="25%"),
        destroyed=step("destroy", "--force", image=FAILING.id),
    )


def take(cloud: Cloud, stack: Stack, cluster: str, command: Callable[[], Said]) -> Step:
    """Run a command, and see what became of stack and cluster."""
    control = cloud.control
    calls, replaced = len(control.calls(cluster)), control.replaced(cluster)
    said = command()
    there = stack.exists()
    return Step(
        said,
        control.calls(cluster)[calls:],
        {k: n - replaced[k] for k, n in control.replaced(cluster).items() if n > replaced[k]},
        images(cloud, cluster),
        stack.outputs if there else {},
        stack.status,
        stack.failure if there and said.code else None,
    )


@dataclass(frozen=True)
class Outwaited:
    """A deploy whose wait past the hour times out, and the same deploy once more."""

    stack: Stack
    timed_out: Step
    again: Step


def outwait(cloud: Cloud) -> Outwaited:
    cluster = "outwaited"
    cloud.add(slurm(cluster))
    keys = {"cluster": cluster, "groups": "workers", "timeout": "720"}
    stack = cloud.deploy(by_app("Outwaited", image=NEW.id, **keys))
    keys |= {"image": NEWER.id}

    def time_out() -> Said:
        # The patch goes on until the rollback was seen to wait for it.
        cloud.hold(cluster)
        with impatient(stack.name, 1, **keys) as assembly, ThreadPoolExecutor(1) as pool:
            said = pool.submit(cloud.cdk, "deploy", "--app", str(assembly), *UNASKED)
            try:
                until(lambda: waits_to_roll_back(stack) or None, "the rollback to wait")
            finally:
                cloud.let_go(cluster)
            return said.result()

    def deploy() -> Said:
        return run(cloud, "deploy", *UNASKED, stack=stack.name, **keys)

    return Outwaited(
        stack=stack,
        timed_out=take(cloud, stack, cluster, time_out),
        again=take(cloud, stack, cluster, deploy),
    )


def waits_to_roll_back(stack: Stack) -> bool:
    return any(line["rollback"] for line in stack.stages("waiting"))


def run(cloud: Cloud, command: str, *options: str, **context: str) -> Said:
    """The command line with context keys."""
    given = [word for key, value in context.items() for word in ("-c", f"{key}={value}")]
    return cloud.cdk(command, *options, *given)


def deploy_without_cluster(cloud: Cloud) -> Said:
    return run(cloud, "deploy", *UNASKED, cluster="nosuch", image="default", stack="NoCluster")


def deploy_without_group(cloud: Cloud) -> Said:
    cloud.add(slurm("nogroup"))
    declared = {"cluster": "nogroup", "groups": "nosuch", "image": "default"}
    return run(cloud, "deploy", *UNASKED, stack="NoGroup", **declared)


def begin_slow_patch(cloud: Cloud) -> Stack:
    """A patch that takes far longer than a timeout that leaves a busy machine time to begin it."""
    cloud.add(slurm("slow"), node_seconds=1e6)
    declared = by_app("Slow", cluster="slow", image=NEW.id, groups="workers")
    return cloud.begin(seconds_of_timeout(declared, 120))


AHEAD: dict[str, Callable[[Cloud], Any]] = {
    "outwaited": outwait,
    "slow": begin_slow_patch,
    "told": tell_story,
    "without_cluster": deploy_without_cluster,
    "without_group": deploy_without_group,
}
"""By the names of the fixtures that ask for them."""
