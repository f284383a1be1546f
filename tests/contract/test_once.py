"""What construct and handler agree on is written once, in the contract."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import cast

import pytest

from hyperpod_software.contract import answers, names, properties, signals, times, values

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "lambda/hyperpod_software/contract"

# The API of AWS has members of the same names; these modules write and read its calls.
APIS = {
    "lambda/hyperpod_software/adapters/ec2.py",
    "lambda/hyperpod_software/adapters/sagemaker.py",
    "constructs/hyperpod_patching/_cluster.py",
}
# It names what can be imported.
EXPORTS = {"constructs/hyperpod_patching/__init__.py"}
# They look from outside, at the text that stands in templates and on screens.
GOLDEN = {
    "tests/app/test_app.py",
    "tests/constructs/test_provider.py",
    "tests/sandbox/test_demo.py",
    "tests/wheel/test_wheel.py",
}
# Too common a word, or a status of AWS's as well, to be ours wherever it stands.
WORDS = {
    "Failed",
    *("default", "self", "patch", "adopt", "restore", "leave", "fail", "warn"),
    *("reason", "stage", "Type", "Value", "Resource"),
}


def literals(value: object) -> Iterator[str | int]:
    match value:
        case values.Text():
            yield value.pattern
        case values.Range():
            yield value.highest
        case Enum():
            yield value.value
        case str() | int():
            yield value
        case dict():
            for key, one in cast("dict[str, object]", value).items():
                yield key
                yield from literals(one)
        case list() | tuple():
            for one in cast("Iterable[object]", value):
                yield from literals(one)
        case type() if issubclass(value, Enum):
            yield from literals(list(value))
        case _:
            return


def agreed() -> set[str | int]:
    """Every text, and every number that cannot be anything else, that the contract says."""
    found = {
        literal
        for module in (answers, names, properties, signals, times, values)
        for name, value in vars(module).items()
        # What is called in AWS is held against the handler's calls elsewhere.
        if not name.startswith("_") and name != "OPERATIONS"
        for literal in literals(value)
    }
    return {one for one in found if (one > 3600 if isinstance(one, int) else one not in WORDS)}


def written(source: str) -> Iterator[tuple[int, str | int]]:
    """Every literal in a module but its docstrings."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            value = node.value
            if isinstance(value, str) or type(value) is int:
                yield node.lineno, value


def copies(place: Path, wanted: set[str | int]) -> list[str]:
    return [
        f"{place.relative_to(ROOT)}:{line}: {value!r}"
        for line, value in written(place.read_text("utf-8"))
        if value in wanted
    ]


def modules(*places: str) -> list[Path]:
    found = [
        *ROOT.glob("app*.py"),
        *(file for place in places for file in (ROOT / place).rglob("*.py")),
    ]
    return sorted(file for file in found if CONTRACT not in file.parents)


def test_construct_and_handler_have_no_copy_of_it() -> None:
    wanted = agreed()
    found = [
        copy
        for file in modules("constructs", "lambda")
        if file.relative_to(ROOT).as_posix() not in APIS | EXPORTS
        for copy in copies(file, wanted)
    ]
    assert found == []


def test_nothing_else_has_a_copy_of_the_names_that_are_ours_alone() -> None:
    wanted: set[str | int] = {
        properties.SOFTWARE_TYPE,
        properties.WAITER_TYPE,
        names.PREFIX_VARIABLE,
        names.LOG_GROUP_VARIABLE,
        names.ENTRY_POINT,
    }
    found = [
        copy
        for file in modules("benchmarks", "sandbox", "tests")
        if file.relative_to(ROOT).as_posix() not in GOLDEN
        for copy in copies(file, wanted)
    ]
    assert found == []


@pytest.mark.parametrize("one", ["ClusterName", "PatchedNodeCount", "NodesDone", 6758, 86_400])
def test_a_copy_would_be_found(one: str | int) -> None:
    assert one in agreed()
    assert list(written(f'"""{one}"""\nx = {one!r}\n')) == [(2, one)]


def test_the_contract_needs_the_standard_library_alone() -> None:
    for file in CONTRACT.glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
            name.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for name in node.names
        }
        for name in imported:
            origin = importlib.import_module(str(name)).__file__ or ""
            assert "site-packages" not in origin
            assert Path(origin).parent == CONTRACT or "hyperpod" not in origin
