"""AWS clients, made when first needed, and the errors they raise, sorted."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

_NOT_FOUND = {
    "ResourceNotFound", "ResourceNotFoundException", "InvalidAMIID.NotFound",
    "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound",
    "ParameterNotFound",
}  # fmt: skip
_CONFLICT = {"ConflictException", "ResourceInUse", "ResourceInUseException"}
_DENIED = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized",
    "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken",
    "ExpiredTokenException",
}  # fmt: skip
# The service, or the way to it, turned the call away before anything was acted on.
_NOT_ACTED_ON = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded",
    "TooManyRequestsException", "RequestThrottled", "RequestThrottledException",
    "TooManyUpdates", "LimitExceededException", "EndpointConnectionError",
    "ConnectTimeoutError", "NoCredentialsError",
}  # fmt: skip


class Problem(Exception):
    """A call that did not succeed: what kind of no it was, and the service's own words."""

    class Kind(Enum):
        NOT_FOUND = "not found"
        CONFLICT = "conflict"
        DENIED = "denied"
        REFUSED = "refused"
        PASSING = "passing"
        """Throttled, a server error or no answer: the same call may work later."""

    def __init__(self, operation: str, kind: Kind, code: str, message: str) -> None:
        super().__init__(
            f"{operation} said {code}: {message}" if message else f"{operation}: {code}"
        )
        self.operation = operation
        self.kind = kind
        self.code = code
        self.message = message

    @property
    def not_acted_on(self) -> bool:
        """The call was turned away before anything was acted on: it may be made again."""
        return self.code in _NOT_ACTED_ON


@contextmanager
def calling(operation: str) -> Generator[None]:
    """Turn what botocore raises into a ``Problem``."""
    try:
        yield
    except ClientError as error:
        raise _sorted(operation, error) from None
    except ParamValidationError as error:
        raise Problem(operation, Problem.Kind.REFUSED, "ParamValidation", str(error)) from None
    except BotoCoreError as error:
        # Connection errors and time-outs. Their text can hold an address: only the kind is kept.
        raise Problem(operation, Problem.Kind.PASSING, type(error).__name__, "") from None


def _sorted(operation: str, error: ClientError) -> Problem:
    details: dict[str, Any] = dict(error.response.get("Error", {}))
    metadata: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    code = str(details.get("Code", "Unknown"))
    status = int(metadata.get("HTTPStatusCode") or 0)
    if code in _NOT_FOUND:
        kind = Problem.Kind.NOT_FOUND
    elif code in _CONFLICT:
        kind = Problem.Kind.CONFLICT
    elif code in _DENIED:
        kind = Problem.Kind.DENIED
    elif code in _NOT_ACTED_ON or status >= 500 or status == 0:
        kind = Problem.Kind.PASSING
    else:
        kind = Problem.Kind.REFUSED
    return Problem(operation, kind, code, str(details.get("Message", "")))


@cache
def client(service: str, *, retries: bool = True) -> Any:
    """A boto3 client, cached for the life of the execution environment."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5 if retries else 1},
        connect_timeout=5,
        read_timeout=30,
    )
    return boto3.client(service, config=config)
