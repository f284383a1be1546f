"""What a call to AWS that did not succeed means for its request."""

from __future__ import annotations

from dataclasses import dataclass

from hyperpod_software.model.decision import Finish, Wait, failed
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.request import RequestInfo
from hyperpod_software.model.why import Trouble, TroubleKind

PERMISSIONS_SETTLE = 180
"""Seconds in which a denied call may be allowed yet: IAM spreads a new policy slowly."""
_ABOUT_THE_CLUSTER = ("DescribeCluster", "ListClusterNodes", "UpdateClusterSoftware")


@dataclass(frozen=True)
class ErrorContext:
    """Where a request stands as something goes wrong."""

    info: RequestInfo
    cluster: str | None
    region: str
    called: bool
    """It made its patch call."""
    ends: float
    """When it stops waiting (epoch seconds)."""
    now: float

    def trouble(self, kind: TroubleKind, cause: AwsError | str) -> Trouble:
        return Trouble(kind, cause, self.cluster, self.region, self.info.account)


def on_aws_error(problem: AwsError, standing: ErrorContext) -> Finish | Wait:
    """Over, where the problem will not pass; else to be tried again, until it is too late."""
    if problem.kind is AwsError.Kind.NOT_FOUND and problem.operation in _ABOUT_THE_CLUSTER:
        kind = TroubleKind.CLUSTER_GONE if standing.called else TroubleKind.NO_CLUSTER
        return failed(standing.trouble(kind, problem))
    patience = standing.now < standing.info.issued + PERMISSIONS_SETTLE
    denied = problem.kind is AwsError.Kind.DENIED and not patience
    final = denied or problem.kind in (AwsError.Kind.REFUSED, AwsError.Kind.QUOTA)
    if final and not standing.called:
        return failed(standing.trouble(TroubleKind.NOT_PATCHED, problem))
    return retry_until_deadline(problem, standing)


def retry_until_deadline(cause: AwsError | str, standing: ErrorContext) -> Finish | Wait:
    """To be tried again, until it is too late."""
    if standing.now < standing.ends:
        return Wait(standing.trouble(TroubleKind.TRY_AGAIN, cause))
    kind = TroubleKind.END_UNKNOWN if standing.called else TroubleKind.TOO_LATE
    return failed(standing.trouble(kind, cause))
