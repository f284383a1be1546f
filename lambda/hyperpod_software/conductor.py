"""Ties the rules to the edges: one request, one look at a time.

A request is decided on the spot where it can be. Otherwise it is remembered, an EventBridge
rule makes the handler look again, and the look that ends it buries memory and rule. Any
invocation may be doubled, run beside another, or be killed at any line; what only one may
do is claimed in memory first (see ``edges.memory``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from hyperpod_software.case import Case, Event, Surroundings
from hyperpod_software.edges.aws import Problem
from hyperpod_software.edges.images import Images
from hyperpod_software.edges.memory import Answer, Buried, Memory, ParameterStore, claimer
from hyperpod_software.edges.polling import Poll, Polling
from hyperpod_software.edges.properties import BadProperty
from hyperpod_software.edges.sagemaker import CallResult, SageMaker
from hyperpod_software.edges.stack import Stack
from hyperpod_software.edges.tickets import read_ticket, slim
from hyperpod_software.journal import say, say_finished, say_waiting
from hyperpod_software.rules.answering import answer, physical_id
from hyperpod_software.rules.images import image_refusal
from hyperpod_software.rules.look import Look
from hyperpod_software.rules.nodes import tally
from hyperpod_software.rules.sentences import listed, sentence
from hyperpod_software.rules.starting import is_same_cluster, may_call, plan
from hyperpod_software.rules.undoing import left, plan_rollback, softened
from hyperpod_software.rules.watching import judge
from hyperpod_software.words.cluster import Cluster, Node
from hyperpod_software.words.decision import CountNodes, Finish, Outcome, Patch, Wait, failed
from hyperpod_software.words.memory import Call, Progress, digest
from hyperpod_software.words.reply import Reply, Way
from hyperpod_software.words.request import Request, RequestType, Ticket

log = logging.getLogger(__name__)

PERMISSIONS_SETTLE = 180
"""Seconds in which a denied call may be allowed yet: IAM spreads a new policy slowly."""
LISTING = 100
"""Seconds that reading all nodes may take, of the 180 that Lambda gives one look."""


T = TypeVar("T")


class Conductor:
    """Begins, looks, ends and forgets requests."""

    def __init__(
        self,
        store: ParameterStore,
        *,
        sagemaker: SageMaker,
        images: Images,
        polling: Polling,
        stack: Stack,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._store = store
        self._sagemaker = sagemaker
        self._images = images
        self._polling = polling
        self._stack = stack
        self._clock = clock
        self._sleep = sleep

    # -- what the door calls ------------------------------------------------------------

    def begin(self, event: Event, surroundings: Surroundings) -> Reply | None:
        """A Create or Update came in; the reply, or ``None`` while it goes on."""
        case = self._case(event, None, surroundings, first_hand=True)
        ticket, path = case.ticket, case.path
        try:
            remembered = self._patiently(lambda: self._supersede(ticket, path))
            case = self._case(event, remembered, surroundings, first_hand=True)
            return self._look(case)
        except Problem as problem:
            return self._give_up(case, problem)

    def recall(self, poll: Poll) -> Memory | None:
        """What is remembered of a request that a poll names. Where nothing is, the poll
        came late or its rule outlived the request: then the rule is removed."""
        path = poll.path
        try:
            memory = self._store.recall(path)
        except Problem:
            if self._clock() > poll.until:
                self._polling.stop(path)  # memory is out of reach for good: stop looking
            raise
        if memory is not None and memory.event is not None:
            return memory
        self.bury(path)
        return None

    def look(self, memory: Memory, surroundings: Surroundings) -> Reply | None:
        """Our rule made us look; the reply, or ``None`` while it goes on."""
        return self._look(self._case(memory.event or {}, memory, surroundings, first_hand=False))

    def forget(self, event: Event, surroundings: Surroundings) -> Reply:
        """A Delete came in: it ends any polling of this resource, touches no cluster, and
        always succeeds."""
        case = self._case(event, None, surroundings, first_hand=True)
        try:
            ticket, path = case.ticket, case.path
            own = self._patiently(lambda: self._supersede(ticket, path, thoroughly=True))
            if own is not None:
                self.bury(path)  # half remembered by an invocation that could not answer it
        except Exception:  # whatever it is: nothing may keep a stack from being deleted
            log.exception({"stage": "delete", "stack": case.ticket.stack_id})
        end = Finish(Outcome.LEFT_AS_IS, "The cluster was left as it is.")
        say(case.ticket, "delete", reason=end.reason)
        return _reply(case, self._response(case, end), remembered=False)

    def delivered(self, reply: Reply) -> None:
        """CloudFormation has it: after the last answer nothing of the request needs to stay."""
        if reply.last:
            if reply.remembered:
                self.bury(reply.path)
            return
        with suppress(Buried):  # another invocation has ended it, by signal and answer
            self._store.keep_handover(reply.path)

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

    def bury(self, path: str) -> None:
        """End the polling of a request, then forget it. Memory goes last: it is the only
        way by which a later look, or a Delete, finds a rule that could not be removed. Raises
        ``Problem`` where it stays so that Lambda tries again."""
        if not self._polling.stop(path):
            raise Problem("DeleteRule", Problem.Kind.PASSING, "NotRemoved", "")
        self._store.forget(path)

    # -- one look -----------------------------------------------------------------------

    def _case(
        self, event: Event, memory: Memory | None, surroundings: Surroundings, *, first_hand: bool
    ) -> Case:
        ticket = read_ticket(event, self._clock())
        if memory is not None:
            ticket = replace(ticket, issued=memory.progress.issued)
        return Case(
            ticket=ticket,
            event=slim(event),
            path=self._store.path(ticket),
            memory=memory,
            rollback=memory.progress.rollback if memory is not None else None,
            first_hand=first_hand,
            surroundings=surroundings,
        )

    def _look(self, case: Case) -> Reply | None:
        kept = case.memory.answer if case.memory is not None else None
        if kept is not None:
            if kept.called or case.call is None:
                return _reply(case, kept.response, ways=kept.ways)
            # Decided while another invocation was calling, and then cut short: not true.
            self._store.release_answer(case.path)
        try:
            case, decision, cluster = self._decide(case)
            if isinstance(decision, Finish):
                return self._end(case, decision)
            say_waiting(case, decision, self._clock())
            self._remember(case, decision, cluster)
            return self._hand_over(case, decision, cluster)
        except Buried:
            return None  # another invocation has ended this request meanwhile

    def _decide(self, case: Case) -> tuple[Case, Finish | Wait, Cluster | None]:
        """What this look comes to: over, or not over. Nothing is raised but ``Buried``."""
        now = self._clock()
        decision: Finish | Wait
        cluster: Cluster | None = None
        try:
            case = self._with_rollback(case)
            request = case.request()
            cluster = self._sagemaker.describe(request.declared.cluster)
            decision = self._step(case, request, cluster, now)
        except Buried:
            raise
        except BadProperty as problem:
            decision = failed(f"{problem} Nothing was patched.")
        except Problem as problem:
            decision = self._weigh(case, problem, now)
        except Exception as problem:  # a defect of ours must not hang a stack
            log.exception({"stage": "defect", "request": case.ticket.request_id})
            decision = self._unless_late(
                case, now, f"the handler met a defect of its own ({type(problem).__name__})"
            )
        if isinstance(decision, Finish) and case.rollback:
            decision = softened(decision, called=case.call is not None)
        return case, decision, cluster

    def _step(self, case: Case, request: Request, cluster: Cluster, now: float) -> Finish | Wait:
        if case.call is not None:
            return self._watch(case, case.call, request, cluster, now)
        decide = plan_rollback if request.rollback else plan
        decision = decide(request, cluster, now)
        if isinstance(decision, Patch) or (isinstance(decision, Wait) and case.first_hand):
            # Also before the cluster is waited for: a mistake is told at once.
            refusal = self._refusal(request)
            if refusal is not None:
                return failed(refusal, cluster)
        return self._patch(case, request, decision) if isinstance(decision, Patch) else decision

    def _refusal(self, request: Request) -> str | None:
        """Why the declared custom AMI cannot be used, as EC2 knows it."""
        declared = request.declared
        if not declared.owned_image or request.rollback or declared.image_id is None:
            return None
        image = self._images.describe(declared.image_id)
        return image_refusal(declared.image_id, image, request.ticket.account, declared.kms_key_id)

    def _watch(
        self, case: Case, call: Call, request: Request, cluster: Cluster, now: float
    ) -> Finish | Wait:
        look = Look(request, call, case.progress, cluster, now, case.ends)
        decision = judge(look, None)
        if isinstance(decision, CountNodes):
            software = {
                name: found
                for name in decision.groups
                if (found := request.declared.software_of(name)) is not None
            }
            nodes = self._sagemaker.nodes(request.declared.cluster)
            tallies = tally(self._in_time(nodes), software, call.at)
            decision = judge(look, tallies)
        assert not isinstance(decision, CountNodes)
        return decision

    def _in_time(self, nodes: Iterable[Node]) -> Iterator[Node]:
        """The nodes, unless reading them takes so long that Lambda would end the look first."""
        until = self._clock() + LISTING
        for node in nodes:
            if self._clock() > until:
                what = f"the nodes could not be read in {LISTING} seconds"
                raise Problem("ListClusterNodes", Problem.Kind.PASSING, "TooSlow", what)
            yield node

    def _patch(self, case: Case, request: Request, patch: Patch) -> Finish | Wait:
        """Make the one call of this request, unless something speaks against it."""
        self._open(case, patch.cluster)  # it may take its time, so before the look at the stack
        event = self._stack.newest_event(case.ticket.stack_id, case.ticket.logical_id)
        if not may_call(request, event.status if event else None, event.at if event else None):
            shown = event.status if event else "nothing"
            return Wait(f"CloudFormation shows {shown} for this resource: not calling yet.")
        if not self._store.claim_call(case.path, self._intent(patch)):
            return Wait("Another invocation is making the call.")
        seen = self._store.recall(case.path)
        if seen is None or seen.answer is not None:
            self._store.release_call(case.path)
            raise Buried
        try:
            result = self._sagemaker.update(patch, request.declared)
        except Problem:
            self._store.release_call(case.path)
            raise
        if result is CallResult.BUSY:
            self._store.release_call(case.path)
            return Wait("HyperPod answered ConflictException: waiting for the cluster.")
        if result is CallResult.UNKNOWN:
            return Wait("No answer to UpdateClusterSoftware: the cluster will show.")
        self._patiently(lambda: self._store.keep_acceptance(case.path))
        software = {str(request.declared.software_of(name)) for name in patch.groups}
        said = f"HyperPod accepted the call to patch {listed(patch.groups)} to {listed(sorted(software))}."
        say(case.ticket, "called", cluster=patch.cluster.arn, groups=list(patch.groups),
            batch=case.batch, reason=said)  # fmt: skip
        return Wait("HyperPod accepted the call.")

    def _intent(self, patch: Patch) -> Call:
        message = patch.cluster.failure_message
        statuses = {group.name: group.update_status or "" for group in patch.cluster.groups}
        return Call(
            at=self._clock(),
            before={digest(name): statuses[name] for name in patch.groups},
            failure_before=digest(message) if message else "",
        )

    # -- remembering and ending ---------------------------------------------------------

    def _open(self, case: Case, cluster: Cluster | None) -> None:
        """Remember the request and have us woken. Raises ``Buried`` where another
        invocation of the same request was faster: it goes on, this one stops."""
        store, path = self._store, case.path
        by = claimer()
        if case.memory is None and not self._patiently(
            lambda: store.claim(path, case.progress, by)
        ):
            raise Buried
        if case.memory is None or case.memory.event is None:
            self._patiently(lambda: store.keep_event(path, case.event))
        wake = case.surroundings.function_arn, case.expires
        self._patiently(lambda: self._polling.start(path, *wake, cluster))

    def _remember(self, case: Case, wait: Wait, cluster: Cluster | None) -> None:
        """Keep what this look saw for the next one."""
        if case.first_hand:
            # An invocation that was killed may have claimed, and not come to the rule.
            self._open(replace(case, memory=self._store.recall(case.path)), cluster)
        elif not case.is_news(wait.sight, self._clock()):
            return
        current = self._store.recall(case.path)
        if current is None:
            raise Buried
        seen = replace(current.progress, rollback=case.rollback)
        if wait.sight is not None:
            seen = seen.after(wait.sight, self._clock())
        if seen != current.progress:
            self._store.keep_progress(case.path, seen)

    def _hand_over(self, case: Case, wait: Wait, cluster: Cluster | None) -> Reply | None:
        """Where a wait condition waits for the end, answer the resource once the patch runs.

        Whether it is a replacement is decided with this answer, so the cluster must be seen.
        """
        if case.call is None or case.handed_over or case.wait_handle is None or cluster is None:
            return None
        if not (case.patch_runs or (wait.sight is not None and wait.sight.active)):
            return None
        end = Finish(
            Outcome.PATCHING,
            f"The patch of cluster {cluster.name} runs. A wait condition waits for its end.",
            cluster,
        )
        response = self._response(case, end)
        return _reply(case, response, last=False)

    def _end(self, case: Case, end: Finish) -> Reply | None:
        """The reply, where this invocation is the one that may give it. Only that one says so
        in the log: a count of failures counts no end twice."""
        reply = self._claim_end(case, end)
        if reply is not None:
            say_finished(case, end, self._clock())
        return reply

    def _claim_end(self, case: Case, end: Finish) -> Reply | None:
        first = False
        if case.wait_handle is None:
            ways: tuple[Way, ...] = (Way.ANSWER,)
        elif case.handed_over:
            ways = (Way.SIGNAL,)
        else:
            # Another invocation may be handing over right now: the signal tells in any case.
            ways = (Way.SIGNAL, Way.ANSWER)
        response = self._response(case, end)
        if case.memory is None:
            # Another delivery of it may see something else in this moment, and decide otherwise:
            # whoever remembers the request first has it.
            by = claimer()
            first = self._patiently(lambda: self._store.claim(case.path, case.progress, by))
        elif self._store.recall(case.path) is None:
            raise Buried
        called = case.call is not None
        kept = Answer(called=called, ways=ways, response=response)
        if not self._store.claim_answer(case.path, kept):
            # Another invocation is answering. If it was killed after a burial, nothing but this
            # claim wakes anybody: then its answer is given here.
            before = self._store.recall(case.path) if first else None
            if before is None or before.answer is None:
                return None
            return _reply(case, before.answer.response, ways=before.answer.ways)
        current = self._store.recall(case.path)
        if current is None or (current.call is not None and not called):
            # It is over by now; or a call was made meanwhile, and this end is not the true one.
            self._store.release_answer(case.path)
            return None
        return _reply(case, response, ways=ways)

    def _response(self, case: Case, end: Finish) -> dict[str, Any]:
        replaces = False
        if case.ticket.type is RequestType.UPDATE and end.succeeded and end.cluster is not None:
            named = case.ticket.physical_id in (case.cluster, end.cluster.name, end.cluster.arn)
            replaces = not (named or is_same_cluster(case.request(), end.cluster))
        resource_id = physical_id(case.ticket, case.cluster, replaces=replaces)
        return answer(case.ticket, end, resource_id, case.surroundings.log_group)

    def _supersede(self, ticket: Ticket, path: str, *, thoroughly: bool = False) -> Memory | None:
        """Bury this resource's older requests, which CloudFormation has given up, and
        return what is remembered of this one."""
        resource = self._store.resource_path(ticket.stack_id, ticket.logical_id)
        remembered = self._store.recall_all(resource)
        for other, memory in remembered.items():
            if other != path and memory.progress.issued <= ticket.issued:
                say(ticket, "superseded", request_path=other)
                try:
                    self.bury(other)
                except Problem as problem:
                    if thoroughly:
                        raise
                    # It ends by itself, and must not keep this one from beginning.
                    say(ticket, "superseded", logging.ERROR, problem=str(problem))
        return remembered.get(path)

    # -- problems -----------------------------------------------------------------------

    def _with_rollback(self, case: Case) -> Case:
        if case.rollback is not None:
            return case
        rollback = case.ticket.type is RequestType.UPDATE and self._patiently(
            lambda: self._stack.is_rolling_back(case.ticket.stack_id)
        )
        return replace(case, rollback=rollback)

    def _weigh(self, case: Case, problem: Problem, now: float) -> Finish | Wait:
        """What a call that did not succeed means for the request."""
        kind = problem.kind
        about_cluster = problem.operation in (
            "DescribeCluster", "ListClusterNodes", "UpdateClusterSoftware",
        )  # fmt: skip
        if kind is Problem.Kind.NOT_FOUND and about_cluster:
            name = case.cluster
            region, account = case.surroundings.region, case.ticket.account
            if case.call is not None:
                return failed(f"While being patched, cluster {name} disappeared.")
            return failed(
                f"Cluster {name} does not exist in {region} of account {account}. "
                "Nothing was patched."
            )
        if kind is Problem.Kind.REFUSED and case.call is None:
            return failed(f"{sentence(str(problem))} Nothing was patched.")
        patience = now < case.ticket.issued + PERMISSIONS_SETTLE
        if kind is Problem.Kind.DENIED and case.call is None and not patience:
            return failed(f"{sentence(str(problem))} Nothing was patched.")
        return self._unless_late(case, now, str(problem))

    def _unless_late(self, case: Case, now: float, why: str) -> Finish | Wait:
        if now < case.ends:
            return Wait(sentence(f"Looking again later: {why}"))
        if case.call is None:
            return failed(sentence(f"Nothing was patched, and it is too late to begin: {why}"))
        return failed(
            f"{sentence(f'How the patch ended is not known: at the timeout {why}')} The cluster "
            "goes on by itself; nobody watches it now."
        )

    def _give_up(self, case: Case, problem: Problem) -> Reply | None:
        """Memory or rule could not be made: end the request while we can.

        Where the store is out of order for the moment, nobody knows what other invocations
        of the request came to: the problem is raised, and Lambda delivers the request again.
        """
        about_rule = problem.operation in ("PutRule", "PutTargets")
        if problem.kind is Problem.Kind.PASSING and not about_rule:
            raise problem
        memory = None
        with suppress(Problem):
            memory = self._store.recall(case.path)
        if memory is not None and memory.call is not None:
            return None  # it was begun: its rule is there, and the next look goes on
        with suppress(Problem):
            case = self._with_rollback(case)
        why = sentence(f"Nothing was patched: {problem}")
        end = left(why, None) if case.rollback else failed(why)
        if memory is None:
            say_finished(case, end, self._clock())
            return _reply(case, self._response(case, end), remembered=False)
        with suppress(Buried):
            return self._end(replace(case, memory=memory), end)
        return None

    def _patiently(self, call: Callable[[], T]) -> T:
        """Try for a minute: the role's policy may not have spread yet."""
        for _ in range(12):
            try:
                return call()
            except Problem as problem:
                if problem.kind not in (Problem.Kind.DENIED, Problem.Kind.PASSING):
                    raise
            self._sleep(5)
        return call()


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
