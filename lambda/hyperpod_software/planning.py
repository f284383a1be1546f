"""What a request is to do, with as many readings of the nodes as it takes to tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hyperpod_software.edges.budget import budget
from hyperpod_software.rules.declared import software_for
from hyperpod_software.rules.nodes import hear
from hyperpod_software.rules.starting import plan
from hyperpod_software.rules.undoing import plan_rollback
from hyperpod_software.services import Services
from hyperpod_software.words.cluster import Cluster, Node, Reading
from hyperpod_software.words.decision import CountNodes, Finish, Patch, Wait
from hyperpod_software.words.memory import Progress
from hyperpod_software.words.problem import Problem
from hyperpod_software.words.request import Request
from hyperpod_software.words.software import Software

ASKING = 60
"""Seconds that reading nodes may take before anything is patched, all readings together."""
PAUSE = 5.0
"""Seconds between two of those readings."""
TOO_SLOW = "TooSlow"


class Planner:
    """Plans requests that have not called yet."""

    def __init__(self, services: Services) -> None:
        self._sagemaker = services.sagemaker
        self._clock = services.clock

    def plan(
        self, request: Request, cluster: Cluster, now: float, progress: Progress
    ) -> Finish | Wait | Patch:
        """What to do, after as many readings of the nodes as it takes to tell."""
        if request.rollback:
            return plan_rollback(request, cluster, now, progress=progress)
        until = self._clock() + ASKING
        readings: list[Reading] = []
        while isinstance(
            decision := plan(request, cluster, now, readings, progress=progress), CountNodes
        ):
            if readings and not budget().pause(PAUSE):
                readings.append(Reading(cluster, {}))  # no time to ask again: it proves nothing
                continue
            if readings:
                cluster = self._sagemaker.describe(request.declared.cluster)
            wanted = software_of(request, cluster, decision.groups)
            nodes = self._sagemaker.nodes(request.declared.cluster)
            try:
                said = hear(self._until(nodes, until), wanted)
            except Problem as problem:
                if problem.code != TOO_SLOW:
                    raise
                said = {}  # they tell nothing in time: they prove nothing
            readings.append(Reading(cluster, said))
        return decision

    def _until(self, nodes: Iterable[Node], until: float) -> Iterator[Node]:
        for node in nodes:
            if self._clock() > until:
                raise Problem("ListClusterNodes", Problem.Kind.PASSING, TOO_SLOW, "")
            yield node


def software_of(request: Request, cluster: Cluster, groups: tuple[str, ...]) -> dict[str, Software]:
    """What each of the groups is to run, where anything is declared for it."""
    return {
        name: found
        for name in groups
        if (found := software_for(request, cluster, name)) is not None
    }
