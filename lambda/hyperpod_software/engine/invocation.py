"""One invocation's view of one patch: what was asked for, and what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hyperpod_software.adapters.documents import Memory
from hyperpod_software.contract.properties import (
    CAPACITY_PERCENTAGE,
    DeploymentMember,
    PolicyMember,
)
from hyperpod_software.contract.times import WINDOW
from hyperpod_software.model.errors import BadProperty
from hyperpod_software.model.facts import State
from hyperpod_software.model.incoming import Incoming
from hyperpod_software.model.request import Request, RequestInfo, Window
from hyperpod_software.model.software import Declaration
from hyperpod_software.model.state import Call, Observation, Progress


@dataclass(frozen=True)
class FunctionInfo:
    """What Lambda says about this function."""

    function_arn: str
    log_group: str
    region: str


@dataclass(frozen=True)
class Invocation:
    """One invocation's view of one patch."""

    incoming: Incoming
    """The request that declared it."""
    path: str
    memory: Memory | None
    rollback: bool | None
    """The request belongs to a rollback; ``None``: not known yet."""
    from_cloudformation: bool
    """CloudFormation delivered it, rather than our rule: the rule may be missing still."""
    function: FunctionInfo
    hold_until: float = 0.0
    has_role: bool | None = None
    """CloudFormation works with a service role; ``None``: this look has not seen it."""
    registered: bool = False
    """This invocation has seen to it that the request is remembered and our rule wakes us."""

    @property
    def info(self) -> RequestInfo:
        return self.incoming.info

    @property
    def cluster(self) -> str | None:
        return self.incoming.cluster

    @property
    def declared(self) -> Declaration | None:
        """``None``: what is declared cannot be used."""
        asks = self.incoming.asks
        return asks if isinstance(asks, Declaration) else None

    @property
    def call(self) -> Call | None:
        return self.memory.call if self.memory is not None else None

    @property
    def progress(self) -> Progress:
        if self.memory is not None:
            return replace(self.memory.progress, rollback=self.rollback)
        return Progress(self.info.issued, self.rollback, hold_until=self.hold_until)

    @property
    def state(self) -> State:
        """Where the request stands, for the rules."""
        return State(
            self.call,
            self.progress,
            self.ends,
            first_look=self.from_cloudformation,
            may_call=self.may_call or not self.softly,
        )

    def is_news(self, observation: Observation | None, now: float) -> bool:
        """Something about its progress is not remembered yet."""
        if self.memory is None:
            return True
        progress = self.progress if observation is None else self.progress.after(observation, now)
        return progress != self.memory.progress

    @property
    def request(self) -> Request:
        """What is asked for. Raises ``BadProperty``."""
        incoming = self.incoming
        if isinstance(incoming.asks, BadProperty):
            raise incoming.asks
        assert isinstance(incoming.asks, Declaration), "a waiter is taken up by the relay"
        return Request(
            incoming.info, incoming.asks, incoming.previous, rollback=bool(self.rollback)
        )

    @property
    def batch(self) -> str | None:
        """The declared batch size, for people to read."""
        deployment = (self.declared and self.declared.deployment) or {}
        size = deployment.get(DeploymentMember.POLICY, {}).get(PolicyMember.BATCH)
        if size is None:
            return None
        return f"{size['Value']}%" if size["Type"] == CAPACITY_PERCENTAGE else str(size["Value"])

    # -- in which window ----------------------------------------------------------------

    @property
    def window(self) -> Window:
        """The one in which CloudFormation waits now, or waited last."""
        if self.memory is not None and self.memory.window is not None:
            return self.memory.window
        seconds = min(self.declared.timeout, WINDOW) if self.declared else WINDOW
        return Window(self.info, seconds=seconds, rollback=self.rollback)

    @property
    def softly(self) -> bool:
        """The window belongs to a rollback: it is never answered with FAILED."""
        return bool(self.window.rollback)

    @property
    def between_windows(self) -> bool:
        """CloudFormation has the last window's answer, and the next one has not come."""
        return self.memory is not None and self.memory.handed_over

    @property
    def may_call(self) -> bool:
        """CloudFormation waits for the very operation that asked for the patch."""
        return not self.between_windows and self.softly == bool(self.rollback)

    @property
    def last_window(self) -> bool:
        """No other can follow it."""
        if self.declared is None:
            return True
        return not self.softly and self.window.number >= self.request.windows

    @property
    def ends(self) -> float:
        """When this request stops waiting for what it waits for now (epoch seconds)."""
        if self.declared is None:
            return self.window.ends
        until = self.request.deadline if self.call is not None else self.request.begin_by
        return min(until, self.window.ends) if self.last_window else until

    @property
    def forgotten(self) -> float:
        """When nobody can ask for it any more, whatever happened (epoch seconds)."""
        if self.declared is None:
            return self.window.abandoned
        return max(self.request.deadline, self.window.abandoned)
