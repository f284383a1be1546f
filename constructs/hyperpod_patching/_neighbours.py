"""The declarations of one stack: what each of them takes, and in which order they are deployed.

A group has one declaration. HyperPod takes one patch of a cluster at a time, and CloudFormation
starts siblings side by side: so the declarations of one cluster wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import jsii
from aws_cdk import AspectPriority, Aspects, CfnResource, IAspect, NestedStack, Stack
from constructs import Construct, IConstruct

from ._cluster import Cluster, identity
from ._resources import properties_of, references_in, resources_in

# jsii keeps only weak references to what is written in Python.
_NEIGHBOURS: Final[dict[Stack, Neighbours]] = {}


@dataclass(frozen=True)
class Claim:
    """What one construct declares the software of."""

    path: str
    cluster: Cluster
    groups: Mapping[str, str] | None
    """Groups as they are shown, by what they are known by; ``None`` is every group."""

    def check_against(self, earlier: Claim) -> None:
        """Refuse what an earlier construct has taken."""
        if not self.cluster.identities & earlier.cluster.identities:
            return
        if self.groups is None or earlier.groups is None:
            what = "one of them every instance group"
        elif both := [shown for key, shown in self.groups.items() if key in earlier.groups]:
            what = "both the instance group" + ("s " if len(both) > 1 else " ") + ", ".join(both)
        else:
            return
        raise ValueError(
            f"{earlier.path} and {self.path} declare software of the same cluster, "
            f"{self.cluster.label}, {what}; an instance group can have one declaration only"
        )


@dataclass(frozen=True)
class _Neighbour:
    claim: Claim
    begins: Construct
    """What must wait for whoever is before it."""
    ends: Construct
    """What must be waited for."""

    def resources(self) -> set[str]:
        found = (resources_in(one) for one in (self.begins, self.ends))
        return {one.node.path for these in found for one in these}


class Neighbours:
    """All ``ClusterSoftware`` of one stack."""

    @staticmethod
    def of(stack: Stack) -> Neighbours:
        """Those of this stack."""
        if stack not in _NEIGHBOURS:
            _NEIGHBOURS[stack] = Neighbours(stack)
        return _NEIGHBOURS[stack]

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._all: list[_Neighbour] = []
        self._in_order = 0
        self._aspect = _InOrder(self)

    def claim(self, path: str, cluster: Cluster, groups: tuple[str, ...] | None) -> Claim:
        """The claim on these groups (``None``: all of them) of a cluster, to be added.

        :raises ValueError: when another construct of the stack has taken one of them.
        """
        names = None if groups is None else {identity(self._stack, one): one for one in groups}
        claim = Claim(path, cluster, names)
        for earlier in self._all:
            claim.check_against(earlier.claim)
        return claim

    def add(self, claim: Claim, *, begins: Construct, ends: Construct) -> None:
        """Keep the claim, and put its construct in order with the others once all is declared."""
        self._all.append(_Neighbour(claim, begins, ends))
        # After the aspects of an app: it may still declare, and say what is to wait for what.
        priority = AspectPriority.READONLY - 1
        Aspects.of(ends).add(self._aspect, priority=priority)

    def put_in_order(self) -> None:
        """Let those of one cluster wait for each other, never against an order that was given."""
        if self._in_order == len(self._all):
            return
        self._in_order = len(self._all)
        together = [these for these in self._by_cluster() if len(these) > 1]
        if not together:
            return
        waits = _Waits(self._stack)
        for these in together:
            for earlier, later in pairwise(_ordered(these, waits)):
                waits.add(later.begins, earlier.ends)

    def _by_cluster(self) -> list[list[_Neighbour]]:
        """Neighbours that surely declare the same cluster, in the order of their declaration."""
        clusters: list[tuple[frozenset[str], list[_Neighbour]]] = []
        for one in self._all:
            names, members = one.claim.cluster.identities, [one]
            others: list[tuple[frozenset[str], list[_Neighbour]]] = []
            for cluster in clusters:
                if cluster[0] & one.claim.cluster.identities:
                    names, members = names | cluster[0], [*cluster[1], *members]
                else:
                    others.append(cluster)
            clusters = [*others, (names, members)]
        return [sorted(members, key=self._all.index) for _, members in clusters]


@jsii.implements(IAspect)
class _InOrder:
    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours

    def visit(self, node: IConstruct) -> None:  # noqa: ARG002 - IAspect's
        self._neighbours.put_in_order()


class _Waits:
    """Which resources of a stack wait for which, by all that makes CloudFormation wait."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._resources = {one.node.path: one for one in resources_in(stack)}
        names: list[str] = stack.resolve([one.logical_id for one in self._resources.values()])
        # By logical id: a nested stack may use one of its parent's, and so stand for both.
        self._by_name: dict[str, list[str]] = {}
        for name, path in zip(names, self._resources, strict=True):
            self._by_name.setdefault(name, []).append(path)
        self._nested = {
            one.nested_stack_resource.node.path: one
            for one in stack.node.find_all()
            if isinstance(one, NestedStack) and one.nested_stack_resource is not None
        }
        self._of_scopes: dict[str, set[str]] = {}
        self._of_resources: dict[str, set[str]] = {}

    def add(self, waiting: Construct, awaited: Construct) -> None:
        """Let a construct wait for another."""
        waiting.node.add_dependency(awaited)
        for one in resources_in(waiting):
            self._of_resource(one.node.path).update(_paths_in(awaited))

    def of(self, paths: Iterable[str]) -> set[str]:
        """All that these resources wait for, directly or not."""
        found: set[str] = set()
        ahead = list(paths)
        while ahead:
            for path in self._of_resource(ahead.pop()) - found:
                found.add(path)
                ahead.append(path)
        return found

    def _of_resource(self, path: str) -> set[str]:
        if path not in self._of_resources:
            found = set(self._awaited_by(self._resources[path]))
            self._of_resources[path] = found & self._resources.keys()
        return self._of_resources[path]

    def _awaited_by(self, resource: CfnResource) -> Iterator[str]:
        for scope in resource.node.scopes:
            yield from self._of_scope(scope)
        for other in resource.obtain_dependencies():
            yield from _paths_in(other)
        # What its properties refer to.
        for name, _ in references_in(properties_of(resource)):
            yield from self._by_name.get(name, ())
        # A nested stack is one resource: it waits for whatever one of its own waits for.
        nested: Stack | None = self._nested.get(resource.node.path)
        if nested is not None:
            yield from _paths_in(nested)
        home = Stack.of(resource)
        if home.nested_stack_resource is not None and home.node.path != self._stack.node.path:
            yield home.nested_stack_resource.node.path

    def _of_scope(self, scope: IConstruct) -> set[str]:
        path = scope.node.path
        if path not in self._of_scopes:
            awaited = (_paths_in(one) for one in scope.node.dependencies)
            self._of_scopes[path] = {one for these in awaited for one in these}
        return self._of_scopes[path]


def _ordered(these: Sequence[_Neighbour], waits: _Waits) -> list[_Neighbour]:
    """Neighbours in the order of their declaration, but each after those it waits for already."""
    resources = [one.resources() for one in these]
    awaited = [waits.of(its) for its in resources]
    left = list(range(len(these)))
    ordered: list[_Neighbour] = []
    while left:
        for this in left:
            if not any(awaited[this] & resources[other] for other in left if other != this):
                break
        else:  # They wait for each other already: that is the app's own mistake.
            return []
        left.remove(this)
        ordered.append(these[this])
    return ordered


def _paths_in(construct: IConstruct) -> set[str]:
    return {one.node.path for one in resources_in(construct)}
