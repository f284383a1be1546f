"""How long a patch may take, and how long CloudFormation waits to hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration

from ._validation import PropertyError

_SHORTEST: Final = 5 * 60
# CloudFormation waits an hour at most for a custom resource, twelve for a wait condition …
_SERVICE_TIMEOUT_MAX: Final = 3600
_WAIT_CONDITION_MAX: Final = 43_200
# … and the function's own deadline must leave it time to tell how far the patch got.
_MARGIN: Final = 3 * 60
_LONGEST_ANSWER: Final = _SERVICE_TIMEOUT_MAX - _MARGIN


@dataclass(frozen=True)
class Timeout:
    """The function's own deadline, inside CloudFormation's."""

    seconds: int

    @classmethod
    def of(cls, value: object) -> Timeout:
        """The timeout a user declared, or the longest that needs no wait condition."""
        if value is None:
            return cls(_LONGEST_ANSWER)
        if not isinstance(value, Duration):
            raise PropertyError("timeout", value, "a Duration")
        if value.is_unresolved():
            raise PropertyError("timeout", value, "known at synthesis")
        seconds = value.to_seconds(integral=False)
        if not _SHORTEST <= seconds <= _WAIT_CONDITION_MAX:
            raise PropertyError("timeout", f"{seconds:g} seconds", "from 5 minutes to 12 hours")
        if seconds != int(seconds):
            raise PropertyError("timeout", f"{seconds:g} seconds", "in whole seconds")
        return cls(min(int(seconds), _WAIT_CONDITION_MAX - _MARGIN))

    @property
    def needs_wait_condition(self) -> bool:
        """It is longer than a custom resource may take to answer."""
        return self.seconds > _LONGEST_ANSWER

    def refuse_wait_condition(self, because: str) -> None:
        """Raise where it would need a wait condition, which cannot be."""
        if self.needs_wait_condition:
            longest = _LONGEST_ANSWER // 60
            raise PropertyError(
                "timeout", f"{self.seconds} seconds", f"at most {longest} minutes {because}"
            )

    @property
    def service_timeout(self) -> Duration:
        """The custom resource's ``ServiceTimeout``."""
        return Duration.seconds(min(_SERVICE_TIMEOUT_MAX, self.seconds + _MARGIN))

    @property
    def wait_condition_timeout(self) -> int:
        """The wait condition's ``Timeout``, in seconds. It runs from the resource's answer."""
        return min(_WAIT_CONDITION_MAX, self.seconds + _MARGIN)
