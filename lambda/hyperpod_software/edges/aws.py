"""AWS clients, made when first needed, and the errors they raise, sorted into ``Problem``s."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from hyperpod_software.words.problem import Problem

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
        code = type(error).__name__
        unheard = code in _NOT_ACTED_ON
        raise Problem(operation, Problem.Kind.PASSING, code, "", not_acted_on=unheard) from None


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
    message = str(details.get("Message", ""))
    return Problem(operation, kind, code, message, not_acted_on=code in _NOT_ACTED_ON)


@cache
def client(service: str, *, retries: bool = True) -> Any:
    """A boto3 client, cached for the life of the execution environment."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5 if retries else 1},
        connect_timeout=5,
        read_timeout=30,
    )
    return boto3.client(service, config=config)
