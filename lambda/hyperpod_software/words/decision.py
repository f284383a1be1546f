"""What to do next: the answers that rules give."""

from __future__ import annotations

from dataclasses import dataclass

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.words.cluster import Cluster
from hyperpod_software.words.memory import Sight


@dataclass(frozen=True)
class Finish:
    """The request is over: answer it."""

    outcome: Outcome | None
    """``None``: it failed."""
    reason: str
    cluster: Cluster | None = None
    patched_groups: tuple[str, ...] = ()
    patched_nodes: int = 0

    @property
    def succeeded(self) -> bool:
        return self.outcome is not None


@dataclass(frozen=True)
class GroupProgress:
    """How far the patch of one group is."""

    group: str
    done: int | None
    """Nodes counted on the image that HyperPod is bringing; ``None``: it shows no count."""
    total: int


@dataclass(frozen=True)
class Wait:
    """Not over: look again later."""

    reason: str
    progress: tuple[GroupProgress, ...] = ()
    """How far each patched group is; empty while nothing is being patched."""
    sight: Sight | None = None
    """What is to be remembered of the patch; ``None``: it was not in sight."""


@dataclass(frozen=True)
class Patch:
    """Call UpdateClusterSoftware for these groups."""

    cluster: Cluster
    groups: tuple[str, ...]


@dataclass(frozen=True)
class CountNodes:
    """The cluster alone does not tell: read its nodes and ask again."""

    groups: tuple[str, ...]


def failed(reason: str, cluster: Cluster | None = None) -> Finish:
    """A failed end."""
    return Finish(None, reason, cluster)
