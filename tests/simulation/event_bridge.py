"""EventBridge: rules with a schedule and a pattern, and what they deliver, more or less."""

# ruff: noqa: N803 - arguments are called as AWS calls them

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from hyperpod_software.contract.signals import EVENT_SOURCE
from sandbox.hyperpod.events import Event
from tests.simulation.gate import Gate, error

NAME = re.compile(r"[\.\-_A-Za-z0-9]{1,64}")
INPUT_LIMIT = 8192
PERIOD = 60.0
_LONG = 1800.0


@dataclass(eq=False)
class Rule:
    """One rule and its only target."""

    name: str
    created: float
    pattern: dict[str, Any] | None
    targets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])


def is_rule_of(path: str, name: str) -> bool:
    """That is the name of the rule for the request that is remembered at this path."""
    resource, own = path.split("/")[-2:]
    return f"{resource}-{own[:8]}" in name


class EventBridge:
    """The default bus of one account, and the client that the function sees."""

    def __init__(
        self,
        gate: Gate,
        deliver: Callable[[str, str, float], None],
        *,
        quiet: Callable[[str], bool],
    ) -> None:
        self._gate = gate
        self._world = gate.world
        self._deliver = deliver
        self._quiet = quiet
        self.rules: dict[str, Rule] = {}
        self.secrets: list[str] = []
        """What must be in no rule."""

    # The client

    def put_rule(
        self,
        *,
        Name: str,
        ScheduleExpression: str,
        State: str,
        Description: str,
        EventPattern: str | None = None,
    ) -> dict[str, Any]:
        self._world.check(
            "a rule's name has at most 64 characters",
            NAME.fullmatch(Name) is not None,
            f"{Name!r} has {len(Name)} characters",
        )
        assert (ScheduleExpression, State) == ("rate(1 minute)", "ENABLED")
        assert len(Description) <= 512

        def effect() -> dict[str, Any]:
            if NAME.fullmatch(Name) is None:
                raise error("ValidationException", "PutRule", "The name is too long.")
            pattern = _checked_pattern(EventPattern) if EventPattern is not None else None
            self._perhaps_changed_by_two("PutRule")
            rule = self.rules.get(Name)
            if rule is None:
                if self._gate.used_up("rules"):
                    raise error("LimitExceededException", "PutRule", "Too many rules.")
                rule = self.rules[Name] = Rule(Name, self._world.now, pattern)
                self._world.after(PERIOD, lambda: self._tick(rule))
            rule.pattern = pattern
            return {"RuleArn": f"arn:aws:events:us-east-1:000000000000:rule/{Name}"}

        return self._gate.call("events", "PutRule", effect)

    def put_targets(self, *, Rule: str, Targets: list[dict[str, Any]]) -> dict[str, Any]:
        for target in Targets:
            text = json.dumps(target)
            self._world.check(
                "no rule holds a ResponseURL",
                "X-Amz-" not in text and not any(secret in text for secret in self.secrets),
                lambda text=text: f"the target of {Rule} is {text}",
            )

        def effect() -> dict[str, Any]:
            rule = self.rules.get(Rule)
            if rule is None:
                raise error("ResourceNotFoundException", "PutTargets", f"Rule {Rule} is not.")
            self._perhaps_changed_by_two("PutTargets")
            if any(len(target["Input"]) > INPUT_LIMIT for target in Targets):
                raise error("ValidationException", "PutTargets", "The input is too long.")
            for target in Targets:
                json.loads(target["Input"])
                rule.targets[target["Id"]] = target
            if len(rule.targets) > 5:
                raise error("LimitExceededException", "PutTargets", "Five targets at most.")
            return {"FailedEntryCount": 0, "FailedEntries": []}

        return self._gate.call("events", "PutTargets", effect)

    def remove_targets(self, *, Rule: str, Ids: list[str]) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            rule = self.rules.get(Rule)
            if rule is None:
                raise error("ResourceNotFoundException", "RemoveTargets", f"Rule {Rule} is not.")
            self._perhaps_changed_by_two("RemoveTargets")
            for target_id in Ids:
                rule.targets.pop(target_id, None)
            return {"FailedEntryCount": 0, "FailedEntries": []}

        return self._gate.call("events", "RemoveTargets", effect)

    def delete_rule(self, *, Name: str) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self._perhaps_changed_by_two("DeleteRule")
            rule = self.rules.get(Name)
            if rule is not None and rule.targets:
                raise error("ValidationException", "DeleteRule", "The rule has targets.")
            if rule is not None:
                del self.rules[Name]
            return {}

        return self._gate.call("events", "DeleteRule", effect)

    def _perhaps_changed_by_two(self, operation: str) -> None:
        if self._world.chance.strikes("rule changed by two at once") is not None:
            self._gate.disturb(self._gate.invocation, operation, "changed by two at once")
            raise error("ConcurrentModificationException", operation, "Changed meanwhile.")

    # Delivering

    def _tick(self, rule: Rule) -> None:
        if self.rules.get(rule.name) is not rule or self._world.closing:
            return
        # Looks at a patch that goes on for hours are alike: most of them are left out.
        rare = self._world.now > rule.created + _LONG and self._quiet(rule.name)
        self._world.after(10 * PERIOD if rare else PERIOD, lambda: self._tick(rule))
        strikes = self._world.chance.strikes
        if strikes("tick lost") is not None:
            self._world.say("tick lost")
            return
        late = strikes("tick late")
        delay = 0.05 if late is None else 5.0 + 400.0 * late
        self._send(rule, "tick", delay)
        if (size := strikes("tick doubled")) is not None:
            self._send(rule, "tick again", delay + 90.0 * size * size)
        if (size := strikes("ticks after removal")) is not None:
            # It is on its way whatever becomes of the rule meanwhile.
            self._send(rule, "straggling tick", 61.0 + 300.0 * size)

    def _send(self, rule: Rule, what: str, delay: float) -> None:
        for target in rule.targets.values():
            self._deliver(target["Input"], what, delay)

    def publish(self, event: Event) -> None:
        """An event of HyperPod's came to the bus."""
        matching = [rule for rule in self.rules.values() if self._wants(rule, event)]
        if not matching:
            return
        strikes = self._world.chance.strikes
        if strikes("event lost") is not None:
            return
        late = strikes("event late")
        delay = 0.3 if late is None else 1.0 + 300.0 * late
        for rule in matching:
            self._send(rule, "event", delay)
            if (size := strikes("event doubled")) is not None:
                self._send(rule, "event again", delay + 3.0 * size)

    @staticmethod
    def _wants(rule: Rule, event: Event) -> bool:
        if rule.pattern is None:
            return False
        shown = {"source": EVENT_SOURCE, "detail-type": event.detail_type, "detail": event.detail}
        return matches(rule.pattern, shown)


def _checked_pattern(text: str) -> dict[str, Any]:
    try:
        pattern = json.loads(text)
    except ValueError:
        raise error("InvalidEventPatternException", "PutRule", "It is not JSON.") from None
    if len(text) > 4096 or not isinstance(pattern, dict) or not pattern:
        raise error("InvalidEventPatternException", "PutRule", "It is no pattern.")
    checked = cast("dict[str, Any]", pattern)
    _check_pattern(checked)
    return checked


def _check_pattern(pattern: dict[str, Any]) -> None:
    for key, value in pattern.items():
        if key == "$or":
            if not isinstance(value, list) or len(value) < 2:
                raise error("InvalidEventPatternException", "PutRule", "$or wants alternatives.")
            for alternative in cast("Iterable[Any]", value):
                _check_pattern(alternative)
        elif isinstance(value, dict):
            _check_pattern(value)
        elif not isinstance(value, list) or not value:
            raise error("InvalidEventPatternException", "PutRule", f"{key} wants a list.")


def matches(pattern: dict[str, Any], shown: Any) -> bool:
    """Whether an event is what a pattern of exact values describes."""
    if not isinstance(shown, dict):
        return False
    shown = cast("dict[str, Any]", shown)
    for key, value in pattern.items():
        if key == "$or":
            if not any(matches(alternative, shown) for alternative in value):
                return False
        elif isinstance(value, dict):
            if not matches(value, shown.get(key)):
                return False
        elif shown.get(key) not in value:
            return False
    return True
