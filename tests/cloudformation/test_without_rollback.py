"""Operations that preserve what succeeded (``--no-rollback``)."""

from __future__ import annotations

import pytest

from tests.cloudformation.play import Play, chain, software
from tests.cloudformation.unknowns import Revert, Unknowns

TWO_A = {"One": software("A"), "Other": software("A")}
TWO_B = {"One": software("B"), "Other": software("B")}
TWO_C = {"One": software("C"), "Other": software("C")}


def failed(unknowns: Unknowns | None = None) -> Play:
    play = Play(unknowns or Unknowns()).deploy(TWO_A).operate(TWO_B, rollback=False)
    return play.fail("One")


def test_a_failure_does_not_touch_another_path() -> None:
    play = failed()
    assert play.given_up == []
    assert play.awaits == ["Update Other"]


def test_what_depends_on_a_failure_is_not_reached() -> None:
    play = Play().deploy(chain("A", 1)).operate(chain("B", 1), rollback=False)
    play.fail("Software").succeed("Software", Handover="back")
    assert play.stack.status == "UPDATE_FAILED"
    assert play.sent("Waiter1") == ["Create"]


def test_only_the_failed_one_is_taken_back_and_no_status_says_rollback() -> None:
    play = failed().succeed("Other")
    back = play.waiting("One")
    assert back.undoes
    assert back.properties == {"ImageId": "A"}
    assert back.old_properties == {"ImageId": "B"}
    assert play.stack.status == "UPDATE_IN_PROGRESS"
    assert play.succeed("One").stack.status == "UPDATE_FAILED"
    assert not any("ROLLBACK" in event for event in play.events())
    assert play.stack.resources["Other"].properties == {"ImageId": "B"}


def test_the_failed_one_may_be_taken_back_when_the_next_operation_begins() -> None:
    play = failed(Unknowns(reverts=Revert.NEXT_TIME)).succeed("Other")
    assert play.stack.status == "UPDATE_FAILED"
    play.operate(TWO_C)
    assert play.awaits == ["Update One"]
    assert play.waiting("One").properties == {"ImageId": "A"}
    assert play.succeed("One").waiting("One").properties == {"ImageId": "C"}


def test_the_failed_one_may_never_be_taken_back() -> None:
    play = failed(Unknowns(reverts=Revert.NEVER)).succeed("Other").operate(TWO_C)
    assert play.waiting("One").properties == {"ImageId": "C"}


@pytest.mark.parametrize("reverts", Revert)
def test_the_failed_one_is_tried_again_by_the_same_template(reverts: Revert) -> None:
    play = failed(Unknowns(reverts=reverts)).succeed_all().deploy(TWO_B, rollback=False)
    assert play.stack.status == "UPDATE_COMPLETE"
    assert play.stack.resources["One"].properties == {"ImageId": "B"}
    assert play.sent("Other") == ["Create", "Update"]


def test_a_waiter_that_was_not_reached_is_updated_by_the_next_operation() -> None:
    play = Play().deploy(chain("A", 2)).operate(chain("B", 2), rollback=False)
    play.succeed("Software", Handover="b").fail("Waiter1").succeed("Waiter1", Handover="reverted")
    assert play.stack.status == "UPDATE_FAILED"
    play.operate(chain("B", 2), rollback=False)
    assert play.waiting("Waiter1").properties == {"Handover": "b"}
    assert play.succeed("Waiter1").awaits == ["Update Waiter2"]


def test_a_failed_stack_can_be_rolled_back_to_where_it_was_stable() -> None:
    play = failed().succeed_all()
    play.take(play.stack.roll_back())
    assert play.stack.status == "UPDATE_ROLLBACK_IN_PROGRESS"
    assert play.awaits == ["Update Other"]  # The failed one is there already.
    assert play.succeed("Other").stack.status == "UPDATE_ROLLBACK_COMPLETE"


def test_a_rollback_over_two_operations_deletes_every_id_but_the_stable_one() -> None:
    play = Play().deploy(TWO_A)
    play.operate(TWO_B, rollback=False).succeed("One", "between").fail("Other").succeed_all()
    play.operate(TWO_C).succeed("One", "newest").fail("Other")
    play.succeed("One", "One-id").succeed("Other")
    assert sorted(str(one.physical_id) for one in play.stack.waiting.values()) == [
        "between",
        "newest",
    ]


def test_a_failed_create_is_preserved_with_what_succeeded() -> None:
    play = Play().operate(TWO_A, rollback=False).fail("One", "half-made").succeed("Other")
    assert play.stack.status == "CREATE_FAILED"
    assert play.sent("One") == ["Create"]


def test_a_failed_create_is_deleted_before_the_next_operation_creates_it() -> None:
    play = Play().operate(TWO_A, rollback=False).fail("One", "half-made").succeed("Other")
    play.operate(TWO_A)
    assert play.awaits == ["Delete One"]
    assert play.waiting("One").physical_id == "half-made"
    assert play.succeed("One").awaits == ["Create One"]
    assert play.succeed("One").stack.status == "UPDATE_COMPLETE"


def test_a_failed_create_may_also_be_deleted_in_the_cleanup() -> None:
    unknowns = Unknowns(deletes_failed_first=False)
    play = Play(unknowns).operate(TWO_A, rollback=False).fail("One", "half-made").succeed("Other")
    play.operate(TWO_A)
    assert play.awaits == ["Create One"]
    play.succeed("One", "whole")
    assert play.awaits == ["Delete One"]
    assert play.waiting("One").physical_id == "half-made"


def test_a_cleanup_never_deletes_the_id_that_is_in_use() -> None:
    unknowns = Unknowns(deletes_failed_first=False)
    play = Play(unknowns).operate(TWO_A, rollback=False).fail("One", "its-id").succeed("Other")
    play.operate(TWO_A).succeed("One", "its-id")
    assert play.stack.status == "UPDATE_COMPLETE"
    assert play.sent("One") == ["Create", "Create"]


def test_a_failed_stack_that_was_never_complete_is_rolled_back_to_nothing() -> None:
    play = Play().operate(TWO_A, rollback=False).fail("One").succeed("Other")
    play.take(play.stack.roll_back())
    assert play.stack.status == "ROLLBACK_IN_PROGRESS"
    assert sorted(play.awaits) == ["Delete One", "Delete Other"]
    assert play.succeed_all().stack.status == "ROLLBACK_COMPLETE"


def test_a_cancelled_operation_rolls_back_although_it_was_to_preserve() -> None:
    play = Play().deploy(TWO_A).operate(TWO_B, rollback=False).succeed("One")
    play.take(play.stack.cancel())
    assert play.stack.status == "UPDATE_ROLLBACK_IN_PROGRESS"
    assert play.awaits == ["Update One", "Update Other"]


def test_a_cancel_lets_a_delete_go_on() -> None:
    play = (
        Play().deploy({"One": software("A")}).operate(TWO_A, rollback=False).fail("Other", "half")
    )
    play.operate(TWO_B)
    assert play.awaits == ["Delete Other"]
    play.take(play.stack.cancel())
    assert play.given_up == []
    assert play.succeed("Other").stack.status == "UPDATE_ROLLBACK_COMPLETE"


def test_what_was_taken_back_to_an_earlier_success_still_rolls_back_further() -> None:
    play = failed().succeed_all()
    play.operate(TWO_C, rollback=False).fail("Other").succeed("One").succeed("Other")
    assert play.stack.resources["Other"].properties == {"ImageId": "B"}
    play.take(play.stack.roll_back())
    assert play.waiting("Other").properties == {"ImageId": "A"}


def test_what_was_never_taken_back_is_updated_even_to_what_it_was() -> None:
    play = failed(Unknowns(reverts=Revert.NEVER)).succeed("Other")
    assert play.operate(TWO_A).awaits == ["Update One", "Update Other"]


def test_a_new_resource_whose_update_failed_is_deleted_once() -> None:
    play = Play(Unknowns(reverts=Revert.NEVER)).deploy({"One": software("A")})
    play.operate(TWO_B, rollback=False).succeed("Other").fail("One")
    play.operate(TWO_C, rollback=False).fail("Other").succeed("One")
    play.take(play.stack.roll_back())
    assert play.succeed("One").awaits == ["Delete Other"]


def test_a_replaced_resource_without_an_update_back_is_left_in_peace() -> None:
    unknowns = Unknowns(reverts=Revert.NEVER, updates_replaced_back=False)
    play = Play(unknowns).deploy(TWO_A).operate(TWO_B, rollback=False)
    play.succeed("One", "new-id").fail("Other").operate(TWO_C, rollback=False)
    play.fail("One").fail("Other")
    play.take(play.stack.roll_back())
    play.succeed_all().operate({**TWO_A, "Other": software("B")}).fail("Other")
    assert play.awaits == ["Update Other"]


def test_what_failed_and_is_removed_afterwards_is_deleted_once() -> None:
    play = failed(Unknowns(reverts=Revert.NEVER)).succeed("Other")
    play.deploy({"Other": software("C")})
    assert play.stack.status == "UPDATE_COMPLETE"
    play.take(play.stack.delete()).succeed_all()
    assert play.sent("One") == ["Create", "Update", "Delete"]


def test_what_cannot_be_taken_back_at_the_beginning_fails_the_operation() -> None:
    play = failed(Unknowns(reverts=Revert.NEXT_TIME)).succeed("Other")
    play.operate(TWO_C, rollback=False).fail("One")
    assert play.stack.status == "UPDATE_FAILED"
    assert not play.stack.waiting
