"""Updates that fail or are cancelled, and how they are taken back."""

from __future__ import annotations

import pytest

from tests.cloudformation.play import Play, chain, software
from tests.cloudformation.stack import Refused
from tests.cloudformation.template import Resource
from tests.cloudformation.unknowns import Order, Unknowns

A, B = {"Software": software("A")}, {"Software": software("B")}
TWO_A = {"One": software("A"), "Other": software("A")}
TWO_B = {"One": software("B"), "Other": software("B")}
PAIR_A = {"First": software("A"), "Second": Resource({"ImageId": "A"}, depends_on=("First",))}
PAIR_B = {"First": software("B"), "Second": Resource({"ImageId": "B"}, depends_on=("First",))}


def failed(unknowns: Unknowns | None = None) -> Play:
    """One of two that depend on each other was updated, then the other one failed."""
    play = Play(unknowns or Unknowns()).deploy(PAIR_A).operate(PAIR_B).succeed("First")
    return play.fail("Second")


def test_a_failed_update_gets_an_update_with_the_properties_swapped() -> None:
    play = Play().deploy(A).operate(B).fail("Software")
    assert play.stack.status == "UPDATE_ROLLBACK_IN_PROGRESS"
    back = play.waiting("Software")
    assert back.type == "Update"
    assert back.undoes
    assert back.properties == {"ImageId": "A"}
    assert back.old_properties == {"ImageId": "B"}


def test_a_rollback_shows_its_statuses_in_this_order() -> None:
    play = Play().deploy(A).operate(B)
    play.events()
    assert play.fail("Software").succeed("Software").events() == [
        "Software UPDATE_FAILED",
        "stack UPDATE_ROLLBACK_IN_PROGRESS",
        "Software UPDATE_IN_PROGRESS",
        "Software UPDATE_COMPLETE",
        "stack UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "stack UPDATE_ROLLBACK_COMPLETE",
    ]


def test_what_succeeded_before_the_failure_is_taken_back_too() -> None:
    play = failed().succeed_all()
    assert play.sent("First") == ["Create", "Update", "Update"]
    assert play.stack.resources["First"].properties == {"ImageId": "A"}


def test_what_was_not_reached_gets_nothing() -> None:
    play = Play().deploy(PAIR_A).operate(PAIR_B).fail("First").succeed_all()
    assert play.sent("Second") == ["Create"]


def test_what_an_update_had_nothing_to_do_for_gets_nothing() -> None:
    play = Play().deploy(TWO_A).operate({**TWO_A, "One": software("B")}).fail("One").succeed_all()
    assert play.sent("Other") == ["Create"]


@pytest.mark.parametrize(
    ("order", "awaited"),
    [
        (Order.DEPENDENCIES_FIRST, ["Update First"]),
        (Order.DEPENDENTS_FIRST, ["Update Second"]),
    ],
)
def test_a_rollback_has_either_order(order: Order, awaited: list[str]) -> None:
    play = failed(Unknowns(undoing=order))
    assert play.awaits == awaited
    assert play.succeed_all().stack.status == "UPDATE_ROLLBACK_COMPLETE"


def test_a_sibling_of_a_failed_update_is_cancelled_and_taken_back() -> None:
    play = Play().deploy(TWO_A).operate(TWO_B).fail("Other")
    assert play.given_up == ["One"]
    assert play.waiting("One").properties == {"ImageId": "A"}
    assert play.waiting("One").old_properties == {"ImageId": "B"}


def test_a_sibling_of_a_failed_update_may_also_be_waited_for() -> None:
    play = Play(Unknowns(cancels=False)).deploy(TWO_A).operate(TWO_B).fail("Other")
    assert play.awaits == ["Update One"]
    assert play.stack.status == "UPDATE_IN_PROGRESS"
    assert play.succeed("One").stack.status == "UPDATE_ROLLBACK_IN_PROGRESS"
    assert play.awaits == ["Update One", "Update Other"]


def test_what_an_update_created_is_deleted_in_the_cleanup_of_its_rollback() -> None:
    play = Play().deploy(A).operate({**B, "New": software("A")}).succeed("New").fail("Software")
    assert play.awaits == ["Update Software"]
    assert play.succeed("Software").awaits == ["Delete New"]
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    assert play.waiting("New").physical_id == "New-id"


def test_what_an_update_failed_to_create_is_deleted_as_well() -> None:
    play = Play().deploy(A).operate({**A, "New": software("A")}).fail("New", "half-made")
    assert play.awaits == ["Delete New"]
    assert play.waiting("New").physical_id == "half-made"


def test_a_cancelled_update_gives_up_what_is_in_progress_and_rolls_back() -> None:
    play = Play().deploy(A).operate(B)
    play.take(play.stack.cancel())
    assert play.given_up == ["Software"]
    assert play.stack.status == "UPDATE_ROLLBACK_IN_PROGRESS"
    assert play.waiting("Software").properties == {"ImageId": "A"}


def test_a_cancelled_update_may_also_wait_for_what_is_in_progress() -> None:
    play = Play(Unknowns(cancels=False)).deploy(PAIR_A).operate(PAIR_B)
    play.take(play.stack.cancel())
    assert play.awaits == ["Update First"]
    assert play.succeed("First").stack.status == "UPDATE_ROLLBACK_IN_PROGRESS"
    assert play.sent("Second") == ["Create"]


def test_an_update_can_be_cancelled_between_two_phases() -> None:
    play = Play(pause=5.0).operate(A).tick(5.0).succeed("Software").tick(10.0).operate(B)
    play.take(play.stack.cancel())
    play.tick(20.0)
    assert play.stack.status.startswith("UPDATE_ROLLBACK_COMPLETE")
    assert play.sent("Software") == ["Create"]


def test_only_an_update_in_progress_can_be_cancelled() -> None:
    with pytest.raises(Refused, match="CREATE_IN_PROGRESS"):
        Play().operate(A).stack.cancel()


# Replacement


def replaced(unknowns: Unknowns | None = None) -> Play:
    play = Play(unknowns or Unknowns()).deploy(PAIR_A).operate(PAIR_B).succeed("First", "new-id")
    return play.fail("Second")


def test_a_replaced_resource_is_updated_back_and_the_new_one_deleted() -> None:
    play = replaced()
    assert play.waiting("First").physical_id == "new-id"
    play.succeed("First", "First-id").succeed("Second")
    assert play.awaits == ["Delete First"]
    assert play.waiting("First").physical_id == "new-id"
    assert play.waiting("First").properties == {"ImageId": "B"}
    play.succeed("First")
    assert play.sent("First") == ["Create", "Update", "Update", "Delete"]
    assert play.stack.resources["First"].physical_id == "First-id"


def test_a_replaced_resource_may_get_a_delete_only() -> None:
    play = replaced(Unknowns(updates_replaced_back=False))
    assert play.awaits == ["Update Second"]
    play.succeed("Second")
    assert play.waiting("First").type == "Delete"
    assert play.waiting("First").physical_id == "new-id"
    assert play.succeed("First").stack.resources["First"].physical_id == "First-id"


def test_the_new_id_of_a_failed_answer_is_forgotten() -> None:
    play = Play().deploy(A).operate(B).fail("Software", "new-id")
    assert play.waiting("Software").physical_id == "Software-id"


def test_the_new_id_of_a_failed_answer_may_count() -> None:
    play = Play(Unknowns(believes_failed_ids=True)).deploy(A).operate(B).fail("Software", "new-id")
    assert play.waiting("Software").physical_id == "new-id"
    play.succeed("Software", "Software-id")
    assert play.waiting("Software").type == "Delete"
    assert play.waiting("Software").physical_id == "new-id"
    assert play.succeed("Software").stack.resources["Software"].physical_id == "Software-id"


# Rollbacks that fail


def test_a_failed_rollback_keeps_the_others_going() -> None:
    play = Play(Unknowns(cancels=False)).deploy(TWO_A).operate(TWO_B).succeed("One").fail("Other")
    play.fail("Other")
    assert play.awaits == ["Update One"]
    assert play.succeed("One").stack.status == "UPDATE_ROLLBACK_FAILED"


def test_a_continued_rollback_tries_again_what_failed_and_nothing_else() -> None:
    play = failed().succeed("First").fail("Second")
    assert play.stack.status == "UPDATE_ROLLBACK_FAILED"
    play.take(play.stack.continue_rollback())
    assert play.awaits == ["Update Second"]
    assert play.waiting("Second").old_properties == {"ImageId": "B"}
    assert play.succeed("Second").stack.status == "UPDATE_ROLLBACK_COMPLETE"


def test_a_skipped_resource_counts_as_taken_back() -> None:
    play = failed().succeed("First").fail("Second")
    play.events()
    play.take(play.stack.continue_rollback(["Second"]))
    assert play.events()[0] == "Second UPDATE_COMPLETE"
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert play.sent("Second") == ["Create", "Update", "Update"]
    assert play.stack.resources["Second"].properties == {"ImageId": "A"}


@pytest.mark.parametrize("to_stable", [True, False])
def test_a_skipped_resource_has_old_or_present_attributes(to_stable: bool) -> None:
    play = Play(Unknowns(skips_to_stable=to_stable)).operate(PAIR_A)
    play.succeed("First", Handover="old").succeed("Second").operate(PAIR_B)
    play.succeed("First", Handover="present").fail("Second").fail("First")
    play.take(play.stack.continue_rollback(["First"])).succeed_all()
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert play.attributes("First") == {"Handover": "old" if to_stable else "present"}


def test_what_depends_on_a_failed_rollback_is_taken_back_after_it_is_skipped() -> None:
    play = failed().fail("First")
    assert play.stack.status == "UPDATE_ROLLBACK_FAILED"
    play.take(play.stack.continue_rollback(["First"]))
    assert play.awaits == ["Update Second"]


def test_only_what_could_not_be_taken_back_can_be_skipped() -> None:
    play = failed().succeed("First").fail("Second")
    with pytest.raises(Refused, match="skipped"):
        play.stack.continue_rollback(["First"])


def test_a_stack_can_be_updated_after_its_rollback() -> None:
    play = failed().succeed_all().deploy(PAIR_B)
    assert play.stack.status == "UPDATE_COMPLETE"
    assert play.last("First").old_properties == {"ImageId": "A"}


# Values


def values(unknowns: Unknowns) -> Play:
    """A waiter that failed, and its resource, which was taken back with a new ``Handover``."""
    play = Play(unknowns).operate(chain("A", 1)).succeed("Software", Handover="a")
    play.succeed("Waiter1").operate(chain("B", 1)).succeed("Software", Handover="b")
    return play.fail("Waiter1").succeed("Software", Handover="back")


def test_a_rollback_sends_the_stored_values() -> None:
    back = values(Unknowns()).waiting("Waiter1")
    assert back.properties == {"Handover": "a"}
    assert back.old_properties == {"Handover": "b"}


def test_a_rollback_may_evaluate_anew() -> None:
    back = values(Unknowns(evaluates_anew=True)).waiting("Waiter1")
    assert back.properties == {"Handover": "back"}
    assert back.old_properties == {"Handover": "b"}


def test_evaluated_before_its_resource_a_waiter_gets_the_failed_value_again() -> None:
    unknowns = Unknowns(evaluates_anew=True, undoing=Order.DEPENDENTS_FIRST)
    play = Play(unknowns).operate(chain("A", 1)).succeed("Software", Handover="a")
    play.succeed("Waiter1").operate(chain("B", 1)).succeed("Software", Handover="b")
    back = play.fail("Waiter1").waiting("Waiter1")
    assert back.properties == back.old_properties == {"Handover": "b"}


@pytest.mark.parametrize("beyond", [False, True])
def test_evaluated_anew_a_rollback_may_go_beyond_what_was_reached(beyond: bool) -> None:
    play = Play(Unknowns(evaluates_anew=True, undoes_beyond=beyond)).deploy(chain("A", 1))
    play.operate(chain("B", 1)).fail("Software").succeed("Software", Handover="back")
    assert play.awaits == (["Update Waiter1"] if beyond else [])


def test_the_new_id_of_a_failed_answer_counts_when_the_rollback_goes_on() -> None:
    play = Play(Unknowns(believes_failed_ids=True)).deploy(A).operate(B).fail("Software", "new-id")
    play.fail("Software")
    play.take(play.stack.continue_rollback())
    assert play.waiting("Software").physical_id == "new-id"
