"""A resource and its waiters, whose only changing property is ``Handover`` of the one before."""

from __future__ import annotations

import pytest

from tests.cloudformation.play import Play, chain
from tests.cloudformation.unknowns import Order, Unknowns

NAMES = ["Software", "Waiter1", "Waiter2"]
BOTH = pytest.mark.parametrize("anew", [False, True])


def run(play: Play, *handovers: str) -> Play:
    """Each link that is reached answers in its turn."""
    for name, handover in zip(NAMES, handovers, strict=False):
        play.succeed(name, Handover=handover)
    return play


def handovers(play: Play) -> list[str]:
    """What each waiter was given, and what the last one hands on."""
    links = [play.stack.resources[name] for name in play.stack.resources]
    given = [link.properties["Handover"] for link in links if "Handover" in link.properties]
    return [*given, links[-1].attributes["Handover"]]


def deployed(unknowns: Unknowns | None = None) -> Play:
    """A stack with A, whose patch took all three windows."""
    play = Play(unknowns or Unknowns())
    return run(play.operate(chain("A")), "a1", "a2", "A is done")


def failing_in_the_second(unknowns: Unknowns | None = None) -> Play:
    """B goes on in the first waiter, and fails there."""
    play = deployed(unknowns).operate(chain("B"))
    return play.succeed("Software", Handover="b1").fail("Waiter1")


def test_each_link_gets_what_the_one_before_handed_over() -> None:
    play = deployed().operate(chain("B"))
    assert play.awaits == ["Update Software"]
    assert play.succeed("Software", Handover="b1").awaits == ["Update Waiter1"]
    assert play.waiting("Waiter1").old_properties == {"Handover": "a1"}
    assert play.succeed("Waiter1", Handover="b2").awaits == ["Update Waiter2"]
    assert play.waiting("Waiter2").properties == {"Handover": "b2"}
    play.succeed("Waiter2", Handover="B is done")
    assert play.stack.status == "UPDATE_COMPLETE"
    assert handovers(play) == ["b1", "b2", "B is done"]


def test_a_result_that_is_known_early_is_passed_on_by_every_link() -> None:
    play = run(deployed().operate(chain("B")), "done", "done", "done")
    assert handovers(play) == ["done", "done", "done"]


def test_the_same_result_twice_ends_the_update_early() -> None:
    play = run(deployed().operate(chain("B")), "done", "done", "done").operate(chain("C"))
    play.succeed("Software", Handover="done")
    assert play.stack.status == "UPDATE_COMPLETE"
    assert play.sent("Waiter1") == ["Create", "Update"]


def test_a_link_without_news_ends_the_chain_of_updates() -> None:
    play = deployed().operate(chain("B"))
    play.succeed("Software", Handover="b1").succeed("Waiter1", Handover="a2")
    assert play.stack.status == "UPDATE_COMPLETE"


def test_the_links_take_one_hour_each() -> None:
    play = deployed()
    play.operate(chain("B")).tick(3500.0).succeed("Software", Handover="b1")
    play.tick(7000.0).succeed("Waiter1", Handover="b2").tick(10500.0)
    assert play.given_up == []
    assert play.succeed("Waiter2", Handover="B is done").stack.status == "UPDATE_COMPLETE"


@BOTH
def test_a_failure_in_the_second_takes_back_the_two_that_were_reached(anew: bool) -> None:
    play = failing_in_the_second(Unknowns(evaluates_anew=anew))
    assert play.awaits == ["Update Software"]
    assert play.waiting("Software").properties == {"ImageId": "A"}
    play.succeed("Software", Handover="back to A")
    back = play.waiting("Waiter1")
    assert back.properties == {"Handover": "back to A" if anew else "a1"}
    assert back.old_properties == {"Handover": "b1"}
    play.succeed("Waiter1", Handover="A is back")
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert play.sent("Waiter2") == ["Create"]


@BOTH
def test_after_a_rollback_the_last_link_has_what_it_had_before(anew: bool) -> None:
    play = run(failing_in_the_second(Unknowns(evaluates_anew=anew)), "back to A", "A is back")
    assert handovers(play) == ["back to A" if anew else "a1", "a2", "A is done"]


def test_evaluated_anew_a_rollback_may_reach_the_last_link_too() -> None:
    play = failing_in_the_second(Unknowns(evaluates_anew=True, undoes_beyond=True))
    run(play, "back to A", "A is back")
    assert play.waiting("Waiter2").undoes
    assert play.waiting("Waiter2").properties == {"Handover": "A is back"}
    assert play.waiting("Waiter2").old_properties == {"Handover": "a2"}
    assert play.succeed("Waiter2").stack.status == "UPDATE_ROLLBACK_COMPLETE"


@BOTH
def test_a_waiter_can_be_taken_back_before_its_resource(anew: bool) -> None:
    unknowns = Unknowns(evaluates_anew=anew, undoing=Order.DEPENDENTS_FIRST)
    play = failing_in_the_second(unknowns)
    assert play.awaits == ["Update Waiter1"]
    assert play.waiting("Waiter1").properties == {"Handover": "b1" if anew else "a1"}
    assert play.succeed("Waiter1").awaits == ["Update Software"]
    assert play.succeed("Software").stack.status == "UPDATE_ROLLBACK_COMPLETE"


@pytest.mark.parametrize("cancels", [True, False])
def test_an_update_cancelled_in_the_second_is_taken_back_like_a_failed_one(cancels: bool) -> None:
    play = deployed(Unknowns(cancels=cancels)).operate(chain("B"))
    play.succeed("Software", Handover="b1")
    play.take(play.stack.cancel())
    assert play.given_up == (["Waiter1"] if cancels else [])
    if not cancels:
        play.succeed("Waiter1", Handover="b2")
    assert play.awaits == ["Update Software"]
    assert play.succeed("Software").waiting("Waiter1").old_properties == {"Handover": "b1"}


def test_from_a_to_b_and_back_every_link_is_updated_twice() -> None:
    play = run(deployed().operate(chain("B")), "b1", "b2", "B is done")
    run(play.operate(chain("A")), "a3", "a4", "A is done again")
    assert handovers(play) == ["a3", "a4", "A is done again"]
    assert [play.sent(name) for name in NAMES] == [["Create", "Update", "Update"]] * 3


@BOTH
def test_after_a_failed_b_another_b_is_sent_down_the_whole_chain(anew: bool) -> None:
    play = run(failing_in_the_second(Unknowns(evaluates_anew=anew)), "back to A", "A is back")
    play.operate(chain("B")).succeed("Software", Handover="b3")
    assert play.waiting("Waiter1").old_properties == {"Handover": "back to A" if anew else "a1"}
    play.succeed("Waiter1", Handover="b4").succeed("Waiter2", Handover="B is done")
    assert handovers(play) == ["b3", "b4", "B is done"]


def test_a_chain_that_grows_gets_a_create_for_the_new_link_only() -> None:
    play = deployed().operate(chain("A", 3))
    assert play.awaits == ["Create Waiter3"]
    assert play.waiting("Waiter3").properties == {"Handover": "A is done"}
    assert play.succeed("Waiter3").stack.status == "UPDATE_COMPLETE"


def test_a_chain_that_grows_with_another_image_is_gone_through_in_order() -> None:
    play = run(deployed().operate(chain("B", 3)), "b1", "b2", "b3")
    assert play.awaits == ["Create Waiter3"]
    assert play.waiting("Waiter3").properties == {"Handover": "b3"}


def test_a_link_that_grew_gets_a_delete_when_its_operation_is_taken_back() -> None:
    play = run(deployed().operate(chain("B", 3)), "b1", "b2", "b3").fail("Waiter3")
    run(play, "back1", "back2", "back3")
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    assert play.awaits == ["Delete Waiter3"]
    assert play.succeed("Waiter3").stack.status == "UPDATE_ROLLBACK_COMPLETE"


def test_a_chain_that_shrinks_loses_its_last_link_in_the_cleanup() -> None:
    play = deployed().operate(chain("A", 1))
    assert play.stack.status == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert play.awaits == ["Delete Waiter2"]
    assert play.waiting("Waiter2").properties == {"Handover": "a2"}
    play.succeed("Waiter2")
    assert handovers(play) == ["a1", "a2"]  # The new last link still says that it goes on.


def test_a_chain_that_loses_all_its_waiters_deletes_the_last_one_first() -> None:
    play = deployed().operate(chain("A", 0))
    assert play.awaits == ["Delete Waiter2"]
    assert play.succeed("Waiter2").awaits == ["Delete Waiter1"]


def test_a_chain_that_shrank_keeps_all_links_when_its_operation_is_taken_back() -> None:
    play = deployed().operate(chain("B", 1)).succeed("Software", Handover="b1").fail("Waiter1")
    play.succeed_all()
    assert list(play.stack.resources) == NAMES
    assert play.sent("Waiter2") == ["Create"]


def test_a_replaced_resource_is_deleted_only_after_the_whole_chain() -> None:
    play = deployed().operate(chain("B")).succeed("Software", "another cluster", Handover="b1")
    assert play.awaits == ["Update Waiter1"]
    play.succeed("Waiter1", Handover="b2").succeed("Waiter2", Handover="B is done")
    assert play.awaits == ["Delete Software"]
    assert play.waiting("Software").physical_id == "Software-id"


@BOTH
def test_a_replaced_resource_may_get_no_update_while_its_waiter_does(anew: bool) -> None:
    unknowns = Unknowns(evaluates_anew=anew, updates_replaced_back=False)
    play = deployed(unknowns).operate(chain("B"))
    play.succeed("Software", "another cluster", Handover="b1").fail("Waiter1")
    assert play.awaits == ["Update Waiter1"]
    assert play.waiting("Waiter1").properties == {"Handover": "a1"}
    assert play.succeed("Waiter1").awaits == ["Delete Software"]
    assert play.waiting("Software").physical_id == "another cluster"
    assert play.sent("Software") == ["Create", "Update", "Delete"]


def test_a_skipped_waiter_keeps_a_value_that_nobody_patched() -> None:
    play = run(failing_in_the_second(), "back to A").fail("Waiter1")
    play.take(play.stack.continue_rollback(["Waiter1"]))
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert handovers(play) == ["a1", "a2", "A is done"]
    assert play.attributes("Software") == {"Handover": "back to A"}


def test_without_rollback_a_failed_link_is_taken_back_alone() -> None:
    play = deployed().operate(chain("B"), rollback=False)
    play.succeed("Software", Handover="b1").fail("Waiter1")
    assert play.awaits == ["Update Waiter1"]
    assert play.waiting("Waiter1").properties == {"Handover": "a1"}
    assert play.succeed("Waiter1", Handover="a2").stack.status == "UPDATE_FAILED"


def test_without_rollback_a_link_taken_back_may_be_given_the_failed_value() -> None:
    play = deployed(Unknowns(evaluates_anew=True)).operate(chain("B"), rollback=False)
    play.succeed("Software", Handover="b1").fail("Waiter1")
    assert play.waiting("Waiter1").undoes
    assert play.waiting("Waiter1").properties == {"Handover": "b1"}


def test_a_link_that_is_evaluated_before_its_resource_may_keep_the_failed_value() -> None:
    unknowns = Unknowns(evaluates_anew=True, undoing=Order.DEPENDENTS_FIRST)
    play = run(deployed(unknowns).operate(chain("B")), "b1", "b2").fail("Waiter2")
    assert play.succeed("Waiter2", Handover="A is back").awaits == ["Update Software"]
    play.succeed("Software", Handover="A is back")
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert handovers(play) == ["b1", "b2", "A is back"]
