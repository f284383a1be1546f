"""Where a single node stands, and the count of many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hyperpod_software.words.cluster import NAMED_NODES, Node, NodeState, NodeTally
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
        return node.version == software.version
    newest = software.image_id == "default" and node.image_status == "UpToDate"
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


def _add(sofar: NodeTally, node: Node, software: Software, since: float) -> NodeTally:
    state = node_state(node, software, since)
    sofar = replace(sofar, **{state.value: getattr(sofar, state.value) + 1})
    if state in _ON_IT and says_it_runs(node, software):
        sofar = replace(sofar, proven=sofar.proven + 1)
    if state in _NAMED and len(sofar.named) < NAMED_NODES:
        what = "failed" if state is NodeState.FAILED else "skipped"
        sofar = replace(sofar, named=(*sofar.named, f"{node.instance_id} ({what})"))
    if state is NodeState.FAILED and sofar.message is None:
        sofar = replace(sofar, message=node.message)
    return sofar
