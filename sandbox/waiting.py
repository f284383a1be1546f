"""Waiting for what is to happen, on a machine that may be busy with other things.

On a machine at rest all of it takes seconds. So a wait is given up only after far more time than
the busiest machine needs, in which nothing moved at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 300.0
"""Seconds without any movement after which a wait is given up."""

T = TypeVar("T")


def until(
    look: Callable[[], T | None],
    what: str,
    *,
    moves: Callable[[], object] | None = None,
    patience: float = PATIENCE,
    every: float = 0.1,
) -> T:
    """Look until there is something to see, and not None.

    It is given up after `patience` seconds in which what `moves` shows stayed the same; without
    `moves`, after so many seconds in all.

    :raises TimeoutError: which says that `what` was waited for in vain.
    """
    moved = moves() if moves else None
    end = time.monotonic() + patience
    while (seen := look()) is None:
        if time.monotonic() > end:
            before, moved = moved, moves() if moves else None
            if moved == before:
                raise TimeoutError(f"waited {patience:g} seconds in vain for {what}")
            end = time.monotonic() + patience
        time.sleep(every)
    return seen
