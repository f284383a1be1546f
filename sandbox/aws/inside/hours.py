"""Hours pass quickly where everything only waits, and for all alike.

The sandbox's clock is put ahead while CloudFormation waits for a custom resource, or EventBridge
for the next time of a schedule, and no function runs: never past what comes next, so that however
slow the machine is, nothing is late. Functions, schedules, `ServiceTimeout`, the addresses for
answers, the stacks' events and the simulated service all go by this clock; signatures and
sessions by the machine's.
"""

# ruff: noqa: SLF001 - MiniStack has no public names for what is changed or asked here.

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.aws.clock import IN_FUNCTIONS, VARIABLE, Clock
from sandbox.aws.inside.modules import Json, module

_STEP = 0.01
"""Seconds between two looks at whether everything waits."""
_SIGNED_FOR = 7200
"""Seconds for which CloudFormation signs the address for an answer."""


class Hours:
    """Puts the clock ahead. `pace`: how many seconds pass in one of ours while everything waits."""

    def __init__(self, clock: Clock, pace: float) -> None:
        self.clock = clock
        self._pace = pace
        self._changed = threading.Condition()
        self._busy = 0
        self._deadlines: dict[object, float] = {}
        threading.Thread(target=self._run, daemon=True, name="hours").start()

    def set_pace(self, request: Json) -> Json:
        """What is asked under `/_sandbox/pace`."""
        with self._changed:
            self._pace = float(request["pace"])
            self._changed.notify_all()
        return {}

    @contextmanager
    def busy(self) -> Generator[None]:
        """Let no hours pass meanwhile."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        with self._changed:
            self._busy += 1

    def end(self) -> None:
        with self._changed:
            self._busy -= 1

    @contextmanager
    def waiting(self, who: object, until: float) -> Generator[None]:
        """Let hours pass meanwhile, up to a time."""
        with self._changed:
            self._deadlines[who] = until
        try:
            yield
        finally:
            self.no_longer(who)

    def no_longer(self, who: object) -> None:
        """What was waited for is there."""
        with self._changed:
            self._deadlines.pop(who, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pace > 1)
            began = time.monotonic()
            time.sleep(_STEP)
            with self._changed:
                self._pass((self._pace - 1) * (time.monotonic() - began))
            # Here and not in MiniStack's own time: what is due is sent before more time passes.
            module("services.eventbridge")._tick_scheduled_rules()

    def _pass(self, seconds: float) -> None:
        if self._busy:
            return
        now = self.clock.now()
        nearest = min([*self._deadlines.values(), *_schedules(now)], default=None)
        if nearest is not None and nearest > now:
            self.clock.put_ahead(min(seconds, nearest - now))


def _schedules(now: float) -> Iterator[float]:
    """When each rule with a rate() is due next."""
    events = module("services.eventbridge")
    for key, rule in list(events._rules._data.items()):
        interval = events._parse_rate_seconds(rule.get("ScheduleExpression", ""))
        if interval is not None and rule.get("State") == "ENABLED":
            yield events._rule_last_fired.get(key, rule.get("CreationTime", now)) + interval


def let_hours_pass() -> Hours:
    """Let all go by the sandbox's clock."""
    hours = Hours(Clock(Path(os.environ[VARIABLE])), float(os.environ["SANDBOX_PACE"]))
    _in_schedules(hours)
    _in_functions(hours)
    _in_stacks(hours)
    return hours


def _in_schedules(hours: Hours) -> None:
    events = module("services.eventbridge")
    lambdas = module("services.lambda_svc")
    tick: Callable[[], None] = events._tick_scheduled_rules
    one_at_a_time = threading.Lock()

    def tick_scheduled_rules() -> None:
        with one_at_a_time, hours.busy():
            tick()

    def dispatch_to_lambda(arn: str, payload: str) -> None:
        """As MiniStack does it; but no hours pass until the function has begun."""
        function, config, _ = lambdas._get_func_record_for_ref(arn)
        if not function or not config:
            return
        record = lambdas._execution_record_for_config(function, config)
        event: Json = json.loads(payload)

        def run() -> None:
            try:
                lambdas._execute_function_with_config_scope(record, event)
            finally:
                hours.end()

        hours.begin()
        threading.Thread(target=run, daemon=True).start()

    events._now_ts = hours.clock.now
    events._tick_scheduled_rules = tick_scheduled_rules
    events._dispatch_to_lambda = dispatch_to_lambda


def _in_functions(hours: Hours) -> None:
    runtime = module("core.lambda_runtime")
    lambdas = module("services.lambda_svc")
    execute: Callable[..., Any] = lambdas._execute_function_dispatch

    def execute_function(*given: Any, **more: Any) -> Any:
        with hours.busy():
            return execute(*given, **more)

    runtime._PYTHON_WORKER_SCRIPT = IN_FUNCTIONS + runtime._PYTHON_WORKER_SCRIPT
    lambdas._execute_function_dispatch = execute_function
    lambdas.time = _Time(hours.clock)  # What functions log is dated by it.


def _in_stacks(hours: Hours) -> None:
    custom = module("services.cloudformation.custom_resource")
    response_url: Callable[[str], str] = custom._response_url
    register: Callable[[str], threading.Event] = custom.register_token

    def signed_response_url(token: str) -> str:
        signed = hours.clock.text()[:19].replace("-", "").replace(":", "")
        return f"{response_url(token)}?X-Amz-Date={signed}Z&X-Amz-Expires={_SIGNED_FOR}"

    def register_token(token: str) -> threading.Event:
        register(token)
        answer = _Answer(hours)
        custom._pending[token]["event"] = answer
        return answer

    custom._response_url = signed_response_url
    custom.register_token = register_token
    for name in ("stacks", "handlers", "changesets"):
        module(f"services.cloudformation.{name}").now_iso = hours.clock.text


class _Time:
    """The module `time`, with another time."""

    def __init__(self, clock: Clock) -> None:
        self.time = clock.now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class _Answer(threading.Event):
    """The answer of a custom resource, for which CloudFormation waits from the request on."""

    def __init__(self, hours: Hours) -> None:
        super().__init__()
        self._hours = hours
        self._asked = hours.clock.now()

    def set(self) -> None:
        self._hours.no_longer(self)
        super().set()

    def wait(self, timeout: float | None = None) -> bool:
        until = self._asked + (math.inf if timeout is None else timeout)
        if self.is_set():
            return True
        with self._hours.waiting(self, until):
            while not super().wait(2 * _STEP):
                if self._hours.clock.now() >= until:
                    return False
        return True
