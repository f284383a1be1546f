"""What a change set says of an update before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.cloudformation.template import Resource, Template


@dataclass(frozen=True)
class Change:
    """What an update does with one resource."""

    logical_id: str
    action: str
    """Add, Modify or Remove."""
    certain: bool = True
    """``Evaluation`` is Static; else Dynamic: it depends on values that are not known yet."""
    causes: frozenset[str] = frozenset()
    """The resources that it refers to and that change, be that certain or not."""


def changes(before: Mapping[str, Resource], template: Template) -> list[Change]:
    """The changes, in an order in which causes come before what they cause."""
    found: dict[str, Change] = {}
    for name in _sorted(template):
        change = _change(name, before.get(name), template[name], found)
        if change is not None:
            found[name] = change
    removed = [Change(name, "Remove") for name in before if name not in template]
    return [*found.values(), *removed]


def _change(
    name: str, before: Resource | None, resource: Resource, found: Mapping[str, Change]
) -> Change | None:
    if before is None:
        return Change(name, "Add")
    causes = resource.references & found.keys()
    written = before.properties != resource.properties
    return Change(name, "Modify", written, causes) if written or causes else None


def _sorted(template: Template) -> list[str]:
    done: list[str] = []
    while len(done) < len(template):
        done.append(
            next(
                name
                for name in template
                if name not in done and template[name].dependencies.issubset(done)
            )
        )
    return done
