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

from hyperpod_software.caller import Caller
from hyperpod_software.case import Case, Event, Surroundings
from hyperpod_software.edges.budget import budget
from hyperpod_software.edges.images import Images
from hyperpod_software.edges.memory import Buried, Memory, ParameterStore, Unsure, claimer
from hyperpod_software.edges.polling import Poll, Polling
from hyperpod_software.edges.properties import BadProperty
from hyperpod_software.edges.sagemaker import SageMaker
from hyperpod_software.edges.stack import Stack
from hyperpod_software.edges.tickets import read_ticket, slim
from hyperpod_software.ending import Ending
from hyperpod_software.journal import say, say_finished, say_other_patching, say_waiting
from hyperpod_software.patience import patiently
from hyperpod_software.rules.images import image_refusal
from hyperpod_software.rules.look import Look
from hyperpod_software.rules.nodes import hear, tally
from hyperpod_software.rules.problems import Standing, told, unless_late, weigh
from hyperpod_software.rules.sentences import sentence
from hyperpod_software.rules.starting import plan, software_for
from hyperpod_software.rules.undoing import left, plan_rollback, softened
from hyperpod_software.rules.watching import judge
from hyperpod_software.words.cluster import Cluster, Node, Reading
from hyperpod_software.words.decision import CountNodes, Finish, Outcome, Patch, Wait, failed
from hyperpod_software.words.memory import Call, Progress
from hyperpod_software.words.problem import Problem
from hyperpod_software.words.reply import Reply
from hyperpod_software.words.request import Request, RequestType
from hyperpod_software.words.software import Software

log = logging.getLogger(__name__)

ASKING = 60
"""Seconds that reading nodes may take before anything is patched, all readings together."""
PAUSE = 5.0
"""Seconds between two of those readings."""
TOO_SLOW = "TooSlow"


class Conductor:
    """Begins requests, looks at them, and forgets them."""

    def __init__(
        self,
        store: ParameterStore,
        *,
        sagemaker: SageMaker,
        images: Images,
        polling: Polling,
        stack: Stack,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._sagemaker = sagemaker
        self._images = images
        self._polling = polling
        self._stack = stack
        self._clock = clock
        self._caller = Caller(store, sagemaker=sagemaker, stack=stack, clock=clock)
        self.ending = Ending(store, polling=polling, clock=clock)

    # -- what the door calls ------------------------------------------------------------

    def begin(self, event: Event, surroundings: Surroundings) -> Reply | None:
        """A Create or Update came in; the reply, or ``None`` while it goes on."""
        case = self._case(event, None, surroundings, first_hand=True)
        ticket, path = case.ticket, case.path
        try:
            remembered = patiently(lambda: self._store.recall(path))
            try:
                self.ending.bury_older(ticket, path)
            except Problem as problem:
                # It must not keep this one from beginning: the end tries again.
                say(ticket, "superseded", logging.ERROR, problem=str(problem))
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
        self.ending.bury(path)
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
            patiently(lambda: self.ending.bury_older(ticket, path))
            own = self._store.recall(path)
            kept = self.ending.kept(replace(case, memory=own))
            if kept is not None:
                return kept  # what sends it again stays until it has arrived
            if own is not None:
                self.ending.bury(path)  # half remembered by an invocation that could not answer it
        except Exception:  # whatever it is: nothing may keep a stack from being deleted
            log.exception({"stage": "delete", "stack": case.ticket.stack_id})
        end = Finish(Outcome.LEFT_AS_IS, "The cluster was left as it is.")
        say(case.ticket, "delete", reason=end.reason)
        return self.ending.unremembered(case, end)

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
        kept = self.ending.kept(case)
        if kept is not None:
            return kept
        try:
            case, decision, cluster = self._decide(case)
            if isinstance(decision, Finish):
                return self.ending.end(case, decision)
            say_waiting(case, decision, self._clock())
            self._remember(case, decision, cluster)
            return self.ending.hand_over(case, decision, cluster)
        except Buried:
            return None  # another invocation has ended this request meanwhile

    def _decide(self, case: Case) -> tuple[Case, Finish | Wait, Cluster | None]:
        """What this look comes to: over, or not over. Nothing is raised but ``Buried`` and ``Unsure``."""
        now = self._clock()
        decision: Finish | Wait
        cluster: Cluster | None = None
        try:
            case = self._with_rollback(case)
            request = case.request
            cluster = self._sagemaker.describe(request.declared.cluster)
            decision = self._step(case, request, cluster, now)
        except (Buried, Unsure):
            raise
        except BadProperty as problem:
            decision = failed(f"{problem} Nothing was patched.")
        except Problem as problem:
            decision = weigh(problem, _standing(case, now))
        except Exception as problem:  # a defect of ours must not hang a stack
            log.exception({"stage": "defect", "request": case.ticket.request_id})
            defect = f"the handler met a defect of its own ({type(problem).__name__})"
            decision = unless_late(defect, _standing(case, now))
        if isinstance(decision, Finish) and case.rollback:
            decision = softened(decision, called=case.call is not None)
        return case, decision, cluster

    def _step(self, case: Case, request: Request, cluster: Cluster, now: float) -> Finish | Wait:
        if case.call is not None:
            return self._watch(case, case.call, request, cluster, now)
        if case.first_hand and case.memory is None:
            say_other_patching(case, request, cluster)
        if request.rollback:
            decision = plan_rollback(request, cluster, now, progress=case.progress)
        else:
            decision = self._plan(request, cluster, now, case.progress)
        if isinstance(decision, Patch) or (isinstance(decision, Wait) and case.first_hand):
            # Also before the cluster is waited for: a mistake is told at once.
            refusal = self._refusal(request)
            if refusal is not None:
                return failed(refusal, cluster)
        if not isinstance(decision, Patch):
            return decision
        self._open(case, decision.cluster)  # it may take its time, so before the caller looks
        return self._caller.call(case, request, decision)

    def _plan(
        self, request: Request, cluster: Cluster, now: float, progress: Progress
    ) -> Finish | Wait | Patch:
        """What to do, after as many readings of the nodes as it takes to tell."""
        until = self._clock() + ASKING
        readings: list[Reading] = []
        while isinstance(
            decision := plan(request, cluster, now, readings, progress=progress), CountNodes
        ):
            if readings and not budget().pause(PAUSE):
                readings.append(Reading(cluster, {}))  # no time to ask again: it proves nothing
                continue
            if readings:
                cluster = self._sagemaker.describe(request.declared.cluster)
            wanted = _software(request, cluster, decision.groups)
            nodes = self._sagemaker.nodes(request.declared.cluster)
            try:
                said = hear(self._until(nodes, until), wanted)
            except Problem as problem:
                if problem.code != TOO_SLOW:
                    raise
                said = {}  # they tell nothing in time: they prove nothing
            readings.append(Reading(cluster, said))
        return decision

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
            software = _software(request, cluster, decision.groups)
            nodes = self._sagemaker.nodes(request.declared.cluster)
            tallies = tally(nodes, software, call.at)
            # The nodes are younger than the description: the patch may show itself by now.
            latest = self._sagemaker.describe(request.declared.cluster)
            decision = judge(replace(look, cluster=latest), tallies)
        assert not isinstance(decision, CountNodes)
        return decision

    def _until(self, nodes: Iterable[Node], until: float) -> Iterator[Node]:
        for node in nodes:
            if self._clock() > until:
                raise Problem("ListClusterNodes", Problem.Kind.PASSING, TOO_SLOW, "")
            yield node

    # -- remembering --------------------------------------------------------------------

    def _open(self, case: Case, cluster: Cluster | None) -> None:
        """Remember the request and have us woken. Raises ``Buried`` where another
        invocation of the same request was faster: it goes on, this one stops. Raises ``Unsure``
        where there was no time to see what came of it."""
        store, path = self._store, case.path
        by = claimer()
        if case.memory is None and not patiently(lambda: store.claim(path, case.progress, by)):
            raise Buried
        if case.memory is None or case.memory.event is None:
            patiently(lambda: store.keep_event(path, case.event))
        wake = case.surroundings.function_arn, case.expires
        try:
            patiently(lambda: self._polling.start(path, *wake, cluster))
        except Problem as problem:
            if budget().late:  # it may be half made, and the request over: there is no time to look
                raise Unsure(str(problem)) from None
            raise

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

    # -- problems -----------------------------------------------------------------------

    def _with_rollback(self, case: Case) -> Case:
        if case.rollback is not None:
            return case
        rollback = case.ticket.type is RequestType.UPDATE and patiently(
            lambda: self._stack.is_rolling_back(case.ticket.stack_id)
        )
        return replace(case, rollback=rollback)

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
        why = sentence(f"Nothing was patched: {told(problem)}")
        end = left(why, None) if case.rollback else failed(why)
        if memory is None:
            with suppress(Problem):
                self.ending.bury(case.path)  # what was made after a burial: nothing wakes us for it
            say_finished(case, end, self._clock())
            return self.ending.unremembered(case, end)
        with suppress(Buried):
            return self.ending.end(replace(case, memory=memory), end)
        return None


def _software(request: Request, cluster: Cluster, groups: tuple[str, ...]) -> dict[str, Software]:
    """What each of the groups is to run, where anything is declared for it."""
    return {
        name: found
        for name in groups
        if (found := software_for(request, cluster, name)) is not None
    }


def _standing(case: Case, now: float) -> Standing:
    return Standing(
        ticket=case.ticket,
        cluster=case.cluster,
        region=case.surroundings.region,
        called=case.call is not None,
        ends=case.ends,
        now=now,
    )
