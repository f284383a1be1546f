"""Wait conditions: what CloudFormation waits for beside the answers of custom resources."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from tests.cloudformation.messages import Answer
from tests.cloudformation.template import REF, GetAtt, Properties, Resource, Template

HANDLE = "AWS::CloudFormation::WaitConditionHandle"
CONDITION = "AWS::CloudFormation::WaitCondition"
TYPES = (HANDLE, CONDITION)
UNCHANGEABLE = "Update to resource type AWS::CloudFormation::WaitCondition is not supported."


def awaited(logical_id: str, resource: Resource, mark: str, timeout: int) -> Template:
    """A resource with a wait for its end, as the construct declares them."""
    handle = f"{logical_id}Handle{mark}"
    url = GetAtt(handle, REF)
    properties = {**resource.properties, "WaitConditionHandle": url}
    wait = {"Handle": url, "Timeout": timeout}
    return {
        handle: Resource(type=HANDLE),
        logical_id: replace(resource, properties=properties),
        f"{logical_id}Wait{mark}": Resource(wait, CONDITION, (logical_id,)),
    }


@dataclass
class WaitConditions:
    """Those of a stack that wait, and the signals at every handle."""

    _signals: dict[str, Answer] = field(default_factory=dict[str, Answer])
    _waiting: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    """Logical id → handle's URL, and the end of its time."""

    def begin(self, logical_id: str, properties: Properties, now: float) -> Answer | None:
        """The end of a condition's creation, if it has its signal already."""
        url = str(properties["Handle"])
        if url not in self._signals:
            self._waiting[logical_id] = (url, now + int(properties["Timeout"]))
        return self._signals.get(url)

    def signalled(self, url: str, *, succeeded: bool, data: Any, reason: str) -> str | None:
        """Keep the first signal. The condition that waited for it, if one did."""
        said = Answer(succeeded, url, {"Data": data}, reason)
        self._signals.setdefault(url, said)
        return next((name for name, (its, _) in self._waiting.items() if its == url), None)

    def end(self, logical_id: str) -> Answer:
        """Its signal, or the failure that its time is over."""
        url, _ = self._waiting.pop(logical_id)
        late = Answer(False, url, reason="WaitCondition timed out. Received 0 conditions.")
        return self._signals.get(url, late)

    def forget(self, logical_id: str) -> None:
        self._waiting.pop(logical_id, None)

    @property
    def due(self) -> tuple[float, str] | None:
        """Whose time is over next, and when."""
        return min(((end, name) for name, (_, end) in self._waiting.items()), default=None)
