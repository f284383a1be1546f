"""What a call to AWS that did not succeed means for its request."""

from __future__ import annotations

from dataclasses import dataclass

from hyperpod_software.rules.sentences import sentence
from hyperpod_software.words.decision import Finish, Wait, failed
from hyperpod_software.words.problem import Problem
from hyperpod_software.words.request import Ticket

PERMISSIONS_SETTLE = 180
"""Seconds in which a denied call may be allowed yet: IAM spreads a new policy slowly."""
_QUOTAS = {
    "PutRule": (
        "EventBridge allows no more rules in this account and region",
        "raise the quota of rules per event bus, or remove rules",
    ),
    "PutParameter": (
        "Parameter Store holds no more parameters in this account and region",
        "raise the quota of standard parameters, or remove parameters",
    ),
}
"""Operation → what the account has too many of, and what to do."""
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


def weigh(problem: Problem, standing: Standing) -> Finish | Wait:
    """Over, where the problem will not pass; else to be tried again, until it is too late."""
    ticket, name = standing.ticket, standing.cluster
    if problem.kind is Problem.Kind.NOT_FOUND and problem.operation in _ABOUT_THE_CLUSTER:
        if standing.called:
            return failed(f"While being patched, cluster {name} disappeared.")
        where = f"{standing.region} of account {ticket.account}"
        return failed(f"Cluster {name} does not exist in {where}. Nothing was patched.")
    patience = standing.now < ticket.issued + PERMISSIONS_SETTLE
    denied = problem.kind is Problem.Kind.DENIED and not patience
    final = denied or problem.kind in (Problem.Kind.REFUSED, Problem.Kind.QUOTA)
    if final and not standing.called:
        return failed(f"{sentence(told(problem))} Nothing was patched.")
    return unless_late(told(problem), standing)


def told(problem: Problem) -> str:
    """The problem in the service's own words; of a quota, what is used up and what to do."""
    if problem.kind is not Problem.Kind.QUOTA:
        return str(problem)
    used_up, remedy = _QUOTAS.get(
        problem.operation, (str(problem), "raise that quota of the account")
    )
    code = "" if used_up == str(problem) else f" ({problem.code})"
    return f"{used_up.rstrip('. ')}{code}: {remedy}"


def unless_late(why: str, standing: Standing) -> Finish | Wait:
    """To be tried again, until it is too late."""
    if standing.now < standing.ends:
        return Wait(sentence(f"Looking again later: {why}"))
    if not standing.called:
        return failed(sentence(f"Nothing was patched, and it is too late to begin: {why}"))
    return failed(
        f"{sentence(f'How the patch ended is not known: at the timeout {why}')} The cluster "
        "goes on by itself; nobody watches it now."
    )
