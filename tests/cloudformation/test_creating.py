"""Creating a stack."""

from __future__ import annotations

import pytest

from tests.cloudformation.messages import Answer
from tests.cloudformation.play import Play, chain, software, waiter
from tests.cloudformation.stack import Refused
from tests.cloudformation.template import Resource
from tests.cloudformation.unknowns import Unknowns

SIBLINGS = {"One": software("A"), "Other": software("A")}


def test_a_resource_is_created_and_the_stack_with_it() -> None:
    play = Play().deploy({"Software": software("A")})
    assert play.events() == [
        "stack CREATE_IN_PROGRESS",
        "Software CREATE_IN_PROGRESS",
        "Software CREATE_IN_PROGRESS",
        "Software CREATE_COMPLETE",
        "stack CREATE_COMPLETE",
    ]


def test_siblings_are_created_side_by_side() -> None:
    assert Play().operate(SIBLINGS).awaits == ["Create One", "Create Other"]


def test_a_dependent_is_created_after_its_dependency() -> None:
    play = Play().operate({"Late": Resource(depends_on=("Early",)), "Early": software("A")})
    assert play.awaits == ["Create Early"]
    assert play.succeed("Early").awaits == ["Create Late"]


def test_a_reference_is_replaced_by_the_attribute_of_the_answer() -> None:
    play = Play().operate(chain("A", 1)).succeed("Software", Handover="patch of six hours")
    assert play.waiting("Waiter1").properties == {"Handover": "patch of six hours"}


def test_an_attribute_that_was_not_answered_fails_the_one_that_refers_to_it() -> None:
    play = Play().operate(chain("A", 1)).succeed("Software", Outcome="Patched")
    assert "Waiter1 CREATE_FAILED" in play.events()
    assert play.awaits == ["Delete Software"]
    assert play.sent("Waiter1") == []


def test_a_failed_create_is_deleted_by_the_id_of_its_answer() -> None:
    play = Play().operate({"Software": software("A")}).fail("Software", "its-own-id")
    assert play.stack.status == "ROLLBACK_IN_PROGRESS"
    assert play.waiting("Software").type == "Delete"
    assert play.waiting("Software").physical_id == "its-own-id"
    assert play.succeed("Software").stack.status == "ROLLBACK_COMPLETE"


def test_a_sibling_of_a_failure_is_cancelled_and_deleted_by_an_invented_id() -> None:
    play = Play().operate(SIBLINGS).fail("Other")
    assert play.given_up == ["One"]
    assert "One CREATE_FAILED" in play.events()
    assert play.waiting("One").type == "Delete"
    assert str(play.waiting("One").physical_id).startswith("stack-One-")


def test_a_sibling_of_a_failure_may_also_be_waited_for() -> None:
    play = Play(Unknowns(cancels=False)).operate(SIBLINGS).fail("Other")
    assert play.awaits == ["Create One"]
    play.succeed("One")
    assert play.awaits == ["Delete Other", "Delete One"]
    assert play.waiting("One").physical_id == "One-id"


def test_what_a_cancelled_create_answers_has_no_effect() -> None:
    play = Play().operate(SIBLINGS)
    late = play.waiting("One")
    play.fail("Other").events()
    play.take(play.stack.answered(late.id, Answer(True, "late")))
    assert play.events() == []


def test_a_rollback_deletes_dependents_first() -> None:
    play = Play().operate(chain("A", 2)).succeed("Software").succeed("Waiter1").fail("Waiter2")
    assert play.awaits == ["Delete Waiter2"]
    assert play.succeed("Waiter2").awaits == ["Delete Waiter1"]
    assert play.succeed("Waiter1").awaits == ["Delete Software"]


def test_a_delete_that_fails_leaves_the_rollback_failed() -> None:
    play = Play().operate({"Software": software("A")}).fail("Software").fail("Software")
    assert play.stack.status == "ROLLBACK_FAILED"


def test_without_an_answer_a_create_fails_after_an_hour() -> None:
    play = Play().operate({"Software": software("A")}).tick(3599.0)
    assert play.given_up == []
    assert play.tick(3600.0).given_up == ["Software"]
    assert play.awaits == ["Delete Software"]
    assert str(play.waiting("Software").physical_id).startswith("stack-Software-")


def test_a_service_timeout_shortens_the_wait_for_an_answer() -> None:
    play = Play().operate({"Software": software("A", ServiceTimeout="600")})
    assert play.stack.next_due() == 600.0
    assert play.tick(600.0).given_up == ["Software"]


def test_deleting_a_stack_cancels_its_creation() -> None:
    play = Play().operate(chain("A", 1))
    play.take(play.stack.delete())
    assert play.given_up == ["Software"]
    assert play.awaits == ["Delete Software"]
    assert play.succeed("Software").stack.status == "DELETE_COMPLETE"


def test_a_reference_to_nothing_is_refused_at_once() -> None:
    with pytest.raises(Refused, match=r"\[Software\] of Waiter1"):
        Play().operate({"Waiter1": waiter("Software")})


def test_a_stack_that_was_not_created_can_only_be_deleted() -> None:
    play = Play().operate({"Software": software("A")}).fail("Software").succeed("Software")
    with pytest.raises(Refused, match="ROLLBACK_COMPLETE"):
        play.operate({"Software": software("B")})
    assert play.take(play.stack.delete()).stack.status == "DELETE_COMPLETE"


def test_phases_follow_each_other_after_a_pause() -> None:
    play = Play(pause=5.0).operate({"Software": software("A")})
    assert play.awaits == []
    assert play.tick(5.0).awaits == ["Create Software"]
    assert play.succeed("Software").stack.status == "CREATE_IN_PROGRESS"
    assert play.tick(10.0).stack.status == "CREATE_COMPLETE"
    assert play.stack.at_rest
