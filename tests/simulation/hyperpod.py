"""SageMaker HyperPod: the sandbox's core behind a client, its awkward days, and the truth about it."""

# ruff: noqa: N803 - arguments are called as AWS calls them

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from botocore.exceptions import ReadTimeoutError

from sandbox.hyperpod import AnswerLostError, Event, Faults, HyperPod, ServiceError
from sandbox.hyperpod.calls import Call
from sandbox.hyperpod.distort import distort_cluster, distort_node
from sandbox.hyperpod.model import Cluster, Node
from sandbox.hyperpod.words import MANAGED, NodeStatus, Software, is_newer_patch
from tests.simulation.chance import pick
from tests.simulation.declarations import takes_back
from tests.simulation.gate import Gate, Invocation, error
from tests.simulation.images import Images
from tests.simulation.requests import Patched, Request, Truth

STALE = 60.0
"""The oldest description that is shown for a fresh one, in seconds."""
_FLAPPING = Faults(flapping=0.25)
_UNKNOWN = Faults(unknown_values=0.3)
_Seen = tuple[float, dict[str, Any], dict[str, Truth]]

RELEASES = ("1.1.0", "1.2.0", "1.2.9", "1.2.10", "1.3.0", "1.3.1")
"""The releases that there are, oldest first: as text they would be in another order."""


class Service:
    """The clusters of the account, and the client that the function sees."""

    def __init__(
        self,
        gate: Gate,
        images: Images,
        faults: Faults,
        *,
        publish: Callable[[Event], None],
        on_accepted: Callable[[Invocation, Patched], None],
    ) -> None:
        self._gate = gate
        self._world = gate.world
        chance = self._world.chance
        self._noise: Random = chance.stream("noise of descriptions")
        self._distorts = bool(chance.any_of(["flapping field", "unknown status"]))
        self._stale = bool(chance.any_of(["stale description"]))
        self.core = HyperPod(
            rng=chance.stream("the service's own"),
            faults=faults,
            releases=RELEASES,
            images=images.facts,
        )
        self._publish = publish
        self._on_accepted = on_accepted
        self.patches: list[Patched] = []
        self.known: dict[str, Cluster] = {}
        """Every cluster there ever was, by name and by ARN."""
        self.scaled: list[tuple[float, Cluster]] = []
        """When somebody scaled which cluster."""
        self.moved: list[tuple[float, Cluster]] = []
        """When automatic patching moved nodes of which cluster."""
        self._at_the_end: list[tuple[Patched, Callable[[], None]]] = []
        self._shown: dict[str, list[_Seen]] = {}

    @property
    def plain(self) -> bool:
        """What it shows is how it is."""
        return not (self._distorts or self._stale)

    def add(self, cluster: Cluster) -> None:
        self.core.add(cluster)
        self.known[cluster.name] = self.known[cluster.arn] = cluster

    def scale(self, cluster: Cluster, name: str, count: int) -> None:
        self.core.scale(cluster.name, name, count, now=self._world.now)
        self.scaled.append((self._world.now, cluster))
        self._world.say(f"somebody else scales {name} of {cluster.name} to {count}")

    def move(self, cluster: Cluster, source: str, target: str) -> None:
        self.core.move(cluster.name, source, target, now=self._world.now)
        self.scaled.append((self._world.now, cluster))
        self._world.say(f"somebody else moves a node of {cluster.name} from {source} to {target}")

    def exists(self, cluster: Cluster) -> bool:
        return cluster in self.core.clusters

    # What passes by itself

    def next_due(self) -> float | None:
        return self.core.next_due()

    def advance(self, now: float) -> None:
        events = self.core.advance(now)
        for patched, move in list(self._at_the_end):
            if patched.patch.over:
                self._at_the_end.remove((patched, move))
                move()
        for event in events:
            self._publish(event)

    # The client

    def describe_cluster(self, *, ClusterName: str) -> dict[str, Any]:
        return self._gate.call("sagemaker", "DescribeCluster", lambda: self._describe(ClusterName))

    def list_cluster_nodes(
        self, *, ClusterName: str, MaxResults: int, NextToken: str | None = None
    ) -> dict[str, Any]:
        parameters: dict[str, Any] = {"ClusterName": ClusterName, "MaxResults": MaxResults}
        if NextToken is not None:
            parameters["NextToken"] = NextToken

        def effect() -> dict[str, Any]:
            answer = self._ask("ListClusterNodes", parameters)
            self._look_truly()
            if self._distorts:
                self._distort_nodes(answer)
            return answer

        return self._gate.call("sagemaker", "ListClusterNodes", effect)

    def update_cluster_software(self, **parameters: Any) -> dict[str, Any]:
        invocation = self._gate.invocation
        if invocation.change is not None:
            self._note_call(invocation, invocation.change, parameters)
        return self._gate.call(
            "sagemaker",
            "UpdateClusterSoftware",
            lambda: self._patch(parameters),
        )

    # Behind it

    def _ask(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        invocation = self._gate.invocation
        request = invocation.change
        try:
            return self.core.call(operation, parameters, now=self._world.now)
        except ServiceError as no:
            if no.code == "ResourceNotFound" and request is not None:
                request.cluster_seen_missing = True
            raise error(no.code, operation, no.message, no.status) from None

    def _describe(self, name: str) -> dict[str, Any]:
        request = self._gate.invocation.change
        answer = self._ask("DescribeCluster", {"ClusterName": name})
        cluster = self.known[name]
        newest = Software(MANAGED, self.core.releases[-1])
        truth = {
            group.name: Truth(
                current=group.current,
                nodes=frozenset(node.software for node in group.nodes if node.patchable),
                newest=all(node.software == newest for node in group.nodes if node.patchable),
            )
            for group in cluster.groups.values()
        }
        self._look_truly()
        true = answer
        if self._stale:
            answer, truth = self._perhaps_stale(cluster.arn, answer, truth)
        if self._distorts:
            answer = self._distort(answer)
        if request is not None:
            request.free = answer is true and self.core.find(name).busy is None
        self._gate.invocation.description = answer
        if request is not None and request.called_for and cluster.failure_message is None:
            request.message_gone = True
        if request is not None:
            request.counts_hidden = cluster.shows_images and any(
                "TargetStateCount" not in group for group in answer["InstanceGroups"]
            )
        if request is not None and (not request.seen or request.seen[-1] != truth):
            request.seen.append(truth)
        return answer

    def _perhaps_stale(
        self, arn: str, answer: dict[str, Any], truth: dict[str, Truth]
    ) -> tuple[dict[str, Any], dict[str, Truth]]:
        """Never from before the last accepted patch could be seen: that a description forgets
        again what was shown before it has not been reported, beyond the old last status that
        stands for some seconds after a call (`settle_seconds`)."""
        now = self._world.now
        shown = self._shown.setdefault(arn, [])
        shown.append((now, answer, truth))
        calls = [each.call.time for each in self.patches if each.cluster.arn == arn]
        seen = calls[-1] + self.core.faults.settle_seconds if calls else 0.0
        oldest = max(now - STALE, seen + 0.001)
        while shown[0][0] < oldest and len(shown) > 1:
            shown.pop(0)
        size = self._world.chance.strikes("stale description")
        if size is None or len(shown) == 1:
            return answer, truth
        time, answer, truth = pick(shown, size)
        self._world.say(lambda: f"a description {now - time:.0f} s old is shown")
        return answer, truth

    def _distort(self, answer: dict[str, Any]) -> dict[str, Any]:
        strikes = self._world.chance.strikes
        if strikes("flapping field") is not None:
            self._world.say("fields flap in a description")
            answer = distort_cluster(answer, _FLAPPING, self._noise)
        if strikes("unknown status") is not None:
            self._world.say("a status that nobody knows is shown")
            answer = distort_cluster(answer, _UNKNOWN, self._noise)
        return answer

    def _distort_nodes(self, answer: dict[str, Any]) -> None:
        strikes = self._world.chance.strikes
        for kind, faults in (("flapping field", _FLAPPING), ("unknown status", _UNKNOWN)):
            if strikes(kind) is not None:
                self._world.say(f"{kind} among the nodes")
                for summary in answer["ClusterNodeSummaries"]:
                    distort_node(summary, faults, self._noise)

    def _look_truly(self) -> None:
        """Write down how it truly stands, for what the request may say later."""
        request = self._gate.invocation.change
        if request is None or not request.called_for:
            return
        cluster = self.known[request.properties["ClusterName"]]
        targets = request.accepted[0].targets if request.accepted else request.called_for
        new, old = request.properties, request.old_properties
        back = {name: takes_back(new, old, cluster, name) for name in targets}
        # Nodes that came or left since belong to no patch.
        nodes = [
            (node, target, back[name])
            for name, target in targets.items()
            if name in cluster.groups
            for node in request.nodes[name]
            if node in cluster.groups[name].nodes and node.patchable
        ]
        off = any(
            node.status is not NodeStatus.RUNNING
            or (node.software != target and (back or not _moved_on(node.software, target)))
            for node, target, back in nodes
        )
        request.lately_off.append(off)
        if off:
            request.some_off_target = True
        elif self.exists(cluster):
            request.all_on_target = True

    def _note_call(
        self, invocation: Invocation, request: Request, parameters: dict[str, Any]
    ) -> None:
        cluster = self.known[parameters["ClusterName"]]
        entries: list[dict[str, str]] = parameters.get("InstanceGroups") or [
            {"InstanceGroupName": name} for name in cluster.groups
        ]
        image, newest = parameters.get("ImageId", MANAGED), self.core.releases[-1]
        request.called = self._world.now
        request.message_before = cluster.failure_message
        request.called_for = {
            entry["InstanceGroupName"]: Software(image, None)
            if image != MANAGED
            else Software(MANAGED, entry.get("ImageReleaseVersion", newest))
            for entry in entries
        }
        request.nodes = {name: _patchable(cluster, name) for name in request.called_for}
        description: list[dict[str, Any]] = (invocation.description or {}).get("InstanceGroups", [])
        shown = {
            group["InstanceGroupName"]: group.get("SoftwareUpdateStatus") for group in description
        }
        request.counted = {
            group["InstanceGroupName"]: group["CurrentCount"] for group in description
        }
        request.status_hidden = cluster.shows_update_status and any(
            group.update is not None and shown.get(group.name) is None
            for group in cluster.groups.values()
        )

    def _patch(self, parameters: dict[str, Any]) -> dict[str, Any]:
        invocation = self._gate.invocation
        operation = "UpdateClusterSoftware"
        strikes = self._world.chance.strikes
        by = invocation.change.id if invocation.change is not None else "nobody"
        for kind, code, status in (
            ("patch call conflicts", "ConflictException", 400),
            ("patch call throttled", "ThrottlingException", 400),
            ("patch call refused by a server error", "InternalFailure", 500),
        ):
            if strikes(kind) is not None:
                self._world.say(f"{invocation} {kind}")
                raise error(code, operation, "Not now.", status)
        try:
            patched = self.patch(by, parameters)
        except ServiceError as no:
            self._world.say(f"{invocation} patch refused: {no}")
            if invocation.change is not None:
                invocation.change.patch_refused |= no.code == "ValidationException"
                invocation.change.cluster_seen_missing |= no.code == "ResourceNotFound"
            raise error(no.code, operation, no.message, no.status) from None
        if invocation.change is not None:
            invocation.change.accepted.append(patched)
            invocation.change.nodes = {
                name: _patchable(patched.cluster, name) for name in patched.targets
            }
        self._on_accepted(invocation, patched)
        if (size := strikes("patch call accepted, answer lost")) is not None:
            self._world.say(f"{invocation} patch call accepted, answer lost")
            invocation.disturbed = True
            for request in invocation.requests:
                request.disturbed = True
            if size < 0.5:
                raise ReadTimeoutError(endpoint_url="https://aws.invalid/")
            raise error("InternalFailure", operation, "The request failed.", 500)
        return {"ClusterArn": patched.cluster.arn}

    def patch(self, by: str, parameters: dict[str, Any]) -> Patched:
        """Somebody's UpdateClusterSoftware. Raises `ServiceError` where it is refused."""
        now = self._world.now
        try:
            self.core.call("UpdateClusterSoftware", parameters, now=now, caller=by)
        except AnswerLostError:  # pragma: no cover - losing answers is the client's here
            raise AssertionError from None
        live = self.core.find(parameters["ClusterName"])
        assert live.patch is not None
        call: Call = self.core.calls[-1]
        named = {
            entry["InstanceGroupName"]
            for entry in parameters.get("InstanceGroups", ())
            if "ImageReleaseVersion" in entry
        }
        for part in live.patch.parts:
            # As AWS documents it: of a named release, only nodes that are not on it.
            on_it = any(node.software == part.new for node in part.todo)
            assert not (part.group.name in named and on_it)
        targets = {part.group.name: part.new for part in live.patch.parts}
        patched = Patched(by, call, live.cluster, live.patch, targets)
        self.patches.append(patched)
        if (size := self._world.chance.happens("automatic patching amid", 0.8)) is not None:
            self._move_on_amid(patched, size)
        self._world.say(
            lambda: (
                f"patch accepted, asked for by {by[:8]}: "
                f"{', '.join(f'{name} to {new}' for name, new in targets.items())}"
            )
        )
        return patched

    def _move_on_amid(self, patched: Patched, size: float) -> None:
        """Automatic patching comes in the middle of this patch, as it ends, or soon after it."""
        faults = self.core.faults
        begins = faults.settle_seconds + faults.pending_seconds
        name, nodes = (
            pick(list(patched.targets), (size * 7) % 1.0),
            pick((1, 2, 100), (size * 13) % 1.0),
        )

        def move() -> None:
            if self.exists(patched.cluster):
                self.patch_automatically(patched.cluster, name, nodes)

        if size < 0.5:
            self._at_the_end.append((patched, move))
            return
        lasts = begins if size < 0.7 else begins + 3.0 * faults.node_seconds
        self._world.after(lasts * ((size * 29) % 1.0), move)

    def patch_automatically(self, cluster: Cluster, group: str, nodes: int) -> None:
        """HyperPod's own automatic patching moves nodes on."""
        now = self._world.now
        moved = self.core.patch_automatically(cluster.name, group, nodes, now=now)
        if moved:
            self._world.say(f"automatic patching moves {moved} nodes of {group} of {cluster.name}")
            self.moved.append((now, cluster))


def _moved_on(software: Software, target: Software) -> bool:
    return is_newer_patch(software.release, target.release)


def _patchable(cluster: Cluster, name: str) -> list[Node]:
    group = cluster.groups.get(name)
    return [node for node in group.nodes if node.patchable] if group is not None else []
