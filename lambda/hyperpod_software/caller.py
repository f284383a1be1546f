"""The one UpdateClusterSoftware call of a request."""

from __future__ import annotations

from hyperpod_software.case import Case
from hyperpod_software.edges.budget import budget
from hyperpod_software.edges.memory import Buried, Unsure
from hyperpod_software.edges.sagemaker import CallResult
from hyperpod_software.journal import say
from hyperpod_software.patience import patiently
from hyperpod_software.rules.sentences import listed
from hyperpod_software.rules.starting import may_call
from hyperpod_software.services import Services
from hyperpod_software.words.decision import Patch, Wait
from hyperpod_software.words.memory import Call, Sight, digest
from hyperpod_software.words.problem import Problem
from hyperpod_software.words.request import Request


class Caller:
    """Calls for a patch, unless something speaks against it."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._sagemaker = services.sagemaker
        self._stack = services.stack
        self._clock = services.clock

    def call(self, case: Case, request: Request, patch: Patch) -> Wait:
        """Make the call, whatever comes of it. The request is remembered already.

        Raises ``Problem`` where it was refused or could not be made, and ``Buried`` where
        another invocation has ended the request meanwhile.
        """
        if not case.may_call:
            return Wait("No window of the stack waits for a call: not calling.")
        ticket = case.window.ticket
        history = self._stack.history(ticket.stack_id, ticket.logical_id)
        if not may_call(ticket, history.status, history.at):
            held = f"CloudFormation shows {history.status or 'nothing'} for this resource"
            return Wait(f"{held}: not calling yet.", sight=Sight(rests=False, held=held))
        if budget().late:  # once claimed, there must be time to call, and to write down the answer
            return Wait("The time of this invocation is over: calling in the next.")
        if not self._store.claim_call(case.path, self._intent(patch)):
            return Wait("Another invocation is making the call.")
        seen = self._store.recall_surely(case.path)
        if seen is None or seen.closed or seen.answer is not None:
            self._store.release_call(case.path)
            raise Buried
        try:
            result = self._sagemaker.update(patch, request.declared)
        except Problem:
            self._store.release_call(case.path)
            raise
        if result is CallResult.BUSY:
            self._store.release_call(case.path)
            held = "HyperPod answered ConflictException"
            return Wait(f"{held}: waiting for the cluster.", sight=Sight(rests=False, held=held))
        if result is CallResult.UNKNOWN:
            return Wait("No answer to UpdateClusterSoftware: the cluster will show.")
        self._keep_acceptance(case.path)
        software = {str(request.declared.software_of(name)) for name in patch.groups}
        said = f"HyperPod accepted the call to patch {listed(patch.groups)} to {listed(sorted(software))}."
        say(case.ticket, "called", cluster=patch.cluster.arn, groups=list(patch.groups),
            batch=case.batch, reason=said)  # fmt: skip
        return Wait("HyperPod accepted the call.")

    def _keep_acceptance(self, path: str) -> None:
        try:
            patiently(lambda: self._store.keep_acceptance(path))
        except Problem as problem:
            if problem.kind is not Problem.Kind.PASSING:
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
