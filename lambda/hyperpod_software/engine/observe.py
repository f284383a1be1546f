"""Answers the questions that rules ask in a look: one fact more, from the service that knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from hyperpod_software.adapters.budget import budget
from hyperpod_software.engine.services import Services
from hyperpod_software.model.cluster import Cluster, Node, Reading
from hyperpod_software.model.decision import CountNodes
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.facts import CheckImage, CheckRole, Facts
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Software
from hyperpod_software.model.state import Call
from hyperpod_software.rules.declared import software_for
from hyperpod_software.rules.nodes import hear, tally

ASKING = 60
"""Seconds that reading nodes may take before anything is patched, all readings together."""
PAUSE = 5.0
"""Seconds between two of those readings."""
TOO_SLOW = "TooSlow"


class Observer:
    """Looks up, in one look at one request, what its rules ask for."""

    def __init__(self, services: Services, request: Request, call: Call | None = None) -> None:
        self._sagemaker = services.sagemaker
        self._images = services.images
        self._stack = services.stack
        self._clock = services.clock
        self._request = request
        self._call = call
        self._until = services.clock() + ASKING

    def first(self) -> Facts:
        """What every look begins with."""
        return Facts(self._sagemaker.describe(self._request.declared.cluster))

    def more(self, question: CountNodes | CheckRole | CheckImage, facts: Facts) -> Facts:
        """The facts with the answer to a question."""
        match question:
            case CheckRole():
                role = self._stack.operation(self._request.info.stack_id).has_role
                return replace(facts, has_role=role)
            case CheckImage(image_id):
                return replace(facts, image=self._images.describe(image_id), image_seen=True)
            case CountNodes(groups):
                if self._call is None:
                    return self._reading(groups, facts)
                return self._tallies(groups, facts, self._call)

    def _tallies(self, groups: tuple[str, ...], facts: Facts, call: Call) -> Facts:
        software = self._software(facts.cluster, groups)
        cluster = self._request.declared.cluster
        tallies = tally(self._sagemaker.nodes(cluster), software, call.at)
        # The nodes are younger than the description: the patch may show itself by now.
        return replace(facts, cluster=self._sagemaker.describe(cluster), tallies=tallies)

    def _reading(self, groups: tuple[str, ...], facts: Facts) -> Facts:
        cluster, before = facts.cluster, facts.readings
        if before and not budget().pause(PAUSE):
            # There is no time to ask again: it proves nothing.
            return replace(facts, readings=(*before, Reading(cluster, {})))
        declared = self._request.declared.cluster
        if before:
            cluster = self._sagemaker.describe(declared)
        wanted = self._software(cluster, groups)
        try:
            said = hear(self._in_time(self._sagemaker.nodes(declared)), wanted)
        except AwsError as problem:
            if problem.code != TOO_SLOW:
                raise
            said = {}  # they tell nothing in time: they prove nothing
        return replace(facts, cluster=cluster, readings=(*before, Reading(cluster, said)))

    def _in_time(self, nodes: Iterable[Node]) -> Iterator[Node]:
        for node in nodes:
            if self._clock() > self._until:
                raise AwsError("ListClusterNodes", AwsError.Kind.TRANSIENT, TOO_SLOW, "")
            yield node

    def _software(self, cluster: Cluster, groups: tuple[str, ...]) -> dict[str, Software]:
        """What each of the groups is to run, where anything is declared for it."""
        return {
            name: found
            for name in groups
            if (found := software_for(self._request, cluster, name)) is not None
        }
