"""What CloudFormation is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hyperpod_software.model.request import Window


@dataclass(frozen=True)
class Reply:
    """An answer on its way to CloudFormation."""

    window: Window
    response: dict[str, Any]
    path: str
    """Where the patch is remembered, if it is."""
    event: dict[str, Any]
    """The request that it answers, as it is remembered."""
    remembered: bool
    called: bool = False
    """It was decided in the knowledge of a patch call."""
    last: bool = True
    """``False``: the patch goes on, and the next window takes it up."""
