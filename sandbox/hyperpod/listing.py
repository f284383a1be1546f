"""The operations that list things, page by page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from sandbox.hyperpod.distort import distort_node
from sandbox.hyperpod.errors import ServiceError, validation
from sandbox.hyperpod.faults import Faults
from sandbox.hyperpod.model import Cluster, Group, Node
from sandbox.hyperpod.views import View

_T = TypeVar("_T")

PAGE = 100
"""The most a page holds, and what it holds if nothing is asked."""


def _seconds(value: Any) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _between(parameters: Mapping[str, Any]) -> Callable[[float], bool]:
    after = parameters.get("CreationTimeAfter")
    before = parameters.get("CreationTimeBefore")

    def fits(time: float) -> bool:
        return (after is None or time > _seconds(after)) and (
            before is None or time < _seconds(before)
        )

    return fits


def _page(items: Sequence[_T], parameters: Mapping[str, Any]) -> tuple[Sequence[_T], str | None]:
    size = int(parameters.get("MaxResults", PAGE))
    start = _offset(parameters.get("NextToken"))
    end = start + size
    token = json.dumps({"from": end}).encode()
    more = base64.urlsafe_b64encode(token).decode() if end < len(items) else None
    return items[start:end], more


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(token))["from"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise validation("NextToken is not one of this service.") from None


def _answer(name: str, items: Sequence[dict[str, Any]], token: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {name: list(items)}
    if token:
        answer["NextToken"] = token
    return answer


def nodes(cluster: Cluster, view: View, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """ListClusterNodes."""
    contains = str(parameters.get("InstanceGroupNameContains", ""))
    fits = _between(parameters)
    found = [
        (group, node)
        for group in cluster.groups.values()
        if contains in group.name
        for node in group.nodes
        if fits(node.launched)
    ]
    down = parameters.get("SortOrder") == "Descending"
    if parameters.get("SortBy") == "NAME":
        found.sort(key=_by_name, reverse=down)
    else:
        found.sort(key=_by_launch, reverse=down)
    page, token = _page(found, parameters)
    ids = bool(parameters.get("IncludeNodeLogicalIds"))
    summaries = [view.node_summary(group, node, logical_ids=ids) for group, node in page]
    return _answer("ClusterNodeSummaries", summaries, token)


def _by_name(item: tuple[Group, Node]) -> str:
    return item[1].instance_id


def _by_launch(item: tuple[Group, Node]) -> float:
    return item[1].launched


def distorted(answer: dict[str, Any], faults: Faults, rng: Random) -> dict[str, Any]:
    if faults.unknown_values or faults.flapping:
        for summary in answer["ClusterNodeSummaries"]:
            distort_node(summary, faults, rng)
    return answer


def node(cluster: Cluster, view: View, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeClusterNode."""
    instance, logical = parameters.get("NodeId"), parameters.get("NodeLogicalId")
    if (instance is None) == (logical is None):
        raise validation("Exactly one of NodeId and NodeLogicalId is required.")
    for group in cluster.groups.values():
        for item in group.nodes:
            if instance == item.instance_id or logical == item.logical_id:
                return {"NodeDetails": view.node_detail(group, item)}
    raise ServiceError("ResourceNotFound", f"Node {instance or logical} not found.")


def clusters(views: Sequence[View], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """ListClusters."""
    contains = str(parameters.get("NameContains", ""))
    fits = _between(parameters)
    found = [view for view in views if contains in view.cluster.name and fits(view.cluster.created)]
    by_name = parameters.get("SortBy") == "NAME"
    found.sort(
        key=lambda view: (view.cluster.name if by_name else "", view.cluster.created),
        reverse=parameters.get("SortOrder") == "Descending",
    )
    page, token = _page(found, parameters)
    return _answer("ClusterSummaries", [view.summary() for view in page], token)
