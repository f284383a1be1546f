"""One CloudFormation request to the custom resource."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hyperpod_software.words.software import Declaration


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
    deadline: float
    """When this request stops waiting (epoch seconds): before CloudFormation does."""
    rollback: bool = False
    """The stack is rolling back: such a request is never answered with FAILED."""
