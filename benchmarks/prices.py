"""What AWS asks for what was counted. Nothing is looked up when the benchmarks run."""

from __future__ import annotations

from dataclasses import dataclass

PER_REQUEST = 0.20 / 1_000_000
"""Lambda, a request."""
PER_GB_SECOND = 0.0000133334
"""Lambda on arm64, a GB-second."""
PER_TRANSITION = 0.025 / 1_000
"""Step Functions, a state transition of a standard workflow; a retry is one."""
PER_KEY_USE = 0.03 / 10_000
"""KMS, a request, under a key that AWS manages as well."""
SECONDS_BILLED = 1.0
"""What every invocation is taken to last."""

SAID = (
    (
        "List prices of us-east-1, without any free tier, as AWS published them in the first half of"
        " 2026: Lambda $0.20 a million requests and $0.0000133334 a GB-second on arm64, Step Functions"
        " $0.025 a thousand state transitions of a standard workflow (retries count), KMS $0.03 ten"
        " thousand requests. EventBridge's rules on AWS's own events and schedules, standard parameters"
        " of SSM at standard throughput, CloudFormation and SageMaker's control plane cost nothing."
        " Storage of logs is left out for all."
    ),
    (
        f"Every invocation is taken to last {SECONDS_BILLED:g} second, which is long for all of them,"
        " at the memory that its function has (ours 256 MB, the others the default of 128 MB), and on"
        " arm64, although the provider framework's own functions run on x86_64, which costs a quarter"
        " more."
    ),
    (
        "KMS encrypts each SecureString that ours writes and decrypts each that a look reads: the"
        " request, a waiter's address, an answer. Its first 20,000 requests of a month are free in every"
        " account: they hold for several such patches."
    ),
)


@dataclass(frozen=True)
class Bill:
    """Dollars, by what they are for."""

    functions: float
    transitions: float
    keys: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.functions + self.transitions + self.keys


def bill(*, invocations: float, gigabytes: float, transitions: float, keys: float) -> Bill:
    """What these counts cost."""
    seconds = invocations * gigabytes * SECONDS_BILLED
    return Bill(
        functions=invocations * PER_REQUEST + seconds * PER_GB_SECOND,
        transitions=transitions * PER_TRANSITION,
        keys=keys * PER_KEY_USE,
    )
