"""Wait conditions, as stacks had them before the waiters."""

from __future__ import annotations

from tests.cloudformation.play import Play, chain, software
from tests.cloudformation.template import Template
from tests.cloudformation.wait_condition import awaited

HOUR = 3600


def waited_for(image: str, mark: str) -> Template:
    return awaited("Software", software(image), mark, 6 * HOUR)


def signal(play: Play, mark: str, *, succeeded: bool = True) -> Play:
    url = f"https://handle.invalid/SoftwareHandle{mark}"
    return play.take(play.stack.signalled(url, succeeded=succeeded, data="done", reason="Why not"))


def deployed() -> Play:
    return signal(Play().operate(waited_for("A", "1")).succeed("Software"), "1")


def test_a_stack_waits_for_the_signal_after_the_answer() -> None:
    play = Play().operate(waited_for("A", "1"))
    url = "https://handle.invalid/SoftwareHandle1"
    assert play.waiting("Software").properties["WaitConditionHandle"] == url
    assert play.succeed("Software").stack.status == "CREATE_IN_PROGRESS"
    assert signal(play, "1").stack.status == "CREATE_COMPLETE"
    assert play.attributes("SoftwareWait1") == {"Data": "done"}


def test_a_signal_before_the_answer_counts() -> None:
    play = signal(Play().operate(waited_for("A", "1")), "1")
    assert play.succeed("Software").stack.status == "CREATE_COMPLETE"


def test_a_failure_signal_rolls_the_stack_back() -> None:
    play = deployed().operate(waited_for("B", "2")).succeed("Software")
    assert signal(play, "2", succeeded=False).waiting("Software").undoes


def test_without_a_signal_the_condition_fails_at_its_timeout() -> None:
    play = Play().operate(waited_for("A", "1")).succeed("Software").tick(6.0 * HOUR - 1)
    assert play.stack.status == "CREATE_IN_PROGRESS"
    assert play.tick(6.0 * HOUR).stack.status == "ROLLBACK_IN_PROGRESS"


def test_a_condition_cannot_be_updated() -> None:
    template = deployed().stack
    play = Play().take(template.operate(awaited("Software", software("A"), "1", 7 * HOUR)))
    assert "SoftwareWait1 UPDATE_FAILED" in play.events()


def test_a_cancelled_update_does_not_wait_for_its_signal() -> None:
    play = deployed().operate(waited_for("B", "2")).succeed("Software")
    play.take(play.stack.cancel())
    assert signal(play, "2").awaits == ["Update Software"]


def test_a_handle_made_anew_meets_the_old_signal() -> None:
    play = signal(deployed().operate(waited_for("B", "2")).succeed("Software"), "2")
    play.operate(waited_for("A", "1")).succeed("Software")
    assert play.stack.status == "UPDATE_COMPLETE"


def test_a_stack_moves_from_a_wait_condition_to_waiters() -> None:
    play = deployed().operate(chain("A", 1))
    assert play.waiting("Software").old_properties == {
        "ImageId": "A",
        "WaitConditionHandle": "https://handle.invalid/SoftwareHandle1",
    }
    assert play.succeed("Software").awaits == ["Create Waiter1"]
    assert play.succeed("Waiter1").stack.status == "UPDATE_COMPLETE"
    assert list(play.stack.resources) == ["Software", "Waiter1"]


def test_a_failed_move_to_waiters_leaves_the_wait_condition() -> None:
    play = deployed().operate(chain("A", 1)).succeed("Software").fail("Waiter1").succeed_all()
    assert play.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert sorted(play.stack.resources) == ["Software", "SoftwareHandle1", "SoftwareWait1"]
