"""The operations of the simulated service, and the passing of its time."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Protocol

from sandbox.hyperpod import cluster_calls, listing
from sandbox.hyperpod.calls import ACCEPTED, Call
from sandbox.hyperpod.errors import (
    AnswerLostError,
    ServiceError,
    conflict,
    not_found,
    validation,
)
from sandbox.hyperpod.events import Event
from sandbox.hyperpod.faults import Faults, Refusal
from sandbox.hyperpod.live import Live
from sandbox.hyperpod.model import Cluster
from sandbox.hyperpod.patch import Alarms
from sandbox.hyperpod.updates import Authorize, ImageFacts, Images, plan
from sandbox.hyperpod.views import moment

RELEASES = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
"""Release versions of the managed image, oldest first."""

_CHANGING = frozenset({"UpdateClusterSoftware", "DeleteCluster", "CreateCluster"})


class Checks(Protocol):
    """What the service model has to say about a request or an answer."""

    def request(self, operation: str, parameters: Mapping[str, Any]) -> list[str]: ...
    def answer(self, operation: str, answer: Mapping[str, Any]) -> list[str]: ...


def _no_alarm(_names: Sequence[str]) -> bool:
    return False


def _any_image(_image: str) -> ImageFacts:
    return ImageFacts()


def _refused(code: str) -> Exception:
    if code == "AnswerLost":
        return AnswerLostError()
    status = 500 if code in ("InternalFailure", "ServiceUnavailable") else 400
    return ServiceError(code, "Refused, as the settings want it.", status)


class HyperPod:
    """The service of one account in one region.

    `rng` is all the chance there is. `alarms` tells whether any of the alarms named is in ALARM,
    `images` what a custom AMI is like. `checks` judges requests and
    answers; None leaves that out. `events=False` makes none, where nobody listens.
    Times are seconds since the epoch and must not go backwards.
    """

    def __init__(
        self,
        *,
        rng: Random,
        faults: Faults | None = None,
        own_faults: Mapping[str, Mapping[str, Any]] | None = None,
        account: str = "000000000000",
        region: str = "us-east-1",
        releases: tuple[str, ...] = RELEASES,
        alarms: Alarms = _no_alarm,
        images: Images = _any_image,
        checks: Checks | None = None,
        events: bool = True,
    ) -> None:
        self.rng = rng
        self.account = account
        self.region = region
        self.releases = releases
        self.calls: list[Call] = []
        self.operations: Counter[str] = Counter()
        self._faults = self._first_faults = faults or Faults()
        self._first_changes = own_faults or {}
        self._own_changes: dict[str, dict[str, Any]] = {}
        self._refusals: dict[str | None, list[Refusal]] = {}
        self._take_first_changes()
        self._images = images
        self._alarms = alarms
        self._checks = checks
        self._tells = events
        self._lives: dict[str, Live] = {}
        self._gone: dict[str, dict[str, dict[str, int]]] = {}
        self._outbox: list[tuple[float, int, Event]] = []
        self._sent = 0

    def connect(self, *, alarms: Alarms, images: Images, checks: Checks) -> None:
        """Take what was not there yet when it was made."""
        self._alarms = alarms
        self._images = images
        self._checks = checks

    # Clusters

    @property
    def clusters(self) -> list[Cluster]:
        return [live.cluster for live in self._lives.values()]

    def add(self, cluster: Cluster) -> Cluster:
        """Take a cluster in as it stands."""
        own = self._own_changes.get(cluster.name, {})
        self._lives[cluster.name] = Live(cluster, self._faults.changed(own), self._post)
        return cluster

    def find(self, name_or_arn: str) -> Live:
        live = self._lives.get(name_or_arn)
        if live is None:
            found = (x for x in self._lives.values() if x.cluster.arn == name_or_arn)
            live = next(found, None)
        if live is None:
            raise not_found(name_or_arn)
        return live

    def cluster(self, name_or_arn: str) -> Cluster:
        return self.find(name_or_arn).cluster

    def replacements(self, name: str) -> dict[str, dict[str, int]]:
        """How often each node was replaced, by group and instance id; also of one that is gone."""
        live = self._lives.get(name)
        if live is None:
            return self._gone.get(name, {})
        return {
            group.name: {node.instance_id: node.replacements for node in group.nodes}
            for group in live.cluster.groups.values()
        }

    # Settings

    @property
    def faults(self) -> Faults:
        return self._faults

    def faults_of(self, cluster: str) -> Faults:
        return self.find(cluster).faults

    def set_faults(
        self, changes: Mapping[str, Any], *, now: float, cluster: str | None = None
    ) -> None:
        """Change settings of the run, or of one cluster (which may come later)."""
        self._advance(now)
        checked = self._faults.changed(changes)
        if "refusals" in changes:
            self._refusals[cluster] = list(checked.refusals)
        if cluster is None:
            self._faults = checked
        else:
            self._own_changes.setdefault(cluster, {}).update(changes)
        for name, live in self._lives.items():
            if cluster in (None, name):
                settings = self._faults.changed(self._own_changes.get(name, {}))
                live.change_faults(settings, now)

    def reset_faults(self, *, now: float) -> None:
        """Back to the settings it was made with, at the pace of the moment, for every cluster."""
        self._advance(now)
        self._faults = replace(self._first_faults, speed=self._faults.speed)
        self._take_first_changes()
        for name, live in self._lives.items():
            live.change_faults(self._faults.changed(self._own_changes.get(name, {})), now)

    def _take_first_changes(self) -> None:
        self._own_changes = {name: dict(own) for name, own in self._first_changes.items()}
        self._refusals = {None: list(self._faults.refusals)}
        for name, own in self._own_changes.items():
            if "refusals" in own:
                self._refusals[name] = list(self._faults.changed(own).refusals)

    # Time

    def next_due(self) -> float | None:
        """When something will happen by itself; None: nothing is under way."""
        times = [live.due for live in self._lives.values()]
        if self._outbox:
            times.append(self._outbox[0][0])
        soonest = min(times, default=float("inf"))
        return None if soonest == float("inf") else soonest

    def advance(self, now: float) -> list[Event]:
        """Let time pass until `now`; the events to be delivered by then, in that order."""
        self._advance(now)
        due: list[Event] = []
        while self._outbox and self._outbox[0][0] <= now:
            due.append(heapq.heappop(self._outbox)[2])
        return due

    def _advance(self, now: float) -> None:
        for live in list(self._lives.values()):
            live.advance(now, self.rng, self._alarms)
            if live.gone:
                self._drop(live)

    def _drop(self, live: Live) -> None:
        name = live.cluster.name
        self._gone[name] = self.replacements(name)
        del self._lives[name]

    def _post(self, event: Event, faults: Faults) -> None:
        if not self._tells or self.rng.random() < faults.lost_events:
            return
        for _ in range(2 if self.rng.random() < faults.doubled_events else 1):
            late = self.rng.random() < faults.late_events
            delay = faults.late_seconds / faults.speed if late else 0.0
            self._sent += 1
            heapq.heappush(self._outbox, (event.time + delay, self._sent, event))

    # What others do

    def vanish(self, name: str, *, now: float) -> None:
        """The cluster is gone at once, whatever was going on."""
        self._advance(now)
        self._drop(self.find(name))

    def scale(self, name: str, group: str, count: int, *, now: float) -> None:
        """Somebody scales a group; in Continuous mode allowed at any time."""
        self._with_groups(name, group, now=now).scale(group, count, now, self.rng)

    def move(self, name: str, source: str, target: str, *, now: float) -> None:
        """Somebody moves a running node from one group into another; in Continuous mode only."""
        self._with_groups(name, source, target, now=now).move(source, target, now)

    def _with_groups(self, name: str, *groups: str, now: float) -> Live:
        self._advance(now)
        live = self.find(name)
        for group in groups:
            if group not in live.cluster.groups:
                raise validation(f"{name} has no instance group {group}.")
        return live

    def patch_automatically(self, name: str, group: str, nodes: int, *, now: float) -> int:
        """Automatic patching brings so many nodes to the newest patch of their release line,
        where there is one, and says how many. It may come at any time, also amid a patch."""
        self._advance(now)
        return self.find(name).move_on(group, self.releases, nodes, now, self.rng)

    # The API

    def call(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        *,
        now: float,
        caller: str = "",
        authorize: Authorize | None = None,
    ) -> dict[str, Any]:
        """Answer one call of the API, as an SDK would hand it out.

        `caller` is only written down; `authorize` says whether it may do what it asks for.
        Raises ServiceError, or AnswerLostError where the call had its effect and the caller is not
        to learn of it.
        """
        self._advance(now)
        self.operations[operation] += 1
        if operation == "UpdateClusterSoftware":
            return self._checked_answer(operation, self._update(parameters, now, caller, authorize))
        handler = _HANDLERS.get(operation)
        if handler is None:
            raise ServiceError("UnknownOperationException", f"Unknown operation {operation}")
        name = self._admit(operation, parameters, authorize)
        answer = self._checked_answer(operation, handler(self, parameters, now))
        if operation == "DescribeCluster":
            return self.find(name).answered(answer, now, self.rng)
        if operation == "ListClusterNodes":
            return listing.distorted(answer, self.find(name).faults, self.rng)
        return answer

    def _checked_answer(self, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if self._checks:
            wrong = self._checks.answer(operation, answer)
            if wrong:
                raise AssertionError(f"{operation} answers what its model forbids: {wrong}")
        return answer

    def _admit(
        self, operation: str, parameters: Mapping[str, Any], authorize: Authorize | None
    ) -> str:
        """Let a call in, or refuse it: by policy, by the model, by the settings, by chance."""
        name = str(parameters.get("ClusterName", ""))
        live = next(
            (x for x in self._lives.values() if name in (x.cluster.name, x.cluster.arn)), None
        )
        if authorize:
            authorize(f"sagemaker:{operation}", *self._resource(live, name))
        if self._checks:
            wrong = self._checks.request(operation, parameters)
            if wrong:
                count = f"{len(wrong)} validation error{'s' if len(wrong) > 1 else ''} detected"
                raise validation(f"{count}: {'; '.join(wrong)}")
        faults = live.faults if live else self._faults
        self._scripted(operation, live)
        if faults.throttling and self.rng.random() < faults.throttling:
            raise ServiceError("ThrottlingException", "Rate exceeded")
        if faults.server_errors and self.rng.random() < faults.server_errors:
            raise ServiceError("InternalFailure", "The request failed.", 500)
        if operation in _CHANGING and self.rng.random() < faults.conflicts:
            raise conflict("Another operation is in progress.")
        return name

    def _resource(self, live: Live | None, name: str) -> tuple[str, Mapping[str, str]]:
        if live:
            keys = {f"aws:ResourceTag/{k}": v for k, v in live.cluster.tags.items()}
            return live.cluster.arn, keys
        if not name:
            return "*", {}
        prefix = f"arn:aws:sagemaker:{self.region}:{self.account}:cluster/"
        return name if name.startswith("arn:") else prefix + name, {}

    def _scripted(self, operation: str, live: Live | None) -> None:
        """Take the first refusal that is meant for this operation off its list."""
        own = self._refusals.get(live.cluster.name, []) if live else []
        for refusals in (own, self._refusals.get(None, [])):
            for index, refusal in enumerate(refusals):
                if refusal.operation in ("*", operation):
                    left = replace(refusal, times=refusal.times - 1)
                    refusals[index : index + 1] = [left] if left.times else []
                    raise _refused(refusal.code)

    def _update(
        self,
        parameters: Mapping[str, Any],
        now: float,
        caller: str,
        authorize: Authorize | None,
    ) -> dict[str, Any]:
        name = str(parameters.get("ClusterName", ""))
        lost = False
        outcome, nodes = ACCEPTED, 0
        try:
            try:
                self._admit("UpdateClusterSoftware", parameters, authorize)
            except AnswerLostError:
                lost = True
            live = self.find(name)
            name = live.cluster.name
            nodes = self._start_patch(live, parameters, now, authorize)
            lost = lost or self.rng.random() < live.faults.answers_lost
        except ServiceError as error:
            outcome = error.code
            raise
        finally:
            kept = dict(parameters)
            self.calls.append(Call(now, name, caller, kept, outcome, nodes, lost))
        if lost:
            raise AnswerLostError
        return {"ClusterArn": live.cluster.arn}

    def _start_patch(
        self, live: Live, parameters: Mapping[str, Any], now: float, authorize: Authorize | None
    ) -> int:
        problem = live.busy
        if problem:
            raise conflict(problem)
        patch = plan(
            live.cluster,
            parameters,
            faults=live.faults,
            releases=self.releases,
            images=self._images,
            authorize=authorize,
            now=now,
        )
        live.start(patch)
        return sum(len(part.todo) for part in patch.parts)

    def describe_cluster(self, parameters: Mapping[str, Any], _now: float) -> dict[str, Any]:
        return self.find(parameters["ClusterName"]).view(self.releases).describe()

    def list_cluster_nodes(self, parameters: Mapping[str, Any], _now: float) -> dict[str, Any]:
        live = self.find(parameters["ClusterName"])
        return listing.nodes(live.cluster, live.view(self.releases), parameters)

    def describe_cluster_node(self, parameters: Mapping[str, Any], _now: float) -> dict[str, Any]:
        live = self.find(parameters["ClusterName"])
        return listing.node(live.cluster, live.view(self.releases), parameters)

    def list_clusters(self, parameters: Mapping[str, Any], _now: float) -> dict[str, Any]:
        views = [live.view(self.releases) for live in self._lives.values()]
        return listing.clusters(views, parameters)

    def create_cluster(self, parameters: Mapping[str, Any], now: float) -> dict[str, Any]:
        if parameters["ClusterName"] in self._lives:
            name = parameters["ClusterName"]
            raise ServiceError("ResourceInUse", f"Cluster {name} already exists.")
        cluster = cluster_calls.created(
            parameters,
            rng=self.rng,
            now=now,
            releases=self.releases,
            account=self.account,
            region=self.region,
        )
        self.add(cluster)
        self.find(cluster.name).create(now)
        return {"ClusterArn": cluster.arn}

    def delete_cluster(self, parameters: Mapping[str, Any], now: float) -> dict[str, Any]:
        live = self.find(parameters["ClusterName"])
        problem = live.busy
        if problem:
            raise conflict(problem)
        live.delete(now)
        return {"ClusterArn": live.cluster.arn}

    def describe_now(self, name: str, *, now: float) -> dict[str, Any]:
        """How DescribeCluster would answer if nothing were awkward; not counted as a call."""
        self._advance(now)
        answer = self.find(name).view(self.releases).describe()
        answer["Now"] = moment(now)
        return answer


_HANDLERS: dict[str, Callable[[HyperPod, Mapping[str, Any], float], dict[str, Any]]] = {
    "DescribeCluster": HyperPod.describe_cluster,
    "ListClusterNodes": HyperPod.list_cluster_nodes,
    "DescribeClusterNode": HyperPod.describe_cluster_node,
    "ListClusters": HyperPod.list_clusters,
    "CreateCluster": HyperPod.create_cluster,
    "DeleteCluster": HyperPod.delete_cluster,
}
