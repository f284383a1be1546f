"""What the construct accepts at synthesis the handler accepts at deployment, and no more."""

from __future__ import annotations

import string
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aws_cdk import App, Duration, Stack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperpod_patching import (
    BatchSize,
    OnCreate,
    OnRollback,
    OnSkippedNodes,
    PropertyError,
    RollingUpdate,
    SoftwareImage,
)
from hyperpod_patching._declaration import Declaration
from hyperpod_patching._timeout import Timeout
from hyperpod_patching._validation import check_cluster, check_instance_groups
from hyperpod_software.adapters.properties import parse_declaration
from hyperpod_software.contract import values
from hyperpod_software.contract.values import Range, Text
from hyperpod_software.model.errors import BadProperty

ANY_IMAGE = {"ClusterName": "ml", "ImageId": "default"}
some = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def near(*texts: Text) -> st.SearchStrategy[str]:
    """Texts that match, texts that nearly do, and any others."""
    matching = st.one_of(*(st.from_regex(text.pattern, fullmatch=True) for text in texts))
    lengths = st.sampled_from([text.longest for text in texts]).flatmap(
        lambda longest: st.integers(longest - 1, longest + 1)
    )
    letters = st.sampled_from([*string.printable, "-", ".", "\u00a0", "\u2028", "é", "٣", "😀"])
    return st.one_of(
        matching,
        st.builds(lambda text, letter: text + letter, matching, letters),
        st.builds(lambda letter, text: letter + text, letters, matching),
        st.builds(lambda letter, length: letter * length, letters, lengths),
        st.builds(lambda text, length: (text * length)[:length], matching, lengths),
        st.text(max_size=80),
    ).filter(lambda text: "${Token[" not in text)


def around(bounds: Range) -> st.SearchStrategy[int]:
    edges = [edge + step for edge in (bounds.lowest, bounds.highest) for step in (-1, 0, 1)]
    return st.sampled_from([*edges, 7000, 2**31 - 1]) | st.integers(-5, 100_000)


def alarms(*names: str) -> list[Any]:
    return [SimpleNamespace(alarm_name=name) for name in names]


def key(arn: str) -> Any:
    return SimpleNamespace(key_arn=arn)


def rolling(**config: object) -> dict[str, object]:
    return {**ANY_IMAGE, "DeploymentConfig": config}


def batch(kind: str) -> Callable[[int], dict[str, object]]:
    return lambda size: rolling(
        RollingUpdatePolicy={"MaximumBatchSize": {"Type": kind, "Value": str(size)}}
    )


def released(**properties: str) -> dict[str, object]:
    return {"ClusterName": "ml", **properties}


Field = tuple[st.SearchStrategy[Any], Callable[[Any], object], Callable[[Any], object]]
FIELDS: dict[str, Field] = {
    "cluster": (
        near(values.CLUSTER_NAME, values.CLUSTER_ARN),
        check_cluster,
        lambda name: {**ANY_IMAGE, "ClusterName": name},
    ),
    "groups": (
        st.lists(near(values.GROUP_NAME), max_size=3),
        check_instance_groups,
        lambda names: {
            **ANY_IMAGE,
            "InstanceGroups": [{"InstanceGroupName": name} for name in names],
        },
    ),
    "count of groups": (
        around(values.GROUPS).filter(lambda count: 0 <= count <= 200),
        lambda count: check_instance_groups([f"g{index}" for index in range(count)]),
        lambda count: {
            **ANY_IMAGE,
            "InstanceGroups": [{"InstanceGroupName": f"g{index}"} for index in range(count)],
        },
    ),
    "AMI": (
        near(values.AMI),
        SoftwareImage.custom_ami,
        lambda image_id: {**ANY_IMAGE, "ImageId": image_id, "ImageOwner": "self"},
    ),
    "encryption key": (
        near(values.KEY_ARN),
        lambda arn: SoftwareImage.custom_ami("ami-0123456789abcdef0", encryption_key=key(arn)),
        lambda arn: {**ANY_IMAGE, "ImageId": "ami-0123456789abcdef0", "KmsKeyId": arn},
    ),
    "release": (
        near(values.RELEASE),
        SoftwareImage.release,
        lambda version: released(ImageReleaseVersion=version),
    ),
    "release line": (
        near(values.RELEASE_LINE),
        SoftwareImage.release_line,
        lambda line: released(ReleaseLine=line, ImageReleaseVersion=f"{line}.0"),
    ),
    "release of a line": (
        st.sampled_from(["1.3.0", "1.03.7", "1.30.0", "01.3.1", "1.4.0", "13.0.0", "2.3.0"]),
        lambda version: SoftwareImage.release_line("1.3", at_least=version),
        lambda version: released(ReleaseLine="1.3", ImageReleaseVersion=version),
    ),
    "revision": (
        near(values.REVISION),
        lambda text: SoftwareImage.latest(revision=text),
        lambda text: {**ANY_IMAGE, "Revision": text},
    ),
    "batch by count": (
        around(values.BATCH_SIZES["INSTANCE_COUNT"]),
        BatchSize.count,
        batch("INSTANCE_COUNT"),
    ),
    "batch by percentage": (
        around(values.BATCH_SIZES["CAPACITY_PERCENTAGE"]),
        BatchSize.percent,
        batch("CAPACITY_PERCENTAGE"),
    ),
    "wait interval": (
        around(values.WAIT_INTERVAL).filter(lambda seconds: seconds >= 0),
        lambda seconds: RollingUpdate(wait_interval=Duration.seconds(seconds)),
        lambda seconds: rolling(WaitIntervalInSeconds=str(seconds)),
    ),
    "alarms": (
        st.lists(near(values.ALARM_NAME), max_size=3)
        | st.integers(0, 12).map(lambda count: [f"a{index}" for index in range(count)]),
        lambda names: RollingUpdate(rollback_alarms=alarms(*names)),
        lambda names: rolling(AutoRollbackConfiguration=[{"AlarmName": name} for name in names]),
    ),
    "timeout": (
        around(values.TIMEOUT).filter(lambda seconds: seconds >= 0),
        lambda seconds: Timeout.of(Duration.seconds(seconds)),
        lambda seconds: {**ANY_IMAGE, "Timeout": str(seconds)},
    ),
}


def is_refused(refusal: type[Exception], accept: Callable[[], object]) -> bool:
    try:
        accept()
    except refusal:
        return True
    return False


@pytest.mark.parametrize("field", FIELDS)
def test_both_sides_accept_the_same_values(field: str) -> None:
    strategy, at_synthesis, sent = FIELDS[field]

    @some
    @given(strategy)
    def try_it(value: Any) -> None:
        refused = is_refused(PropertyError, lambda: at_synthesis(value))
        assert is_refused(BadProperty, lambda: parse_declaration(sent(value))) == refused

    try_it()


# --- Whole declarations ---------------------------------------------------------------------------


def as_sent(value: object) -> object:
    """Properties as CloudFormation sends them: every primitive is a string."""
    match value:
        case dict():
            return {name: as_sent(part) for name, part in cast("dict[str, object]", value).items()}
        case list():
            return [as_sent(part) for part in cast("list[object]", value)]
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def matching(text: Text) -> st.SearchStrategy[str]:
    return st.from_regex(text.pattern, fullmatch=True).filter(text.allows)


def within(bounds: Range) -> st.SearchStrategy[int]:
    return st.integers(bounds.lowest, bounds.highest)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


batches = within(values.BATCH_SIZES["INSTANCE_COUNT"]).map(BatchSize.count) | within(
    values.BATCH_SIZES["CAPACITY_PERCENTAGE"]
).map(BatchSize.percent)
images = st.one_of(
    st.builds(SoftwareImage.latest, revision=maybe(matching(values.REVISION))),
    st.builds(SoftwareImage.public_ami, matching(values.AMI)),
    st.builds(SoftwareImage.custom_ami, matching(values.AMI)),
    st.builds(
        SoftwareImage.release,
        matching(values.RELEASE),
        revision=maybe(matching(values.REVISION)),
        allow_downgrade=st.booleans(),
    ),
    st.builds(SoftwareImage.release_line, matching(values.RELEASE_LINE)),
)
rollings = st.builds(
    RollingUpdate,
    max_batch_size=batches,
    rollback_max_batch_size=maybe(batches),
    wait_interval=maybe(within(values.WAIT_INTERVAL).map(Duration.seconds)),
    allow_on_slurm=st.booleans(),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    app = App(outdir=str(tmp_path_factory.mktemp("out")), stack_traces=False)
    return Stack(app, "Training")


@some
@given(st.data())
def test_what_is_declared_is_what_the_handler_reads(stack: Stack, data: st.DataObject) -> None:
    draw = data.draw
    waits = draw(st.booleans())
    timeout = draw(within(values.TIMEOUT)) if waits else 600
    groups = draw(maybe(st.lists(matching(values.GROUP_NAME), min_size=1, max_size=5, unique=True)))
    declared = Declaration.of(
        stack,
        cluster=draw(matching(values.CLUSTER_NAME)),
        image=draw(images),
        instance_groups=groups,
        rolling_update=draw(maybe(rollings)),
        timeout=Duration.seconds(timeout),
        on_create=draw(st.sampled_from(OnCreate)),
        on_rollback=draw(st.sampled_from(OnRollback)),
        on_skipped_nodes=draw(st.sampled_from(OnSkippedNodes)),
        wait_for_completion=waits,
        allow_caller_credentials=draw(st.booleans()),
        cluster_tags=None,
    )
    image = declared.image.bind(stack)
    read = parse_declaration(as_sent(declared.properties(image)))
    assert read.cluster == declared.cluster.name_or_arn
    assert read.groups == declared.groups
    assert read.image_id == (image.image_id and image.image_id.lower())
    assert {read.version, *read.group_versions.values()} - {None} == {image.release_version} - {
        None
    }
    assert read.line == image.release_line
    assert read.revision == image.revision
    assert read.owned_image == image.custom
    rolling_update = declared.rolling_update
    assert read.deployment == (None if rolling_update is None else rolling_update.render())
    for name in (
        *("on_create", "on_rollback", "on_skipped_nodes"),
        *("wait_for_completion", "allow_caller_credentials"),
    ):
        assert getattr(read, name) == getattr(declared, name)
    assert read.timeout == declared.timeout.seconds
    assert read.allow_downgrade == image.allow_downgrade
    on_slurm = rolling_update is not None and rolling_update.allow_on_slurm
    assert read.allow_rolling_update_on_slurm == on_slurm
