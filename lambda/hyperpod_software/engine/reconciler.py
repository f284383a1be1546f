"""Ties the rules to the edges: one request, one look at a time.

A request is decided on the spot where it can be. Otherwise it is remembered, an EventBridge
rule makes the handler look again, and the look that ends it buries memory and rule. Any
invocation may be doubled, run beside another, or be killed at any line; what only one may
do is claimed in memory first (see ``edges.memory``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hyperpod_software import messages
from hyperpod_software.adapters.documents import Memory
from hyperpod_software.adapters.eventbridge import Poll
from hyperpod_software.adapters.events import read_event
from hyperpod_software.adapters.state_store import Buried, Unsure
from hyperpod_software.contract.answers import Outcome
from hyperpod_software.engine.invocation import Case, Surroundings
from hyperpod_software.engine.log_events import say, say_finished, say_other_patching, say_waiting
from hyperpod_software.engine.observe import Observer
from hyperpod_software.engine.register import Register
from hyperpod_software.engine.relay import Relay
from hyperpod_software.engine.respond import Ending, own_of
from hyperpod_software.engine.retry import patiently
from hyperpod_software.engine.rollbacks import Rollbacks
from hyperpod_software.engine.services import Services
from hyperpod_software.engine.submit import Caller
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.decision import Finish, Patch, Wait, failed
from hyperpod_software.model.errors import BadProperty, Problem
from hyperpod_software.model.facts import CheckOperation, Facts
from hyperpod_software.model.incoming import Incoming
from hyperpod_software.model.reply import Reply
from hyperpod_software.model.why import Frame, Framed, Invalid, Note, Trouble, TroubleKind
from hyperpod_software.rules.actions import next_action
from hyperpod_software.rules.errors import Standing, unless_late, weigh
from hyperpod_software.rules.rollback import overtaken, softened, unwatched

log = logging.getLogger(__name__)


class Conductor:
    """Begins requests, looks at them, and forgets them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._polling = services.polling
        self._stack = services.stack
        self._clock = services.clock
        self._caller = Caller(services)
        self.ending = Ending(services)
        self._register = Register(services, self.ending)
        self._rollbacks = Rollbacks(services)
        self._relay = Relay(services, self._rollbacks)

    # -- what the door calls ------------------------------------------------------------

    def begin(self, event: Mapping[str, Any], surroundings: Surroundings) -> Reply | None:
        """A Create or Update came in; the reply, or ``None`` while it goes on."""
        incoming = self._read(event)
        case = self._case(incoming, None, surroundings)
        ticket, path = case.ticket, case.path
        try:
            found = patiently(lambda: self.ending.found(path))
            hold_until = 0.0
            try:
                hold_until = self.ending.bury_older(found, path, ticket)
            except Problem as problem:
                # It must not keep this one from beginning: the end tries again.
                say(ticket, "superseded", logging.ERROR, problem=str(problem))
            case = self._case(incoming, own_of(found, path), surroundings)
            return self._look(replace(case, hold_until=hold_until))
        except Problem as problem:
            return self._give_up(case, problem)

    def wait(self, event: Mapping[str, Any], surroundings: Surroundings) -> Reply | None:
        """A waiter's Create or Update came in; the reply, or ``None`` while it goes on."""
        joined = self._relay.join(self._read(event), surroundings)
        if isinstance(joined, Reply):
            return joined
        path, memory = joined
        return self._look(self._remembered(path, memory, surroundings))

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

    def look(self, path: str, memory: Memory, surroundings: Surroundings) -> Reply | None:
        """Our rule made us look; the reply, or ``None`` while it goes on."""
        case = replace(self._remembered(path, memory, surroundings), first_hand=False)
        return self.ending.superseded(case) if memory.closed else self._look(case)

    def forget(self, event: Mapping[str, Any], surroundings: Surroundings) -> Reply:
        """A Delete came in: it ends any polling of this resource, touches no cluster, and
        always succeeds."""
        case = self._case(self._read(event), None, surroundings)
        try:
            ticket, path = case.ticket, case.path
            found = patiently(lambda: self.ending.found(path))
            patiently(lambda: self.ending.bury_older(found, path, ticket))
            own = own_of(found, path)
            kept = self.ending.kept(replace(case, memory=own))
            if kept is not None:
                return kept  # what sends it again stays until it has arrived
            if own is not None:
                self.ending.bury(path)  # half remembered by an invocation that could not answer it
        except Exception:  # whatever it is: nothing may keep a stack from being deleted
            log.exception({"stage": "delete", "stack": case.ticket.stack_id})
        end = Finish(Outcome.LEFT_AS_IS, Note.DELETED)
        say(case.ticket, "delete", reason=messages.say(end.why))
        return self.ending.unremembered(case, end)

    # -- one look -----------------------------------------------------------------------

    def _read(self, event: Mapping[str, Any]) -> Incoming:
        return read_event(event, self._clock())

    def _case(self, incoming: Incoming, memory: Memory | None, surroundings: Surroundings) -> Case:
        if memory is not None:
            ticket = replace(incoming.ticket, issued=memory.progress.issued)
            incoming = replace(incoming, ticket=ticket)
        return Case(
            incoming=incoming,
            path=self._store.path(incoming.ticket),
            memory=memory,
            rollback=memory.progress.rollback if memory is not None else None,
            first_hand=True,
            surroundings=surroundings,
        )

    def _remembered(self, path: str, memory: Memory, surroundings: Surroundings) -> Case:
        case = self._case(self._read(memory.event or {}), memory, surroundings)
        return replace(case, path=path)

    def _look(self, case: Case) -> Reply | None:
        kept = self.ending.kept(case)
        if kept is not None:
            return kept
        try:
            case, decision, cluster = self._decide(case)
            if case.between_windows:
                self._look_between(case, decision)
                return None
            if isinstance(decision, Finish):
                return self.ending.end(case, decision)
            say_waiting(case, decision, self._clock())
            self._register.remember(case, decision, cluster)
            if self._clock() >= case.window.ends and not case.last_window:
                return self.ending.hand_over(case, decision, cluster)
        except Buried:
            return None  # another invocation has ended this request meanwhile
        return None

    def _look_between(self, case: Case, decision: Finish | Wait) -> None:
        """CloudFormation waits in no window now. Usually the next one comes within seconds. Where
        none comes, as after a cancelled operation or at the end of a rollback, the patch is
        watched to its end all the same, and that is told in the log."""
        now = self._clock()
        settled = isinstance(decision, Finish) and case.softly and now >= case.window.expires
        if settled or now >= case.forgotten:
            end = decision if isinstance(decision, Finish) else unwatched(decision)
            say_finished(case, end, now)
            self.ending.clear(case.path, case.ticket)
        else:
            if isinstance(decision, Finish):
                decision = Wait(Framed(Frame.BETWEEN_WINDOWS, decision.why))
            say_waiting(case, decision, now)
            self._register.remember(case, decision, None)

    def _decide(self, case: Case) -> tuple[Case, Finish | Wait, Cluster | None]:
        """What this look comes to: over, or not over. Nothing is raised but ``Buried`` and ``Unsure``."""
        now = self._clock()
        decision: Finish | Wait
        cluster: Cluster | None = None
        try:
            case = self._rollbacks.known(case)
            observer = Observer(self._services, case.request, case.call)
            facts = replace(observer.first(), has_role=case.has_role)
            cluster = facts.cluster
            if case.first_hand and case.memory is None:
                say_other_patching(case, case.request, cluster)
            case, decision = self._act(case, facts, observer, now)
        except (Buried, Unsure):
            raise
        except BadProperty as problem:
            decision = failed(Invalid(problem))
        except Problem as problem:
            decision = weigh(problem, _standing(case, now))
        except Exception as problem:  # a defect of ours must not hang a stack
            log.exception({"stage": "defect", "request": case.ticket.request_id})
            decision = unless_late(type(problem).__name__, _standing(case, now))
        if isinstance(decision, Finish) and not decision.succeeded:
            taken_back = self._rollbacks.taken_back(case)
            if taken_back is None and now < case.ends:
                decision = Wait(Note.NOT_SHOWN)
            case = taken_back or case
        if isinstance(decision, Finish) and case.rollback:
            decision = softened(decision, called=case.call is not None)
        elif isinstance(decision, Finish) and case.softly:
            decision = overtaken(decision)
        return case, decision, cluster

    def _act(
        self, case: Case, facts: Facts, observer: Observer, now: float
    ) -> tuple[Case, Finish | Wait]:
        """What the rules say, with as many facts as they ask for; and the call, where they call."""
        while True:
            action = next_action(case.request, case.state, facts, now)
            match action:
                case Finish() | Wait():
                    return case, action
                case Patch():
                    if case.first_hand:  # it may take its time, so before the caller looks
                        case = self._register.open(case, action.cluster)
                    return case, self._caller.call(case, case.request, action)
                case CheckOperation():
                    case = self._rollbacks.taken_back(case) or case
                    facts = replace(facts, operation_seen=True)
                case _:
                    facts = observer.more(action, facts)

    # -- problems -----------------------------------------------------------------------

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
        try:
            case = self._rollbacks.known(case)
            case = self._rollbacks.taken_back(case) or case
        except Problem as unseen:
            if unseen.kind is Problem.Kind.PASSING:
                raise  # a rollback must not be failed: Lambda delivers the request again
        end = failed(Trouble(TroubleKind.NOT_BEGUN, problem))
        if case.rollback:
            end = Finish(Outcome.LEFT_AS_IS, Trouble(TroubleKind.NOT_BACK, problem))
        if memory is None:
            with suppress(Problem):
                self.ending.bury(case.path)  # what was made after a burial: nothing wakes us for it
            say_finished(case, end, self._clock())
            return self.ending.unremembered(case, end)
        with suppress(Buried):
            return self.ending.end(replace(case, memory=memory), end)
        return None


def _standing(case: Case, now: float) -> Standing:
    return Standing(
        ticket=case.ticket,
        cluster=case.cluster,
        region=case.surroundings.region,
        called=case.call is not None,
        ends=case.ends,
        now=now,
    )
