"""All the chance of one history: every decision has a name, so that any of them can be taken back.

Each kind of decision draws from a stream of its own, and draws the same whether or not what it
decides is muted. So a history can be run again without one of its faults and stays alike
otherwise: that is how the shortest history that shows a defect is found.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from random import Random
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

KINDS: dict[str, float] = {
    # One invocation of the function.
    "killed before a call": 0.03,
    "killed after a call": 0.03,
    "held up before a call": 0.05,
    "held up after a call": 0.05,
    "call throttled": 0.02,
    "call refused by a server error": 0.02,
    "call done, server error": 0.02,
    "call done, answer lost": 0.02,
    # Deliveries to the function.
    "request delivered late": 0.10,
    "request delivered twice": 0.25,
    "request delivered again late": 0.20,
    "request never delivered": 0.02,
    # EventBridge.
    "tick lost": 0.10,
    "tick late": 0.08,
    "tick doubled": 0.10,
    "ticks after removal": 0.25,
    "event lost": 0.40,
    "event late": 0.20,
    "event doubled": 0.20,
    # The bucket that takes the answers.
    "answer forbidden": 0.03,
    "answer meets a server error": 0.15,
    "answer dropped": 0.10,
    "answer taken, connection lost": 0.10,
    # What DescribeCluster and ListClusterNodes show.
    "stale description": 0.08,
    "unknown status": 0.06,
    "flapping field": 0.10,
    # UpdateClusterSoftware.
    "patch call conflicts": 0.20,
    "patch call throttled": 0.10,
    "patch call refused by a server error": 0.10,
    "patch call accepted, answer lost": 0.15,
    # Quotas of the account, and what another's call changes meanwhile.
    "rules are used up for a while": 0.30,
    "parameters are used up for a while": 0.20,
    "rule changed by two at once": 0.03,
    # The whole history.
    "service out for a while": 0.50,
    "permissions spread slowly": 0.25,
    "nodes skipped": 0.30,
    "image fails": 0.30,
    "service rollback fails": 0.20,
    "alarm rolls back": 0.15,
    "cluster vanishes": 0.25,
    "patch without change goes unseen": 0.50,
    "current nodes are patched again": 0.20,
    "Slurm takes no batches": 0.50,
    "automatic patching": 0.50,
    "somebody else patches": 0.40,
    "somebody else scales": 0.40,
    "somebody else moves a node": 0.30,
    "capacity is wanting": 0.50,
    "a node fails as the patch succeeds": 0.20,
    "a newer release appears": 0.25,
    # CloudFormation.
    "stack events seen late": 0.40,
    "clocks apart": 0.40,
    "request id used once more": 0.30,
    "a new resource is said to be updated": 0.30,
    "another resource fails first": 0.12,
    "another resource fails meanwhile": 0.20,
    "another resource fails afterwards": 0.25,
    "another resource cannot be rolled back": 0.30,
    "operation cancelled": 0.20,
    "operation without rollback": 0.30,
    "stack without a service role": 0.20,
    "rolled back after all": 0.50,
    "bad declaration": 0.10,
}
"""Every kind of fault, and how likely it is where the history has it at all."""


class Chance:
    """The decisions of one history. The same seed and the same muting: the same decisions."""

    def __init__(self, seed: int, muted: Container[str] = ()) -> None:
        self.seed = seed
        self.struck: list[str] = []
        """What happened that need not have, by name and number, in order."""
        self._muted = muted
        self._streams: dict[str, Random] = {}
        self._asked: dict[str, int] = {}
        weather = self.stream("weather")
        calm = weather.random() < 0.05
        # Few kinds at a time, each of them often: rare meetings of faults come up more so.
        share = weather.choice((0.1, 0.25, 0.5))
        self._odds: dict[str, float] = {}
        for kind, usual in KINDS.items():
            active, factor = weather.random() < share, weather.choice((0.5, 1.0, 3.0))
            if active and not calm and kind not in muted:
                self._odds[kind] = min(0.9, usual * factor)

    def stream(self, name: str) -> Random:
        """A source of chance that nothing else draws from."""
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = Random((self.seed << 32) | crc32(name.encode()))
        return found

    def any_of(self, kinds: Sequence[str]) -> list[str]:
        """Those of the kinds that can happen in this history at all."""
        return [kind for kind in kinds if kind in self._odds]

    def strikes(self, kind: str) -> float | None:
        """Whether a fault of this kind happens now: a number below 1 that sizes it, or ``None``."""
        odds = self._odds.get(kind)
        return None if odds is None else self.happens(kind, odds)

    def happens(self, kind: str, odds: float) -> float | None:
        """The same for what is no fault, but need not happen either."""
        stream = self.stream(kind)
        hit, size = stream.random() < odds, stream.random()
        if not hit:
            return None
        number = self._asked[kind] = self._asked.get(kind, 0) + 1
        name = f"{kind} #{number}"
        if name in self._muted:
            return None
        self.struck.append(name)
        return size

    def usually(self, kind: str, usual: T, others: Sequence[T], odds: float) -> T:
        """The usual value, or with these odds one of the others."""
        size = self.happens(kind, odds)
        return usual if size is None else pick(others, size)


def pick(options: Sequence[T], size: float) -> T:
    """The option that a size below 1 stands for."""
    return options[int(size * len(options))]
