"""What AWS does not document about CloudFormation. Our code has to be right either way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random


class Order(Enum):
    """In which order a failed update is undone. Side by side would be a third one, but then a
    reference could not be evaluated: that dependencies order operations is documented."""

    DEPENDENCIES_FIRST = "dependencies first"
    DEPENDENTS_FIRST = "dependents first"


class Revert(Enum):
    """When a resource that failed without a rollback is taken back to its last stable state."""

    AT_ONCE = "at once"
    """In the operation in which it failed. The guide's words suggest it."""
    NEXT_TIME = "next time"
    """When the next operation begins."""
    NEVER = "never"


@dataclass(frozen=True)
class Unknowns:
    """A switch for each. The defaults are what public transcripts of real stacks suggest."""

    cancels: bool = True
    """After a failure or a cancel, what is in progress is cancelled; else it is waited for. For
    custom resources both are told of."""
    undoing: Order = Order.DEPENDENCIES_FIRST
    evaluates_anew: bool = False
    """A rollback sends what references stand for now, not the values that were stored."""
    undoes_beyond: bool = False
    """Where it evaluates anew, a rollback also updates what this operation had not reached, if
    a reference of it stands for something else now."""
    notices_stale: bool = False
    """An update compares every reference with what was stored; else only those to resources that
    were updated in the same operation."""
    updates_dependents: bool = False
    """What refers to an updated resource is updated, even though the value is the same."""
    updates_replaced_back: bool = True
    """A rollback updates a replaced resource back; else it only deletes the new one."""
    believes_failed_ids: bool = False
    """The new physical id of a failed answer to an Update counts: what undoes it carries that id,
    and where the old one is answered then, the new one is deleted."""
    skips_to_stable: bool = True
    """What a rollback is told to skip has its old physical id and attributes again; else it
    keeps those it has. CloudFormation holds its old properties either way."""
    reverts: Revert = Revert.AT_ONCE
    deletes_failed_first: bool = True
    """What could not be created without a rollback is deleted before the next operation creates
    it anew; else afterwards, in its cleanup."""


def drawn(draw: Random) -> Unknowns:
    """Every switch thrown at random."""
    usual = Unknowns()

    def seldom() -> bool:
        return draw.random() < 0.3

    return Unknowns(
        cancels=seldom() is not usual.cancels,
        undoing=draw.choice(tuple(Order)),
        evaluates_anew=draw.random() < 0.5,
        undoes_beyond=draw.random() < 0.5,
        notices_stale=seldom(),
        updates_dependents=seldom(),
        updates_replaced_back=seldom() is not usual.updates_replaced_back,
        believes_failed_ids=draw.random() < 0.5,
        skips_to_stable=draw.random() < 0.5,
        reverts=draw.choice(tuple(Revert)),
        deletes_failed_first=draw.random() < 0.5,
    )
