"""What CloudFormation's operation permits a request to do, and what the request belongs to."""

from __future__ import annotations

from hyperpod_software.contract.times import CLOCKS
from hyperpod_software.model.plan import Plan, PlanReason
from hyperpod_software.model.request import Request, RequestInfo


def may_call(info: RequestInfo, status: str | None, since: float | None) -> bool:
    """CloudFormation shows this very request as under way, so it may patch.

    A request delivered again after its answer must not patch again, and what was known of
    it is cleaned up by then. But CloudFormation knows: the newest event of the resource says
    that something is in progress with it, in whatever word but a deletion's, and it is not younger
    than the request (some seconds' grace for clocks). Where that cannot be seen the request waits;
    it is never dropped.
    """
    if status is None or since is None or not status.endswith("_IN_PROGRESS"):
        return False
    return not status.startswith("DELETE") and since <= info.issued + 5


def is_taken_back(info: RequestInfo, status: str | None, since: float | None) -> bool:
    """What failed in the stack's operation before is what this request takes back: its own
    beginning is shown, so the events before it are of this operation, not of an earlier one."""
    return may_call(info, status, since) and (since or 0.0) >= info.issued - 2 * CLOCKS


def credentials_too_short(request: Request, *, has_role: bool) -> Plan | None:
    """Why CloudFormation could not go on until the end of a long patch, or ``None``.

    Without a service role it works with the credentials of whoever deploys, and cannot renew
    them: the stack operation would end while the patch goes on.
    """
    if request.windows == 1 or has_role or request.declared.allow_caller_credentials:
        return None
    return Plan(PlanReason.CREDENTIALS_TOO_SHORT, request)
