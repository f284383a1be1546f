"""What a change set lists."""

from __future__ import annotations

from tests.cloudformation.change_set import Change
from tests.cloudformation.play import Play, chain


def test_another_image_lists_the_waiters_as_possibly_modified() -> None:
    assert Play().deploy(chain("A", 2)).stack.changes(chain("B", 2)) == [
        Change("Software", "Modify"),
        Change("Waiter1", "Modify", certain=False, causes=frozenset({"Software"})),
        Change("Waiter2", "Modify", certain=False, causes=frozenset({"Waiter1"})),
    ]


def test_a_longer_chain_lists_the_new_link_only() -> None:
    assert Play().deploy(chain("A", 1)).stack.changes(chain("A", 2)) == [Change("Waiter2", "Add")]


def test_a_shorter_chain_lists_what_is_removed() -> None:
    assert Play().deploy(chain("A", 2)).stack.changes(chain("A", 1)) == [
        Change("Waiter2", "Remove")
    ]


def test_a_change_set_changes_nothing() -> None:
    play = Play().deploy(chain("A", 2))
    play.stack.changes(chain("B", 2))
    assert play.deploy(chain("B", 2)).stack.status == "UPDATE_COMPLETE"
