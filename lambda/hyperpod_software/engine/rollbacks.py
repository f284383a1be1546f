"""Whether a request belongs to a rollback. No request says so: the stack's status does or, where
CloudFormation takes back single resources, the stack's events."""

from __future__ import annotations

from dataclasses import replace

from hyperpod_software.engine.invocation import Invocation
from hyperpod_software.engine.retry import retry
from hyperpod_software.engine.services import Services
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.request import RequestInfo, RequestType
from hyperpod_software.rules.operation import is_taken_back


class Rollbacks:
    """Asks CloudFormation what a request belongs to."""

    def __init__(self, services: Services) -> None:
        self._stack = services.stack

    def known(self, case: Invocation) -> Invocation:
        if case.rollback is not None:
            return case
        if case.info.type is not RequestType.UPDATE:
            return replace(case, rollback=False)
        operation = retry(lambda: self._stack.operation(case.info.stack_id))
        return replace(case, rollback=operation.rolls_back, has_role=operation.has_role)

    def taken_back(self, case: Invocation) -> Invocation | None:
        """With ``--no-rollback`` CloudFormation takes single failed resources back while the
        stack's status says nothing of it: for such a resource it is a rollback all the same.
        ``None`` where that cannot be seen yet."""
        info = case.info
        if case.rollback is not False or case.call is not None:
            return case
        if info.type is not RequestType.UPDATE:
            return case
        history = retry(lambda: self._stack.history(info.stack_id, info.logical_id))
        if not history.failed:
            return case
        shown = is_taken_back(info, history.status, history.at)
        return replace(case, rollback=True) if shown else None

    def of_waiter(self, info: RequestInfo) -> bool:
        """The stack rolls back, or takes this one waiter back after it failed."""
        if info.type is not RequestType.UPDATE:
            return False
        stack, logical_id = info.stack_id, info.logical_id
        if retry(lambda: self._stack.operation(stack).rolls_back):
            return True

        def failed_before() -> bool:
            history = self._stack.history(stack, logical_id)
            shown = is_taken_back(info, history.status, history.at)
            if history.failed and not shown and (history.at or 0.0) <= info.issued:
                # The events of this request, or of this operation, are not shown yet.
                raise AwsError("DescribeStackEvents", AwsError.Kind.TRANSIENT, "NotShownYet", "")
            return history.failed

        return retry(failed_before)
