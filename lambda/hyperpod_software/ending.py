"""Ending a request: who may answer it, what CloudFormation is told, and what is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hyperpod_software.case import Case, Event, Surroundings
from hyperpod_software.edges.memory import Answer, Buried, ParameterStore, claimer
from hyperpod_software.edges.polling import Polling
from hyperpod_software.edges.tickets import slim
from hyperpod_software.journal import say, say_finished
from hyperpod_software.patience import patiently
from hyperpod_software.rules.answering import answer, physical_id
from hyperpod_software.rules.starting import is_same_cluster
from hyperpod_software.words.cluster import Cluster
from hyperpod_software.words.decision import Finish, Outcome, Wait
from hyperpod_software.words.memory import Progress
from hyperpod_software.words.problem import Problem
from hyperpod_software.words.reply import Reply, Way
from hyperpod_software.words.request import RequestType, Ticket


class Ending:
    """Makes the replies of requests, and buries what they leave."""

    def __init__(
        self,
        store: ParameterStore,
        *,
        polling: Polling,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._polling = polling
        self._clock = clock

    # -- replies ------------------------------------------------------------------------

    def end(self, case: Case, end: Finish) -> Reply | None:
        """The reply, where this invocation is the one that may give it. Only that one says so
        in the log: a count of failures counts no end twice. Raises ``Buried``."""
        reply = self._claim(case, end)
        if reply is not None:
            say_finished(case, end, self._clock())
        return reply

    def unremembered(self, case: Case, end: Finish) -> Reply:
        """The reply to a request of which nothing is remembered."""
        return _reply(case, self._response(case, end), remembered=False)

    def kept(self, case: Case) -> Reply | None:
        """The reply that an earlier invocation decided on and could not deliver."""
        kept = case.memory.answer if case.memory is not None else None
        if kept is None:
            return None
        if kept.called or case.call is None:
            return _reply(case, kept.response, ways=kept.ways)
        # Decided while another invocation was calling, and then cut short: not true.
        self._store.release_answer(case.path)
        return None

    def hand_over(self, case: Case, wait: Wait, cluster: Cluster | None) -> Reply | None:
        """Where a wait condition waits for the end, answer the resource once the patch runs.

        Whether it is a replacement is decided with this answer, so the cluster must be seen.
        """
        if case.call is None or case.handed_over or case.wait_handle is None or cluster is None:
            return None
        if not (case.patch_runs or (wait.sight is not None and wait.sight.taken)):
            return None
        end = Finish(
            Outcome.PATCHING,
            f"The patch of cluster {cluster.name} runs. A wait condition waits for its end.",
            cluster,
        )
        return _reply(case, self._response(case, end), last=False)

    def _claim(self, case: Case, end: Finish) -> Reply | None:
        if case.wait_handle is None:
            ways: tuple[Way, ...] = (Way.ANSWER,)
        elif case.handed_over:
            ways = (Way.SIGNAL,)
        else:
            # Another invocation may be handing over right now: the signal tells in any case.
            ways = (Way.SIGNAL, Way.ANSWER)
        called = case.call is not None
        kept = Answer(called=called, ways=ways, response=self._response(case, end))
        try:
            return self._claimed(case, kept)
        except Problem as problem:
            if problem.kind is not Problem.Kind.QUOTA:
                raise
        # The account may have no more parameters: nobody can claim anything, be it to answer or to
        # call. CloudFormation takes the first answer.
        seen = self._store.recall(case.path)
        if seen is not None and seen.call is not None and not called:
            return None
        if not (case.handed_over or end.succeeded):
            # No wait follows a failure. Were it signalled and then not answered, the next try,
            # which remembers nothing of it, would patch after all.
            ways = (Way.ANSWER,)
        return _reply(case, kept.response, ways=ways)

    def _claimed(self, case: Case, kept: Answer) -> Reply | None:
        first = False
        if case.memory is None:
            # Another delivery of it may see something else in this moment, and decide otherwise:
            # whoever remembers the request first has it.
            by = claimer()
            first = patiently(lambda: self._store.claim(case.path, case.progress, by))
        elif self._store.recall(case.path) is None:
            raise Buried
        if not self._store.claim_answer(case.path, kept):
            # Another invocation is answering. If it was killed after a burial, nothing but this
            # claim wakes anybody: then its answer is given here.
            before = self._store.recall(case.path) if first else None
            if before is None or before.answer is None:
                return None
            return _reply(case, before.answer.response, ways=before.answer.ways)
        current = self._store.recall(case.path)
        if current is None or (current.call is not None and not kept.called):
            # It is over by now; or a call was made meanwhile, and this end is not the true one.
            self._store.release_answer(case.path)
            return None
        return _reply(case, kept.response, ways=kept.ways)

    def _response(self, case: Case, end: Finish) -> dict[str, Any]:
        replaces = False
        if case.ticket.type is RequestType.UPDATE and end.succeeded and end.cluster is not None:
            named = case.ticket.physical_id in (case.cluster, end.cluster.name, end.cluster.arn)
            replaces = not (named or is_same_cluster(case.request, end.cluster))
        resource_id = physical_id(case.ticket, case.cluster, replaces=replaces)
        return answer(case.ticket, end, resource_id, case.surroundings.log_group)

    # -- after them ---------------------------------------------------------------------

    def delivered(self, reply: Reply) -> None:
        """CloudFormation has it: after the last answer nothing of the request needs to stay."""
        if reply.last:
            self.bury_older(reply.ticket, reply.path)  # while this one is there to try again
            if reply.remembered:
                self.bury(reply.path)
            return
        try:
            with suppress(Buried):  # another invocation has ended it, by signal and answer
                self._store.keep_handover(reply.path)
        except Problem as problem:
            if problem.kind is not Problem.Kind.QUOTA:
                raise
            # It cannot be noted: the next look hands over once more.

    def undelivered(self, reply: Reply, event: Event, surroundings: Surroundings) -> None:
        """CloudFormation could not be reached: keep the answer and try again each minute,
        for as long as CloudFormation waits."""
        ticket, path = reply.ticket, reply.path
        if self._clock() >= reply.expires:
            say(ticket, "answer", logging.CRITICAL, problem="CloudFormation was never reached",
                 status=reply.response["Status"], reason=reply.response["Reason"])  # fmt: skip
            self.bury(path)
            return
        if not reply.remembered:
            kept = Answer(called=False, ways=reply.ways, response=reply.response)
            self._store.claim(path, Progress(ticket.issued))
            self._store.claim_answer(path, kept)
        # An invocation that was killed may have claimed, and not come to the rest.
        self._store.keep_event(path, slim(event))
        self._polling.start(path, surroundings.function_arn, reply.expires, None)

    def bury_older(self, ticket: Ticket, path: str) -> None:
        """Bury this resource's older requests, which CloudFormation has given up. Raises
        ``Problem`` where one stays: it may have lost its rule, and then nothing else ends it."""
        resource = self._store.resource_path(ticket.stack_id, ticket.logical_id)
        for other, memory in self._store.recall_all(resource, leftovers=True).items():
            if other != path and memory.progress.issued <= ticket.issued:
                say(ticket, "superseded", request_path=other)
                self.bury(other)

    def bury(self, path: str) -> None:
        """End the polling of a request, then forget it. Memory goes last: it is the only
        way by which a later look, or a Delete, finds a rule that could not be removed. Raises
        ``Problem`` where it stays so that Lambda tries again."""
        if not self._polling.stop(path):
            raise Problem("DeleteRule", Problem.Kind.PASSING, "NotRemoved", "")
        self._store.forget(path)


def _reply(
    case: Case,
    response: dict[str, Any],
    *,
    ways: tuple[Way, ...] = (Way.ANSWER,),
    remembered: bool = True,
    last: bool = True,
) -> Reply:
    return Reply(
        case.ticket,
        response,
        case.path,
        remembered=remembered,
        expires=case.expires,
        ways=ways,
        wait_handle=case.wait_handle,
        last=last,
    )
