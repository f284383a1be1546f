"""The simulation bites: each deliberate break of the handler is noticed, and soon."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.history import run
from tests.simulation.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_break_is_noticed(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.breaks(monkeypatch)
    noticed: Counter[str] = Counter()
    for seed in range(mutation.enough):
        broken = run(seed).broken
        if broken is not None:
            noticed[broken[0]] += 1
            if broken[0] == mutation.invariant:
                return
    pytest.fail(f"not noticed in {mutation.enough} histories; noticed was: {dict(noticed)}")


def test_every_invariant_is_broken_by_some_break() -> None:
    checked: Counter[str] = Counter()
    for seed in range(60):
        checked.update(run(seed).checks)
    assert {mutation.invariant for mutation in MUTATIONS} >= set(checked) - {
        # They only say that the others were looked at in the right place,
        "answers go to the URL of their request",
        # or are broken together with their like.
        "nothing is left in EventBridge",
    }
