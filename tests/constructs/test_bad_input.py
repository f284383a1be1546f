"""Arguments of any kind: accepted, or refused in one clear sentence where they are written."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App, Duration, Stack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperpod_patching import (
    BatchSize,
    ClusterSoftware,
    HyperPodCluster,
    OnCreate,
    PropertyError,
    RollingUpdate,
    SoftwareImage,
)

text = st.text(max_size=80) | st.sampled_from(["ml", "a" * 300, "ami-0123456789abcdef0", "1.2.3"])
number = st.integers() | st.floats() | st.booleans()
plain = st.none() | text | number | st.binary(max_size=8)
anything = st.recursive(
    plain,
    lambda deeper: (
        st.lists(deeper, max_size=4) | st.dictionaries(text, deeper, max_size=3) | st.tuples(deeper)
    ),
    max_leaves=6,
)
few = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

ARGUMENTS = (
    "cluster",
    "image",
    "instance_groups",
    "rolling_update",
    "timeout",
    "on_create",
    "on_rollback",
    "on_skipped_nodes",
    "wait_for_completion",
    "allow_caller_credentials",
    "cluster_tags",
)


def refused_or_made(make: Any) -> None:
    try:
        make()
    except PropertyError as refused:
        name, said = refused.property_name, str(refused)
    else:
        return
    assert "\n" not in said
    assert name.split("[")[0] in said
    assert "but must be" in said
    assert len(said) < 400


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(outdir=str(tmp_path_factory.mktemp("out")), stack_traces=False)


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_any_value_of_an_argument_is_accepted_or_refused_in_one_sentence(
    app: App, argument: str
) -> None:
    stack = Stack(app, argument.replace("_", "-"))
    made = iter(range(10_000))

    @settings(few, max_examples=40)
    @given(anything)
    def try_it(value: Any) -> None:
        # Each in a cluster of its own, so that no two claim the same group.
        turn = next(made)
        given_: dict[str, Any] = {
            "cluster": f"c{turn}",
            "image": SoftwareImage.latest(),
            argument: value,
        }
        if argument == "cluster" and isinstance(value, str):
            given_["instance_groups"] = [f"g{turn}"]
        refused_or_made(lambda: ClusterSoftware(stack, f"S{turn}", **given_))

    try_it()


@few
@given(anything, anything)
def test_any_batch_size_is_accepted_or_refused_in_one_sentence(count: Any, percent: Any) -> None:
    refused_or_made(lambda: BatchSize.count(count))
    refused_or_made(lambda: BatchSize.percent(percent))


@few
@given(anything, anything, anything, anything)
def test_any_rolling_update_is_accepted_or_refused_in_one_sentence(
    size: Any, rollback: Any, wait: Any, alarms: Any
) -> None:
    refused_or_made(lambda: RollingUpdate(max_batch_size=size))
    refused_or_made(
        lambda: RollingUpdate(
            max_batch_size=BatchSize.count(1), rollback_max_batch_size=rollback, wait_interval=wait
        )
    )
    refused_or_made(lambda: RollingUpdate(rollback_alarms=alarms))


@few
@given(anything)
def test_any_image_is_accepted_or_refused_in_one_sentence(value: Any) -> None:
    for make in (
        lambda: SoftwareImage.latest(revision=value),
        lambda: SoftwareImage.public_ami(value),
        lambda: SoftwareImage.custom_ami(value),
        lambda: SoftwareImage.custom_ami("ami-0123456789abcdef0", encryption_key=value),
        lambda: SoftwareImage.release(value),
        lambda: SoftwareImage.release("1.3.0", allow_downgrade=value),
        lambda: SoftwareImage.release_line(value),
        lambda: SoftwareImage.release_line("1.3", at_least=value),
        lambda: HyperPodCluster.from_cluster_arn(value),
        lambda: HyperPodCluster.from_cluster_name(value),
        lambda: SoftwareImage.from_ssm_parameter(value),
    ):
        refused_or_made(make)


def test_what_is_accepted_is_what_is_documented(app: App) -> None:
    stack = Stack(app, "Documented")
    ClusterSoftware(
        stack,
        "Software",
        cluster="ml",
        image=SoftwareImage.latest(),
        instance_groups=["g" * 63],
        timeout=Duration.hours(24),
        on_create=OnCreate.ADOPT,
    )
