"""How long anything may take, in seconds."""

from __future__ import annotations

import math
from typing import Final

SERVICE_TIMEOUT: Final = 3600
"""The longest that CloudFormation waits for the answer of a custom resource."""
ANSWER_MARGIN: Final = 180
"""Kept back of it for the last look and the answer."""
WINDOW: Final = SERVICE_TIMEOUT - ANSWER_MARGIN
"""For which one custom resource can wait."""
SHORTEST_TIMEOUT: Final = 5 * 60
LONGEST_TIMEOUT: Final = 24 * 3600
"""The longest that a patch may be waited for; a rollback is watched for as long."""
PATCH_TIME: Final = 1200
"""What a patch takes at least, as seen on small groups: none is begun that has less left (or less
than half of a shorter timeout), for it would fail and be rolled back."""
CLOCKS: Final = 5
"""The times at which two requests were signed may be so far apart, whichever came first."""
REDELIVERY: Final = 6 * 3600
"""For which Lambda keeps trying to deliver an event."""
FUNCTION_TIMEOUT: Final = 180
"""After which Lambda ends the function, at any line."""
INVOCATION: Final = 150
"""What an invocation takes of it at most."""


def windows(timeout: int) -> int:
    """In how many custom resources, one after the other, CloudFormation waits for a patch."""
    return math.ceil(timeout / WINDOW)
