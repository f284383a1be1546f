"""The SDK's data in the asset: for what the handler calls, all that the SDK itself has."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.regions import EndpointResolver

from hyperpod_patching._sdk_data import reduced_model, sdk_data
from hyperpod_software.contract.names import OPERATIONS

LAMBDA = Path(__file__).parents[2] / "lambda"
DATA = Path(botocore.__file__).parent / "data"

SERVICES = sorted(OPERATIONS)


@pytest.fixture(scope="module")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """What reads the reduced data, as the SDK does."""
    directory = tmp_path_factory.mktemp("data")
    for name, content in sdk_data(DATA):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return Loader([str(directory)], include_default_search_paths=False)


@pytest.fixture(scope="module")
def whole() -> Loader:
    return Loader([str(DATA)], include_default_search_paths=False)


# --- What the handler calls -----------------------------------------------------------------------


def calls_in(source: str) -> Iterator[tuple[str, str]]:
    """Service and method of every `client("service", …).method`."""
    tree = ast.parse(source)
    made = [node for node in ast.walk(tree) if is_client(node)]
    used = [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_client(node.value)
    ]
    # A client that is kept, or handed on, would hide what is called on it.
    assert len(made) == len(used), "each client(…) must be followed by the operation it is for"
    for node in used:
        assert isinstance(node.value, ast.Call)
        (service,) = node.value.args
        assert isinstance(service, ast.Constant)
        assert isinstance(service.value, str)
        yield service.value, node.attr


def is_client(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "client"
    )


def test_the_operations_are_those_the_handler_calls() -> None:
    called = {
        call for file in sorted(LAMBDA.rglob("*.py")) for call in calls_in(file.read_text("utf-8"))
    }
    listed = {
        (service, xform_name(operation))
        for service, operations in OPERATIONS.items()
        for operation in operations
    }
    assert called == listed


def test_only_one_module_makes_clients() -> None:
    makers = {
        file.relative_to(LAMBDA).as_posix()
        for file in LAMBDA.rglob("*.py")
        if any(f"import {name}" in file.read_text("utf-8") for name in ("boto3", "botocore"))
    }
    assert makers == {"hyperpod_software/adapters/clients.py"}


@pytest.mark.parametrize(
    "source",
    [
        'kept = client("ssm")\nkept.put_parameter()',
        'hand_on(client("ssm"))',
    ],
)
def test_a_client_that_hides_its_calls_is_refused(source: str) -> None:
    with pytest.raises(AssertionError, match="must be followed by the operation"):
        list(calls_in(source))


# --- What is left of the models -------------------------------------------------------------------


def described(shape: Any, seen: dict[str, Any]) -> dict[str, Any]:
    """Everything a shape says, itself and all it reaches, by the SDK's own reading."""
    if shape is None or shape.name in seen:
        return seen
    seen[shape.name] = {
        "type": shape.type_name,
        "metadata": shape.metadata,
        "serialization": shape.serialization,
    }
    if shape.type_name == "structure":
        seen[shape.name]["members"] = [(name, each.name) for name, each in shape.members.items()]
        for member in shape.members.values():
            described(member, seen)
    elif shape.type_name == "list":
        described(shape.member, seen)
    elif shape.type_name == "map":
        described(shape.key, seen)
        described(shape.value, seen)
    return seen


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_left_says_the_same(service: str, reduced: Loader, whole: Loader) -> None:
    left, all_of_it = (
        ServiceModel(loader.load_service_model(service, "service-2"), service)
        for loader in (reduced, whole)
    )
    assert sorted(left.operation_names) == sorted(OPERATIONS[service])
    assert left.metadata == all_of_it.metadata
    for name in left.operation_names:
        mine, theirs = left.operation_model(name), all_of_it.operation_model(name)
        assert mine.http == theirs.http
        assert [e.name for e in mine.error_shapes] == [e.name for e in theirs.error_shapes]
        for which in ("input_shape", "output_shape"):
            shapes = [described(getattr(one, which), {}) for one in (mine, theirs)]
            assert plain(shapes[0]) == plain(shapes[1])
        for mine_error, their_error in zip(mine.error_shapes, theirs.error_shapes, strict=True):
            assert plain(described(mine_error, {})) == plain(described(their_error, {}))


@pytest.mark.parametrize("service", SERVICES)
def test_where_a_service_is_says_the_same(service: str, reduced: Loader, whole: Loader) -> None:
    kind = "endpoint-rule-set-1"
    assert reduced.load_service_model(service, kind) == whole.load_service_model(service, kind)
    prefix = whole.load_service_model(service, "service-2")["metadata"]["endpointPrefix"]
    left, all_of_it = (
        EndpointResolver(loader.load_data("endpoints")) for loader in (reduced, whole)
    )
    assert left.get_available_partitions() == all_of_it.get_available_partitions()
    for partition in all_of_it.get_available_partitions():
        regions = all_of_it.get_available_endpoints(prefix, partition)
        assert left.get_available_endpoints(prefix, partition) == regions
        for region in regions:
            found = left.construct_endpoint(prefix, region)
            assert found == all_of_it.construct_endpoint(prefix, region)


def test_texts_are_left_out_and_members_of_their_name_are_not() -> None:
    model = {
        "metadata": {"endpointPrefix": "some"},
        "documentation": "About the service.",
        "operations": {
            "Get": {"input": {"shape": "In"}, "documentation": "About it."},
            "Put": {"input": {"shape": "Other"}},
        },
        "shapes": {
            "In": {
                "type": "structure",
                "members": {"documentation": {"shape": "Text", "documentation": "About it."}},
            },
            "Text": {"type": "string"},
            "Other": {"type": "string"},
        },
    }
    assert reduced_model(model, ("Get",)) == {
        "metadata": {"endpointPrefix": "some"},
        "operations": {"Get": {"input": {"shape": "In"}}},
        "shapes": {
            "In": {"type": "structure", "members": {"documentation": {"shape": "Text"}}},
            "Text": {"type": "string"},
        },
    }


def test_it_is_small() -> None:
    assert sum(len(content) for _, content in sdk_data(DATA)) < 150_000
