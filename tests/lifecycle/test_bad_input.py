"""Rule 1 under fire: whatever is sent, the answer is a declaration or one clear line."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hyperpod_software.adapters.properties import parse_declaration
from hyperpod_software.adapters.sagemaker import update_request
from hyperpod_software.contract.properties import Property
from hyperpod_software.model.decision import Patch
from hyperpod_software.model.errors import BadProperty
from tests.lifecycle.samples import cluster, group, properties

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda deeper: (
        st.lists(deeper, max_size=4) | st.dictionaries(st.text(max_size=9), deeper, max_size=4)
    ),
    max_leaves=12,
)
numbers = st.integers(-(10**12), 10**12).map(str) | st.sampled_from(["1e3", "٣", " 5", "5 ", "+5"])
huge = st.integers(1, 20_000).map(lambda size: "x" * size)
value = anything | numbers | huge
shaped = st.fixed_dictionaries(
    {},
    optional={
        name: value
        | st.just(properties().get(name))
        | st.sampled_from(["ami-0123456789abcdef0", "default", "1.2.3", "adopt", "leave", "warn"])
        for name in sorted(Property)
    },
)
batch = st.fixed_dictionaries(
    {}, optional={"Type": value | st.just("INSTANCE_COUNT"), "Value": value | numbers}
)
deployments = st.fixed_dictionaries(
    {},
    optional={
        "RollingUpdatePolicy": value | st.fixed_dictionaries({"MaximumBatchSize": batch}),
        "WaitIntervalInSeconds": value,
        "AutoRollbackConfiguration": value
        | st.lists(st.fixed_dictionaries({"AlarmName": value}), max_size=12),
    },
)


def one_line(raw: object) -> None:
    try:
        declaration = parse_declaration(raw)
    except BadProperty as problem:
        text = str(problem)
        assert "\n" not in text
        assert 10 < len(text) < 700
        assert "Traceback" not in text
        assert text.isascii() or "…" in text
        return
    # What passes can be said to the API.
    patch = Patch(cluster(group("workers")), ("workers",))
    json.dumps(update_request(patch, declaration))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(anything)
def test_properties_of_any_shape_get_a_declaration_or_one_clear_line(raw: object) -> None:
    one_line(raw)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(shaped)
def test_known_properties_with_any_values_get_a_declaration_or_one_clear_line(raw: Any) -> None:
    one_line(raw)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(deployments)
def test_any_deployment_config_gets_a_declaration_or_one_clear_line(raw: Any) -> None:
    one_line(properties(DeploymentConfig=raw))


def test_properties_nested_beyond_reason_get_one_clear_line() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    one_line(properties(InstanceGroups=deep))
