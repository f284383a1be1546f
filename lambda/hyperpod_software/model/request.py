"""CloudFormation's requests, and the windows in which it waits for one patch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hyperpod_software.contract.times import (
    ANSWER_MARGIN,
    LONGEST_TIMEOUT,
    PATCH_TIME,
    REDELIVERY,
    SERVICE_TIMEOUT,
    WINDOW,
    windows,
)
from hyperpod_software.model.software import Declaration


class RequestType(Enum):
    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


@dataclass(frozen=True)
class RequestInfo:
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
    def key(self) -> str:
        """What tells it from every other request. An id alone may come once more, for a deployment
        that is tried again: the URL is signed anew. Lambda delivers one event again as it is."""
        return f"{self.request_id}|{self.response_url}"

    @property
    def account(self) -> str:
        return self.stack_id.split(":")[4]


@dataclass(frozen=True)
class Window:
    """One custom resource in which CloudFormation waits for a patch.

    The resource that declares the software is the first; its waiters are the others.
    """

    info: RequestInfo
    number: int = 1
    seconds: int = WINDOW
    """How long it can wait."""
    rollback: bool | None = None
    """The stack was rolling back when it came; ``None``: not known yet."""

    @property
    def order(self) -> tuple[float, int]:
        """A later window is greater: an earlier one that comes late never takes over."""
        return self.info.issued, self.number

    @property
    def ends(self) -> float:
        """When it must answer (epoch seconds)."""
        return self.info.issued + self.seconds

    @property
    def expires(self) -> float:
        """When CloudFormation has given it up in any case (epoch seconds)."""
        return self.ends + 2 * ANSWER_MARGIN

    @property
    def abandoned(self) -> float:
        """When no next window can come any more (epoch seconds)."""
        return self.expires + SERVICE_TIMEOUT + REDELIVERY


@dataclass(frozen=True)
class Request:
    """A Create or Update of the resource: what is declared now, and what was before."""

    info: RequestInfo
    declared: Declaration
    previous: Declaration | None
    """The declaration before an Update; ``None`` on Create, or where it was unreadable."""
    rollback: bool = False
    """The stack is rolling back: such a request is never answered with FAILED."""

    @property
    def windows(self) -> int:
        """In how many windows the stack waits for it."""
        return windows(self.declared.timeout)

    @property
    def wait_within(self) -> int:
        """Seconds until the request stops waiting for the end of its patch."""
        return LONGEST_TIMEOUT if self.rollback else self.declared.timeout

    @property
    def begin_within(self) -> int:
        """Seconds until it is too late to call. A rollback has as long as its windows."""
        if self.rollback:
            return self.wait_within
        return self.declared.timeout - min(self.declared.timeout // 2, PATCH_TIME)

    @property
    def begin_by(self) -> float:
        """When a request that has not called yet gives up (epoch seconds)."""
        return self.info.issued + self.begin_within

    @property
    def deadline(self) -> float:
        """When the request stops waiting for the end of its patch (epoch seconds)."""
        return self.info.issued + self.wait_within
