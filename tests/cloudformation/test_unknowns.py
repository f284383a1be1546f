"""Every switch thrown at random, and histories at random: what holds in all of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from random import Random

import pytest

from tests.cloudformation.play import Play, chain, software
from tests.cloudformation.stack import Refused
from tests.cloudformation.template import Template, evaluated
from tests.cloudformation.unknowns import Unknowns, drawn


@pytest.mark.parametrize("name", [switch.name for switch in fields(Unknowns)])
def test_every_switch_is_thrown_either_way(name: str) -> None:
    draw = Random(name)
    assert len({getattr(drawn(draw), name) for _ in range(50)}) > 1


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_a_stack_comes_to_rest_in_order(seed: int) -> None:
    draw = Random(seed)
    play = Play(drawn(draw), pause=draw.choice((0.0, 5.0)))
    for _ in range(draw.randint(2, 6)):
        if play.stack.status == "DELETE_COMPLETE":
            break
        operate(play, draw)
        come_to_rest(play, draw)
        check(play)


def operate(play: Play, draw: Random) -> None:
    """What a user may do with a stack in this status."""
    stack, choice = play.stack, draw.random()
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        skip = draw.sample(sorted(stack.stuck), draw.randint(0, len(stack.stuck)))
        play.take(stack.continue_rollback(skip))
    elif stack.status in ("CREATE_FAILED", "UPDATE_FAILED") and choice < 0.3:
        play.take(stack.roll_back())
    elif stack.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED") or choice > 0.95:
        play.take(stack.delete())
    else:
        with suppress(Refused):  # Nothing would change.
            play.operate(template(draw), rollback=draw.random() < 0.6)


def template(draw: Random) -> Template:
    declared = chain(draw.choice("ABC"), draw.randint(0, 4))
    return (
        {**declared, "Sibling": software(draw.choice("ABC"))} if draw.random() < 0.5 else declared
    )


def come_to_rest(play: Play, draw: Random) -> None:
    for _ in range(1000):
        if play.stack.at_rest:
            return
        waiting = list(play.stack.waiting.values())
        if play.stack.status == "UPDATE_IN_PROGRESS" and draw.random() < 0.05:
            play.take(play.stack.cancel())
        elif not waiting or draw.random() < 0.1:
            due = play.stack.next_due()
            assert due is not None
            play.tick(due)
        else:
            request = draw.choice(waiting)
            moved = f"{request.logical_id}-{draw.randint(1, 3)}" if draw.random() < 0.1 else None
            play.answer(request, moved, succeeded=draw.random() < 0.8)
    raise AssertionError("It goes on for ever.")


def check(play: Play) -> None:
    stack = play.stack
    assert not stack.waiting
    assert not stack.status.endswith("_IN_PROGRESS")
    if stack.status == "DELETE_COMPLETE":
        assert not stack.resources
    if stack.status in ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
        check_stable(play)


def check_stable(play: Play) -> None:
    """Nothing that is in use was deleted, and what was noticed is up to date."""
    resources = play.stack.resources
    for name, kept in resources.items():
        assert kept.declared.dependencies <= resources.keys()
        assert not [
            request
            for request in play.requests
            if (request.type, request.logical_id) == ("Delete", name)
            and request.physical_id == kept.physical_id
            and request.id > kept.request_id
        ]
        if play.stack.status == "UPDATE_COMPLETE" and play.unknowns.notices_stale:
            assert kept.properties == evaluated(
                kept.declared.properties,
                lambda reference: resources[reference.logical_id].attribute(reference.attribute),
            )
