"""Many histories, on every processor: python -m tests.simulation.soak N [--seed S]."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from tests.simulation.counts import Counts
from tests.simulation.history import run
from tests.simulation.shrink import shortest, told

_SHARE = 250
"""Histories that a process takes on at a time."""
_SHOWN = 3
"""Broken histories that are told, each in its shortest form."""


def _some(seeds: range) -> Counts:
    gc.freeze()  # Nothing of a history outlives it, so there is little to collect besides.
    counts = Counts()
    for seed in seeds:
        counts.add(run(seed))
    return counts


def soak(
    number: int, seed: int = 0, processes: int | None = None, *, progress: bool = False
) -> Counts:
    """Run so many histories from a seed on, and sum up."""
    began = time.monotonic()
    counts = Counts()
    shares = [
        range(start, min(start + _SHARE, seed + number))
        for start in range(seed, seed + number, _SHARE)
    ]
    for some in _spread(shares, processes or os.cpu_count() or 1):
        counts.merge(some)
        if progress:
            for broken, invariant in some.broken:
                print(f"\rseed {broken} breaks: {invariant}", file=sys.stderr)
            print(f"\r{counts.histories:,} histories, {len(counts.broken)} broken", end="",
                  file=sys.stderr, flush=True)  # fmt: skip
    if progress:
        print(file=sys.stderr)
    counts.seconds = time.monotonic() - began
    counts.broken.sort()
    return counts


def _spread(shares: list[range], processes: int) -> Iterator[Counts]:
    # Fresh processes: the handler logs through the root logger, which a test runner watches too.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_some, shares)


def stories_of(counts: Counts) -> str:
    """The first broken histories, each in its shortest form; one for each invariant."""
    first: dict[str, int] = {}
    for seed, invariant in counts.broken:
        first.setdefault(invariant, seed)
    return "\n".join(told(shortest(seed)) for seed in list(first.values())[:_SHOWN])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.soak", description=__doc__)
    parser.add_argument("number", type=int, help="how many histories")
    parser.add_argument("--seed", type=int, default=1_000_000, help="the first one's seed")
    parser.add_argument("--processes", type=int, default=None)
    parser.add_argument("--tell", action="store_true", help="tell the one history of --seed")
    given = parser.parse_args()
    if given.tell:
        print("\n".join(run(given.seed, diary=True).diary))
        return 0
    counts = soak(given.number, given.seed, given.processes, progress=True)
    print("\n".join(counts.lines()))
    if counts.broken:
        print(f"\n{len(counts.broken)} broken, by seed: {counts.broken[:20]}\n")
        print(stories_of(counts))
        return 1
    print("Every invariant held in every history.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
