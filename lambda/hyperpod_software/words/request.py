"""One CloudFormation request to the custom resource."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hyperpod_software.words.software import Declaration

SERVICE_TIMEOUT = 3600
"""The longest that CloudFormation waits for the answer of a custom resource, in seconds."""
WAIT_CONDITION_TIMEOUT = 43_200
"""The longest that CloudFormation waits for a wait condition's signal, in seconds."""
ANSWER_MARGIN = 180
"""Seconds kept back from CloudFormation's own limits, for the last look and the answer."""
PATCH_TIME = 1200
"""Seconds that a patch takes at least, as seen on small groups: none is begun that has less
left (or less than half of a shorter timeout), for it would fail and be rolled back."""


class RequestType(Enum):
    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


@dataclass(frozen=True)
class Ticket:
    """Who asked, and how the answer finds its way back."""

    type: RequestType
    stack_id: str
    logical_id: str
    request_id: str
    response_url: str
    physical_id: str | None
    """The id CloudFormation knows the resource by; ``None`` on Create."""
    issued: float
    """When CloudFormation signed the request (epoch seconds), or when it arrived."""

    @property
    def account(self) -> str:
        return self.stack_id.split(":")[4]


@dataclass(frozen=True)
class Request:
    """A Create or Update: what is declared now, and what was before."""

    ticket: Ticket
    declared: Declaration
    previous: Declaration | None
    """The declaration before an Update; ``None`` on Create, or where it was unreadable."""
    rollback: bool = False
    """The stack is rolling back: such a request is never answered with FAILED."""

    @property
    def wait_handle(self) -> str | None:
        """The wait condition's handle to signal at the end; ``None``: the answer is the end.

        A handle works for one wait. A rollback comes with the handle of an earlier
        declaration, and so may an Update: then the answer has to wait for the end.
        """
        used = self.previous.wait_handle if self.previous is not None else None
        deleted = self.ticket.type is RequestType.DELETE
        if deleted or self.rollback or self.declared.wait_handle == used:
            return None
        return self.declared.wait_handle

    @property
    def answer_within(self) -> int:
        """Seconds until the resource must be answered: CloudFormation stops waiting then."""
        return min(self.declared.timeout, SERVICE_TIMEOUT - ANSWER_MARGIN)

    @property
    def begin_within(self) -> int:
        """Seconds until it is too late to call."""
        timeout = self.declared.timeout if self.wait_handle is not None else self.answer_within
        return min(self.answer_within, timeout - min(timeout // 2, PATCH_TIME))

    @property
    def answer_by(self) -> float:
        """When the resource must be answered (epoch seconds)."""
        return self.ticket.issued + self.answer_within

    @property
    def begin_by(self) -> float:
        """When a request that has not called yet gives up (epoch seconds)."""
        return self.ticket.issued + self.begin_within

    @property
    def deadline(self) -> float:
        """When the request stops waiting for the end of its patch (epoch seconds)."""
        if self.wait_handle is None:
            return self.answer_by
        longest = WAIT_CONDITION_TIMEOUT - ANSWER_MARGIN
        return self.ticket.issued + min(self.declared.timeout, longest)

    @property
    def expires(self) -> float:
        """When CloudFormation has given the request up in any case (epoch seconds).

        A wait condition counts its timeout from the resource's answer, not from the request.
        """
        resource_by = self.answer_by + 2 * ANSWER_MARGIN
        if self.wait_handle is None:
            return resource_by
        return resource_by + min(self.declared.timeout + ANSWER_MARGIN, WAIT_CONDITION_TIMEOUT)
