"""What many histories amount to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.simulation.chance import KINDS
from tests.simulation.history import Result

KEPT = pytest.StashKey[list[str]]()
"""Where a test run keeps the lines for its summary."""


@dataclass
class Counts:
    """Sums over histories."""

    histories: int = 0
    requests: int = 0
    expired: int = 0
    waits: int = 0
    invocations: int = 0
    patches: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter[str])
    checks: Counter[str] = field(default_factory=Counter[str])
    broken: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Seeds whose history broke an invariant, and which."""

    def add(self, result: Result) -> None:
        self.histories += 1
        self.requests += result.requests
        self.expired += result.expired
        self.waits += result.waits
        self.invocations += result.invocations
        self.patches += result.patches
        self.faults.update(
            kind for name in result.struck if (kind := name.partition(" #")[0]) in KINDS
        )
        self.checks.update(result.checks)
        if result.broken is not None:
            self.broken.append((result.seed, result.broken[0]))

    def merge(self, other: Counts) -> None:
        self.histories += other.histories
        self.requests += other.requests
        self.expired += other.expired
        self.waits += other.waits
        self.invocations += other.invocations
        self.patches += other.patches
        self.faults.update(other.faults)
        self.checks.update(other.checks)
        self.broken += other.broken

    def lines(self) -> list[str]:
        lines = [
            f"{self.histories:,} histories in {self.seconds:.0f} s: {self.requests:,} requests, ",
            f"{sum(self.faults.values()):,} faults injected:",
        ]
        lines[0] += (
            f"{self.waits:,} waiters, {self.invocations:,} invocations, {self.patches:,} accepted patches; {self.expired:,} "
            "requests expired because no delivery of theirs could go through"
        )
        lines += [f"{self.faults[kind]:>9,}  {kind}" for kind in KINDS]
        lines.append(f"{sum(self.checks.values()):,} checks of {len(self.checks)} invariants:")
        lines += [f"{number:>9,}  {name}" for name, number in sorted(self.checks.items())]
        return lines
