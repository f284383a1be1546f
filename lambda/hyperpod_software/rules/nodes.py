"""Where a single node stands, and the count of many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hyperpod_software.contract.properties import LATEST_IMAGE
from hyperpod_software.model.cluster import (
    FAILED_NODE,
    NAMED_NODES,
    UP_TO_DATE,
    NamedNode,
    Node,
    NodeState,
    NodeTally,
    Said,
    Strays,
)
from hyperpod_software.model.software import Software

_USABLE = {"Running", "DeepHealthCheckInProgress"}
_BROKEN = {"Failure", "NotFound"}
_LEAVING = {"ShuttingDown", "DetachInProgress"}
_MOVING = {*_LEAVING, "AttachInProgress"}
_ON_IT = {NodeState.DONE, NodeState.LAUNCHED, NodeState.CURRENT}
_STRAYS = {NodeState.LATE, NodeState.IDLE, NodeState.MOVING}
_NAMED = {NodeState.SKIPPED, NodeState.UNTOUCHED}


def node_state(node: Node, software: Software, since: float) -> NodeState:
    """Where a node stands with a patch to ``software`` that was asked for at ``since``.

    Only the node's own times and version decide; a node that was launched after the call
    came up on the new software. A status nobody knows is not settled yet.
    """
    if node.status in _MOVING:
        return NodeState.MOVING
    launched = node.launched >= since
    touched = not launched and (node.last_update or 0.0) >= since
    if node.status not in _USABLE:
        if launched:
            return NodeState.LATE
        if not touched and (node.status == "Pending" or node.status in _BROKEN):
            return NodeState.IDLE
        return NodeState.FAILED if node.status in _BROKEN else NodeState.UNSETTLED
    says = says_it_runs(node, software)
    if says is False:
        return NodeState.SKIPPED
    if launched:
        return NodeState.LAUNCHED
    if touched:
        return NodeState.DONE
    return NodeState.CURRENT if says else NodeState.UNTOUCHED


def says_it_runs(node: Node, software: Software) -> bool | None:
    """Whether it runs the software, by its own word; ``None``: it does not say."""
    if software.version is not None and node.version is not None:
        return software.counts(node.version)
    newest = software.image_id == LATEST_IMAGE and node.image_status == UP_TO_DATE
    return True if newest else None


def tally(
    nodes: Iterable[Node], software: dict[str, Software], since: float
) -> dict[str, NodeTally]:
    """Count the nodes of the given groups, one node in hand at a time."""
    tallies = {group: NodeTally() for group in software}
    for node in nodes:
        if node.group in tallies:
            tallies[node.group] = _add(tallies[node.group], node, software[node.group], since)
    return tallies


def hear(nodes: Iterable[Node], software: Mapping[str, Software]) -> dict[str, Said]:
    """What the nodes of the given groups say of what they run, one node in hand at a time."""
    said = {group: Said() for group in software}
    for node in nodes:
        if node.group in said:
            said[node.group] = _heard(said[node.group], node, software[node.group])
    return said


def _heard(sofar: Said, node: Node, software: Software) -> Said:
    # One that has never come up runs nothing that could be taken back.
    newer = node.status != "Pending" and software.is_passed_by(node.version)
    off = node.version is not None and not software.counts(node.version)
    up_to_date = node.image_status == UP_TO_DATE
    newest = node.status in _USABLE and up_to_date
    moving = node.status in _LEAVING or (node.status in _MOVING and up_to_date)
    return Said(
        total=sofar.total + 1,
        newest=sofar.newest + newest,
        away=sofar.away + (node.status == "Pending" or node.status in _BROKEN | _MOVING),
        moving=sofar.moving + moving,
        off=sofar.off + off,
        newer=node.version if newer and sofar.newer is None else sofar.newer,
    )


def of_patch(tally: NodeTally, had: int | None, sure: int | None) -> NodeTally:
    """The same tally, with what was launched since the call told apart: ``launched`` and the
    strays are left to those that belong to no patch.

    A group patches the nodes that it ``had``. A node that was launched since may be one of them
    under another id, where one is missing; but not where more of them kept theirs. A stray is a
    node of the patch where one is missing of those that it had for ``sure``.
    """
    since = tally.launched + tally.late.total
    missing = since if had is None else max(0, had - tally.there)
    keep_ids = tally.done > min(missing, since)
    replaced = 0 if keep_ids else min(tally.launched, missing)
    done = tally.done + replaced
    if had is not None:
        done = min(done, had)  # a node that was moved here can be replaced, too
    own = Strays()
    if sure is None or tally.there + replaced < sure:
        own = tally.idle if keep_ids else tally.idle.plus(tally.late)
    return replace(
        tally,
        done=done,
        launched=tally.launched + tally.done - done,
        unsettled=tally.unsettled + own.waiting,
        failed=tally.failed + own.failed,
        broken=tally.failed + (0 if keep_ids or not own.total else tally.late.failed),
        named=(*own.named, *tally.named)[:NAMED_NODES],
        message=tally.message or own.message,
        late=tally.late if keep_ids or not own.total else Strays(),
        idle=Strays() if own.total else tally.idle,
    )


def _add(sofar: NodeTally, node: Node, software: Software, since: float) -> NodeTally:
    state = node_state(node, software, since)
    if state in _STRAYS:
        return replace(sofar, **{state.value: getattr(sofar, state.value).plus(_stray(node))})
    sofar = replace(sofar, **{state.value: getattr(sofar, state.value) + 1})
    if state in _ON_IT and says_it_runs(node, software):
        sofar = replace(sofar, proven=sofar.proven + 1)
    if state in _ON_IT and software.is_passed_by(node.version):
        sofar = replace(sofar, newer=sofar.newer + 1)
    if state is NodeState.FAILED:  # the first to be told
        named = (NamedNode(node.instance_id, FAILED_NODE), *sofar.named)
        sofar = replace(sofar, named=named[:NAMED_NODES])
    elif state in _NAMED and len(sofar.named) < NAMED_NODES:
        named = (*sofar.named, NamedNode(node.instance_id, "skipped"))
        sofar = replace(sofar, named=named)
    if state is NodeState.FAILED and sofar.message is None:
        sofar = replace(sofar, message=node.message)
    return sofar


def _stray(node: Node) -> Strays:
    if node.status in _BROKEN:
        return Strays(
            failed=1, named=(NamedNode(node.instance_id, FAILED_NODE),), message=node.message
        )
    return Strays(waiting=1, named=(NamedNode(node.instance_id, node.status),))
