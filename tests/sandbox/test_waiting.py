"""How long is waited: for as long as something moves."""

from __future__ import annotations

import pytest

from sandbox.waiting import until


def test_what_was_seen_is_handed_out() -> None:
    looks = iter([None, None, 0])
    assert until(lambda: next(looks), "a number", every=0) == 0


def test_a_wait_goes_on_as_long_as_something_moves() -> None:
    moves = iter([1, 2, 3, 3, 4])
    with pytest.raises(TimeoutError, match="in vain for an end"):
        until(lambda: None, "an end", moves=lambda: next(moves), patience=0, every=0)
    assert list(moves) == [4]


def test_without_movements_only_the_time_counts() -> None:
    with pytest.raises(TimeoutError, match="waited 0 seconds in vain"):
        until(lambda: None, "an end", patience=0, every=0)
