"""Sees to it that a request is remembered and that our rule wakes us for it: both, or neither."""

from __future__ import annotations

from dataclasses import replace

from hyperpod_software.adapters.budget import budget
from hyperpod_software.adapters.state_store import RequestGone, Unsure, new_token
from hyperpod_software.engine.invocation import Invocation
from hyperpod_software.engine.respond import Responder
from hyperpod_software.engine.retry import retry
from hyperpod_software.engine.services import Services
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.decision import Wait
from hyperpod_software.model.errors import AwsError


class Registry:
    """Keeps requests that are not over, from one look to the next."""

    def __init__(self, services: Services, responder: Responder) -> None:
        self._store = services.store
        self._polling = services.polling
        self._clock = services.clock
        self._responder = responder

    def open(self, case: Invocation, cluster: Cluster | None) -> Invocation:
        """Remember the request and have us woken. Raises ``RequestGone`` where another
        invocation of the same request was faster: it goes on, this one stops. Raises ``Unsure``
        where there was no time to see what came of it."""
        store, path = self._store, case.path
        by = new_token()
        if case.memory is None and not retry(lambda: store.claim(path, case.progress, by)):
            raise RequestGone
        if case.memory is None or case.memory.event is None:
            retry(lambda: store.keep_event(path, case.incoming.kept))
        wake = case.function.function_arn, case.forgotten
        try:
            retry(lambda: self._polling.start(path, *wake, cluster))
        except AwsError as problem:
            if budget().late:  # it may be half made, and the request over: there is no time to look
                raise Unsure(str(problem)) from None
            # The other invocation may have removed the rule before this one made half of it.
            if problem.kind is AwsError.Kind.TRANSIENT and self._responder.clean_up_if_gone(path):
                raise RequestGone from None
            raise
        return replace(case, registered=True)

    def remember(self, case: Invocation, wait: Wait, cluster: Cluster | None) -> None:
        """Keep what this look saw for the next one."""
        if case.from_cloudformation and not case.registered:
            # An invocation that was killed may have claimed, and not come to the rule.
            self.open(replace(case, memory=self._store.recall(case.path)), cluster)
        elif not case.registered and not case.is_news(wait.observation, self._clock()):
            return
        current = self._store.recall(case.path)
        if current is None:
            raise RequestGone
        seen = replace(current.progress, rollback=case.rollback)
        if wait.observation is not None:
            seen = seen.after(wait.observation, self._clock())
        if seen != current.progress:
            self._store.keep_progress(case.path, seen)
