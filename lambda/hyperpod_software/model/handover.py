"""What one window onto a patch hands over to the next: the patch that goes on, or its result.

It travels as the ``Handover`` attribute of a custom resource, the property of the next one. It is
short whatever the patch is, and never part of a physical id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hyperpod_software.contract.answers import Attribute

_PATCH = re.compile(r"patch ([0-9a-f]{16})")


@dataclass(frozen=True)
class GoesOn:
    """A patch that goes on, by the last part of its path in memory."""

    patch: str

    def __str__(self) -> str:
        return f"patch {self.patch}"


@dataclass(frozen=True)
class Result:
    """All is done: the attributes that every later window answers with."""

    attributes: tuple[str, ...]

    def __str__(self) -> str:
        # No cluster's, group's or outcome's name has a bar in it.
        return "|".join(each.replace("|", "/") for each in self.attributes)

    @property
    def data(self) -> dict[str, str]:
        return dict(zip(map(str, Attribute), self.attributes, strict=True))


@dataclass(frozen=True)
class Waiter:
    """The properties of ``Custom::HyperPodPatchWaiter``."""

    resource: str
    """The logical id of the resource that declares the software."""
    window: int
    handover: GoesOn | Result


def read_handover(text: object) -> GoesOn | Result | None:
    """The handover that a text is; ``None``: it is none."""
    if not isinstance(text, str):
        return None
    if found := _PATCH.fullmatch(text):
        return GoesOn(found[1])
    parts = tuple(text.split("|"))
    return Result(parts) if len(parts) == len(Attribute) else None
