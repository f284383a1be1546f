"""What must hold in every history, whatever happens in it."""

from __future__ import annotations

from typing import Any

from sandbox.hyperpod.words import MANAGED, NodeStatus, Software, is_newer_patch
from tests.simulation import truth
from tests.simulation.declarations import Wanted, changed, config, means, takes_back, wanted
from tests.simulation.event_bridge import EventBridge, is_rule_of
from tests.simulation.functions import Functions
from tests.simulation.gate import Invocation
from tests.simulation.hyperpod import Service
from tests.simulation.parameter_store import ParameterStore
from tests.simulation.requests import Patched, Request
from tests.simulation.stacks import CloudFormation, Stack
from tests.simulation.world import World

_SETTLED = ("InService", "Failed", "Degraded", None)
_GRACE = 15.0
LONGEST = 150.0
"""Seconds of its 180 that an invocation may take, whatever goes wrong."""
AT_ONCE = 10.0
"""Seconds."""
_BURYING = {"GetParametersByPath", "RemoveTargets", "DeleteRule", "DeleteParameters"}


class Invariants:
    """Looks at each thing that matters when it happens, and at what is left in the end."""

    def __init__(
        self,
        world: World,
        *,
        service: Service,
        formation: CloudFormation,
        bridge: EventBridge,
        parameters: ParameterStore,
        functions: Functions,
    ) -> None:
        self._world = world
        self._service = service
        self._formation = formation
        self._bridge = bridge
        self._parameters = parameters
        self._functions = functions

    # When a patch call was accepted

    def accepted(self, invocation: Invocation, patched: Patched) -> None:
        request, check = invocation.change, self._world.check
        if request is None:
            check("a patch belongs to a request", False, f"{invocation} made one")
            return
        check(
            "a Delete touches no cluster",
            all(each.type != "Delete" for each in invocation.requests),
            f"{invocation} led to a patch",
        )
        # A request can end after the handler's look at the stack, or before it without being
        # shown yet. Nothing can close that gap: SageMaker takes no condition along with a call.
        read, shown = invocation.stack_read, request.windows[-1].end_shown
        unknowable = read is not None and shown is not None and read <= shown
        waited_for = request.waited_for
        check(
            "one declared change, at most one accepted patch call",
            len(request.accepted) == 1 or (unknowable and not waited_for),
            lambda: f"{request} has {len(request.accepted)} accepted calls",
        )
        check(
            "a patch is called only while CloudFormation waits for it",
            waited_for or unknowable,
            lambda: f"{request} is {request.phase.value}, and no window of it is open",
        )
        check(
            "no patch begins too late to end",
            invocation.started < request.begin_by + _GRACE,
            lambda: (
                f"{invocation} called {request.deadline - self._world.now:.0f} s before the end"
            ),
        )
        if waited_for or not unknowable:
            check(
                "no node is patched that no declaration calls for",
                *self._called_for(request, patched, invocation),
            )
            check(
                "no newer patch release is taken back unasked",
                *self._asked_back(request, patched, invocation),
            )
            check(
                "no batch is sent to a Slurm cluster unasked",
                not patched.cluster.slurm
                or not patched.call.parameters.get("DeploymentConfig")
                or request.properties.get("AllowRollingUpdateOnSlurm") == "true",
                lambda: f"{request} called with {patched.call.parameters}",
            )

    def _called_for(
        self, request: Request, patched: Patched, invocation: Invocation
    ) -> tuple[bool, str]:
        shown = invocation.description or {}
        parameters, cluster = patched.call.parameters, patched.cluster
        new, old = request.properties, request.old_properties
        listed: list[dict[str, Any]] = parameters.get("InstanceGroups") or [
            {"InstanceGroupName": name} for name in cluster.groups
        ]
        declared = wanted(new, cluster)
        whole = "InstanceGroups" not in parameters
        old = old if means(old, cluster) else None
        if parameters.get("DeploymentConfig") != config(new):
            return False, f"{request} declares {config(new)}, called with {parameters}"
        for entry in listed:
            name = entry["InstanceGroupName"]
            software = declared.get(name)
            if software is None or parameters.get("ImageId") != software.image:
                return False, f"{request} does not declare {parameters} for {name}"
            if not whole and entry.get("ImageReleaseVersion") != software.release:
                return False, f"{request} declares release {software.release} for {name}"
            seen = _group(shown, name)
            if _runs(seen, software) and not self._some_are_left(patched, name, software, seen):
                return False, f"{name} was shown to run {software} already"
            if self._is_newest(request, patched, name, seen) and not invocation.disturbed:
                return False, f"every node of {name} said that it is up to date"
            if request.rollback:
                failed = wanted(old, cluster).get(name)
                if failed is None or not _runs(seen, failed, exactly=True):
                    return False, f"{name} was not proven to run what failed, {failed}"
                if software.pinned is None or new.get("OnRollback") == "leave":
                    return False, f"{name} was not to be rolled back to {software}"
            elif name not in changed(new, old, cluster):
                return False, f"the software of {name} was not changed by {request}"
        return True, ""

    def _some_are_left(
        self, patched: Patched, name: str, software: Wanted, seen: dict[str, Any]
    ) -> bool:
        """Of a release, nodes that are not on it may be called for again."""
        if software.release is None:
            return False
        counted = seen.get("TargetStateCount", seen["CurrentCount"])
        return counted < seen["CurrentCount"] or any(
            not software.runs_on(node.software) for node in patched.cluster.groups[name].nodes
        )

    def _is_newest(
        self, request: Request, patched: Patched, name: str, seen: dict[str, Any]
    ) -> bool:
        """The latest image was declared, no patch was asked for by a revision, and the group and
        each of its nodes show, and showed all the time, that there is nothing newer."""
        cluster, group = patched.cluster, patched.cluster.groups[name]
        new, old = request.properties, request.old_properties
        if new.get("ImageId") != MANAGED or not self._service.plain or not cluster.shows_images:
            return False
        before = wanted(old, cluster).get(name) if means(old, cluster) else None
        asked = before is not None and before.image == MANAGED
        if request.rollback or (asked and new.get("Revision") is not None):
            return False
        newest = Software(MANAGED, self._service.core.releases[-1])
        return (
            # One that failed comes back, and then not all the readings showed it.
            not self._service.core.faults.nodes_fail_late
            and bool(group.nodes)
            and seen.get("CurrentImageId") == MANAGED
            and seen.get("ImageVersionStatus") == "UpToDate"
            and seen.get("TargetStateCount") == seen["CurrentCount"] == len(group.nodes)
            and _at_rest(seen)
            and all(n.software == newest and n.status is NodeStatus.RUNNING for n in group.nodes)
        )

    def _asked_back(
        self, request: Request, patched: Patched, invocation: Invocation
    ) -> tuple[bool, str]:
        """A newer patch of the line that is called for, which was shown, was to be taken back."""
        new, old, cluster = request.properties, request.old_properties, patched.cluster
        shown = invocation.description or {}
        says = self._service.plain and cluster.shows_images and not invocation.disturbed
        for entry in patched.call.parameters.get("InstanceGroups", ()):
            name, release = entry["InstanceGroupName"], entry.get("ImageReleaseVersion")
            seen = _group(shown, name)
            there = [seen.get("CurrentImageReleaseVersion")]
            if seen.get("TargetStateCount") != 0:
                there.append(seen.get("DesiredImageReleaseVersion"))
            if says and not request.rollback:
                nodes = cluster.groups[name].nodes
                there += [node.software.release for node in nodes if node.patchable]
            if takes_back(new, old, cluster, name):
                failed = wanted(old, cluster).get(name)
                release = failed.release if request.rollback and failed is not None else None
            if any(is_newer_patch(version, release) for version in there):
                return False, f"{name} shows {there}, and {request} calls for {release}"
        return True, ""

    # When a request is settled

    def settled(self, request: Request, answer: dict[str, Any]) -> None:
        """CloudFormation was told how a request ended."""
        check = self._world.check
        stack = self._formation.stacks[request.stack_id]
        if request.type == "Delete":
            check("a Delete always succeeds", answer["Status"] == "SUCCESS", f"{request}: {answer}")
        # Whether it is a rollback can be read in the stack's status only. Where that could
        # not be read once, nobody can know.
        # Of a single resource that is taken back its events tell, and they may be late: then it has
        # to be looked at again, which needs a place to remember it.
        alone = request.rollback and not request.in_rollback
        if request.rollback and request.rollback_read and not (alone and request.met_quota):
            check("a rollback never fails", answer["Status"] == "SUCCESS", f"{request}: {answer}")
        try:
            truth.judge(request, answer, self._service, self._world.now)
        except truth.Lie as lie:
            check("every answer is true", False, f"{request}: {lie}. It was: {answer}")
        else:
            check("every answer is true", True, "")
        wrong = truth.same_resource(request, answer, stack, self._service)
        check(
            "the physical id names the cluster and is stable",
            wrong is None,
            f"{request}: {wrong}",
        )
        check(
            "every attribute has a value",
            set(answer["Data"])
            == {"ClusterArn", "Outcome", "PatchedInstanceGroups", "PatchedNodeCount", "Handover"}
            and answer["Data"]["Handover"]
            and answer["Data"]["ClusterArn"]
            and "Log group: " in answer["Reason"],
            f"{request}: {answer}",
        )

    def rested(self, stack: Stack) -> None:
        """A stack operation ended."""
        if stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        for name in stack.model.resources:
            request = stack.latest.get(name)
            if request is None or request.properties.get("WaitForCompletion") == "false":
                continue
            on = any(
                not each.patch.over
                and each.call.nodes
                and not truth.others_are_alike(each, self._service)
                for each in request.accepted
            )
            self._world.check(
                "no stack operation completes while its patch goes on",
                not on
                or request.data.get("Outcome") == "AlreadyCurrent"  # which is looked at elsewhere
                or truth.blind(request, self._service),
                f"{request} is {request.data}",
            )

    # When an invocation has ended

    def ended(self, invocation: Invocation, *, of_its_own: bool) -> None:
        request, check = invocation.request, self._world.check
        took = self._world.now - invocation.started - invocation.held_up
        check(
            "no invocation takes over 150 seconds",
            took <= LONGEST,
            lambda: f"{invocation} took {took:.0f} s",
        )
        if request is None:
            return
        alone = not (invocation.disturbed or invocation.crossed)
        if invocation.met_quota and of_its_own and alone:
            check(
                "a quota that is used up is told at once",
                (not request.waiting or request.change.accepted) and took <= AT_ONCE,
                lambda: (
                    f"{invocation} met one and took {took:.0f} s; {request} is "
                    f"{request.phase.value}"
                ),
            )
        first_hand = invocation.cause.startswith("request")
        if not of_its_own:
            check(
                "an invocation that nothing disturbs comes to its end",
                invocation.disturbed or invocation.crossed,
                f"{invocation} raised",
            )
            if invocation.attempt == 3:
                request.given_up = True
                request.exhausted |= first_hand
        if not any(other.change is request.change for other in self._functions.in_flight):
            if of_its_own and not invocation.disturbed:
                self._in_time(invocation, request)
            self._looked_after(invocation, request.change)

    def _in_time(self, invocation: Invocation, request: Request) -> None:
        """Nothing kept it from answering what was due."""
        check, change = self._world.check, request.change
        for window in change.windows:
            # A waiter's own delivery may be about another patch than the one that it is for.
            # One whose delivery met an outage is delivered again, and nothing knows of it until then.
            concerned = window is request or (request is change and not window.queued)
            due = window.reached and invocation.started >= window.answer_by + _GRACE
            due = due and self._world.now > window.put_trouble + 90  # else it is being tried again
            if concerned and (due or window.type == "Delete"):
                check(
                    "every request is answered by its deadline",
                    not window.waiting,
                    lambda window=window: f"{invocation} did not answer {window}",
                )
        if invocation.started >= change.forgotten_by + _GRACE:
            change.overdue += self._polled(change)
            check(
                "polling is over by the deadline",
                change.overdue < 2,
                lambda: f"{invocation} left the rule",
            )

    def _looked_after(self, invocation: Invocation, change: Request) -> None:
        # Where three deliveries of it were in vain, nobody knows of it any more.
        for window in change.windows:
            if not window.reached:
                continue
            awaited = window.queued or change.queued or window.exhausted or not window.waiting
            self._world.check(
                "no request is left hanging",
                awaited or self._polled(window) or self._polled(change),
                lambda window=window: f"after {invocation} nothing will look at {window} again",
            )

    def _polled(self, request: Request) -> bool:
        return any(
            rule.targets and is_rule_of(request.path, rule.name)
            for rule in self._bridge.rules.values()
        )

    # When all is over

    def never_ends(self) -> None:
        """Long after everything."""
        self._world.closing = True
        ticking = [name for name, rule in self._bridge.rules.items() if rule.targets]
        self._world.check(
            "polling is over by the deadline",
            not ticking,
            lambda: f"there still are {ticking}",
        )

    def at_rest(self) -> None:
        check = self._world.check
        rules = [
            name
            for name, rule in self._bridge.rules.items()
            if not self._excused(name) and (rule.targets or not self._half_made(name))
        ]
        check("nothing is left in EventBridge", not rules, lambda: f"rules {rules}")
        names = [name for name in self._parameters.values if not self._excused(name)]
        check("nothing is left in the parameter store", not names, lambda: f"parameters {names}")

    def _half_made(self, name: str) -> bool:
        """A late duplicate made the rule while another invocation was burying the request, and
        was killed before the rule had a target: it does nothing, and nothing tells of it."""
        return any(
            request.half_a_rule and f"-{request.path.split('/')[-1][:8]}" in name
            for request in self._formation.requests
        )

    def _excused(self, name: str) -> bool:
        """The store or EventBridge failed every time that a request was to be buried, three
        attempts by Lambda long: what is left is found by the resource's next request. Where
        the last one was a Delete, which answers all the same, there is none."""
        for request in self._formation.requests:
            resource, own = request.path.split("/")[-2:]
            if request.path in name or f"{resource}-{own[:8]}" in name:
                return request.given_up or any(
                    (other.type == "Delete" or other.given_up)
                    and other.path.split("/")[-2] == resource
                    and other.failed_calls & _BURYING
                    for other in self._formation.requests
                )
        return False


def _group(shown: dict[str, Any], name: str) -> dict[str, Any]:
    groups: list[dict[str, Any]] = shown.get("InstanceGroups", [])
    return next((each for each in groups if each["InstanceGroupName"] == name), {})


def _at_rest(shown: dict[str, Any]) -> bool:
    status = shown.get("SoftwareUpdateStatus")
    if status not in (None, "Succeeded", "Failed", "RollbackComplete"):
        return False
    return shown.get("Status") in _SETTLED


def _runs(shown: dict[str, Any], wanted: Wanted, *, exactly: bool = False) -> bool:
    """A description names that very image or release for the group, which is at rest. `exactly`:
    the release that was called for, and no newer one of its line."""
    if not _at_rest(shown):
        return False
    if wanted.release is not None:
        version = shown.get("CurrentImageReleaseVersion")
        if exactly:
            return bool(version == wanted.release)
        return wanted.runs_on(Software(MANAGED, version))
    return wanted.image != MANAGED and shown.get("CurrentImageId") == wanted.image
