"""What can be asked of a simulated HyperPod, and set in it, besides its API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.hyperpod import HyperPod, ServiceError, load_cluster
from sandbox.hyperpod.errors import validation
from sandbox.sdk import parsed_time

Body = Mapping[str, Any]


class Switchboard:
    """The control calls, by path. Times are seconds since the epoch."""

    def __init__(self, hyperpod: HyperPod) -> None:
        self._hyperpod = hyperpod
        self._calls: dict[str, Callable[[Body, float], Any]] = {
            "/_sandbox/status": self._status,
            "/_sandbox/calls": self._list_calls,
            "/_sandbox/operations": self._operations,
            "/_sandbox/forget": self._forget,
            "/_sandbox/replacements": self._replacements,
            "/_sandbox/set": self._set,
            "/_sandbox/reset": self._reset,
            "/_sandbox/add": self._add,
            "/_sandbox/vanish": self._vanish,
            "/_sandbox/scale": self._scale,
            "/_sandbox/patch": self._patch,
        }

    def handle(self, path: str, body: Body, now: float) -> Any:
        call = self._calls.get(path)
        if call is None:
            known = ", ".join(sorted(self._calls))
            raise validation(f"there is no {path}; there are: {known}")
        return call(body, now)

    def _status(self, _body: Body, now: float) -> Any:
        names = [cluster.name for cluster in self._hyperpod.clusters]
        return {
            "Now": now,
            "Speed": self._hyperpod.faults.speed,
            "FailingAmis": list(self._hyperpod.faults.failing_amis),
            "Busy": self._hyperpod.next_due() is not None,
            "Clusters": [self._hyperpod.describe_now(name, now=now) for name in names],
        }

    def _list_calls(self, body: Body, _now: float) -> Any:
        cluster = body.get("cluster")
        calls = self._hyperpod.calls
        return {"Calls": [c.as_json() for c in calls if cluster in (None, c.cluster)]}

    def _operations(self, _body: Body, _now: float) -> Any:
        return {"Operations": dict(self._hyperpod.operations)}

    def _forget(self, _body: Body, _now: float) -> Any:
        self._hyperpod.calls.clear()
        self._hyperpod.operations.clear()
        return {}

    def _replacements(self, body: Body, _now: float) -> Any:
        return {"Replacements": self._hyperpod.replacements(str(body["cluster"]))}

    def _set(self, body: Body, now: float) -> Any:
        self._hyperpod.set_faults(body["faults"], now=now, cluster=body.get("cluster"))
        return {}

    def _reset(self, _body: Body, now: float) -> Any:
        self._hyperpod.reset_faults(now=now)
        return {}

    def _add(self, body: Body, now: float) -> Any:
        description = dict(body["description"])
        if "CreationTime" in description:
            description["CreationTime"] = parsed_time(description["CreationTime"])
        hyperpod = self._hyperpod
        cluster = load_cluster(
            description,
            rng=hyperpod.rng,
            now=now,
            releases=hyperpod.releases,
            account=hyperpod.account,
            region=hyperpod.region,
            tags=body.get("tags"),
        )
        return {"ClusterArn": hyperpod.add(cluster).arn}

    def _vanish(self, body: Body, now: float) -> Any:
        self._hyperpod.vanish(str(body["cluster"]), now=now)
        return {}

    def _scale(self, body: Body, now: float) -> Any:
        name, group = str(body["cluster"]), str(body["group"])
        self._hyperpod.scale(name, group, int(body["count"]), now=now)
        return {}

    def _patch(self, body: Body, now: float) -> Any:
        """Somebody else's UpdateClusterSoftware."""
        parameters = body["parameters"]
        try:
            return self._hyperpod.call(
                "UpdateClusterSoftware", parameters, now=now, caller="somebody-else"
            )
        except ServiceError as error:
            raise validation(f"{error.code}: {error.message}") from None
