"""Small pieces that every sentence for a user is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def listed(names: Sequence[str], most: int = 8) -> str:
    """``a, b and c``; a long list is cut and says how much was left out."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(text: str) -> str:
    """The text with one full stop: a service's own words may or may not have theirs."""
    return f"{text.rstrip('. ')}."


def counted(number: int, noun: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def clock(moment: float) -> str:
    """``03:12 UTC``: nothing is waited for to begin for more than an hour."""
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M} UTC"
