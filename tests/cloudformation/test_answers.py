"""What CloudFormation makes of the body of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cloudformation.messages import ANSWER_LIMIT, TOO_LONG, Answer, read
from tests.cloudformation.play import Play, software

EVENT = {"StackId": "its-arn", "RequestId": "1", "LogicalResourceId": "Software"}


def body(**changed: Any) -> bytes:
    given = {**EVENT, "Status": "SUCCESS", "PhysicalResourceId": "its-id", "Reason": "Done"}
    return json.dumps({name: value for name, value in (given | changed).items() if value}).encode()


def test_a_success_has_its_id_and_its_attributes() -> None:
    answer = read(body(Data={"Outcome": "Patched"}), EVENT)
    assert answer == Answer(True, "its-id", {"Outcome": "Patched"}, "Done")


def test_a_failure_has_its_reason() -> None:
    assert read(body(Status="FAILED", Reason="No room"), EVENT) == Answer(
        False, "its-id", {}, "No room"
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"RequestId": "2"},
        {"StackId": "another"},
        {"LogicalResourceId": None},
        {"Status": "DONE"},
        {"PhysicalResourceId": None},
        {"PhysicalResourceId": "x" * 1025},
        {"Status": "FAILED", "Reason": None},
        {"Reason": 5},
        {"Data": "no mapping"},
    ],
)
def test_an_answer_that_is_not_valid_is_a_failure(changed: dict[str, Any]) -> None:
    assert not read(body(**changed), EVENT).succeeded


@pytest.mark.parametrize("given", [b"", b"[]", b"null", b"\xff"])
def test_what_is_no_answer_at_all_is_a_failure(given: bytes) -> None:
    assert not read(given, EVENT).succeeded


def test_an_answer_may_have_4096_bytes_and_no_more() -> None:
    room = ANSWER_LIMIT - len(body(Reason="x")) + 1
    assert read(body(Reason="x" * room), EVENT).succeeded
    assert read(body(Reason="x" * (room + 1)), EVENT) == Answer(False, reason=TOO_LONG)


def test_an_answer_to_an_event_of_the_stack_ends_its_request() -> None:
    play = Play().operate({"Software": software("A")})
    event = play.waiting("Software").event("its-arn", "https://answer.here")
    answer = read(body(RequestId=event["RequestId"]), event)
    assert (
        play.take(play.stack.answered(event["RequestId"], answer)).stack.status == "CREATE_COMPLETE"
    )
