"""Whole lifecycles of a stack, three thousand of them, in a world where everything can go wrong."""

from __future__ import annotations

import os

import pytest

from tests.simulation.chance import KINDS
from tests.simulation.counts import KEPT
from tests.simulation.history import run
from tests.simulation.soak import soak, stories_of

HISTORIES = 3_000


def test_every_invariant_holds_in_every_history(request: pytest.FixtureRequest) -> None:
    counts = soak(HISTORIES, processes=max(2, min(8, os.cpu_count() or 2)))
    request.config.stash[KEPT] = counts.lines()
    assert counts.histories == HISTORIES
    assert not counts.broken, "\n" + stories_of(counts)


def test_the_same_seed_is_the_same_history() -> None:
    for seed in range(20):
        assert run(seed, diary=True) == run(seed, diary=True)


def test_without_faults_nothing_is_refused_late_or_lost() -> None:
    """The checks are not satisfied by chance: a history without faults ends as declared."""
    for seed in range(40):
        calm = run(seed, frozenset(KINDS))
        assert calm.broken is None
        assert calm.expired == 0
