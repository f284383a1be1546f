"""How long a patch may take, and how long CloudFormation waits for the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration

from ._validation import PropertyError

_SHORTEST: Final = 5 * 60
# CloudFormation waits an hour at most for a custom resource …
_SERVICE_TIMEOUT_MAX: Final = 3600
# … and the function's own deadline must leave it time to tell how far the patch got.
_MARGIN: Final = 3 * 60
_LONGEST: Final = _SERVICE_TIMEOUT_MAX - _MARGIN


@dataclass(frozen=True)
class Timeout:
    """The function's own deadline, inside CloudFormation's."""

    seconds: int

    @classmethod
    def of(cls, value: object) -> Timeout:
        """The timeout a user declared, or the longest there is."""
        if value is None:
            return cls(_LONGEST)
        if not isinstance(value, Duration):
            raise PropertyError("timeout", value, "a Duration")
        if value.is_unresolved():
            raise PropertyError("timeout", value, "known at synthesis")
        seconds = value.to_seconds(integral=False)
        if not _SHORTEST <= seconds <= _LONGEST:
            allowed = f"from {_SHORTEST // 60} to {_LONGEST // 60} minutes"
            raise PropertyError("timeout", f"{seconds:g} seconds", allowed)
        if seconds != int(seconds):
            raise PropertyError("timeout", f"{seconds:g} seconds", "in whole seconds")
        return cls(int(seconds))

    @property
    def service_timeout(self) -> Duration:
        """The custom resource's ``ServiceTimeout``."""
        return Duration.seconds(min(_SERVICE_TIMEOUT_MAX, self.seconds + _MARGIN))
