"""One whole history: everything put together, set going, and looked at until it is over."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections import Counter
from collections.abc import Container, Generator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import urllib3
from botocore.config import Config

from hyperpod_software.adapters import clients as aws_edge
from hyperpod_software.adapters import response as response_edge
from hyperpod_software.adapters import state_store as memory_edge
from hyperpod_software.adapters.state_store import ParameterStore as Memory
from hyperpod_software.contract.names import PREFIX_VARIABLE
from hyperpod_software.model.state import digest
from sandbox.hyperpod import ServiceError
from tests.simulation import images
from tests.simulation.bucket import Bucket
from tests.simulation.chance import Chance, pick
from tests.simulation.event_bridge import EventBridge, is_rule_of
from tests.simulation.functions import Functions, LogWatcher
from tests.simulation.gate import Gate, Outage
from tests.simulation.hyperpod import RELEASES, Service
from tests.simulation.invariants import Invariants
from tests.simulation.parameter_store import ParameterStore
from tests.simulation.requests import Request
from tests.simulation.stacks import SECRET, CloudFormation
from tests.simulation.story import Story, tell
from tests.simulation.user import User
from tests.simulation.world import BEGIN, World

PREFIX = "HyperPodSoftware-0a1b2c3d"
ENDLESS = 800 * 3600.0
"""Seconds after which no history goes on: six steps with a day each, and a day back, fit in."""
_ERRORS = (
    ("ThrottlingException", 400),
    ("ServiceUnavailable", 503),
    ("ConnectTimeoutError", 0),
    ("ReadTimeoutError", 0),
    ("slow", 4),
    ("slow", 15),
    ("AccessDeniedException", 400),
)


@dataclass(frozen=True)
class Result:
    """What came of one history."""

    seed: int
    broken: tuple[str, str] | None
    struck: tuple[str, ...]
    checks: Counter[str]
    requests: int
    expired: int
    waits: int
    """Requests to waiters."""
    invocations: int
    patches: int
    diary: tuple[str, ...] = ()


def run(seed: int, muted: Container[str] = (), *, diary: bool = False) -> Result:
    """Let the history of this seed happen, without what is muted."""
    return History(seed, muted, diary=diary).run()


class History:
    """The world of one seed."""

    def __init__(self, seed: int, muted: Container[str], *, diary: bool) -> None:
        self.chance = chance = Chance(seed, muted)
        self.world = world = World(chance, diary=[] if diary else None)
        self.gate = gate = Gate(world)
        self.story: Story = tell(chance)
        gate.outages = self._outages()
        gate.quotas = self._quotas()
        self.parameters = ParameterStore(gate)
        self.bridge = EventBridge(gate, self._poll, quiet=self._quiet)
        self.images = images.Images(gate)
        memory = Memory(PREFIX)
        self.formation = CloudFormation(
            gate,
            sent=self._sent,
            settled=lambda request, told: self.invariants.settled(request, told),  # noqa: PLW0108
            rested=lambda stack: self.invariants.rested(stack),  # noqa: PLW0108
            path_of=lambda *what: _path(memory, *what),
        )
        self.service = Service(
            gate,
            self.images,
            self.story.faults,
            publish=self.bridge.publish,
            on_accepted=lambda call, patched: self.invariants.accepted(call, patched),  # noqa: PLW0108
        )
        world.source = self.service
        for cluster in self.story.clusters:
            self.service.add(cluster)
            if self.story.faults.capacity_after and cluster.continuous:
                # It has been wanting for long.
                name = next(iter(cluster.groups))
                self.service.scale(cluster, name, len(cluster.groups[name].nodes) + 2)
        self.bucket = Bucket(gate, self.formation.take)
        self.functions = Functions(
            gate,
            request_of=self._request_of,
            on_end=lambda invocation, of_its_own: self.invariants.ended(
                invocation, of_its_own=of_its_own
            ),
            watch_text=self._watch,
        )
        self.by_path: dict[str, Request] = {}
        self.invariants = Invariants(
            world,
            service=self.service,
            formation=self.formation,
            bridge=self.bridge,
            parameters=self.parameters,
            functions=self.functions,
        )

    def run(self) -> Result:
        world = self.world
        with _staged(self):
            self._others()
            for name, steps in self.story.stacks.items():
                world.follow(User(world, self.formation, name).follow(steps))
            world.at(BEGIN + ENDLESS, self.invariants.never_ends)
            world.run()
            if world.broken is None:
                self.invariants.at_rest()
            broken = world.broken
            world.clear()
        return Result(
            seed=self.chance.seed,
            broken=broken,
            struck=tuple(self.chance.struck),
            checks=world.checks,
            requests=len(self.formation.requests),
            expired=sum(
                request.answer is None and request.phase.value == "expired"
                for request in self.formation.requests
            ),
            waits=sum(request.is_waiter for request in self.formation.requests),
            invocations=self.functions.invocations,
            patches=len(self.service.patches),
            diary=tuple(world.diary or ()),
        )

    # The others

    def _outages(self) -> list[Outage]:
        outages: list[Outage] = []
        services = ("ssm", "events", "cloudformation", "sagemaker", "ec2")
        if (size := self.chance.strikes("service out for a while")) is not None:
            service, rest = divmod(size * len(services), 1.0)
            # Permissions of its own that come and go are nobody's fault but the account's.
            code, status = pick(_ERRORS[:-1] if services[int(service)] == "ssm" else _ERRORS, rest)
            begins = BEGIN + 3000.0 * rest**2
            lasts = pick((20.0, 90.0, 300.0, 1500.0), (rest * 7) % 1.0)
            outages.append(Outage(services[int(service)], begins, begins + lasts, code, status))
        if (size := self.chance.strikes("permissions spread slowly")) is not None:
            outages += [
                Outage(service, BEGIN, BEGIN + 2.0 + 40.0 * size, "AccessDeniedException", 400)
                for service in services
            ]
        return outages

    def _quotas(self) -> dict[str, tuple[float, float]]:
        quotas: dict[str, tuple[float, float]] = {}
        for what in ("rules", "parameters"):
            if (size := self.chance.strikes(f"{what} are used up for a while")) is not None:
                begins = BEGIN + 3000.0 * size**2
                quotas[what] = (begins, begins + pick((60.0, 600.0, 6000.0), (size * 7) % 1.0))
        return quotas

    def _others(self) -> None:
        world, draw = self.world, self.chance.stream("others")
        for outage in self.gate.outages:
            world.say(f"{outage.service} will be out: {outage.code} from "
                      f"{outage.begins - BEGIN:.0f} to {outage.ends - BEGIN:.0f}")  # fmt: skip
        for _ in range(3):
            time = BEGIN + 3000.0 * draw.random() ** 2
            size = self.chance.strikes("somebody else patches")
            if size is not None:
                world.at(time, lambda size=size: self._foreign_patch(size))  # type: ignore[misc]
            size = self.chance.strikes("somebody else scales")
            if size is not None:
                world.at(time + 7.0, lambda size=size: self._scale(size))  # type: ignore[misc]
            size = self.chance.strikes("automatic patching")
            if size is not None:
                world.at(time + 60.0, lambda size=size: self._move_on(size))  # type: ignore[misc]
            size = self.chance.strikes("somebody else moves a node")
            if size is not None:
                world.at(time + 11.0, lambda size=size: self._move(size))  # type: ignore[misc]
        time = BEGIN + 2000.0 * draw.random()
        if (size := self.chance.strikes("cluster vanishes")) is not None:
            world.at(time, lambda: self._vanish(size))
        if self.chance.strikes("a newer release appears") is not None:
            more = draw.choice((("1.3.2",), ("1.4.0",), ("1.3.2", "1.4.0")))
            world.at(time / 2 + BEGIN / 2, lambda: self._newer_release(more))

    def _foreign_patch(self, size: float) -> None:
        place, rest = divmod(size * len(self.story.clusters), 1.0)
        cluster = self.story.clusters[int(place)]
        if not self.service.exists(cluster):
            return
        name = pick(list(cluster.groups), rest)
        parameters: dict[str, Any] = {
            "ClusterName": cluster.name,
            "InstanceGroups": [{"InstanceGroupName": name}],
            "ImageId": pick(("default", *images.GOOD), (rest * 13) % 1.0),
        }
        with contextlib.suppress(ServiceError):
            self.service.patch("somebody else", parameters)

    def _scale(self, size: float) -> None:
        place, rest = divmod(size * len(self.story.clusters), 1.0)
        cluster = self.story.clusters[int(place)]
        if self.service.exists(cluster):
            name, count = pick(list(cluster.groups), rest), int((rest * 17) % 1.0 * 6)
            with contextlib.suppress(ServiceError):
                self.service.scale(cluster, name, count)

    def _move(self, size: float) -> None:
        place, rest = divmod(size * len(self.story.clusters), 1.0)
        cluster = self.story.clusters[int(place)]
        if self.service.exists(cluster):
            names = list(cluster.groups)
            source, target = pick(names, rest), pick(names, (rest * 13) % 1.0)
            if source != target:
                with contextlib.suppress(ServiceError):
                    self.service.move(cluster, source, target)

    def _move_on(self, size: float) -> None:
        place, rest = divmod(size * len(self.story.clusters), 1.0)
        cluster = self.story.clusters[int(place)]
        if self.service.exists(cluster):
            name, nodes = pick(list(cluster.groups), rest), pick((1, 2, 100), (rest * 17) % 1.0)
            self.service.patch_automatically(cluster, name, nodes)

    def _vanish(self, size: float) -> None:
        cluster = pick(self.story.clusters, size)
        self.world.say(f"cluster {cluster.name} vanishes")
        self.service.core.vanish(cluster.name, now=self.world.now)

    def _newer_release(self, more: tuple[str, ...]) -> None:
        self.world.say(f"a newer release appears: {more}")
        self.service.core.releases = (*RELEASES, *more)

    # What comes to the function

    def _sent(self, request: Request) -> None:
        self.bucket.requests[request.url] = request
        self.by_path[request.path] = request
        self.bridge.secrets.append(request.secret)
        strikes, invoke = self.chance.strikes, self.functions.invoke
        event = request.event
        late = strikes("request delivered late")
        delay = 0.2 if late is None else 1.0 + 500.0 * late**2
        if strikes("request never delivered") is None:
            invoke(event, "request", delay)
        if (size := strikes("request delivered twice")) is not None:
            invoke(event, "request again", delay + 30.0 * size**3)
        if (size := strikes("request delivered again late")) is not None:
            invoke(event, "request again", delay + 5000.0 * size**2)

    def _poll(self, text: str, what: str, delay: float) -> None:
        self.functions.invoke(json.loads(text), what, delay)

    def _quiet(self, rule: str) -> bool:
        """No window of the request that the rule is for ends within minutes."""
        soon = self.world.now + 720.0
        return not any(
            window.waiting and window.answer_by < soon
            for path, request in self.by_path.items()
            if is_rule_of(path, rule)
            for window in request.change.windows
        )

    def _request_of(self, event: dict[str, Any]) -> Request | None:
        path = event.get("HyperPodSoftwareRequest")
        if path is not None:
            return self.by_path.get(path)
        return self.bucket.requests.get(event["ResponseURL"])

    def _watch(self, where: str, text: str) -> None:
        self.world.check(
            "no ResponseURL reaches a log", SECRET not in text, lambda: f"{where}: {text[:800]}"
        )
        self.world.check(
            "the handler meets no defect of its own", '"stage": "defect"' not in text, text
        )


def _path(memory: Memory, stack_id: str, logical_id: str, request_id: str, url: str) -> str:
    return f"{memory.resource_path(stack_id, logical_id)}/{digest(f'{request_id}|{url}', 16)}"


class _Boto3:
    """What stands for boto3 where the handler makes its clients."""

    def __init__(self, history: History) -> None:
        self._gate = history.gate
        self._clients = {
            "ssm": history.parameters,
            "events": history.bridge,
            "cloudformation": history.formation,
            "ec2": history.images,
            "sagemaker": history.service,
        }

    def client(self, service: str, config: Config) -> Any:
        return _Client(self._gate, self._clients[service], config)


class _Client:
    """A client with the time-outs that it was made with."""

    def __init__(self, gate: Gate, service: Any, config: Config) -> None:
        self._gate = gate
        self._service = service
        self._config = config

    def __getattr__(self, method: str) -> Any:
        self._gate.config = self._config
        return getattr(self._service, method)


_FOREVER = urllib3.Timeout(read=0.0001)


class _Urllib3:
    """What stands for urllib3 where the handler sends its answers."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.Timeout = urllib3.Timeout
        self.exceptions = urllib3.exceptions

    def PoolManager(self, *, timeout: urllib3.Timeout = _FOREVER, **_: Any) -> Bucket:  # noqa: N802 - its name there
        self._bucket.read_timeout = float(timeout.read_timeout or 0.0)
        return self._bucket


class _Secrets:
    """What stands for secrets where the handler names its claims: as repeatable as all else."""

    def __init__(self, chance: Chance) -> None:
        self._stream = chance.stream("claims")

    def token_hex(self, count: int) -> str:
        return f"{self._stream.getrandbits(8 * count):0{2 * count}x}"


@contextlib.contextmanager
def _staged(history: History) -> Generator[None]:
    """The handler's ways out lead into this history."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stands: tuple[tuple[ModuleType, str, object], ...] = (
        (aws_edge, "boto3", _Boto3(history)),
        (response_edge, "urllib3", _Urllib3(history.bucket)),
        (memory_edge, "secrets", _Secrets(history.chance)),
    )
    settings = {PREFIX_VARIABLE: PREFIX, "AWS_REGION": "us-east-1"}
    before = [getattr(module, name) for module, name, _ in stands]
    environment = {name: os.environ.get(name) for name in settings}
    for module, name, stand in stands:
        setattr(module, name, stand)
    os.environ.update(settings)
    aws_edge.client.cache_clear()
    root.handlers = [LogWatcher(history._watch)]
    try:
        yield
    finally:
        for (module, name, _), real in zip(stands, before, strict=True):
            setattr(module, name, real)
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        aws_edge.client.cache_clear()
        root.handlers = handlers
        root.setLevel(level)
