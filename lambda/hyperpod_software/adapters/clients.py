"""AWS clients, made when first needed, and the errors they raise, sorted into ``AwsError``s.

The SDK's own retries are off. They know nothing of the time that an invocation has left, and they
take a quota that is used up for a call that may work in a second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from hyperpod_software.adapters.budget import budget
from hyperpod_software.model.errors import AwsError

_CONNECT, _READ = 3, 20
ATTEMPT = _CONNECT + _READ
"""Seconds that one try of a call takes at most."""
_BACK_OFF = (1.0, 2.0, 4.0)
"""The longest pauses before the next tries, in seconds."""

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
_QUOTA = {"LimitExceededException", "ParameterLimitExceeded", "ResourceLimitExceeded"}
# The service, or the way to it, turned the call away before anything was acted on.
_NOT_ACTED_ON = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded",
    "TooManyRequestsException", "RequestThrottled", "RequestThrottledException",
    "TooManyUpdates", "ConcurrentModificationException", "EndpointConnectionError",
    "ConnectTimeoutError", "NoCredentialsError",
}  # fmt: skip


def _problem(operation: str, error: Exception) -> AwsError:
    """What botocore raised, as an ``AwsError``."""
    if isinstance(error, ClientError):
        return _sorted(operation, error)
    if isinstance(error, ParamValidationError):
        return AwsError(operation, AwsError.Kind.REFUSED, "ParamValidation", str(error))
    # Connection errors and time-outs. Their text can hold an address: only the kind is kept.
    code = type(error).__name__
    return AwsError(
        operation, AwsError.Kind.TRANSIENT, code, "", not_acted_on=code in _NOT_ACTED_ON
    )


def _sorted(operation: str, error: ClientError) -> AwsError:
    details: dict[str, Any] = dict(error.response.get("Error", {}))
    metadata: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    code = str(details.get("Code", "Unknown"))
    status = int(metadata.get("HTTPStatusCode") or 0)
    if code in _NOT_FOUND:
        kind = AwsError.Kind.NOT_FOUND
    elif code in _CONFLICT:
        kind = AwsError.Kind.CONFLICT
    elif code in _DENIED:
        kind = AwsError.Kind.DENIED
    elif code in _QUOTA:
        kind = AwsError.Kind.QUOTA
    elif code in _NOT_ACTED_ON or status >= 500 or status == 0:
        kind = AwsError.Kind.TRANSIENT
    else:
        kind = AwsError.Kind.REFUSED
    message = str(details.get("Message", ""))
    return AwsError(operation, kind, code, message, not_acted_on=code in _NOT_ACTED_ON)


class _Client:
    """A boto3 client whose calls are tried again here, and raise ``AwsError``s."""

    def __init__(self, service: str, *, retries: bool) -> None:
        self._retries = retries
        # One try each: the retries are below.
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=_CONNECT,
            read_timeout=_READ,
        )
        self._client = boto3.client(service, config=config)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return partial(self._call, method)

    def _call(self, method: str, **parameters: Any) -> Any:
        operation = "".join(word.capitalize() for word in method.split("_"))
        for pause in (*_BACK_OFF, None):
            if budget().left < ATTEMPT:
                what = "the time of this invocation is over"
                raise AwsError(
                    operation, AwsError.Kind.TRANSIENT, "TooLate", what, not_acted_on=True
                )
            try:
                return getattr(self._client, method)(**parameters)
            except (ClientError, BotoCoreError) as error:
                problem = _problem(operation, error)
            may_pass = problem.kind is AwsError.Kind.TRANSIENT
            again = may_pass and (self._retries or problem.not_acted_on)
            if pause is None or not again or not budget().back_off(pause):
                raise problem
        raise AssertionError


def in_time(operation: str, what: str) -> None:
    """Between two pages. Raises an ``AwsError`` where reading them takes too long."""
    if budget().late:
        why = f"{what} could not be read in the time of one invocation"
        raise AwsError(operation, AwsError.Kind.TRANSIENT, "TooSlow", why)


@cache
def client(service: str, *, retries: bool = True) -> Any:
    """A client, kept for the life of the execution environment.

    ``retries=False``: a call is tried again only where it was surely not acted on.
    """
    return _Client(service, retries=retries)
