"""What can be wrong with a request, and with a call to AWS."""

from __future__ import annotations

from enum import Enum


class BadProperty(ValueError):
    """A property that cannot be used: its name, its value and what is allowed."""


class AwsError(Exception):
    """A call that did not succeed: what kind of no it was, and the service's own words."""

    class Kind(Enum):
        NOT_FOUND = "not found"
        CONFLICT = "conflict"
        DENIED = "denied"
        REFUSED = "refused"
        QUOTA = "quota"
        """The account has as many as it may have: trying again changes nothing."""
        TRANSIENT = "passing"
        """Throttled, a server error or no answer: the same call may work later."""

    def __init__(
        self, operation: str, kind: Kind, code: str, message: str, *, not_acted_on: bool = False
    ) -> None:
        super().__init__(
            f"{operation} said {code}: {message}" if message else f"{operation}: {code}"
        )
        self.operation = operation
        self.kind = kind
        self.code = code
        self.not_acted_on = not_acted_on
        """The call was turned away before anything was acted on: it may be made again."""
