"""What a call to AWS that did not succeed means for its request."""

from __future__ import annotations

from dataclasses import dataclass

from hyperpod_software.model.decision import Finish, Wait, failed
from hyperpod_software.model.errors import Problem
from hyperpod_software.model.request import Ticket
from hyperpod_software.model.why import Trouble, TroubleKind

PERMISSIONS_SETTLE = 180
"""Seconds in which a denied call may be allowed yet: IAM spreads a new policy slowly."""
_ABOUT_THE_CLUSTER = ("DescribeCluster", "ListClusterNodes", "UpdateClusterSoftware")


@dataclass(frozen=True)
class Standing:
    """Where a request stands as something goes wrong."""

    ticket: Ticket
    cluster: str | None
    region: str
    called: bool
    """It made its patch call."""
    ends: float
    """When it stops waiting (epoch seconds)."""
    now: float

    def trouble(self, kind: TroubleKind, cause: Problem | str) -> Trouble:
        return Trouble(kind, cause, self.cluster, self.region, self.ticket.account)


def weigh(problem: Problem, standing: Standing) -> Finish | Wait:
    """Over, where the problem will not pass; else to be tried again, until it is too late."""
    if problem.kind is Problem.Kind.NOT_FOUND and problem.operation in _ABOUT_THE_CLUSTER:
        kind = TroubleKind.CLUSTER_GONE if standing.called else TroubleKind.NO_CLUSTER
        return failed(standing.trouble(kind, problem))
    patience = standing.now < standing.ticket.issued + PERMISSIONS_SETTLE
    denied = problem.kind is Problem.Kind.DENIED and not patience
    final = denied or problem.kind in (Problem.Kind.REFUSED, Problem.Kind.QUOTA)
    if final and not standing.called:
        return failed(standing.trouble(TroubleKind.NOT_PATCHED, problem))
    return unless_late(problem, standing)


def unless_late(cause: Problem | str, standing: Standing) -> Finish | Wait:
    """To be tried again, until it is too late."""
    if standing.now < standing.ends:
        return Wait(standing.trouble(TroubleKind.TRY_AGAIN, cause))
    kind = TroubleKind.END_UNKNOWN if standing.called else TroubleKind.TOO_LATE
    return failed(standing.trouble(kind, cause))
