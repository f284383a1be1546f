"""What each step of the demo did, counted from the sandbox's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.progress import group_progress
from sandbox.runner import Sandbox

_DECLARED = "/declaration/"
"""In the names of parameters from which waiters learn what was declared."""

Counts = Mapping[str, int]
"""Nodes of each group, by its name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One step: the UpdateClusterSoftware calls received, and nodes replaced and to be replaced."""

    step: str
    calls: int
    called: int
    """How many calls there had to be."""
    replaced: Counts
    needed: Counts

    @property
    def exact(self) -> bool:
        """In no group a node too many or too few."""
        return dict(self.replaced) == dict(self.needed)


class Ledger:
    """Looks at the records before and after each step."""

    def __init__(self, sandbox: Sandbox, cluster: str) -> None:
        self.entries: list[Entry] = []
        self._control = sandbox.control
        self._cluster = cluster
        self._events = sandbox.client("events")
        self._parameters = sandbox.client("ssm")
        self._calls = 0
        self._replaced: Counts = {}
        self._there_before = self._rules_and_parameters()
        self.left_behind: set[str] = set()
        """Rules and parameters that were there after some step and not before the first, but for
        what a declaration keeps while it is there."""

    def close(self) -> None:
        self._events.close()
        self._parameters.close()

    @property
    def description(self) -> dict[str, Any]:
        """The cluster's true state, as DescribeCluster has it."""
        return self._control.describe(self._cluster)

    def begin(self) -> None:
        self._calls = len(self._control.calls(self._cluster))
        self._replaced = self._control.replaced(self._cluster)

    def end(self, step: str, *, called: int, needed: Counts) -> Entry:
        """Count what the step did, to hold it against what was needed."""
        calls = len(self._control.calls(self._cluster)) - self._calls
        now = self._control.replaced(self._cluster)
        replaced = {group: count - self._replaced[group] for group, count in now.items()}
        full = {group: needed.get(group, 0) for group in replaced}
        entry = Entry(step, calls, called, replaced, full)
        self.entries.append(entry)
        self.left_behind |= {name for name in self.left_now() if _DECLARED not in name}
        return entry

    def left_now(self) -> set[str]:
        """Rules and parameters that are there and were not before the first step."""
        return self._rules_and_parameters() - self._there_before

    def _rules_and_parameters(self) -> set[str]:
        rules = _all(self._events, "list_rules", "Rules")
        parameters = _all(self._parameters, "describe_parameters", "Parameters")
        return {f"rule {r['Name']}" for r in rules} | {f"parameter {p['Name']}" for p in parameters}


def _all(client: Any, operation: str, member: str) -> list[dict[str, Any]]:
    """Every page of a list."""
    call = getattr(client, operation)
    answer: dict[str, Any] = call()
    found: list[dict[str, Any]] = list(answer[member])
    while answer.get("NextToken"):
        answer = call(NextToken=answer["NextToken"])
        found += answer[member]
    return found


def outdated_nodes(description: Mapping[str, Any], groups: Sequence[str], image: str) -> Counts:
    """How many nodes of these groups do not run `image` yet: as many have to be replaced."""
    found = [group_progress(group) for group in description["InstanceGroups"]]
    return {g.name: g.nodes for g in found if g.name in groups and g.current != image}


def replacements_with_rollback(
    description: Mapping[str, Any], groups: Sequence[str], percent: int
) -> Counts:
    """Replacements where the first batch fails and is taken back: each of its nodes, twice."""
    found = [group_progress(group) for group in description["InstanceGroups"]]
    return {g.name: 2 * max(1, g.nodes * percent // 100) for g in found if g.name in groups}


def counted(number: int, what: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def named(counts: Counts) -> str:
    """`login 1, workers 16`; groups without any are left out."""
    return ", ".join(f"{group} {count}" for group, count in counts.items() if count) or "none"


def table(entries: Sequence[Entry]) -> list[str]:
    """A line for each step: calls, then nodes replaced of nodes that had to be, by group."""
    groups = list(entries[0].replaced)
    widest = max(len(entry.step) for entry in entries)
    head = f"{'':<{widest}}  {'calls':>5}" + "".join(f"  {group:>10}" for group in groups)
    rows = [
        f"{entry.step:<{widest}}  {f'{entry.calls}/{entry.called}':>5}"
        + "".join(f"  {f'{entry.replaced[g]}/{entry.needed[g]}':>10}" for g in groups)
        for entry in entries
    ]
    return [head, *rows]
