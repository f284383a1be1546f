"""Where a single node stands, and the count of many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hyperpod_software.words.cluster import (
    NAMED_NODES,
    UP_TO_DATE,
    Node,
    NodeState,
    NodeTally,
    Said,
)
from hyperpod_software.words.software import Software

_USABLE = {"Running", "DeepHealthCheckInProgress"}
_BROKEN = {"Failure", "NotFound"}
_ON_IT = {NodeState.DONE, NodeState.CURRENT}
_NAMED = {NodeState.SKIPPED, NodeState.UNTOUCHED, NodeState.FAILED}


def node_state(node: Node, software: Software, since: float) -> NodeState:
    """Where a node stands with a patch to ``software`` that was asked for at ``since``.

    Only the node's own times and version decide; a node that was launched after the call
    came up on the new software. A status nobody knows is not settled yet.
    """
    if node.status in _BROKEN:
        return NodeState.FAILED
    if node.status not in _USABLE:
        return NodeState.UNSETTLED
    says = says_it_runs(node, software)
    if says is False:
        return NodeState.SKIPPED
    if max(node.launched, node.last_update or 0.0) >= since:
        return NodeState.DONE
    return NodeState.CURRENT if says else NodeState.UNTOUCHED


def says_it_runs(node: Node, software: Software) -> bool | None:
    """Whether it runs the software, by its own word; ``None``: it does not say."""
    if software.version is not None and node.version is not None:
        return software.counts(node.version)
    newest = software.image_id == "default" and node.image_status == UP_TO_DATE
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
    newer = software.is_passed_by(node.version)
    off = node.version is not None and not software.counts(node.version)
    newest = node.status in _USABLE and node.image_status == UP_TO_DATE
    return Said(
        total=sofar.total + 1,
        newest=sofar.newest + newest,
        off=sofar.off + off,
        newer=node.version if newer and sofar.newer is None else sofar.newer,
    )


def _add(sofar: NodeTally, node: Node, software: Software, since: float) -> NodeTally:
    state = node_state(node, software, since)
    sofar = replace(sofar, **{state.value: getattr(sofar, state.value) + 1})
    if state in _ON_IT and says_it_runs(node, software):
        sofar = replace(sofar, proven=sofar.proven + 1)
    if state in _ON_IT and software.is_passed_by(node.version):
        sofar = replace(sofar, newer=sofar.newer + 1)
    if state in _NAMED and len(sofar.named) < NAMED_NODES:
        what = "failed" if state is NodeState.FAILED else "skipped"
        sofar = replace(sofar, named=(*sofar.named, f"{node.instance_id} ({what})"))
    if state is NodeState.FAILED and sofar.message is None:
        sofar = replace(sofar, message=node.message)
    return sofar
