"""The reference is complete and true: what it lists is what the code has."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import app_context
import hyperpod_patching
from hyperpod_software.contract import answers, names, properties, signals, times, values
from tests.repository.documents import ROOT, named, tables

REFERENCE = ROOT / "docs/reference.md"
PUBLIC = {name: getattr(hyperpod_patching, name) for name in hyperpod_patching.__all__}
LAMBDA = ROOT / "lambda/hyperpod_software"


# --- The library ----------------------------------------------------------------------------------


def parameters(function: Any) -> list[inspect.Parameter]:
    found = inspect.signature(function).parameters.values()
    return [parameter for parameter in found if parameter.name != "self"]


def as_called(name: str, function: Any) -> str:
    """A method as it is written down, with its defaults and without types."""
    own = [one.replace(annotation=inspect.Parameter.empty) for one in parameters(function)]
    return f"{name}{inspect.Signature(own)}"


def members(kind: type) -> Iterator[str]:
    """What a user of a public class may name: arguments, choices, properties and methods."""
    if issubclass(kind, enum.Enum):
        yield from kind.__members__
        return
    if "__init__" in vars(kind):
        yield from (parameter.name for parameter in parameters(kind.__init__))
    for name, found in vars(kind).items():
        function = found.__func__ if isinstance(found, staticmethod) else found
        if name.startswith("_") or (dataclasses.is_dataclass(kind) and not callable(function)):
            continue
        if isinstance(found, property):
            yield name
        elif inspect.isfunction(function):
            yield as_called(name, function)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_listed_with_all_it_has(name: str) -> None:
    listed = [
        cell.strip("`")
        for row in tables(REFERENCE, name)
        for column, cell in row.items()
        if column == "member" or (column == "argument" and name != "SoftwareImage")
    ]

    assert sorted(listed) == sorted(members(PUBLIC[name]))


@pytest.mark.parametrize("name", ["ClusterSoftware", "RollingUpdate", "BatchSize", "PropertyError"])
def test_every_default_is_the_one_of_the_code(name: str) -> None:
    listed = {
        row["argument"].strip("`"): row["default"].strip("`")
        for row in tables(REFERENCE, name)
        if "argument" in row
    }

    for parameter in parameters(PUBLIC[name].__init__):
        default = parameter.default
        shown = (
            "required"
            if default is inspect.Parameter.empty
            else str(default)
            if isinstance(default, enum.Enum)
            else repr(default)
        )
        assert listed[parameter.name] == shown, parameter.name


def test_every_argument_of_an_image_is_listed() -> None:
    factories = (
        found.__func__
        for found in vars(hyperpod_patching.SoftwareImage).values()
        if isinstance(found, staticmethod)
    )
    taken = {parameter.name for each in factories for parameter in parameters(each)}

    assert set(named(REFERENCE, "SoftwareImage", "argument")) == taken


@pytest.mark.parametrize("name", ["OnCreate", "OnRollback", "OnSkippedNodes"])
def test_every_choice_is_listed_with_its_value(name: str) -> None:
    rows = tables(REFERENCE, name)

    assert {row["member"].strip("`"): row["value in the template"].strip("`") for row in rows} == {
        member.name: member.value for member in PUBLIC[name]
    }


def test_every_warning_is_listed() -> None:
    source = (ROOT / "constructs/hyperpod_patching/_declaration.py").read_text()
    given = set(re.findall(r"\{_WARNING\}:(\w+)", source))

    assert {one.partition(":")[2] for one in named(REFERENCE, "Warnings at synth", "id")} == given


# --- The custom resource --------------------------------------------------------------------------


def test_every_attribute_is_listed() -> None:
    assert named(REFERENCE, "Attributes", "attribute") == [*answers.Attribute, answers.HANDOVER]


def test_every_outcome_is_listed() -> None:
    known = [*(one.value for one in answers.Outcome), answers.FAILED]

    assert sorted(named(REFERENCE, "Outcomes", "outcome")) == sorted(known)


def test_every_property_is_listed() -> None:
    deployment = f"{properties.Property.DEPLOYMENT}."
    policy = f"{deployment}{properties.DeploymentMember.POLICY}."
    known = [
        *properties.Property,
        *(f"{properties.Property.GROUPS}[].{one}" for one in properties.GroupMember),
        *(f"{deployment}{one}" for one in properties.DeploymentMember),
        *(f"{policy}{one}" for one in properties.PolicyMember),
        *(f"….{one}" for one in properties.BatchMember),
        *(
            f"{deployment}{properties.DeploymentMember.ALARMS}[].{one}"
            for one in properties.AlarmMember
        ),
    ]

    assert sorted(named(REFERENCE, "The custom resource", "property")) == sorted(known)


def test_every_property_of_a_waiter_is_listed() -> None:
    assert named(REFERENCE, "The waiters", "property") == [*properties.WaiterProperty]


BOUNDS = {
    "Timeout": str(values.TIMEOUT),
    "InstanceGroups": str(values.GROUPS),
    "InstanceGroups[].InstanceGroupName": f"1 to {values.GROUP_NAME.longest} characters",
    "….Value": "; ".join(
        f"{unit}, {values.BATCH_SIZES[kind]}"
        for unit, kind in (
            ("nodes", properties.INSTANCE_COUNT),
            ("percent", properties.CAPACITY_PERCENTAGE),
        )
    ),
    "DeploymentConfig.WaitIntervalInSeconds": str(values.WAIT_INTERVAL),
    "DeploymentConfig.AutoRollbackConfiguration": str(values.ALARMS),
    "DeploymentConfig.AutoRollbackConfiguration[].AlarmName": str(values.ALARM_NAME.longest),
    "Revision": f"1 to {values.REVISION.longest}",
    "ServiceTimeout": f"+ {times.ANSWER_MARGIN}, at most {times.SERVICE_TIMEOUT}",
    "Window": str(values.WAITER_WINDOW),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_the_bounds_are_those_of_the_code(name: str) -> None:
    heading = "The waiters" if name == "Window" else "The custom resource"
    (row,) = (row for row in tables(REFERENCE, heading) if row["property"] == f"`{name}`")

    assert BOUNDS[name] in row["type and bounds"]


def test_the_default_timeout_is_one_window() -> None:
    (row,) = (
        row for row in tables(REFERENCE, "The custom resource") if "`Timeout`" in row.values()
    )

    assert row["without it"] == str(times.WINDOW)


# --- What is logged -------------------------------------------------------------------------------

# Said of every line, by the formatter; and CloudWatch's own, for metrics.
OF_EVERY_LINE = {"level", "aws_request_id", "message", "exception"}
OF_METRICS = {"_aws", signals.DIMENSION}


def logged() -> tuple[set[str], set[str]]:
    """Stages and fields of all lines that the handler's code writes."""
    stages: set[str] = set()
    fields: set[str] = set()
    for module in LAMBDA.rglob("*.py"):
        tree = ast.parse(module.read_text())
        functions = {one.name: one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Name(id="log_event"), args=[_, ast.Constant(value=stage), *_]
                ):
                    stages.add(str(stage))
                    fields.update(one.arg for one in node.keywords if one.arg)
                    for one in node.keywords:
                        fields.update(keys_of(one.value, functions) if one.arg is None else ())
                case ast.Dict() if "stage" in (keys := dict_keys(node)):
                    fields.update(keys)
                    stages.update(
                        str(value.value)
                        for key, value in zip(node.keys, node.values, strict=True)
                        if isinstance(key, ast.Constant) and key.value == "stage"
                        if isinstance(value, ast.Constant)
                    )
                case _:
                    pass
    return stages, fields


def dict_keys(node: ast.Dict) -> set[str]:
    return {str(key.value) for key in node.keys if isinstance(key, ast.Constant)}


def keys_of(value: ast.expr, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """The keys of what a function of the same module returns."""
    match value:
        case ast.Call(func=ast.Name(id=name)) if name in functions:
            returned = (one for one in ast.walk(functions[name]) if isinstance(one, ast.Return))
            dicts = (one.value for one in returned if isinstance(one.value, ast.Dict))
            return {key for one in dicts for key in dict_keys(one)}
        case _:
            return set()


def test_every_stage_of_the_log_is_listed() -> None:
    stages, _ = logged()

    assert set(named(REFERENCE, "Log lines", "stage")) == stages
    operators = named(ROOT / "docs/operations.md", "What the log says", "stage")
    assert stages <= set(operators)


def test_every_field_of_the_log_is_listed() -> None:
    _, fields = logged()

    assert set(named(REFERENCE, "Log lines", "field")) == fields | OF_EVERY_LINE | OF_METRICS


def test_every_field_is_of_a_stage_that_there_is() -> None:
    stages, _ = logged()
    rows = (row for row in tables(REFERENCE, "Log lines") if "field" in row)

    assert {one for row in rows for one in re.findall("`([^`]+)`", row["in"])} <= stages


def test_every_metric_is_listed() -> None:
    known = [signals.NODES_DONE, signals.NODES_TOTAL, signals.FAILURES]

    assert named(REFERENCE, "Metrics and alarms", "metric") == known


def test_every_event_is_listed() -> None:
    known = [signals.STATE_CHANGE, signals.CLUSTER_EVENT]

    assert named(REFERENCE, "Events", "detail type") == known


# --- Permissions, and the app ---------------------------------------------------------------------


def test_every_permission_is_listed() -> None:
    called = {f"{service}:{one}" for service, all_ in names.OPERATIONS.items() for one in all_}
    granted = set(named(REFERENCE, "Permissions", "action"))
    source = (ROOT / "constructs/hyperpod_patching/_provider.py").read_text()
    # What is followed by a colon is the key of a condition.
    written = set(re.findall(r'"((?:logs|ec2|kms|events|ssm|sagemaker):[A-Z]\w+)"(?!:)', source))

    assert called <= granted
    assert written <= granted
    assert granted - called - written == set()


def test_every_context_key_of_the_app_is_listed() -> None:
    assert named(REFERENCE, "Context keys of app.py", "key") == list(app_context.KEYS)
