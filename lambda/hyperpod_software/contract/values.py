"""What a property's value may be. Bounds and patterns are those of the SageMaker service model
(``UpdateClusterSoftware``) unless it says otherwise; a test compares them.

The construct checks them where the app is written, tokens aside. The handler checks them again:
a template can be written by hand, and CloudFormation alone knows what a token holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from hyperpod_software.contract.properties import CAPACITY_PERCENTAGE, INSTANCE_COUNT
from hyperpod_software.contract.times import LONGEST_TIMEOUT, SHORTEST_TIMEOUT


@dataclass(frozen=True)
class Text:
    """A text that matches a pattern, and is not too long."""

    allowed: str
    """What is allowed, in words."""
    pattern: str
    longest: int

    def allows(self, value: str) -> bool:
        return len(value) <= self.longest and self._compiled.fullmatch(value) is not None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        # Not before it is needed: compiling all of them would take a part of each cold start.
        return re.compile(self.pattern)


@dataclass(frozen=True)
class Range:
    """A whole number, both ends allowed."""

    lowest: int
    highest: int

    def allows(self, value: int) -> bool:
        return self.lowest <= value <= self.highest

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"a whole number from {self.lowest} to {self.highest}"

    def __str__(self) -> str:
        return f"{self.lowest} to {self.highest}"


_NAME: Final = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"
_NAME_MAX: Final = 63
_HYPHENS: Final = f"1 to {_NAME_MAX} letters, digits and inner hyphens"

CLUSTER_NAME: Final = Text(f"a HyperPod cluster's name ({_HYPHENS})", _NAME, _NAME_MAX)
CLUSTER_ARN: Final = Text(
    "a HyperPod cluster's ARN (ending in cluster/ and 12 characters)",
    r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:cluster/[a-z0-9]{12}",
    256,
)
GROUPS: Final = Range(1, 100)
GROUP_NAME: Final = Text(f"an instance group's name ({_HYPHENS})", _NAME, _NAME_MAX)

AMI: Final = Text(
    "an AMI id: ami- and 8 to 17 hexadecimal digits", r"ami-[0-9a-fA-F]{8,17}", len("ami-") + 17
)
RELEASE: Final = Text(
    "a release version MAJOR.MINOR.PATCH of at most 64 characters, such as 1.3.0",
    r"[0-9]+\.[0-9]+\.[0-9]+",
    64,
)
# The rest is ours: none of it is sent to UpdateClusterSoftware.
RELEASE_LINE: Final = Text(
    "a line of releases MAJOR.MINOR, such as 1.3", r"[0-9]+\.[0-9]+", RELEASE.longest - len(".0")
)
REVISION: Final = Text(
    "1 to 64 printable ASCII characters that neither begin nor end with a space",
    r"[!-~]([ -~]*[!-~])?",
    64,
)
KEY_ARN: Final = Text(
    "the ARN of a KMS key", r"arn:aws[a-z\-]*:kms:[a-z0-9\-]*:[0-9]{12}:(key|alias)/.+", 2048
)
LOGICAL_ID: Final = Text("a resource's logical id in its template", r"[a-zA-Z0-9]+", 255)

MOST_NODES: Final = 6758
"""The most nodes that an instance group has (``ClusterInstanceCount``)."""
BATCH_SIZES: Final[Mapping[str, Range]] = {
    # The model bounds both from below only. More than all there can be is a mistake.
    INSTANCE_COUNT: Range(1, MOST_NODES),
    CAPACITY_PERCENTAGE: Range(1, 100),
}
WAIT_INTERVAL: Final = Range(0, 3600)
ALARMS: Final = Range(1, 10)
ALARM_NAME: Final = Text(
    "the name of a CloudWatch alarm: 1 to 255 characters, not blank, and not its ARN",
    # Not blank is the model's. CloudWatch takes no control characters, and no halves of letters.
    r"(?!arn:)(?!\s*$)[^\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]+",
    255,
)

TIMEOUT: Final = Range(SHORTEST_TIMEOUT, LONGEST_TIMEOUT)
WAITER_WINDOW: Final = Range(2, 1000)
"""The number of a waiter's window; the resource itself is the first."""


def is_of_line(release: str, line: str) -> bool:
    """Whether a release is of that line. Both are as allowed."""
    return numbers(release)[:2] == numbers(line)


def numbers(text: str) -> tuple[int, ...]:
    """A release or a line as numbers, to be compared. It is as allowed."""
    return tuple(map(int, text.split(".")))
