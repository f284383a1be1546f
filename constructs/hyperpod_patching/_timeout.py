"""How long a patch may take, and in how many windows CloudFormation waits for it."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration

from hyperpod_software.contract.times import ANSWER_MARGIN, SERVICE_TIMEOUT, WINDOW, windows
from hyperpod_software.contract.values import TIMEOUT

from ._validation import PropertyError


@dataclass(frozen=True)
class Timeout:
    """How long a request waits for the end of its patch."""

    seconds: int

    @classmethod
    def of(cls, value: object) -> Timeout:
        """The timeout a user declared, or the longest that one custom resource can hold."""
        if value is None:
            return cls(WINDOW)
        if not isinstance(value, Duration):
            raise PropertyError("timeout", value, "a Duration")
        if value.is_unresolved():
            raise PropertyError("timeout", value, "known at synthesis")
        seconds = value.to_seconds(integral=False)
        if not TIMEOUT.lowest <= seconds <= TIMEOUT.highest:
            raise PropertyError(
                "timeout",
                f"{seconds:g} seconds",
                f"from {TIMEOUT.lowest // 60} minutes to {TIMEOUT.highest // 3600} hours: "
                "CloudFormation documents no stack operation that is sure to go on for longer",
            )
        if seconds != int(seconds):
            raise PropertyError("timeout", f"{seconds:g} seconds", "in whole seconds")
        return cls(int(seconds))

    @property
    def windows(self) -> int:
        """In how many custom resources, one after the other, CloudFormation waits."""
        return windows(self.seconds)

    def refuse_waiters(self, because: str) -> None:
        """Raise where one custom resource cannot hold it."""
        if self.windows > 1:
            longest = WINDOW // 60
            raise PropertyError(
                "timeout", f"{self.seconds} seconds", f"at most {longest} minutes {because}"
            )

    @property
    def service_timeout(self) -> Duration:
        """The first custom resource's ``ServiceTimeout``."""
        return Duration.seconds(min(SERVICE_TIMEOUT, self.seconds + ANSWER_MARGIN))
