"""What to do next: the answers that rules give."""

from __future__ import annotations

from dataclasses import dataclass, field

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.plan import Plan
from hyperpod_software.model.result import GroupProgress
from hyperpod_software.model.state import Observation
from hyperpod_software.model.why import Why


@dataclass(frozen=True)
class Finish:
    """The request is over: answer it."""

    outcome: Outcome | None
    """``None``: it failed."""
    why: Why
    cluster: Cluster | None = None
    patched_groups: tuple[str, ...] = ()
    patched_nodes: int = 0

    @property
    def succeeded(self) -> bool:
        return self.outcome is not None


@dataclass(frozen=True)
class Wait:
    """Not over: look again later."""

    why: Why
    progress: tuple[GroupProgress, ...] = ()
    """How far each patched group is; empty while nothing is being patched."""
    observation: Observation | None = None
    """What is to be remembered of the patch; ``None``: it was not in sight."""


@dataclass(frozen=True)
class Patch:
    """Call UpdateClusterSoftware for these groups."""

    cluster: Cluster
    groups: tuple[str, ...]
    plan: Plan | None = field(default=None, compare=False)
    """Why, and what becomes of the other groups."""


@dataclass(frozen=True)
class CountNodes:
    """The cluster alone does not tell: read its nodes and ask again."""

    groups: tuple[str, ...]


def failed(why: Why, cluster: Cluster | None = None) -> Finish:
    """A failed end."""
    return Finish(None, why, cluster)
