"""Each defect of stock crhelper that the adapter mends, shown on both.

Every test runs the same small story with crhelper as it comes and with this handler, and
asserts that the first goes wrong in the described way and the second does not.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from crhelper import CfnResource
from crhelper import utils as crhelper_utils

from hyperpod_software import crhelper_adapter, handler
from hyperpod_software.adapters import eventbridge as polling
from hyperpod_software.adapters import response
from hyperpod_software.adapters.budget import Budget, spending
from hyperpod_software.model.errors import AwsError
from tests.handler.parts import Parts, event
from tests.lifecycle.samples import NEW, cluster, group, groups, properties

stock_utils: Any = crhelper_utils  # It comes without types.

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:f"


@dataclass
class Context:
    """What Lambda hands over."""

    aws_request_id: str = "invocation"
    function_name: str = "f"
    invoked_function_arn: str = FUNCTION
    log_group_name: str = "/logs"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@dataclass
class Events:
    """EventBridge and Lambda's policy, as far as crhelper uses them."""

    rules: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    targets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    permissions: list[str] = field(default_factory=list[str])
    broken: frozenset[str] = frozenset()

    def _may(self, call: str) -> None:
        if call in self.broken:
            raise RuntimeError(f"{call} is out of order")

    def put_rule(self, **rule: Any) -> dict[str, str]:
        self._may("put_rule")
        self.rules[rule["Name"]] = rule
        return {"RuleArn": f"arn:aws:events:us-east-1:111122223333:rule/{rule['Name']}"}

    def put_targets(self, **targets: Any) -> dict[str, Any]:
        self._may("put_targets")
        self.targets[targets["Rule"]] = targets["Targets"][0]
        return {"FailedEntryCount": 0}

    def remove_targets(self, **targets: Any) -> None:
        self._may("remove_targets")
        self.targets.pop(targets["Rule"], None)

    def delete_rule(self, **rule: Any) -> None:
        self._may("delete_rule")
        self.rules.pop(rule["Name"], None)

    def add_permission(self, **permission: Any) -> None:
        self._may("add_permission")
        self.permissions.append(permission["StatementId"])

    def remove_permission(self, **permission: Any) -> None:
        self._may("remove_permission")
        self.permissions.remove(permission["StatementId"])


class Stock:
    """Stock crhelper, around functions as its readme has them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setattr("boto3.client", lambda *args, **kwargs: None)
        self.events = Events()
        self.helper = CfnResource(log_level="INFO", boto_level="ERROR", sleep_on_delete=0)
        inside: Any = self.helper
        inside._events_client = inside._lambda_client = self.events
        self.answers: list[dict[str, Any]] = []
        monkeypatch.setattr(inside, "_send", self._send)
        self.stock_send: Callable[..., None] = CfnResource._send  # type: ignore[attr-defined]
        self.poll: Callable[[], Any] = lambda: None
        self.helper.create(lambda made, context: None)
        self.helper.poll_create(lambda made, context: self.poll())
        self.helper.update(lambda made, context: None)
        self.helper.poll_update(lambda made, context: self.poll())

    def _send(self, status: str | None = None, reason: str = "") -> None:
        def keep(url: str, body: dict[str, Any], verify: Any) -> None:
            self.answers.append(copy.deepcopy(body))

        self.stock_send(self.helper, status, reason, keep)

    def deliver(self, made: dict[str, Any]) -> None:
        self.helper(copy.deepcopy(made), Context())

    def tick(self) -> None:
        for target in list(self.events.targets.values()):
            self.helper(json.loads(target["Input"]), Context())


class Ours(Parts):
    """This handler's reconciler behind its adapter; what stands around is in reach."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *args: Any) -> None:
        super().__init__(*args)
        self.answers: list[dict[str, Any]] = []
        self.puts: list[bool] = []
        monkeypatch.setattr(handler, "Reconciler", lambda *a, **k: self.reconciler)
        self.handle = handler.build(put=self._put)

    def _put(self, url: str, body: bytes) -> bool:
        taken = self.puts.pop(0) if self.puts else True
        if taken:
            self.answers.append(json.loads(body))
        return taken

    def deliver(self, made: dict[str, Any]) -> None:  # type: ignore[override] # as Stock does
        self.handle(copy.deepcopy(made), Context())

    def tick(self) -> None:
        for poll in list(self.rules.rules.values()):
            self.handle(json.loads(polling.poll_input(poll.path, int(poll.until))), Context())


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> Stock:
    return Stock(monkeypatch)


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Ours:
    return Ours(monkeypatch)


def fail() -> None:
    raise RuntimeError("it failed")


FAILED = cluster(group(update_status="Failed"))
DONE = cluster(group(image_id=NEW))


def test_a_create_whose_poll_fails_has_a_random_physical_id(stock: Stock, ours: Ours) -> None:
    stock.poll = fail
    for _ in range(2):
        stock.deliver(event())
        stock.tick()
    ids = {answer["PhysicalResourceId"] for answer in stock.answers}
    assert len(ids) == 2

    for number in range(2):
        ours.hyperpod.seen = cluster(group(update_status="Succeeded"))
        ours.deliver(event(request=f"r{number}"))
        ours.hyperpod.seen = FAILED
        ours.now += 60
        ours.tick()
    assert [answer["Status"] for answer in ours.answers] == ["FAILED", "FAILED"]
    assert {answer["PhysicalResourceId"] for answer in ours.answers} == {"ml"}


def test_an_update_whose_poll_returns_true_is_taken_for_a_replacement(
    stock: Stock, ours: Ours
) -> None:
    stock.poll = lambda: True
    stock.deliver(event("Update"))
    stock.tick()
    assert stock.answers[0]["PhysicalResourceId"] != "ml"

    ours.hyperpod.seen = DONE
    ours.deliver(event("Update", OldResourceProperties=properties()))
    assert ours.answers[0]["PhysicalResourceId"] == "ml"


def test_polling_never_ends_when_cloudformation_has_given_up(stock: Stock, ours: Ours) -> None:
    stock.deliver(event())
    for _ in range(1000):
        stock.tick()
    assert stock.events.rules

    ours.deliver(event())
    ours.hyperpod.seen = cluster(group(update_status="InProgress"))
    ours.now += 4000
    ours.tick()
    assert ours.nothing_left()


def test_a_failure_while_polling_is_set_up_leaves_the_rule_behind(stock: Stock, ours: Ours) -> None:
    stock.events.broken = frozenset({"add_permission"})
    stock.deliver(event())
    assert stock.answers[0]["Status"] == "FAILED"
    assert stock.events.rules

    def broken(*args: Any) -> None:
        raise AwsError("PutRule", AwsError.Kind.REFUSED, "LimitExceeded", "300 rules")

    ours.rules.start = broken  # type: ignore[method-assign, assignment]
    ours.deliver(event())
    assert ours.answers[0]["Status"] == "FAILED"
    assert ours.nothing_left()
    assert not ours.hyperpod.calls


def test_a_failure_while_polling_is_taken_down_turns_success_into_failed(
    stock: Stock, ours: Ours
) -> None:
    stock.poll = lambda: "done"
    stock.deliver(event())
    stock.events.broken = frozenset({"remove_permission"})
    stock.tick()
    assert stock.answers[-1]["Status"] == "FAILED"
    assert stock.events.rules

    ours.deliver(event())
    ours.now += 301
    ours.hyperpod.seen = cluster(group(image_id=None, current_count=0))
    stop = ours.rules.stop
    ours.rules.stop = lambda path: False  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):  # so that Lambda tries again
        ours.tick()
    assert ours.answers[-1]["Status"] == "SUCCESS"
    ours.rules.stop = stop  # type: ignore[method-assign]
    ours.tick()
    assert ours.nothing_left()


def test_a_rule_has_a_random_name_that_can_be_too_long(stock: Stock, ours: Ours) -> None:
    long = "Software" * 20
    stock.deliver(event(LogicalResourceId=long))
    stock.deliver(event(LogicalResourceId=long))
    assert len(stock.events.rules) == 2
    assert all(len(name) > 64 for name in stock.events.rules)

    ours.deliver(event(LogicalResourceId=long))
    ours.deliver(event(LogicalResourceId=long))
    assert len(ours.rules.rules) == 1
    assert all(len(name) <= 64 for name in ours.rules.rules)


def test_the_whole_event_with_its_response_url_is_in_the_rule(stock: Stock, ours: Ours) -> None:
    names = [f"{number:03}" + "x" * 60 for number in range(100)]
    big = properties(InstanceGroups=groups(*names))
    made = event("Update", ResourceProperties=big, OldResourceProperties=big)
    stock.deliver(made)
    kept = next(iter(stock.events.targets.values()))["Input"]
    assert len(kept) > 8192
    assert "SECRET" in kept

    for poll in (polling.poll_input("/HyperPodSoftware-00000000/a/b", 1),):
        assert len(poll) < 200
        assert "SECRET" not in poll


def test_the_function_gets_a_permission_for_every_poll(stock: Stock) -> None:
    stock.deliver(event())
    assert len(stock.events.permissions) == 1
    hooks = vars(crhelper_adapter.SoftwareResource)
    assert "_polling_init" in hooks  # so neither _add_permission nor _put_rule is ever called


def test_what_one_poll_keeps_is_not_seen_by_the_next(stock: Stock, ours: Ours) -> None:
    seen: list[Any] = []

    def poll() -> None:
        seen.append(stock.helper.Data.get("looks", 0))
        stock.helper.Data["looks"] = seen[-1] + 1

    stock.poll = poll
    stock.deliver(event())
    stock.tick()
    stock.tick()
    assert seen == [0, 0]

    ours.deliver(event())
    ours.hyperpod.seen = cluster(group(update_status="InProgress"))
    ours.tick()
    path = next(iter(ours.rules.rules.values())).path
    memory = ours.store.recall(path)
    assert memory is not None
    assert memory.progress.saw_active("workers")


def test_any_http_status_counts_as_delivered(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden:
        status, reason = 403, "Forbidden"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            pass

        def request(self, **kwargs: Any) -> None:
            pass

        def getresponse(self) -> Forbidden:
            return self

    monkeypatch.setattr(stock_utils, "HTTPSConnection", Forbidden)
    stock_utils._send_response("https://bucket.invalid/x", {"Status": "SUCCESS"})

    ours.hyperpod.seen = None
    ours.puts = [False]
    ours.deliver(event())
    assert not ours.answers
    ours.tick()
    assert len(ours.answers) == 1


def test_a_delivery_is_retried_for_ever_without_a_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Enough(BaseException):
        pass

    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 500:
            raise Enough

    class Broken:
        def __init__(self, host: str, **options: Any) -> None:
            assert "timeout" not in options

        def request(self, **kwargs: Any) -> None:
            raise OSError("broken")

    monkeypatch.setattr(stock_utils, "HTTPSConnection", Broken)
    monkeypatch.setattr(stock_utils.time, "sleep", pause)
    with pytest.raises(Enough):
        stock_utils._send_response("https://bucket.invalid/x", {})

    with spending(Budget(sleep=lambda seconds: None)):
        assert not response.put_answer("http://no such host/", b"")


def test_an_answer_has_no_size_check_and_a_reason_keeps_its_tail_only(
    stock: Stock, ours: Ours
) -> None:
    def long() -> None:
        stock.helper.Data["much"] = "x" * 5000
        raise RuntimeError("What happened. " + "and so on " * 100)

    stock.poll = long
    stock.deliver(event())
    stock.tick()
    assert len(json.dumps(stock.answers[0])) > 4096
    assert "What happened" not in stock.answers[0]["Reason"]

    ours.hyperpod.seen = cluster(group(update_status="Succeeded"))
    ours.deliver(event())
    ours.hyperpod.seen = cluster(group(update_status="Failed"), failure_message="why " * 2000)
    ours.now += 60
    ours.tick()
    assert len(json.dumps(ours.answers[0])) <= 4096
    assert ours.answers[0]["Reason"].startswith("The patch of cluster ml to")
    assert ours.answers[0]["Reason"].endswith("Log group: /logs")


def test_a_start_up_that_failed_answers_with_an_empty_physical_id(stock: Stock) -> None:
    inside: Any = stock.helper
    inside.init_failure(RuntimeError("no region"))
    stock.deliver(event())
    assert stock.answers[0]["PhysicalResourceId"] == ""
    # Nothing that could fail at start-up is left: no client is built there.
    resource = crhelper_adapter.SoftwareResource(lambda reply, context: None)
    assert resource._init_failed is None  # type: ignore[attr-defined]


def test_two_answers_are_sent_when_the_timer_fires(stock: Stock, ours: Ours) -> None:
    inside: Any = stock.helper
    stock.helper.poll_create(None)  # type: ignore[arg-type]
    stock.helper.create(lambda made, context: inside._timeout())
    stock.deliver(event())
    assert len(stock.answers) == 2

    ours.hyperpod.seen = DONE
    ours.deliver(event())
    assert len(ours.answers) == 1
    assert crhelper_adapter.SoftwareResource(lambda *args: None)._timer is None  # type: ignore[attr-defined]


def test_no_echo_sticks_to_later_invocations(stock: Stock, ours: Ours) -> None:
    stock.helper.poll_create(None)  # type: ignore[arg-type]
    stock.helper.NoEcho = True
    stock.deliver(event())
    stock.deliver(event())
    assert stock.answers[1]["NoEcho"] is True

    ours.hyperpod.seen = DONE
    ours.deliver(event())
    assert ours.answers[0]["NoEcho"] is False


def test_the_default_log_level_prints_the_response_url(
    ours: Ours, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("boto3.client", lambda *args, **kwargs: None)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    logging.getLogger("crhelper").setLevel(logging.NOTSET)  # as it comes
    talkative = CfnResource()
    monkeypatch.setattr(talkative, "_send", lambda *args: None)
    talkative(event(), Context())
    assert any("SECRET" in record.getMessage() for record in caplog.records)

    caplog.clear()
    ours.deliver(event())
    ours.tick()
    assert caplog.records
    assert logging.getLogger().level == logging.INFO
    assert not any("SECRET" in record.getMessage() for record in caplog.records)


def test_clients_are_built_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    monkeypatch.setattr("boto3.client", lambda name, **kwargs: built.append(name))
    CfnResource()
    assert built == ["lambda", "events", "logs"]
    built.clear()
    handler.build()
    assert not built
