"""Updating a stack, as far as all goes well."""

from __future__ import annotations

import pytest

from tests.cloudformation.play import Play, chain, software, waiter
from tests.cloudformation.stack import Refused
from tests.cloudformation.template import REF, GetAtt, Resource
from tests.cloudformation.unknowns import Unknowns

A, B = {"Software": software("A")}, {"Software": software("B")}


def deployed(unknowns: Unknowns | None = None) -> Play:
    play = Play(unknowns or Unknowns()).deploy(A)
    play.events()
    return play


def test_an_update_carries_new_and_old_properties_and_the_id() -> None:
    request = deployed().operate(B).waiting("Software")
    event = request.event("its-arn", "https://answer.here")
    assert event["RequestType"] == "Update"
    assert event["ResourceProperties"] == {"ImageId": "B"}
    assert event["OldResourceProperties"] == {"ImageId": "A"}
    assert event["PhysicalResourceId"] == "Software-id"


def test_an_update_ends_with_its_cleanup() -> None:
    assert deployed().deploy(B).events() == [
        "stack UPDATE_IN_PROGRESS",
        "Software UPDATE_IN_PROGRESS",
        "Software UPDATE_COMPLETE",
        "stack UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "stack UPDATE_COMPLETE",
    ]


def test_a_resource_that_is_new_in_an_update_is_created() -> None:
    events = deployed().deploy({**A, "New": software("A")}).events()
    assert "New CREATE_COMPLETE" in events
    assert "Software UPDATE_IN_PROGRESS" not in events


def test_an_update_that_changes_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="No updates"):
        deployed().operate(dict(A))


def test_a_resource_type_can_never_be_changed() -> None:
    with pytest.raises(Refused, match="resource type"):
        deployed().operate({"Software": Resource(type="Custom::Other")})


def test_what_is_no_longer_declared_is_deleted_in_the_cleanup() -> None:
    play = deployed().deploy({**A, "Gone": software("A")}).operate(B)
    assert play.awaits == ["Update Software"]
    assert play.succeed("Software").awaits == ["Delete Gone"]
    assert play.stack.status == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert play.succeed("Gone").stack.status == "UPDATE_COMPLETE"


def test_another_physical_id_replaces_the_resource() -> None:
    play = deployed().operate(B).succeed("Software", "another-id")
    assert play.stack.status == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert play.waiting("Software").type == "Delete"
    assert play.waiting("Software").physical_id == "Software-id"
    assert play.waiting("Software").properties == {"ImageId": "A"}
    assert play.succeed("Software").stack.resources["Software"].physical_id == "another-id"


def test_a_cleanup_delete_is_tried_three_times_and_then_left() -> None:
    play = deployed().operate(B).succeed("Software", "another-id")
    for _ in range(3):
        assert play.awaits == ["Delete Software"]
        play.fail("Software")
    assert play.stack.status == "UPDATE_COMPLETE"


def test_a_retained_resource_gets_no_delete() -> None:
    kept = Resource({"ImageId": "A"}, retained=True)
    play = Play().deploy({**A, "Kept": kept}).deploy(B)
    assert "Kept DELETE_SKIPPED" in play.events()
    assert play.sent("Kept") == ["Create"]
    assert "Kept" not in play.stack.resources


def test_a_retained_resource_that_is_replaced_stays_beside_the_new_one() -> None:
    play = Play().deploy({"Kept": Resource({"ImageId": "A"}, retained=True)})
    play.operate({"Kept": Resource({"ImageId": "B"}, retained=True)}).succeed("Kept", "another-id")
    assert play.stack.status == "UPDATE_COMPLETE"
    assert play.sent("Kept") == ["Create", "Update"]


def test_a_reference_to_the_id_follows_a_replacement() -> None:
    user = {"User": Resource({"Id": GetAtt("Software", REF)})}
    play = Play().deploy({**A, **user}).operate({**B, **user}).succeed("Software", "another-id")
    assert play.waiting("User").properties == {"Id": "another-id"}


def test_references_are_found_however_deep_they_are() -> None:
    deep = Resource({"Groups": [{"Handover": GetAtt("Software", "Handover")}]})
    play = Play().operate({**A, "Deep": deep}).succeed("Software", Handover="patch")
    assert play.waiting("Deep").properties == {"Groups": [{"Handover": "patch"}]}


def test_what_refers_to_an_unchanged_attribute_is_not_updated() -> None:
    play = Play().operate(chain("A", 1)).succeed("Software", Handover="over").succeed("Waiter1")
    play.operate(chain("B", 1)).succeed("Software", Handover="over")
    assert play.sent("Waiter1") == ["Create"]


def test_what_refers_to_an_updated_resource_may_be_updated_all_the_same() -> None:
    play = Play(Unknowns(updates_dependents=True)).operate(chain("A", 1))
    play.succeed("Software", Handover="over").succeed("Waiter1")
    play.operate(chain("B", 1)).succeed("Software", Handover="over")
    request = play.waiting("Waiter1")
    assert request.type == "Update"
    assert request.properties == request.old_properties


def stale(unknowns: Unknowns) -> Play:
    """Its rollback put the old value back into the waiter, while the resource answered a new one."""
    play = Play(unknowns).deploy(chain("A", 1)).operate(chain("B", 1)).succeed("Software")
    play.fail("Waiter1").succeed_all()
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    return play.operate({**chain("A", 1), "Other": software("A")})


def test_a_value_that_went_stale_before_is_not_noticed() -> None:
    assert stale(Unknowns()).awaits == ["Create Other"]


def test_a_value_that_went_stale_before_may_be_noticed() -> None:
    assert stale(Unknowns(notices_stale=True)).awaits == ["Update Waiter1", "Create Other"]


def test_a_stack_that_is_being_updated_takes_no_other_update() -> None:
    play = deployed().operate(B)
    with pytest.raises(Refused, match="UPDATE_IN_PROGRESS"):
        play.operate({"Software": software("C")})
    with pytest.raises(Refused, match="UPDATE_IN_PROGRESS"):
        play.stack.delete()


def test_a_reference_that_is_written_otherwise_but_means_the_same_updates_nothing() -> None:
    play = Play().operate({**A, "Waiter": waiter("Software")})
    play.succeed("Software", Handover="over").succeed("Waiter", Handover="over")
    play.operate({**A, "Waiter": Resource({"Handover": "over"}, waiter("Software").type)})
    assert play.stack.status == "UPDATE_COMPLETE"
    assert play.sent("Waiter") == ["Create"]


def test_numbers_and_truths_are_sent_as_text() -> None:
    play = Play().operate({**A, "User": Resource({"Text": [True, 5, GetAtt("Software", "Count")]})})
    play.succeed("Software", Count=7)
    assert play.waiting("User").properties == {"Text": ["true", "5", "7"]}
