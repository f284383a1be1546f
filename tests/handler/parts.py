"""Stand-ins for the adapters, small enough to be read at a glance, around the real reconciler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, cast

from hyperpod_software.adapters.budget import Budget, spending
from hyperpod_software.adapters.clients import in_time
from hyperpod_software.adapters.cloudformation import History, Operation
from hyperpod_software.adapters.eventbridge import Poll
from hyperpod_software.adapters.sagemaker import CallResult
from hyperpod_software.adapters.state_store import ParameterStore
from hyperpod_software.contract.names import rule_name
from hyperpod_software.contract.properties import WAITER_TYPE
from hyperpod_software.engine.invocation import FunctionInfo
from hyperpod_software.engine.reconciler import Reconciler
from hyperpod_software.engine.services import Services
from hyperpod_software.model.cluster import Cluster, Node
from hyperpod_software.model.decision import Patch
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.image import Image, Volume
from hyperpod_software.model.reply import Reply
from tests.lifecycle.samples import NEW, NOW, STACK, cluster, group, node, properties

ACCOUNT = STACK.split(":")[4]

HERE = FunctionInfo("arn:aws:lambda:us-east-1:111122223333:function:f", "/logs", "us-east-1")


def url(at: float = NOW) -> str:
    """A ``ResponseURL`` that was signed at that time."""
    signed = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"https://bucket.invalid/answer?X-Amz-Date={signed}&X-Amz-Signature=SECRET"


def event(kind: str = "Create", request: str = "r1", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "RequestType": kind,
        "StackId": STACK,
        "RequestId": request,
        "LogicalResourceId": "Software",
        "ResponseURL": url(),
        "ResourceProperties": properties(),
    }
    if kind != "Create":
        made["PhysicalResourceId"] = "ml"
    return made | changes


class Store(ParameterStore):
    """The real store over a dictionary."""

    def __init__(self) -> None:
        super().__init__("HyperPodSoftware-00000000")
        self.values: dict[str, tuple[str, int]] = {}

    def _read(self, path: str) -> Iterator[tuple[str, str]]:
        for name, (value, _) in sorted(self.values.items()):
            if name.startswith(path + "/"):
                yield name, value

    def _put(self, name: str, value: str, *, overwrite: bool) -> int:
        assert len(value.encode()) <= 4096, name
        assert "{{" not in value, name
        if name in self.values and not overwrite:
            raise AwsError("PutParameter", AwsError.Kind.REFUSED, "ParameterAlreadyExists", "")
        version = self.values.get(name, ("", 0))[1] + 1
        self.values[name] = (value, version)
        return version

    def _delete(self, names: list[str], *, retries: bool = True) -> None:
        for name in names:
            self.values.pop(name, None)


class Rules:
    """EventBridge."""

    def __init__(self) -> None:
        self.rules: dict[str, Poll] = {}

    def start(self, path: str, function: str, until: float, seen: Cluster | None) -> None:
        self.rules[rule_name(path)] = Poll(path, until)

    def stop(self, path: str) -> bool:
        self.rules.pop(rule_name(path), None)
        return True


class HyperPod:
    """One cluster that stays as it is told, and the calls made to it."""

    def __init__(self, seen: Cluster | None) -> None:
        self.seen = seen
        self.nodes_seen: list[Node] = []
        self.result: CallResult | AwsError = CallResult.ACCEPTED
        self.calls: list[tuple[str, ...]] = []
        self.described = 0
        self.seconds_per_node = 0.0
        self.pause: Callable[[float], None] = lambda seconds: None

    def describe(self, name: str) -> Cluster:
        self.described += 1
        if self.seen is None:
            raise AwsError("DescribeCluster", AwsError.Kind.NOT_FOUND, "ResourceNotFound", "gone")
        return self.seen

    def nodes(self, name: str) -> Iterator[Node]:
        for each in self.nodes_seen:
            self.pause(self.seconds_per_node)
            in_time("ListClusterNodes", "the nodes")
            yield each

    def update(self, patch: Patch, declared: object) -> CallResult:
        self.calls.append(patch.groups)
        if isinstance(self.result, AwsError):
            raise self.result
        return self.result


class Images:
    """EC2."""

    def __init__(self) -> None:
        self.found: Image | None = Image(NEW, "available", ACCOUNT, (Volume("snap-1"),))

    def describe(self, image_id: str) -> Image | None:
        return self.found


class Stacks:
    """CloudFormation."""

    def __init__(self) -> None:
        self.rolling_back = False
        self.has_role = True
        self.newest = History("CREATE_IN_PROGRESS", NOW)

    def operation(self, stack_id: str) -> Operation:
        return Operation(self.rolling_back, self.has_role)

    def history(self, stack_id: str, logical_id: str) -> History:
        return self.newest


class Parts:
    """A reconciler with everything around it in reach."""

    def __init__(self, seen: Cluster | None = None) -> None:
        self.now = NOW
        self.store, self.rules, self.stack = Store(), Rules(), Stacks()
        self.hyperpod = HyperPod(seen if seen is not None else cluster())
        self.hyperpod.pause = self._pass
        self.images = Images()
        services = cast("Callable[..., Services]", Services)
        self.reconciler = Reconciler(
            services(
                store=self.store,
                sagemaker=self.hyperpod,
                images=self.images,
                polling=self.rules,
                stack=self.stack,
                clock=lambda: self.now,
            )
        )

    def _pass(self, seconds: float) -> None:
        self.now += seconds

    def invocation(self) -> AbstractContextManager[None]:
        """What Lambda gives one invocation, by the clock of these parts."""
        return spending(Budget(180, clock=lambda: self.now, sleep=self._pass))

    def begin(self, made: dict[str, Any]) -> Reply | None:
        with self.invocation():
            return self.reconciler.begin(made, HERE)

    def wait(self, made: dict[str, Any]) -> Reply | None:
        with self.invocation():
            return self.reconciler.wait({**made, "ResourceType": WAITER_TYPE}, HERE)

    def deliver(self, reply: Reply | None) -> dict[str, Any]:
        """CloudFormation takes the answer."""
        assert reply is not None
        with self.invocation():
            self.reconciler.responder.delivered(reply)
        return reply.response

    def look(self) -> Reply | None:
        """What the first rule there is makes the handler do."""
        poll = next(iter(self.rules.rules.values()))
        with self.invocation():
            memory = self.reconciler.recall(poll)
            return None if memory is None else self.reconciler.look(poll.path, memory, HERE)

    def nothing_left(self) -> bool:
        return not self.store.values and not self.rules.rules


def patched(parts: Parts) -> None:
    """Let HyperPod have done its work."""
    parts.hyperpod.seen = cluster(group(update_status="Succeeded", image_id=NEW))
    parts.hyperpod.nodes_seen = [node(number=n, last_update=parts.now) for n in range(4)]
