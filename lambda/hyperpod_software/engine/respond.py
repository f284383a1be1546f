"""Ending a request: who may answer it, what CloudFormation is told, and what is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hyperpod_software.adapters.documents import Answer, Memory
from hyperpod_software.adapters.state_store import RequestGone, new_token
from hyperpod_software.contract.answers import Outcome
from hyperpod_software.contract.times import ANSWER_MARGIN, CLOCKS, INVOCATION
from hyperpod_software.engine.invocation import FunctionInfo, Invocation
from hyperpod_software.engine.log_events import log_event, log_finished
from hyperpod_software.engine.retry import retry
from hyperpod_software.engine.services import Services
from hyperpod_software.messages.response import answer, physical_id, waiter_id
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.decision import Finish, Wait
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.handover import GoesOn
from hyperpod_software.model.reply import Reply
from hyperpod_software.model.request import RequestInfo, RequestType
from hyperpod_software.model.state import Progress
from hyperpod_software.model.why import Note
from hyperpod_software.rules.declared import is_same_cluster
from hyperpod_software.rules.rollback import going_on
from hyperpod_software.rules.snapshot import STALE


class Responder:
    """Makes the replies of requests, and cleans up what they leave."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._polling = services.polling
        self._clock = services.clock

    # -- replies ------------------------------------------------------------------------

    def end(self, case: Invocation, end: Finish) -> Reply | None:
        """The reply, where this invocation is the one that may give it. Only that one says so
        in the log: a count of failures counts no end twice. Raises ``RequestGone``."""
        reply = self._claim(case, end, last=True)
        if reply is not None:
            log_finished(case, end, self._clock())
        return reply

    def unremembered(self, case: Invocation, end: Finish) -> Reply:
        """The reply to a request of which nothing is remembered."""
        response = self._response(case, end, last=True)
        return Reply(case.window, response, case.path, case.incoming.kept, remembered=False)

    def superseded(self, case: Invocation) -> Reply | None:
        """A later request of the resource took over: what is left to do for this one."""
        if case.memory is None or not _is_waited_for(case.memory):
            self.clean_up(case.path)
            return None
        end = Finish(Outcome.LEFT_AS_IS, Note.TAKEN_BACK)
        response = self._response(case, end, last=True)
        return Reply(case.window, response, case.path, case.incoming.kept, remembered=True)

    def kept(self, case: Invocation) -> Reply | None:
        """The reply that an earlier invocation decided on and could not deliver."""
        kept = case.memory.answer if case.memory is not None else None
        if kept is None or case.between_windows:
            return None
        if kept.called or not kept.last or case.call is None:
            return _reply(case, kept)
        # Decided while another invocation was calling, and then cut short: not true.
        self._store.release_answer(case.path, case.window)
        return None

    def hand_over(self, case: Invocation, wait: Wait, cluster: Cluster | None) -> Reply | None:
        """The window ends before the patch: its answer, and the next window goes on.

        Whether it is a replacement is decided with the first one, so the cluster is to be seen.
        """
        unseen = cluster is None and case.window.number == 1
        if unseen and self._clock() < case.window.ends + ANSWER_MARGIN / 2:
            return None
        # Without a call this may be a late duplicate of a resource that is gone: nobody would
        # forget it.
        if case.call is not None and not case.softly:
            self._keep_declaration(case)
        end = Finish(Outcome.PATCHING, going_on(wait, rollback=case.softly), cluster)
        return self._claim(case, end, last=False)

    def _keep_declaration(self, case: Invocation) -> None:
        """For waiters that find nothing of the patch remembered. Raises ``RequestGone``."""
        resource, _, patch = case.path.rpartition("/")
        try:
            self._store.keep_declaration(resource, patch, case.incoming.kept)
        except AwsError as problem:
            if problem.kind is not AwsError.Kind.QUOTA:
                raise
        if self._store.recall(case.path) is None:
            self._store.forget_declaration(resource)  # a Delete may have passed
            raise RequestGone

    def _claim(self, case: Invocation, end: Finish, *, last: bool) -> Reply | None:
        called = case.call is not None
        kept = Answer(called=called, last=last, response=self._response(case, end, last=last))
        try:
            return self._claimed(case, kept)
        except AwsError as problem:
            if problem.kind is not AwsError.Kind.QUOTA:
                raise
        # The account may have no more parameters: nobody can claim anything, be it to answer or to
        # call. CloudFormation takes the first answer.
        seen = self._store.recall(case.path)
        if seen is not None and seen.call is not None and not called:
            return None
        return _reply(case, kept, remembered=False)

    def _claimed(self, case: Invocation, kept: Answer) -> Reply | None:
        first, window = False, case.window
        if case.memory is None:
            # Another delivery of it may see something else in this moment, and decide otherwise:
            # whoever remembers the request first has it.
            by = new_token()
            first = retry(lambda: self._store.claim(case.path, case.progress, by))
        elif self._store.recall(case.path) is None:
            raise RequestGone
        if not self._store.claim_answer(case.path, window, kept):
            # Another invocation is answering. If it was killed after a clean-up, nothing but this
            # claim wakes anybody: then its answer is given here.
            before = self._store.recall(case.path) if first else None
            if before is None or before.answer is None:
                return None
            return _reply(case, before.answer)
        current = self._store.recall(case.path)
        if (
            current is None
            or current.closed
            or (current.window is not None and current.window.info.key != window.info.key)
            or (kept.last and current.call is not None and not kept.called)
        ):
            # It is over by now; or another window has taken over; or a call was made meanwhile,
            # and this end is not the true one.
            self._store.release_answer(case.path, window)
            return None
        return _reply(case, kept)

    def _response(self, case: Invocation, end: Finish, *, last: bool) -> dict[str, Any]:
        window, cluster = case.window, case.cluster
        if window.number > 1:
            resource_id = waiter_id(window.info)
        else:
            resource_id = physical_id(case.info, cluster, replaces=_replaces(case, end))
        handover = None if last else GoesOn(case.path.rpartition("/")[2])
        return answer(window.info, end, resource_id, case.function.log_group, handover)

    # -- after them ---------------------------------------------------------------------

    def delivered(self, reply: Reply) -> None:
        """CloudFormation has it: after the last answer nothing of the patch needs to stay."""
        if reply.last:
            self.clear(reply.path, reply.window.info, remembered=reply.remembered)
            return
        try:
            with suppress(RequestGone):
                self._store.keep_handover(reply.path, reply.window)
        except AwsError as problem:
            if problem.kind is not AwsError.Kind.QUOTA:
                raise
            # It cannot be noted: the next look hands over once more.

    def clear(self, path: str, info: RequestInfo, *, remembered: bool = True) -> None:
        """Forget a request that is over, and what is older than it. Raises ``AwsError`` where
        something stays."""
        found = self.found(path)
        # While this one is there to try again. It is over, and a newer one may have come.
        self.clean_up_older(found, path, info, grace=CLOCKS)
        # A Delete is the last chance to find half a rule, made when its memory had gone already.
        if remembered or path in found or info.type is RequestType.DELETE:
            self.clean_up(path)

    def undelivered(self, reply: Reply, function: FunctionInfo) -> None:
        """CloudFormation could not be reached: keep the answer and try again each minute,
        for as long as CloudFormation waits."""
        info, path = reply.window.info, reply.path
        if self._clock() >= reply.window.expires:
            log_event(info, "answer", logging.CRITICAL, problem="CloudFormation was never reached",
                 status=reply.response["Status"], reason=reply.response["Reason"])  # fmt: skip
            self.clean_up(path)
            return
        if not reply.remembered:
            kept = Answer(called=reply.called, last=reply.last, response=reply.response)
            self._store.claim(path, Progress(info.issued))
            self._store.claim_answer(path, reply.window, kept)
        # An invocation that was killed may have claimed, and not come to the rest.
        if reply.window.number == 1:  # a waiter's own request is in its window
            self._store.keep_event(path, reply.event)
        self._polling.start(path, function.function_arn, reply.window.abandoned, None)

    def found(self, path: str) -> dict[str, Memory]:
        """Everything that is remembered of the resource."""
        return self._store.recall_all(path.rpartition("/")[0], leftovers=True)

    def clean_up_older(
        self, found: Mapping[str, Memory], path: str, info: RequestInfo, *, grace: float = 0.0
    ) -> float:
        """Clean up this resource's older requests, which CloudFormation has given up. Until when the
        cluster may not show yet what they called for (epoch seconds). Raises ``AwsError`` where one
        stays: it may have lost its rule, and then nothing else ends it."""
        hold_until = 0.0
        if info.type is RequestType.DELETE:
            self._store.forget_declaration(path.rpartition("/")[0])
        for other, memory in found.items():
            if memory.progress.issued > info.issued - grace:
                continue
            if other == path:
                if memory.left_over:
                    self._store.forget(path)  # it was written after the clean-up
                continue
            if not _is_delete(memory):  # of that one there is only an answer, still to be delivered
                log_event(info, "superseded", request_path=other)
                # Whoever claims the call from here on sees that it may not call any more.
                closed = self._close(other) or memory
                if closed.call is not None:
                    unseen = STALE if closed.call.accepted else STALE + INVOCATION
                    hold_until = max(hold_until, closed.call.at + unseen)
                if not _is_waited_for(closed):  # else its own rule answers, and cleans it up
                    self.clean_up(other)
        return hold_until

    def clean_up_if_gone(self, path: str) -> bool:
        """Whether the request has ended meanwhile: then what was made since is cleaned up. Raises
        ``Unsure`` where that cannot be seen."""
        memory = self._store.recall_surely(path)
        if memory is not None and (not memory.closed or _is_waited_for(memory)):
            return False
        self.clean_up(path)
        return True

    def _close(self, path: str) -> Memory | None:
        try:
            return self._store.close(path)
        except AwsError as problem:
            if problem.kind is not AwsError.Kind.QUOTA:
                raise
            return self._store.recall(path)  # then nobody can claim a call either

    def clean_up(self, path: str) -> None:
        """End the polling of a request, then forget it. Memory goes last: it is the only
        way by which a later look, or a Delete, finds a rule that could not be removed. Raises
        ``AwsError`` where it stays so that Lambda tries again."""
        if not self._polling.stop(path):
            raise AwsError("DeleteRule", AwsError.Kind.TRANSIENT, "NotRemoved", "")
        self._store.forget(path)


def own_of(found: Mapping[str, Memory], path: str) -> Memory | None:
    """What is remembered of the request itself."""
    memory = found.get(path)
    return None if memory is None or memory.left_over else memory


def _reply(case: Invocation, kept: Answer, *, remembered: bool = True) -> Reply:
    return Reply(
        case.window,
        kept.response,
        case.path,
        case.incoming.kept,
        remembered=remembered,
        called=kept.called,
        last=kept.last,
    )


def _is_waited_for(memory: Memory) -> bool:
    """A waiter of this very rollback waits for it: it came before the resource itself did."""
    return memory.window is not None and bool(memory.window.rollback) and not memory.handed_over


def _is_delete(memory: Memory) -> bool:
    return (memory.event or {}).get("RequestType") == RequestType.DELETE.value


def _replaces(case: Invocation, end: Finish) -> bool:
    """It is another cluster than before. Where this one was not seen, its name decides."""
    if case.info.type is not RequestType.UPDATE or not end.succeeded:
        return False
    if end.cluster is None:
        if end.outcome is not Outcome.PATCHING:
            return False
        previous = case.request.previous
        return previous is not None and previous.cluster != case.request.declared.cluster
    named = case.info.physical_id in (case.cluster, end.cluster.name, end.cluster.arn)
    return not (named or is_same_cluster(case.request, end.cluster))
