"""What goes through the CDK's command line, or lasts as long as a timeout.

The command line spends most of its time asleep, and a timeout all of it. So all this is begun
before the first test, each with a cluster and a stack of its own, and the tests look at it later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.clusters import slurm
from sandbox.images import FAILING, NEW, NEWER
from tests.end_to_end.stacks import Cloud, Said, Stack, by_app, images, seconds_of_timeout


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
    cloud.add(slurm(cluster), lost_events=0.0)

    def step(command: str, *options: str, **context: str) -> Step:
        control = cloud.control
        calls, replaced = len(control.calls(cluster)), control.replaced(cluster)
        said = run(cloud, command, *options, cluster=cluster, stack=stack.name, **context)
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

    def deploy(**context: str) -> Step:
        return step("deploy", "--require-approval", "never", **context)

    return Told(
        stack=stack,
        created=deploy(image=NEW.id, groups="workers", batch="50%"),
        repeated=deploy(image=NEW.id, groups="workers", batch="50%"),
        widened=deploy(image=NEW.id, groups="workers,login", batch="50%"),
        rebatched=deploy(image=NEW.id, groups="workers,login", batch="25%"),
        compared=step("diff", image=NEWER.id, groups="workers,login", batch="25%"),
        failed=deploy(image=FAILING.id, groups="workers,login", batch="25%"),
        destroyed=step("destroy", "--force"),
    )


def run(cloud: Cloud, command: str, *options: str, **context: str) -> Said:
    """The command line with context keys."""
    given = [word for key, value in context.items() for word in ("-c", f"{key}={value}")]
    return cloud.cdk(command, *options, *given)


def deploy_without_cluster(cloud: Cloud) -> Said:
    options = ("--require-approval", "never")
    return run(cloud, "deploy", *options, cluster="nosuch", stack="NoCluster")


def deploy_without_group(cloud: Cloud) -> Said:
    cloud.add(slurm("nogroup"))
    options = ("--require-approval", "never")
    return run(cloud, "deploy", *options, cluster="nogroup", groups="nosuch", stack="NoGroup")


def begin_slow_patch(cloud: Cloud) -> Stack:
    """A patch that takes far longer than the handler's shortest timeout of a minute."""
    cloud.add(slurm("slow"), node_seconds=1e6)
    declared = by_app("Slow", cluster="slow", image=NEW.id, groups="workers", batch="4")
    return cloud.begin(seconds_of_timeout(declared, 60))


AHEAD: dict[str, Callable[[Cloud], Any]] = {
    "slow": begin_slow_patch,
    "told": tell_story,
    "without_cluster": deploy_without_cluster,
    "without_group": deploy_without_group,
}
"""By the names of the fixtures that ask for them."""
