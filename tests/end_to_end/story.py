"""What goes through the CDK's command line.

It spends most of its time asleep. So all this is begun before the first test of the module that
asks for it, each with a cluster and a stack of its own, and the tests look at it later.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sandbox.aws.images import FAILING, NEW, NEWER
from sandbox.clusters import slurm, training
from sandbox.waiting import until
from tests.end_to_end.stacks import Cloud, Said, Stack, by_app, images, patched

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
class Hours:
    """A patch of hours, and one that fails in its third hour, through the command line."""

    stack: Stack
    created: Step
    compared: Step
    failed: Step


def let_hours_pass(cloud: Cloud) -> Hours:
    """On a sandbox whose clock is put ahead."""
    cluster = "hours"
    cloud.add(training(cluster), jitter=0.0)
    keys = {"cluster": cluster, "groups": "workers", "batch": "50%", "timeout": "1200"}
    stack = Stack(cloud, by_app("Hours", **keys))
    keys["stack"] = stack.name

    def deploy(image: str) -> Said:
        return run(cloud, "deploy", *UNASKED, image=image, **keys)

    def compare() -> Said:
        return run(cloud, "diff", "--method=template", image=NEWER.id, **keys)

    def fail() -> Said:
        """Two nodes are skipped; the patch back skips none."""
        cloud.control.set(cluster, skipped_nodes=2)
        with ThreadPoolExecutor(1) as pool:
            with cloud.clock_held():
                said = pool.submit(deploy, NEWER.id)
                until(lambda: len(patched(cloud, cluster)) == 2 or None, "the call")
                cloud.control.set(cluster, skipped_nodes=0)
            return said.result()

    def step(command: Callable[[], Said], minutes: float) -> Step:
        cloud.control.set(cluster, node_seconds=minutes * 60 / 2)
        return take(cloud, stack, cluster, command)

    return Hours(
        stack=stack,
        created=step(lambda: deploy(NEW.id), 4 * 60),
        compared=step(compare, 0),
        failed=step(fail, 2.5 * 60),
    )


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


AHEAD: dict[str, Callable[[Cloud], Any]] = {
    "hours": let_hours_pass,
    "told": tell_story,
    "without_cluster": deploy_without_cluster,
    "without_group": deploy_without_group,
}
"""By the names of the fixtures that ask for them."""
