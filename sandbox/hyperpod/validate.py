"""Check values against the service model that ships with botocore.

The SDK checks required members and minimums only. This checks all a model can say: types, enums,
patterns, lengths and ranges both ways, unions, unknown members. One general function does it for
requests and answers of any operation of any service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

from sandbox.sdk import service_model


def violations(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Everything about a value that its shape does not allow, each as one line.

    `shape` is one of botocore's loaded shapes. Times may be datetimes or seconds since the epoch.
    """
    rule = _rule(shape)
    problem = rule.problem(value)
    if problem:
        yield f"{path or 'request'}: {problem}"
    elif rule.kind == "structure":
        yield from _structure(rule, value, path)
    elif rule.kind == "list":
        for index, item in enumerate(value):
            yield from violations(shape.member, item, f"{path}[{index}]")
    elif rule.kind == "map":
        for key, item in value.items():
            yield from violations(shape.key, key, f"{path} (key)")
            yield from violations(shape.value, item, f"{path}.{key}")


def _structure(rule: _Rule, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in rule.required:
        if value.get(name) is None:
            yield f"{path or 'request'}: {name} is required"
    for name, item in value.items():
        member = rule.members.get(name)
        where = f"{path}.{name}" if path else name
        if member is None:
            yield f"{where}: unknown member"
        elif item is not None:
            yield from violations(member, item, where)


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list, tuple),
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, datetime),
    "blob": (bytes, str),
}


_LATER = {"ClusterInstanceStatus": frozenset({"AttachInProgress", "DetachInProgress"})}
"""Words that came into SageMaker's model after the botocore that is pinned here: 1.44.8."""


class _Rule:
    """What one shape asks for, read from the model once."""

    __slots__ = ("enum", "kind", "maximum", "members", "minimum", "pattern", "required", "union")

    def __init__(self, shape: Any) -> None:
        metadata: Mapping[str, Any] = shape.metadata
        self.kind = str(shape.type_name)
        structure = self.kind == "structure"
        self.members: dict[str, Any] = dict(shape.members) if structure else {}
        self.required: tuple[str, ...] = tuple(shape.required_members) if structure else ()
        self.union = bool(metadata.get("union"))
        self.enum = frozenset(cast(list[str], metadata.get("enum", [])))
        if self.enum:
            self.enum |= _LATER.get(str(shape.name), frozenset())
        self.minimum = cast("int | None", metadata.get("min"))
        self.maximum = cast("int | None", metadata.get("max"))
        pattern = metadata.get("pattern")
        self.pattern = re.compile(_translated(str(pattern))) if pattern else None

    def problem(self, value: Any) -> str | None:
        if not self._of_kind(value):
            return f"{value!r} is not of type {self.kind}"
        if self.enum and value not in self.enum:
            return f"{value!r} is not one of {', '.join(sorted(self.enum)[:20])}"
        if self.kind in ("integer", "long", "float", "double"):
            return self._out_of_bounds(value, str(value))
        if self.kind in ("string", "list", "map"):
            problem = self._out_of_bounds(len(value), f"the length {len(value)}")
            if problem:
                return problem
        if self.pattern and not self.pattern.fullmatch(value):
            return f"{value!r} does not match {self.pattern.pattern}"
        if self.union and len(value) != 1:
            return "exactly one member has to be given"
        return None

    def _of_kind(self, value: Any) -> bool:
        types = _PYTHON_TYPES[self.kind]
        # To Python a bool is an int as well, to a service it is not.
        return isinstance(value, types) and (bool in types or not isinstance(value, bool))

    def _out_of_bounds(self, measure: float, words: str) -> str | None:
        if self.minimum is not None and measure < self.minimum:
            return f"{words} is below {self.minimum}"
        if self.maximum is not None and measure > self.maximum:
            return f"{words} is above {self.maximum}"
        return None


# Keyed by the loaded shape itself: botocore makes each one once for a loaded model.
_rules: dict[int, tuple[Any, _Rule]] = {}


def _rule(shape: Any) -> _Rule:
    known = _rules.get(id(shape))
    if known is None or known[0] is not shape:
        known = _rules[id(shape)] = (shape, _Rule(shape))
    return known[1]


def _translated(pattern: str) -> str:
    """A pattern of the model in Python's dialect: letters, digits and spaces of any script."""
    for theirs, ours in ((r"\p{L}", r"\w"), (r"\p{N}", r"\w"), (r"\p{Z}", r"\s")):
        pattern = pattern.replace(theirs, ours)
    return pattern


@cache
def sagemaker_model() -> Any:
    """SageMaker's service model as botocore loads it; read once, some tenths of a second."""
    return service_model("sagemaker")


class ModelChecks:
    """The checks of SageMaker's operations, for a HyperPod that is to be strict."""

    def __init__(self) -> None:
        self._model = sagemaker_model()

    def request(self, operation: str, parameters: Mapping[str, Any]) -> list[str]:
        shape = self._model.operation_model(operation).input_shape
        return list(violations(shape, dict(parameters)))

    def answer(self, operation: str, answer: Mapping[str, Any]) -> list[str]:
        shape = self._model.operation_model(operation).output_shape
        return list(violations(shape, dict(answer), "answer"))

    def cluster(self, description: Mapping[str, Any]) -> list[str]:
        """The checks of a saved answer of DescribeCluster."""
        shape = self._model.operation_model("DescribeCluster").output_shape
        return [line.replace("request: ", "") for line in violations(shape, dict(description))]
