"""Patience with a role whose policy may not have spread yet, and with a service that is down."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hyperpod_software.adapters.budget import budget
from hyperpod_software.model.errors import AwsError

T = TypeVar("T")

_LONGEST = 60
_PAUSE = 5
"""Seconds."""


def retry(call: Callable[[], T]) -> T:
    """The call's result. What is denied, or does not answer, is tried again for a minute, as far
    as the invocation has the time; then its ``AwsError`` is raised, as any other is at once."""
    time = budget()
    until = time.left - _LONGEST
    while True:
        try:
            return call()
        except AwsError as problem:
            if problem.kind not in (AwsError.Kind.DENIED, AwsError.Kind.TRANSIENT):
                raise
            if time.left < until or not time.pause(_PAUSE):
                raise
