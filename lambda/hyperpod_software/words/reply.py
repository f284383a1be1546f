"""What CloudFormation is told, and by which ways."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from hyperpod_software.words.request import Ticket


class Way(Enum):
    """A way to CloudFormation."""

    ANSWER = "answer"
    """The custom resource's own: a PUT to its ``ResponseURL``."""
    SIGNAL = "signal"
    """A wait condition's: a PUT to the URL of its handle."""


@dataclass(frozen=True)
class Reply:
    """An answer on its way to CloudFormation."""

    ticket: Ticket
    response: dict[str, Any]
    path: str
    """Where the request is remembered, if it is."""
    remembered: bool
    expires: float
    """When CloudFormation has given the request up in any case (epoch seconds)."""
    ways: tuple[Way, ...] = (Way.ANSWER,)
    """The ways it goes, in this order."""
    wait_handle: str | None = None
    last: bool = True
    """``False``: the resource is answered while its patch goes on, and a signal ends it."""
