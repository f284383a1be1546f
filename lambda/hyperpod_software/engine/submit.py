"""The one UpdateClusterSoftware call of a request."""

from __future__ import annotations

from hyperpod_software.adapters.budget import budget
from hyperpod_software.adapters.sagemaker import CallResult
from hyperpod_software.adapters.state_store import RequestGone, Unsure
from hyperpod_software.engine.invocation import Invocation
from hyperpod_software.engine.log_events import log_called
from hyperpod_software.engine.retry import retry
from hyperpod_software.engine.services import Services
from hyperpod_software.model.decision import Patch, Wait
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.plan import Hold, HoldKind
from hyperpod_software.model.request import Request
from hyperpod_software.model.state import Call, Observation, digest
from hyperpod_software.model.why import Held, Note
from hyperpod_software.rules.operation import may_call


class Submitter:
    """Calls for a patch, unless something speaks against it."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._sagemaker = services.sagemaker
        self._stack = services.stack
        self._clock = services.clock

    def call(self, case: Invocation, request: Request, patch: Patch) -> Wait:
        """Make the call, whatever comes of it. The request is remembered already.

        Raises ``AwsError`` where it was refused or could not be made, and ``RequestGone`` where
        another invocation has ended the request meanwhile.
        """
        if not case.may_call:
            return Wait(Note.NO_WINDOW)
        info = case.window.info
        history = self._stack.history(info.stack_id, info.logical_id)
        if not may_call(info, history.status, history.at):
            return _held(Hold(HoldKind.NOT_SHOWN, status=history.status or ""))
        if budget().late:  # once claimed, there must be time to call, and to write down the answer
            return Wait(Note.INVOCATION_OVER)
        before = case.progress.before_call()
        if case.memory is not None and before != case.progress:
            self._store.keep_progress(case.path, before)
        if not self._store.claim_call(case.path, self._intent(patch)):
            return Wait(Note.OTHER_INVOCATION)
        seen = self._store.recall_surely(case.path)
        if seen is None or seen.closed or seen.answer is not None:
            self._store.release_call(case.path)
            raise RequestGone
        try:
            result = self._sagemaker.update(patch, request.declared)
        except AwsError:
            self._store.release_call(case.path)
            raise
        if result is CallResult.BUSY:
            self._store.release_call(case.path)
            return _held(Hold(HoldKind.CONFLICT))
        if result is CallResult.UNKNOWN:
            return Wait(Note.NO_ANSWER)
        self._keep_acceptance(case.path)
        log_called(case, request, patch)
        return Wait(Note.ACCEPTED)

    def _keep_acceptance(self, path: str) -> None:
        try:
            retry(lambda: self._store.keep_acceptance(path))
        except AwsError as problem:
            if problem.kind is not AwsError.Kind.TRANSIENT:
                raise
            # It may be noted where the request is over by now, and nothing would wake us for it.
            raise Unsure(str(problem)) from None

    def _intent(self, patch: Patch) -> Call:
        message = patch.cluster.failure_message
        groups = [group for group in patch.cluster.groups if group.name in patch.groups]
        return Call(
            at=self._clock(),
            before={digest(group.name): group.update_status or "" for group in groups},
            had={digest(group.name): group.current_count for group in groups},
            # Where scaling may have brought any of them, and no count is shown, none is sure.
            ran={digest(group.name): group.target_state_count or 0 for group in groups
                 if group.target_state_count is not None or group.scaling},
            failure_before=digest(message) if message else "",
        )  # fmt: skip


def _held(hold: Hold) -> Wait:
    return Wait(Held(hold), observation=Observation(rests=False, hold=hold))
