"""Rule 20: no invocation outlasts its own time, and what will not pass is told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from hyperpod_software.adapters import clients as aws
from hyperpod_software.adapters.budget import Budget, spending
from hyperpod_software.adapters.cloudformation import Stack
from hyperpod_software.adapters.sagemaker import CallResult, SageMaker
from hyperpod_software.contract.times import INVOCATION
from hyperpod_software.engine.retry import retry
from hyperpod_software.model.decision import Patch
from hyperpod_software.model.errors import AwsError
from tests.handler.parts import HERE, Parts, event
from tests.lifecycle.samples import cluster, declared
from tests.simulation.gate import error

Kind = AwsError.Kind


class Clock:
    """Time, which passes with pauses and with time-outs."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Service:
    """A client whose calls come to what is set for them, one after the other, then the last."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.answers: list[Any] = []
        self.config: Any = Config()  # Its settings are attributes that its types leave out.
        self.calls: list[str] = []

    def client(self, service: str, config: Config) -> Service:
        self.config = config
        return self

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**_: Any) -> Any:
            self.calls.append(method)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, ConnectTimeoutError | ReadTimeoutError):
                self.clock.now += self.config.connect_timeout
                if isinstance(answer, ReadTimeoutError):
                    self.clock.now += self.config.read_timeout
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """What stands for every service, inside one invocation."""
    service = Service(clock)
    monkeypatch.setattr(aws, "boto3", service)
    aws.client.cache_clear()
    with spending(Budget(180, clock=clock, sleep=clock.sleep, chance=lambda: 0.5)):
        yield service
    aws.client.cache_clear()


def fails(call: Callable[[], Any]) -> AwsError:
    with pytest.raises(AwsError) as caught:
        call()
    return caught.value


def put_rule() -> Any:
    return aws.client("events").put_rule(Name="r")


def patch() -> CallResult:
    return SageMaker().update(Patch(cluster(), ("workers",)), declared())


@pytest.mark.parametrize(
    "trouble",
    [
        ReadTimeoutError(endpoint_url="x"),
        ConnectTimeoutError(endpoint_url="x"),
        error("ThrottlingException", "PutRule"),
        error("AccessDeniedException", "PutRule"),
        error("InternalException", "PutRule", status=500),
    ],
)
def test_rule_20_nothing_that_fails_for_good_outlasts_the_invocation(
    trouble: Exception, service: Service, clock: Clock
) -> None:
    service.answers = [trouble]
    for _ in range(20):
        with pytest.raises(AwsError):
            retry(put_rule)
    assert clock.now <= INVOCATION


def test_rule_20_the_sdk_tries_nothing_again_behind_our_back(service: Service) -> None:
    service.answers = [{}]
    put_rule()
    assert service.config.retries["total_max_attempts"] == 1


def test_rule_20_a_quota_is_met_once_and_not_waited_for(service: Service, clock: Clock) -> None:
    service.answers = [error("LimitExceededException", "PutRule", "Too many.")]
    assert fails(lambda: retry(put_rule)).kind is Kind.QUOTA
    assert len(service.calls) == 1
    assert clock.now == 0


def test_rule_20_a_rule_that_two_change_at_once_is_changed_again(service: Service) -> None:
    service.answers = [error("ConcurrentModificationException", "PutRule"), {"RuleArn": "r"}]
    assert put_rule() == {"RuleArn": "r"}


def test_rule_20_a_throttled_patch_call_is_made_again_in_the_same_look(
    service: Service, clock: Clock
) -> None:
    throttled = error("ThrottlingException", "UpdateClusterSoftware")
    service.answers = [throttled, throttled, {"ClusterArn": "x"}]
    assert patch() is CallResult.ACCEPTED
    assert 0 < clock.now < 10


def test_rule_07_a_patch_call_without_an_answer_is_made_once(service: Service) -> None:
    service.answers = [ReadTimeoutError(endpoint_url="x"), {}]
    assert patch() is CallResult.UNKNOWN
    assert len(service.calls) == 1


def test_rule_20_pages_without_an_end_are_not_read_for_ever(service: Service, clock: Clock) -> None:
    clock.now += 90
    service.answers = [{"ClusterNodeSummaries": [], "NextToken": "more"}]
    read = SageMaker().nodes("ml")
    clock.now += 20
    problem = fails(lambda: list(read))
    assert problem.code == "TooSlow"
    assert len(service.calls) == 1
    elsewhere = {
        "LogicalResourceId": "Other",
        "PhysicalResourceId": "other",
        "ResourceStatus": "CREATE_COMPLETE",
        "Timestamp": datetime.now(UTC),
    }
    service.answers = [{"StackEvents": [elsewhere], "NextToken": "more"}]
    assert fails(lambda: Stack().history("stack", "Software")).code == "TooSlow"


def test_rule_20_lambda_may_give_less_time_than_usual() -> None:
    clock = Clock()
    short = Budget(60, clock=clock, sleep=clock.sleep)
    assert short.left == 50
    assert short.pause(30)
    assert not short.pause(10)
    assert short.late is False


def test_rule_20_with_the_quota_of_rules_used_up_the_first_invocation_answers() -> None:
    parts = Parts()

    def used_up(*_: Any) -> None:
        raise AwsError("PutRule", Kind.QUOTA, "LimitExceededException", "Too many.")

    parts.rules.start = used_up  # type: ignore[method-assign, assignment]
    before = parts.now
    reply = parts.begin(event())
    assert reply is not None
    assert reply.response["Reason"].startswith("EventBridge allows no more rules in this account")
    assert parts.now == before
    parts.reconciler.responder.delivered(reply)
    assert parts.nothing_left()


@pytest.mark.parametrize("document", ["progress", "call", "request-0"])
def test_rule_20_with_the_quota_of_parameters_used_up_the_first_invocation_answers(
    document: str,
) -> None:
    parts = Parts()
    put = parts.store._put

    def used_up(name: str, value: str, *, overwrite: bool) -> int:
        if name.endswith((document, "answer-1")) and name not in parts.store.values:
            raise AwsError("PutParameter", Kind.QUOTA, "ParameterLimitExceeded", "Too many.")
        return put(name, value, overwrite=overwrite)

    parts.store._put = used_up  # type: ignore[method-assign]
    reply = parts.begin(event())
    assert reply is not None
    assert reply.response["Reason"].startswith("Parameter Store holds no more parameters")
    assert not parts.hyperpod.calls
    parts.reconciler.responder.delivered(reply)
    assert parts.nothing_left()


def test_rule_20_an_answer_that_no_parameter_could_hold_is_kept_once_one_can() -> None:
    parts, made = Parts(), event()
    parts.store._put = _used_up  # type: ignore[method-assign]
    reply = parts.begin(made)
    assert reply is not None
    del parts.store._put
    with parts.invocation():
        parts.reconciler.responder.undelivered(reply, HERE)
    parts.now += 60
    assert parts.deliver(parts.look()) == reply.response
    assert parts.nothing_left()


def _used_up(*_: object, **__: object) -> int:
    raise AwsError("PutParameter", Kind.QUOTA, "ParameterLimitExceeded", "Too many.")


def test_rule_20_no_call_is_made_that_leaves_no_time_to_write_down_its_answer() -> None:
    parts = Parts()

    def slow(*_: Any) -> None:
        parts.now += 120

    parts.rules.start = slow  # type: ignore[method-assign, assignment]
    assert parts.begin(event()) is None
    assert not parts.hyperpod.calls
