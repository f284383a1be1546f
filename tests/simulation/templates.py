"""What a user's declarations are in a template: with their waiters, and others' resources beside."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cloudformation.relay import with_waiters
from tests.cloudformation.template import Resource, Template
from tests.simulation.requests import Properties

Declarations = dict[str, Properties]
"""Logical id → properties."""

OTHER = "Custom::SomebodyElses"
BEFORE, BESIDE, AFTERWARDS = OTHERS = ("Before", "Beside", "Afterwards")


@dataclass(frozen=True)
class Others:
    """Somebody else's resources in the stack."""

    size: int
    """Their property: where it changes, they are updated."""
    names: tuple[str, ...]


def template(declared: Declarations, others: Others, *, chained: bool) -> Template:
    """The template. Declarations that are chained depend on each other, as the construct makes
    them where they are of one cluster; without, they are deployed side by side."""
    there = {name: Resource({"Size": str(others.size)}, OTHER) for name in others.names}
    first = tuple(name for name in there if name == BEFORE)
    found: dict[str, Resource] = {}
    before = first
    for logical_id, properties in declared.items():
        its = with_waiters(logical_id, Resource(properties, depends_on=before))
        found |= its
        before = (list(its)[-1],) if chained else first
    if AFTERWARDS in there:
        there[AFTERWARDS] = Resource({"Size": str(others.size)}, OTHER, tuple(found))
    return {**there, **found}
