"""How long a patch may take, and in how many windows CloudFormation waits for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration

from ._validation import PropertyError

_SHORTEST: Final = 5 * 60
_LONGEST: Final = 24 * 3600
# CloudFormation waits an hour at most for a custom resource …
_SERVICE_TIMEOUT_MAX: Final = 3600
# … and the function needs some of it to tell how far the patch got.
_MARGIN: Final = 3 * 60
_WINDOW: Final = _SERVICE_TIMEOUT_MAX - _MARGIN


@dataclass(frozen=True)
class Timeout:
    """How long a request waits for the end of its patch."""

    seconds: int

    @classmethod
    def of(cls, value: object) -> Timeout:
        """The timeout a user declared, or the longest that one custom resource can hold."""
        if value is None:
            return cls(_WINDOW)
        if not isinstance(value, Duration):
            raise PropertyError("timeout", value, "a Duration")
        if value.is_unresolved():
            raise PropertyError("timeout", value, "known at synthesis")
        seconds = value.to_seconds(integral=False)
        if not _SHORTEST <= seconds <= _LONGEST:
            raise PropertyError(
                "timeout",
                f"{seconds:g} seconds",
                "from 5 minutes to 24 hours: CloudFormation documents no stack operation that is "
                "sure to go on for longer",
            )
        if seconds != int(seconds):
            raise PropertyError("timeout", f"{seconds:g} seconds", "in whole seconds")
        return cls(int(seconds))

    @property
    def windows(self) -> int:
        """In how many custom resources, one after the other, CloudFormation waits."""
        return math.ceil(self.seconds / _WINDOW)

    def refuse_waiters(self, because: str) -> None:
        """Raise where one custom resource cannot hold it."""
        if self.windows > 1:
            longest = _WINDOW // 60
            raise PropertyError(
                "timeout", f"{self.seconds} seconds", f"at most {longest} minutes {because}"
            )

    @property
    def service_timeout(self) -> Duration:
        """The first custom resource's ``ServiceTimeout``."""
        return Duration.seconds(min(_SERVICE_TIMEOUT_MAX, self.seconds + _MARGIN))
