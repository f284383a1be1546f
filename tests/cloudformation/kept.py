"""What CloudFormation keeps of a resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.cloudformation.tasks import Task
from tests.cloudformation.template import REF, NoAttribute, Resource


@dataclass(frozen=True, eq=False)
class Kept:
    """A resource as CloudFormation knows it."""

    declared: Resource
    properties: dict[str, Any]
    physical_id: str
    attributes: Mapping[str, Any]
    request_id: str
    """The request that made it so."""

    def attribute(self, name: str) -> Any:
        if name == REF:
            return self.physical_id
        if name not in self.attributes:
            raise NoAttribute(f"Vendor response doesn't contain {name} attribute")
        return self.attributes[name]


@dataclass(frozen=True)
class Unfinished:
    """What was sent to a resource last, and failed or was cancelled."""

    declared: Resource
    properties: dict[str, Any]
    physical_id: str | None = None
    """That of the failed answer, or invented. ``None``: the one it had."""


def deletion(name: str, kept: Kept) -> Task:
    return Task("Delete", name, kept.declared, kept.properties, physical_id=kept.physical_id)
