"""What CloudFormation sent, read once: nothing deeper looks at an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hyperpod_software.model.errors import BadProperty
from hyperpod_software.model.handover import Waiter
from hyperpod_software.model.request import RequestInfo
from hyperpod_software.model.software import Declaration


@dataclass(frozen=True)
class Incoming:
    """One request of CloudFormation's."""

    info: RequestInfo
    asks: Declaration | Waiter | BadProperty
    """What it declares or, of a waiter, what it waits for; or why that cannot be used."""
    previous: Declaration | None
    """The declaration before an Update. In a rollback it is the failed one, which may be anything:
    ``None`` where it cannot be read."""
    cluster: str | None
    """The declared cluster, read without judging: an answer needs an id in every case."""
    kept: dict[str, Any]
    """What of the event is remembered; reading it again gives the same."""
