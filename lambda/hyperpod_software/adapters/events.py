"""CloudFormation's events, read into what the handler works with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from hyperpod_software.adapters.properties import parse_declaration, parse_software, parse_waiter
from hyperpod_software.contract.properties import WAITER_TYPE, Property
from hyperpod_software.model.errors import BadProperty
from hyperpod_software.model.handover import Waiter
from hyperpod_software.model.incoming import Incoming
from hyperpod_software.model.request import RequestInfo, RequestType
from hyperpod_software.model.software import Declaration

_URL_LIFETIME = 7200
"""Seconds for which CloudFormation signs its URLs; the older signature names only the end."""

# What of an event is worth remembering: all but the service token and its time-out.
_KEPT = (
    "RequestType", "StackId", "RequestId", "LogicalResourceId", "ResponseURL",
    "PhysicalResourceId", "ResourceProperties", "OldResourceProperties",
)  # fmt: skip


def read_event(event: Mapping[str, Any], now: float) -> Incoming:
    """Raises ``KeyError`` or ``ValueError`` where it is no event of CloudFormation's."""
    return Incoming(
        info=read_request_info(event, now),
        asks=_asks(event),
        previous=_previous(event),
        cluster=_cluster(event.get("ResourceProperties")),
        kept={key: event[key] for key in _KEPT if key in event},
    )


def read_request_info(event: Mapping[str, Any], now: float) -> RequestInfo:
    """Raises ``KeyError`` or ``ValueError`` where it is no event of CloudFormation's."""
    url = str(event["ResponseURL"])
    return RequestInfo(
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


def _asks(event: Mapping[str, Any]) -> Declaration | Waiter | BadProperty:
    parse = parse_waiter if is_waiter(event) else parse_declaration
    try:
        return parse(event.get("ResourceProperties"))
    except BadProperty as problem:
        return problem


def _previous(event: Mapping[str, Any]) -> Declaration | None:
    if "OldResourceProperties" not in event or is_waiter(event):
        return None
    try:
        return parse_software(event["OldResourceProperties"])
    except BadProperty:
        return None


def _cluster(properties: object) -> str | None:
    given = cast("dict[str, object]", properties) if isinstance(properties, dict) else {}
    name = given.get(Property.CLUSTER)
    return name[:256] if isinstance(name, str) and name else None


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
