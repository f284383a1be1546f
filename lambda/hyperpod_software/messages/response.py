"""Answering: what CloudFormation is told, in at most 4096 bytes."""

from __future__ import annotations

from typing import Any

from hyperpod_software import messages
from hyperpod_software.contract.answers import FAILED, HANDOVER, Attribute
from hyperpod_software.model.decision import Finish
from hyperpod_software.model.handover import GoesOn, Result
from hyperpod_software.model.request import RequestInfo
from hyperpod_software.model.state import digest, spelled

ANSWER_LIMIT = 4000
"""CloudFormation takes 4096 bytes; an answer that is kept for another try is wrapped a little."""
_REASON_LIMIT = 1400
_GROUPS_LIMIT = 700


def physical_id(info: RequestInfo, cluster: str | None, *, replaces: bool) -> str:
    """The resource's id: it names the cluster, and only another cluster changes it."""
    if info.physical_id and not replaces:
        return info.physical_id
    return cluster or f"{info.logical_id}-without-cluster"


def waiter_id(info: RequestInfo) -> str:
    """A waiter's id, which never changes."""
    return info.physical_id or f"{info.logical_id}-{digest(info.stack_id)}"


def answer(
    info: RequestInfo,
    end: Finish,
    resource_id: str,
    log_group: str,
    handover: GoesOn | Result | None = None,
) -> dict[str, Any]:
    """The response object: every attribute has a value, the reason ends with where to look.

    What is handed over is the patch that goes on, or a result of an earlier window, which is
    passed on as it is, or else this one's own.
    """
    reason = " ".join(_printable(messages.say(end.why)).split())
    groups = ",".join(end.patched_groups)
    if len(groups) > _GROUPS_LIMIT:
        kept = groups[:_GROUPS_LIMIT].rpartition(",")[0]
        groups = f"{kept},... ({len(end.patched_groups)} groups)"
    cluster = end.cluster
    data = {
        Attribute.CLUSTER_ARN.value: cluster.arn if cluster is not None else resource_id,
        Attribute.OUTCOME.value: end.outcome.value if end.outcome is not None else FAILED,
        Attribute.GROUPS.value: groups,
        Attribute.NODES.value: str(end.patched_nodes),
    }
    if isinstance(handover, Result):
        data = handover.data
    handed = handover or Result(tuple(data[name] for name in Attribute))
    response = {
        "Status": "SUCCESS" if end.succeeded else "FAILED",
        "Reason": f"{_cut(reason, _REASON_LIMIT)} Log group: {log_group}",
        "PhysicalResourceId": resource_id,
        "StackId": info.stack_id,
        "RequestId": info.request_id,
        "LogicalResourceId": info.logical_id,
        "NoEcho": False,
        "Data": {**data, HANDOVER: str(handed)},
    }
    return fitted(response)


def fitted(response: dict[str, Any]) -> dict[str, Any]:
    """The response within the limit. What is in it is short by nature; if it is too long
    all the same, its reason gives way: a cut reason beats a lost answer."""
    excess = len(body(response)) - ANSWER_LIMIT
    if excess <= 0:
        return response
    room = len(response["Reason"].encode()) - excess
    return {**response, "Reason": _cut(response["Reason"], max(room // 2, 40))}


def body(response: dict[str, Any]) -> bytes:
    """The response as it is sent."""
    return spelled(response).encode()


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` bytes: the head says what happened, the tail where to look."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    tail = limit // 3
    head = limit - tail - 5
    return (
        raw[:head].decode(errors="ignore") + " … " + raw[len(raw) - tail :].decode(errors="ignore")
    )
