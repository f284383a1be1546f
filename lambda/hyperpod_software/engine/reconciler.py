"""Ties the rules to the adapters: one request, one look at a time.

A request is decided on the spot where it can be. Otherwise it is remembered, an EventBridge
rule makes the handler look again, and the look that ends it cleans up memory and rule. Any
invocation may be doubled, run beside another, or be killed at any line; what only one may
do is claimed in memory first (see ``adapters.state_store``).
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
from hyperpod_software.adapters.state_store import RequestGone, Unsure
from hyperpod_software.contract.answers import Outcome
from hyperpod_software.engine.invocation import FunctionInfo, Invocation
from hyperpod_software.engine.log_events import (
    log_event,
    log_finished,
    log_other_patching,
    log_waiting,
)
from hyperpod_software.engine.observe import Observer
from hyperpod_software.engine.register import Registry
from hyperpod_software.engine.relay import Relay
from hyperpod_software.engine.respond import Responder, own_of
from hyperpod_software.engine.retry import retry
from hyperpod_software.engine.rollbacks import Rollbacks
from hyperpod_software.engine.services import Services
from hyperpod_software.engine.submit import Submitter
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.decision import Finish, Patch, Wait, failed
from hyperpod_software.model.errors import AwsError, BadProperty
from hyperpod_software.model.facts import CheckOperation, Facts
from hyperpod_software.model.incoming import Incoming
from hyperpod_software.model.reply import Reply
from hyperpod_software.model.why import Frame, Framed, Invalid, Note, Trouble, TroubleKind
from hyperpod_software.rules.actions import next_action
from hyperpod_software.rules.errors import ErrorContext, on_aws_error, retry_until_deadline
from hyperpod_software.rules.rollback import as_overtaken_result, as_rollback_result, unwatched

log = logging.getLogger(__name__)


class Reconciler:
    """Begins requests, looks at them, and forgets them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._polling = services.polling
        self._clock = services.clock
        self._submitter = Submitter(services)
        self.responder = Responder(services)
        self._registry = Registry(services, self.responder)
        self._rollbacks = Rollbacks(services)
        self._relay = Relay(services, self._rollbacks)

    # -- what the handler calls ---------------------------------------------------------

    def begin(self, event: Mapping[str, Any], function: FunctionInfo) -> Reply | None:
        """A Create or Update came in; the reply, or ``None`` while it goes on."""
        incoming = self._read(event)
        case = self._case(incoming, None, function)
        info, path = case.info, case.path
        try:
            found = retry(lambda: self.responder.found(path))
            hold_until = 0.0
            try:
                hold_until = self.responder.clean_up_older(found, path, info)
            except AwsError as problem:
                # It must not keep this one from beginning: the end tries again.
                log_event(info, "superseded", logging.ERROR, problem=str(problem))
            case = self._case(incoming, own_of(found, path), function)
            return self._look(replace(case, hold_until=hold_until))
        except AwsError as problem:
            return self._give_up(case, problem)

    def wait(self, event: Mapping[str, Any], function: FunctionInfo) -> Reply | None:
        """A waiter's Create or Update came in; the reply, or ``None`` while it goes on."""
        joined = self._relay.join(self._read(event), function)
        if isinstance(joined, Reply):
            return joined
        path, memory = joined
        return self._look(self._remembered(path, memory, function))

    def recall(self, poll: Poll) -> Memory | None:
        """What is remembered of a request that a poll names. Where nothing is, the poll
        came late or its rule outlived the request: then the rule is removed."""
        path = poll.path
        try:
            memory = self._store.recall(path)
        except AwsError:
            if self._clock() > poll.until:
                self._polling.stop(path)  # memory is out of reach for good: stop looking
            raise
        if memory is not None and memory.event is not None:
            return memory
        self.responder.clean_up(path)
        return None

    def look(self, path: str, memory: Memory, function: FunctionInfo) -> Reply | None:
        """Our rule made us look; the reply, or ``None`` while it goes on."""
        case = replace(self._remembered(path, memory, function), from_cloudformation=False)
        return self.responder.superseded(case) if memory.closed else self._look(case)

    def forget(self, event: Mapping[str, Any], function: FunctionInfo) -> Reply:
        """A Delete came in: it ends any polling of this resource, touches no cluster, and
        always succeeds."""
        case = self._case(self._read(event), None, function)
        try:
            info, path = case.info, case.path
            found = retry(lambda: self.responder.found(path))
            retry(lambda: self.responder.clean_up_older(found, path, info))
            own = own_of(found, path)
            kept = self.responder.kept(replace(case, memory=own))
            if kept is not None:
                return kept  # what sends it again stays until it has arrived
            if own is not None:
                # Half remembered by an invocation that could not answer it.
                self.responder.clean_up(path)
        except Exception:  # whatever it is: nothing may keep a stack from being deleted
            log.exception({"stage": "delete", "stack": case.info.stack_id})
        end = Finish(Outcome.LEFT_AS_IS, Note.DELETED)
        log_event(case.info, "delete", reason=messages.say(end.why))
        return self.responder.unremembered(case, end)

    # -- one look -----------------------------------------------------------------------

    def _read(self, event: Mapping[str, Any]) -> Incoming:
        return read_event(event, self._clock())

    def _case(
        self, incoming: Incoming, memory: Memory | None, function: FunctionInfo
    ) -> Invocation:
        if memory is not None:
            info = replace(incoming.info, issued=memory.progress.issued)
            incoming = replace(incoming, info=info)
        return Invocation(
            incoming=incoming,
            path=self._store.path(incoming.info),
            memory=memory,
            rollback=memory.progress.rollback if memory is not None else None,
            from_cloudformation=True,
            function=function,
        )

    def _remembered(self, path: str, memory: Memory, function: FunctionInfo) -> Invocation:
        case = self._case(self._read(memory.event or {}), memory, function)
        return replace(case, path=path)

    def _look(self, case: Invocation) -> Reply | None:
        kept = self.responder.kept(case)
        if kept is not None:
            return kept
        try:
            case, decision, cluster = self._decide(case)
            if case.between_windows:
                self._look_between(case, decision)
                return None
            if isinstance(decision, Finish):
                return self.responder.end(case, decision)
            log_waiting(case, decision, self._clock())
            self._registry.remember(case, decision, cluster)
            if self._clock() >= case.window.ends and not case.last_window:
                return self.responder.hand_over(case, decision, cluster)
        except RequestGone:
            return None  # another invocation has ended this request meanwhile
        return None

    def _look_between(self, case: Invocation, decision: Finish | Wait) -> None:
        """CloudFormation waits in no window now. Usually the next one comes within seconds. Where
        none comes, as after a cancelled operation or at the end of a rollback, the patch is
        watched to its end all the same, and that is told in the log."""
        now = self._clock()
        settled = isinstance(decision, Finish) and case.softly and now >= case.window.expires
        if settled or now >= case.forgotten:
            end = decision if isinstance(decision, Finish) else unwatched(decision)
            log_finished(case, end, now)
            self.responder.clear(case.path, case.info)
        else:
            if isinstance(decision, Finish):
                decision = Wait(Framed(Frame.BETWEEN_WINDOWS, decision.why))
            log_waiting(case, decision, now)
            self._registry.remember(case, decision, None)

    def _decide(self, case: Invocation) -> tuple[Invocation, Finish | Wait, Cluster | None]:
        """What this look comes to: over, or not over. Nothing is raised but ``RequestGone`` and ``Unsure``."""
        now = self._clock()
        decision: Finish | Wait
        cluster: Cluster | None = None
        try:
            case = self._rollbacks.known(case)
            observer = Observer(self._services, case.request, case.call)
            facts = replace(observer.first(), has_role=case.has_role)
            cluster = facts.cluster
            if case.from_cloudformation and case.memory is None:
                log_other_patching(case, case.request, cluster)
            case, decision = self._act(case, facts, observer, now)
        except (RequestGone, Unsure):
            raise
        except BadProperty as problem:
            decision = failed(Invalid(problem))
        except AwsError as problem:
            decision = on_aws_error(problem, _standing(case, now))
        except Exception as problem:  # a defect of ours must not hang a stack
            log.exception({"stage": "defect", "request": case.info.request_id})
            decision = retry_until_deadline(type(problem).__name__, _standing(case, now))
        if isinstance(decision, Finish) and not decision.succeeded:
            taken_back = self._rollbacks.taken_back(case)
            if taken_back is None and now < case.ends:
                decision = Wait(Note.NOT_SHOWN)
            case = taken_back or case
        if isinstance(decision, Finish) and case.rollback:
            decision = as_rollback_result(decision, called=case.call is not None)
        elif isinstance(decision, Finish) and case.softly:
            decision = as_overtaken_result(decision)
        return case, decision, cluster

    def _act(
        self, case: Invocation, facts: Facts, observer: Observer, now: float
    ) -> tuple[Invocation, Finish | Wait]:
        """What the rules say, with as many facts as they ask for; and the call, where they call."""
        while True:
            action = next_action(case.request, case.state, facts, now)
            match action:
                case Finish() | Wait():
                    return case, action
                case Patch():
                    if case.from_cloudformation:  # it may take its time, so before the caller looks
                        case = self._registry.open(case, action.cluster)
                    return case, self._submitter.call(case, case.request, action)
                case CheckOperation():
                    case = self._rollbacks.taken_back(case) or case
                    facts = replace(facts, operation_seen=True)
                case _:
                    facts = observer.more(action, facts)

    # -- problems -----------------------------------------------------------------------

    def _give_up(self, case: Invocation, problem: AwsError) -> Reply | None:
        """Memory or rule could not be made: end the request while we can.

        Where the store is out of order for the moment, nobody knows what other invocations
        of the request came to: the problem is raised, and Lambda delivers the request again.
        """
        about_rule = problem.operation in ("PutRule", "PutTargets")
        if problem.kind is AwsError.Kind.TRANSIENT and not about_rule:
            raise problem
        memory = None
        with suppress(AwsError):
            memory = self._store.recall(case.path)
        if memory is not None and memory.call is not None:
            return None  # it was begun: its rule is there, and the next look goes on
        try:
            case = self._rollbacks.known(case)
            case = self._rollbacks.taken_back(case) or case
        except AwsError as unseen:
            if unseen.kind is AwsError.Kind.TRANSIENT:
                raise  # a rollback must not be failed: Lambda delivers the request again
        end = failed(Trouble(TroubleKind.NOT_BEGUN, problem))
        if case.rollback:
            end = Finish(Outcome.LEFT_AS_IS, Trouble(TroubleKind.NOT_BACK, problem))
        if memory is None:
            # What was made after a clean-up: nothing wakes us for it.
            with suppress(AwsError):
                self.responder.clean_up(case.path)
            log_finished(case, end, self._clock())
            return self.responder.unremembered(case, end)
        with suppress(RequestGone):
            return self.responder.end(replace(case, memory=memory), end)
        return None


def _standing(case: Invocation, now: float) -> ErrorContext:
    return ErrorContext(
        info=case.info,
        cluster=case.cluster,
        region=case.function.region,
        called=case.call is not None,
        ends=case.ends,
        now=now,
    )
