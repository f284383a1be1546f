"""A CloudFormation event as a ``Ticket``: who asked, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hyperpod_software.contract.properties import WAITER_TYPE
from hyperpod_software.words.request import RequestType, Ticket

_URL_LIFETIME = 7200
"""Seconds for which CloudFormation signs its URLs; the older signature names only the end."""

# What of an event is worth remembering: all but the service token and its time-out.
_KEPT = (
    "RequestType", "StackId", "RequestId", "LogicalResourceId", "ResponseURL",
    "PhysicalResourceId", "ResourceProperties", "OldResourceProperties",
)  # fmt: skip


def read_ticket(event: Mapping[str, Any], now: float) -> Ticket:
    """Raises ``KeyError`` or ``ValueError`` where it is no event of CloudFormation's."""
    url = str(event["ResponseURL"])
    return Ticket(
        type=RequestType(event["RequestType"]),
        stack_id=str(event["StackId"]),
        logical_id=str(event["LogicalResourceId"]),
        request_id=str(event["RequestId"]),
        response_url=url,
        physical_id=event.get("PhysicalResourceId") or None,
        issued=_issued(url, now),
    )


def is_waiter(event: Mapping[str, Any]) -> bool:
    """It is for a waiter, and not for a resource that declares software."""
    return event.get("ResourceType") == WAITER_TYPE


def slim(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event without what later looks do not need."""
    return {key: event[key] for key in _KEPT if key in event}


def _issued(url: str, now: float) -> float:
    """When the URL was signed: requests carry no time of their own.

    It orders the requests of one resource, so that an old one delivered late does not
    pass for the newest. Without a signature's date it is the time of arrival.
    """
    query = parse_qs(urlsplit(url).query)
    try:
        if "X-Amz-Date" in query:
            signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
            return min(signed.timestamp(), now)
        if "Expires" in query:
            return min(float(query["Expires"][0]) - _URL_LIFETIME, now)
    except ValueError:
        pass
    return now
