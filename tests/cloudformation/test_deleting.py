"""Deleting a stack."""

from __future__ import annotations

import pytest

from tests.cloudformation.play import Play, chain, software
from tests.cloudformation.stack import Refused
from tests.cloudformation.template import Resource

TWO = {"One": software("A"), "Other": software("A")}


def deleting(play: Play, *retain: str) -> Play:
    return play.take(play.stack.delete(retain))


def test_dependents_are_deleted_before_what_they_depend_on() -> None:
    play = deleting(Play().deploy(chain("A", 2)))
    assert play.awaits == ["Delete Waiter2"]
    assert play.succeed("Waiter2").awaits == ["Delete Waiter1"]
    assert play.succeed("Waiter1").awaits == ["Delete Software"]
    assert play.succeed("Software").stack.status == "DELETE_COMPLETE"


def test_siblings_are_deleted_side_by_side() -> None:
    assert deleting(Play().deploy(TWO)).awaits == ["Delete One", "Delete Other"]


def test_a_delete_carries_the_stored_properties_and_the_id() -> None:
    request = deleting(Play().deploy({"Software": software("A")})).waiting("Software")
    event = request.event("its-arn", "https://answer.here")
    assert event["ResourceProperties"] == {"ImageId": "A"}
    assert event["PhysicalResourceId"] == "Software-id"
    assert "OldResourceProperties" not in event


def test_a_failed_delete_leaves_what_it_depends_on() -> None:
    play = deleting(Play().deploy(chain("A", 1))).fail("Waiter1")
    assert play.stack.status == "DELETE_FAILED"
    assert list(play.stack.resources) == ["Software", "Waiter1"]


def test_a_failed_delete_is_tried_again_by_the_next_one() -> None:
    play = deleting(Play().deploy(TWO)).succeed("One").fail("Other")
    assert deleting(play).awaits == ["Delete Other"]
    assert play.succeed("Other").stack.status == "DELETE_COMPLETE"


def test_what_could_not_be_deleted_can_be_retained() -> None:
    play = deleting(Play().deploy(TWO)).succeed("One").fail("Other")
    assert deleting(play, "Other").stack.status == "DELETE_COMPLETE"
    assert "Other DELETE_SKIPPED" in play.events()


def test_what_was_not_tried_cannot_be_retained() -> None:
    with pytest.raises(Refused, match="retained"):
        deleting(Play().deploy(TWO), "One")


def test_a_resource_declared_to_be_retained_gets_no_delete() -> None:
    play = Play().deploy({"Kept": Resource({"ImageId": "A"}, retained=True)})
    assert deleting(play).stack.status == "DELETE_COMPLETE"
    assert play.sent("Kept") == ["Create"]


def test_a_stack_whose_rollback_failed_can_be_deleted() -> None:
    play = Play().deploy({"Software": software("A")}).operate({"Software": software("B")})
    play.fail("Software").fail("Software")
    assert play.stack.status == "UPDATE_ROLLBACK_FAILED"
    assert deleting(play).succeed("Software").stack.status == "DELETE_COMPLETE"


def test_what_a_preserved_operation_left_is_deleted_with_the_stack() -> None:
    play = Play().deploy({"One": software("A")})
    play.operate({"One": software("B"), "Other": software("A")}, rollback=False)
    play.succeed("One", "new-id").fail("Other", "half-made")
    deleting(play)
    ids = sorted(str(request.physical_id) for request in play.stack.waiting.values())
    assert ids == ["One-id", "half-made", "new-id"]


def test_a_failed_create_that_cannot_be_deleted_is_asked_again_by_the_same_id() -> None:
    play = Play().operate(TWO).fail("One")
    invented = play.waiting("Other").physical_id
    play.succeed("One").fail("Other")
    assert play.stack.status == "ROLLBACK_FAILED"
    assert deleting(play).waiting("Other").physical_id == invented


def test_a_deleted_stack_is_gone() -> None:
    play = deleting(Play().deploy(TWO)).succeed_all()
    with pytest.raises(Refused, match="DELETE_COMPLETE"):
        play.stack.delete()


def test_a_failed_create_that_is_retained_is_not_asked_again() -> None:
    play = Play().operate(chain("A", 1)).fail("Software").fail("Software")
    deleting(play).fail("Software")
    assert deleting(play, "Software").stack.status == "DELETE_COMPLETE"


def test_both_ids_of_a_replacement_that_was_not_taken_back_are_deleted() -> None:
    play = Play().deploy({"One": software("A")}).operate(TWO | {"One": software("B")})
    play.succeed("One", "new-id").fail("Other").fail("One")
    assert play.stack.status == "UPDATE_ROLLBACK_FAILED"
    deleting(play)
    ids = sorted(str(request.physical_id) for request in play.stack.waiting.values())
    assert ids == ["One-id", "Other-id", "new-id"]
