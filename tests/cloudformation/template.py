"""What a template declares of a resource, and what CloudFormation makes of its references."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from hyperpod_software.contract.properties import SOFTWARE_TYPE

Properties = Mapping[str, Any]

REF = "Ref"
"""The attribute that is the physical id."""


class NoAttribute(Exception):
    """The resource has answered without the attribute that is asked for."""


@dataclass(frozen=True)
class GetAtt:
    """``Fn::GetAtt``, anywhere among the properties."""

    logical_id: str
    attribute: str


@dataclass(frozen=True)
class Resource:
    """One resource of a template: a custom resource."""

    properties: Properties = field(default_factory=dict[str, Any])
    type: str = SOFTWARE_TYPE
    depends_on: tuple[str, ...] = ()
    retained: bool = False
    """``DeletionPolicy`` and ``UpdateReplacePolicy`` are ``Retain``."""

    @property
    def references(self) -> frozenset[str]:
        """The resources whose attributes it uses."""
        return frozenset(found.logical_id for found in _references(self.properties))

    @property
    def dependencies(self) -> frozenset[str]:
        return self.references | frozenset(self.depends_on)


Template = Mapping[str, Resource]
"""Logical id → resource."""


def evaluated(properties: Properties, attribute: Callable[[GetAtt], Any]) -> dict[str, Any]:
    """The properties as they are sent: with what references stand for, and all of it text."""

    def value(given: Any) -> Any:
        if isinstance(given, GetAtt):
            return value(attribute(given))
        if isinstance(given, Mapping):
            mapping = cast("Mapping[str, Any]", given)
            return {name: value(item) for name, item in mapping.items()}
        if isinstance(given, list):
            return [value(item) for item in cast("Iterable[Any]", given)]
        return str(given).lower() if isinstance(given, bool) else str(given)

    return {name: value(item) for name, item in properties.items()}


def _references(value: Any) -> Iterator[GetAtt]:
    if isinstance(value, GetAtt):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, Any]", value).values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in cast("Iterable[Any]", value):
            yield from _references(item)
