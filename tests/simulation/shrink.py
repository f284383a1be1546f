"""The shortest history that still shows what a long one showed."""

from __future__ import annotations

from tests.simulation.history import Result, run

_TRIES = 400


def shortest(seed: int, muted: frozenset[str] = frozenset()) -> Result:
    """The history of this seed, without all that the same invariant breaks without.

    Whole kinds of faults are left out first, then halves of what is left, then single faults.
    """
    found = run(seed, muted)
    assert found.broken is not None
    invariant, left = found.broken[0], _TRIES

    def without(more: list[str]) -> Result | None:
        nonlocal left
        if left <= 0:
            return None
        left -= 1
        tried = run(seed, muted | frozenset(more))
        return tried if tried.broken is not None and tried.broken[0] == invariant else None

    for kind in sorted({name.partition(" #")[0] for name in found.struck}):
        of_kind = [name for name in found.struck if name.partition(" #")[0] == kind]
        shorter = without([kind, *of_kind])
        if shorter is not None:
            found, muted = shorter, muted | {kind, *of_kind}
    size = max(1, len(found.struck) // 2)
    while size >= 1:
        start = 0
        while start < len(found.struck):
            part = list(found.struck[start : start + size])
            shorter = without(part)
            if shorter is None:
                start += size
            else:
                found, muted = shorter, muted | frozenset(part)
        size //= 2
    return run(seed, muted, diary=True)


def told(result: Result) -> str:
    """A history in lines to read."""
    assert result.broken is not None
    invariant, how = result.broken
    faults = "\n".join(f"    {name}" for name in result.struck) or "    none"
    diary = "\n".join(line if len(line) <= 400 else f"{line[:397]}..." for line in result.diary)
    return (
        f"seed {result.seed} breaks the invariant: {invariant}\n  {how[:1200]}\n"
        f"  what happened that need not have:\n{faults}\n{diary}\n"
    )
