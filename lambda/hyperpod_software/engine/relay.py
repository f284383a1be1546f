"""The relay: how a waiter takes up the patch that the window before it handed over.

A waiter knows the resource that declared the patch and what was handed over, nothing else. It
takes up what is remembered under the resource's path. An earlier window that comes late, or twice,
never takes over. Where nothing is remembered it finds out by one look at the cluster, and never
calls.
"""

from __future__ import annotations

from dataclasses import replace

from hyperpod_software import messages
from hyperpod_software.adapters.documents import Memory
from hyperpod_software.adapters.properties import parse_declaration
from hyperpod_software.contract.answers import Attribute, Outcome
from hyperpod_software.contract.properties import OnCreate
from hyperpod_software.contract.times import CLOCKS
from hyperpod_software.engine.invocation import FunctionInfo
from hyperpod_software.engine.log_events import log_event
from hyperpod_software.engine.observe import Observer
from hyperpod_software.engine.retry import retry
from hyperpod_software.engine.rollbacks import Rollbacks
from hyperpod_software.engine.services import Services
from hyperpod_software.messages.response import answer, waiter_id
from hyperpod_software.model.decision import CountNodes, Finish, Patch, failed
from hyperpod_software.model.errors import AwsError, BadProperty
from hyperpod_software.model.handover import GoesOn, Result, Waiter
from hyperpod_software.model.incoming import Incoming
from hyperpod_software.model.reply import Reply
from hyperpod_software.model.request import Request, RequestInfo, Window
from hyperpod_software.model.why import (
    Frame,
    Framed,
    Invalid,
    Note,
    NotShown,
    PassedOn,
    Trouble,
    TroubleKind,
    Unremembered,
    Why,
)
from hyperpod_software.rules.planning import plan


class Relay:
    """Joins waiters to the patch that they are to wait for."""

    def __init__(self, services: Services, rollbacks: Rollbacks) -> None:
        self._rollbacks = rollbacks
        self._services = services
        self._store = services.store
        self._clock = services.clock

    def join(self, incoming: Incoming, function: FunctionInfo) -> tuple[str, Memory] | Reply:
        """The path and the memory of the patch that the waiter takes up; its reply, where there
        is nothing to wait for, or nothing for it."""
        info, waiter = incoming.info, incoming.asks
        try:
            if isinstance(waiter, Waiter):
                return self._join(incoming, waiter, function)
            assert isinstance(waiter, BadProperty), "read as a waiter"
            return self._reply(incoming, function, failed(Invalid(waiter, waiter=True)))
        except AwsError as problem:
            if problem.kind is AwsError.Kind.TRANSIENT:
                raise  # Lambda delivers the request again
            why = Trouble(TroubleKind.FATE_UNKNOWN, problem)
            rollback = self._rollbacks.of_waiter(info)
            end = Finish(Outcome.LEFT_AS_IS, why) if rollback else failed(why)
            return self._reply(incoming, function, end)

    def _join(
        self, incoming: Incoming, waiter: Waiter, function: FunctionInfo
    ) -> tuple[str, Memory] | Reply:
        info = incoming.info
        resource = self._store.resource_path(info.stack_id, waiter.resource)
        remembered = retry(lambda: self._store.recall_all(resource))
        flying = {
            path: memory
            for path, memory in remembered.items()
            if memory.event is not None and not memory.over
        }
        handover = waiter.handover
        named = f"{resource}/{handover.patch}" if isinstance(handover, GoesOn) else ""
        rollback = bool(flying or isinstance(handover, GoesOn)) and self._rollbacks.of_waiter(info)
        path = named if named in flying else None
        if path is None and rollback:
            # A rollback may bring the value of before: what is under way is what there is. A request
            # that has neither called nor handed over is not: it may be a copy of one that is over.
            going = [each for each in flying if flying[each].call or flying[each].was_handed_over]
            path = max(going, key=lambda each: flying[each].progress.issued, default=None)
        if path is not None:
            window = Window(info, waiter.window, rollback=rollback)
            if not _follows(window, flying[path]):
                return self._late(incoming, function, handover)
            memory = retry(lambda: self._store.claim_window(path, window))
            if memory is not None and not memory.over:
                if memory.window is not None and memory.window.info.key == info.key:
                    return path, memory
                return self._late(incoming, function, handover)
        if isinstance(handover, Result):
            return self._pass_on(incoming, function, handover)
        end = self._find_out(info, resource, handover, rollback=rollback)
        log_event(info, "finished", reason=messages.say(end.why))
        return self._reply(incoming, function, end)

    def _pass_on(self, incoming: Incoming, function: FunctionInfo, result: Result) -> Reply:
        why = PassedOn(result.data[Attribute.OUTCOME])
        return self._reply(incoming, function, Finish(Outcome.ACCEPTED, why), result)

    def _late(self, incoming: Incoming, function: FunctionInfo, handover: GoesOn | Result) -> Reply:
        """Another window waits for the patch. CloudFormation takes no answer to one that is over;
        where it waits for this one all the same, there is nothing that it could add."""
        late = Finish(Outcome.PATCHING, Note.LATE_WINDOW)
        log_event(incoming.info, "late", reason=messages.say(late.why))
        if isinstance(handover, Result):
            return self._pass_on(incoming, function, handover)
        return self._reply(incoming, function, late, handover)

    def _find_out(
        self, info: RequestInfo, resource: str, handover: GoesOn, *, rollback: bool
    ) -> Finish:
        """Nothing is remembered of the patch: what the cluster shows decides, and no knowledge
        is no success."""
        if rollback:
            return Finish(Outcome.LEFT_AS_IS, Unremembered.IN_ROLLBACK)
        properties = self._store.declaration(resource, handover.patch)
        if properties is None:
            return failed(Unremembered.NOT_DECLARED)
        declared = replace(parse_declaration(properties), on_create=OnCreate.PATCH)
        request = Request(replace(info, physical_id=None), declared, None)
        observer, now = Observer(self._services, request), self._clock()
        facts = observer.first()
        while isinstance(decision := plan(request, facts.cluster, now, facts.readings), CountNodes):
            facts = observer.more(decision, facts)
        cluster = facts.cluster
        if isinstance(decision, Patch):
            shown: Why = NotShown(decision.groups, cluster.name)
        else:
            shown = decision.why
        found = Framed(Frame.UNREMEMBERED, shown)
        if isinstance(decision, Finish) and decision.succeeded:
            return replace(decision, why=found)
        return failed(found, cluster)

    def _reply(
        self,
        incoming: Incoming,
        function: FunctionInfo,
        end: Finish,
        handover: GoesOn | Result | None = None,
    ) -> Reply:
        info = incoming.info
        response = answer(info, end, waiter_id(info), function.log_group, handover)
        path = self._store.path(info)
        return Reply(Window(info), response, path, incoming.kept, remembered=False)


def _follows(window: Window, memory: Memory) -> bool:
    """The window may take the patch up: it is no earlier one that comes late, or once more.

    A later link of the chain comes when the one before has handed over, or is long given up.
    """
    issued, number = memory.window.order if memory.window else (memory.progress.issued, 1)
    if window.order < (issued, number):
        return False
    handing_over = memory.answer is not None and not memory.answer.last
    later = window.info.issued > issued + CLOCKS
    return handing_over or later or window.number <= number
