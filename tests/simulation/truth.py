"""Whether an answer is true: compared with what HyperPod and CloudFormation know themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.hyperpod.model import Cluster
from sandbox.hyperpod.words import MANAGED, NodeStatus, is_newer_patch
from tests.simulation import images
from tests.simulation.declarations import Wanted, changed, means, takes_back, wanted
from tests.simulation.hyperpod import Service
from tests.simulation.requests import Patched, Request, Truth
from tests.simulation.stacks import Stack

_ALSO_BACK = ("AlreadyCurrent", "PatchedWithSkippedNodes", "Accepted")
_GRACE = 10.0
"""Seconds that the clocks of CloudFormation and of the function may be apart."""


class Lie(Exception):
    """What an answer says is not so."""


def judge(request: Request, answer: dict[str, Any], service: Service, now: float) -> None:
    """Raises `Lie` where what is told of the request is not true."""
    outcome, reason = str(answer["Data"]["Outcome"]), str(answer["Reason"])
    failed, change = answer["Status"] == "FAILED", request.change
    _expect(failed == (outcome == "Failed"), "status and outcome differ")
    # Where there is no place to claim an answer, one that is held up on its way may meet a call of
    # another invocation, which found a place meanwhile.
    unclaimed = "no more parameters" in reason and change.met_quota and change.disturbed
    if "Nothing was patched" in reason and not unclaimed:
        _expect(not change.accepted, "a call was accepted, and it says that nothing was patched")
    if request.type == "Delete":
        _expect(outcome == "LeftAsIs", "a Delete leaves the cluster as it is")
        return
    if blind(change, service):
        return
    if request.is_waiter and not _of_its_patch(request, service, outcome, reason, answer["Data"]):
        return
    if failed:
        _Failure(change, service, now, reason).judge()
    elif outcome == "Patching":
        _going_on(request, answer["Data"])
    elif request.rollback and not change.rollback:
        _expect(outcome == "LeftAsIs", f"{outcome} of another declaration's patch in a rollback")
    else:
        _success(change, service, outcome, reason, answer["Data"])


def _of_its_patch(
    request: Request, service: Service, outcome: str, reason: str, data: dict[str, Any]
) -> bool:
    """A waiter tells of the patch that it is for. It may also have nothing to wait for, and then
    says what it was given; or know nothing, and then it says so."""
    given = str(request.properties["Handover"])
    if "There was nothing left to wait for" in reason:
        _expect(data["Handover"] == given, f"it was given {given!r}")
        return False
    if "Nothing is remembered of the patch" in reason:
        current = outcome in ("Failed", "LeftAsIs") or _is_current(request.change, service)
        _expect(current, "a declared group was never shown as current")
        return False
    if "What became of the patch" in reason:
        _expect(outcome in ("Failed", "LeftAsIs"), "it is not known")
        return False
    return True


def _going_on(request: Request, data: dict[str, Any]) -> None:
    """A window that ends before its patch."""
    change = request.change
    _expect(data["Handover"] == f"patch {change.path.rpartition('/')[2]}", "it is another patch")
    waits = change.properties.get("WaitForCompletion") != "false"
    _expect(waits or request.rollback, "its end is not to be waited for")


def blind(request: Request, service: Service) -> bool:
    """Somebody else did something to the same groups meanwhile, and nothing that the API shows
    tells whose doing it is that the handler sees:

    - SoftwareUpdateStatus is about the last patch of a group, whoever asked for it;
    - a cluster that shows no SoftwareUpdateStatus tells of a patch by its nodes' times and its
      message only, and these can be another patch's, or a scaling's;
    - the same holds where this request's own call was never answered;
    - and a message that is there again, word by word, without having been seen to be gone in
      between, may as well be the old one. So may a status that by chance was not shown when
      the call was made.
    """
    cluster = _cluster(request, service)
    if request.called is None or cluster is None:
        return False
    if request.status_hidden:
        return True
    others = [each for each in service.patches if each not in request.accepted]
    if cluster.shows_update_status and request.accepted:
        own = request.accepted[0]
        return any(
            each.cluster is cluster
            and each.call.time >= own.call.time
            and set(each.targets) & set(own.targets)
            for each in others
        )
    old = None if request.message_gone else request.message_before
    if not cluster.shows_update_status and old is not None and cluster.failure_message == old:
        return True
    # A scaling that was under way may end afterwards.
    since = float("-inf") if cluster.continuous else request.called - 200.0
    times = [(each.call.time, each.cluster) for each in others] + service.scaled + service.moved
    return any(time > since and each is cluster for time, each in times)


def _alike(request: Request, patched: Patched) -> bool:
    """A cluster that shows neither images nor counts, for good or in this one description:
    nodes that were skipped look just like nodes that had the software already."""
    return not patched.cluster.shows_images or request.counts_hidden


def _skipped(patched: Patched) -> bool:
    return any(part.passed_over for part in patched.patch.parts)


def _scaled(patched: Patched, service: Service) -> bool:
    """Somebody scaled the cluster during or after the patch, or automatic patching moved nodes of
    it on: nodes came up while it ran."""
    return any(
        cluster is patched.cluster and (time >= patched.call.time or cluster.continuous)
        for time, cluster in (*service.scaled, *service.moved)
    )


def others_are_alike(patched: Patched, service: Service) -> bool:
    """A cluster shows no images, and what others did to its nodes looks like the patch's doing."""
    return not patched.cluster.shows_images and _scaled(patched, service)


def _some_stray_off(patched: Patched, service: Service) -> bool:
    """A node that others brought into a patched group does not run, or other software."""
    return _scaled(patched, service) and any(
        node.software != target or node.status is not NodeStatus.RUNNING
        for name, target in patched.targets.items()
        if name in patched.cluster.groups
        for node in patched.cluster.groups[name].nodes
    )


def _told_apart_from_none(patched: Patched, service: Service, reason: str) -> bool:
    """Nodes with other ids than before, some of which do not run, in a group that was scaled: what
    belongs to the patch and what to scaling cannot be told apart, and the answer tells of them."""
    told = "that scaling adds or takes" in reason or "came meanwhile" in reason
    return told and _scaled(patched, service)


def _expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise Lie(otherwise)


def _success(
    request: Request, service: Service, outcome: str, reason: str, data: dict[str, Any]
) -> None:
    called = bool(request.accepted)
    patched = request.accepted[0] if called else None
    rolled_back = {"Restored", "LeftAsIs"}
    _expect(
        request.rollback == (outcome in rolled_back)
        or (request.rollback and outcome in _ALSO_BACK)
        # That a single resource is taken back may show after a look that did not matter.
        or (request.rollback and not request.in_rollback and outcome == "NothingToPatch"),
        f"{outcome} in {'a' if request.rollback else 'no'} rollback",
    )
    match outcome:
        case "Patched" | "Restored":
            _expect(called or request.called_for, "it did not call for a patch")
            _expect(
                request.all_on_target
                or (
                    patched is not None
                    and _alike(request, patched)
                    and (_skipped(patched) or _scaled(patched, service))
                )
                or (patched is not None and _told_apart_from_none(patched, service, reason)),
                "in no look did all nodes run the declared software",
            )
        case "PatchedWithSkippedNodes":
            _expect(called or request.called_for, "it did not call for a patch")
            skipped = request.properties.get("OnSkippedNodes")
            _expect(skipped == "warn" or request.rollback, "skipped nodes were to fail it")
            if patched is not None:
                _expect(
                    request.some_off_target
                    or _alike(request, patched)
                    or _some_stray_off(patched, service),
                    "in no look was a node off the declared software",
                )
                _expect(patched.patch.over, "the patch has not ended")
        case "AlreadyCurrent":
            _already_current(request, patched, service, reason)
        case "NothingToPatch":
            _expect(not called, "a call was accepted")
            cluster = service.known[request.properties["ClusterName"]]
            _expect(
                _was_current(request, cluster, service),
                "a changed group was never shown as current",
            )
        case "Accepted":
            _expect(called, "no call of this request was accepted")
            waits = request.properties.get("WaitForCompletion") != "false"
            _expect(not waits, "its end was to be waited for")
        case "Adopted":
            _expect(not called, "a call was accepted")
            _expect(request.properties.get("OnCreate") == "adopt", "it was not to be adopted")
        case "LeftAsIs":
            _expect(
                "Nothing was patched back: until" not in reason or not request.free,
                "nothing was under way",
            )
            if "Nothing was patched back" in reason:
                _expect(not called, "a call was accepted")
        case _:
            raise Lie(f"an outcome that nobody knows: {outcome}")
    if patched is not None and "..." not in data["PatchedInstanceGroups"]:
        named = [name for name in data["PatchedInstanceGroups"].split(",") if name]
        _expect(set(named) <= set(patched.targets), f"{named} are not the groups of the call")
        had = {name: max(len(nodes), request.counted.get(name, 0))
               for name, nodes in request.nodes.items()}  # fmt: skip
        most = sum(had[name] for name in named)
        _expect(int(data["PatchedNodeCount"]) <= most, f"there were only {most} nodes to patch")


def _already_current(
    request: Request, patched: Patched | None, service: Service, reason: str
) -> None:
    _expect(patched is not None, "no call of this request was accepted")
    assert patched is not None
    _expect(not patched.call.nodes or _scaled(patched, service), "the call was to change something")
    hedged = "as far as HyperPod shows" in reason and _scaled(patched, service)
    seems = hedged or _told_apart_from_none(patched, service, reason)
    if not _alike(request, patched) and "(failed)" not in reason and not seems:
        _expect(request.all_on_target, "in no look did all nodes run what is declared")


def _was_current(request: Request, cluster: Cluster, service: Service) -> bool:
    old = request.old_properties if means(request.old_properties, cluster) else None
    return _shown_current(request, cluster, service, changed(request.properties, old, cluster))


def _is_current(request: Request, service: Service) -> bool:
    cluster = service.known[request.properties["ClusterName"]]
    declared = wanted(request.properties, cluster)
    return _shown_current(request, cluster, service, list(declared))


def _shown_current(request: Request, cluster: Cluster, service: Service, names: list[str]) -> bool:
    old = request.old_properties if means(request.old_properties, cluster) else None
    declared = wanted(request.properties, cluster)
    return any(
        all(
            name in truth
            and _is_there(
                declared[name],
                truth[name],
                plain=service.plain and cluster.shows_images,
                back=takes_back(request.properties, old, cluster, name),
            )
            for name in names
        )
        for truth in request.seen
    )


def _is_there(declared: Wanted, truth: Truth, *, plain: bool, back: bool) -> bool:
    """A group needs no patch. `plain`: what is shown is how it is, and it shows its nodes."""
    if declared.image == MANAGED:
        return not truth.current.custom and (truth.newest or not plain)
    if not declared.runs_on(truth.current):
        return False
    return (
        declared.release is None
        or not plain
        or all(
            declared.runs_on(node) or (not back and is_newer_patch(node.release, declared.release))
            for node in truth.nodes
        )
    )


class _Failure:
    """The reasons of a FAILED answer, each with what must be so where it is given."""

    def __init__(self, request: Request, service: Service, now: float, reason: str) -> None:
        self._request = request
        self._service = service
        self._reason = reason
        self._late = now >= request.deadline - _GRACE
        self._too_late = now >= request.begin_by - _GRACE
        name = request.properties.get("ClusterName")
        self._cluster = service.known.get(name) if isinstance(name, str) else None

    def judge(self) -> None:
        starts: dict[str, Callable[[], object]] = {
            "The timeout of": lambda: self._late and not self._was_over,
            "Nothing was patched, and it is too late to begin": lambda: self._too_late,
            "Nothing was patched within ": lambda: self._too_late and not self._request.free,
            "Nothing was patched: the patch of": lambda: self._too_late,
            "How the patch ended is not known: at the timeout": lambda: self._late,
            "The patch of cluster": self._went_badly,
            "While being patched,": lambda: self._request.cluster_seen_missing,
            "HyperPod ended the update of": self._some_skipped,
            "A rolling update (DeploymentConfig) was declared": self._batch_on_slurm,
            "A patch to release ": self._takes_newer_back,
            "It is unknown whether HyperPod accepted": lambda: (
                self._request.disturbed or not self._request.accepted
            ),
            "Groups of cluster ": self._not_shown,
            "A timeout of ": lambda: self._request.without_role,
            # An end before anything was written down: there must have been trouble.
            "Nothing was patched: ": lambda: self._request.disturbed or self._request.met_quota,
        }
        parts: dict[str, Callable[[], object]] = {
            " cannot be used: ": lambda: self._image() in images.UNUSABLE,
            " is a Slurm cluster": lambda: self._cluster is not None and self._cluster.slurm,
            "on it. Nothing was patched": lambda: not self._request.accepted,
            " does not exist in ": lambda: self._request.cluster_seen_missing,
            " has no instance group ": self._lacks_groups,
            " cannot replace HyperPod's default image": self._slurm_on_default,
            "which a release version cannot replace": self._on_custom,
            "UpdateClusterSoftware said ValidationException": lambda: self._request.patch_refused,
            " no more rules in this account": lambda: self._request.met_quota,
            " no more parameters in this account": lambda: self._request.met_quota,
            "AccessDenied": lambda: self._request.disturbed,
            "allowed is": lambda: self._request.properties.get("Timeout") == "soon",
        }
        for start, holds in starts.items():
            if self._reason.startswith(start):
                return _expect(holds(), f"it says {start!r}, which is not so")
        for part, holds in parts.items():
            if part in self._reason:
                return _expect(holds(), f"it says {part!r}, which is not so")
        raise Lie(f"a reason that nobody knows: {self._reason}")

    def _went_badly(self) -> bool:
        if not self._request.accepted:
            return False
        return self._request.accepted[0].went_badly()

    def _not_shown(self) -> bool:
        """Not to be said of a patch that changed every group, ended well and shows it."""
        if not self._request.accepted:
            return True
        own = self._request.accepted[0]
        well = own.patch.over and all(part.done and not part.went_back for part in own.patch.parts)
        return not (well and self._request.all_on_target and own.cluster.shows_images)

    @property
    def _was_over(self) -> bool:
        """In its last looks everything was as declared, and shown to be. Where nothing was to be
        changed, it may wait for a sign of that until a short timeout passes."""
        if not self._request.accepted or not self._service.plain or self._request.put_trouble:
            return False
        own, looks = self._request.accepted[0], self._request.lately_off
        if "not ready yet" in self._reason and _scaled(own, self._service):
            return False  # one that comes up may be the one that is missing here
        well = own.patch.over and all(part.done for part in own.patch.parts)
        shows = own.cluster.shows_images and own.cluster.shows_update_status
        return well and shows and len(looks) == looks.maxlen and not any(looks)

    def _some_skipped(self) -> bool:
        accepted = self._request.accepted
        alike = bool(accepted) and _alike(self._request, accepted[0])
        plain = self._service.plain
        off = any(self._request.lately_off) if plain else self._request.some_off_target
        # One that was moved here, or came by scaling, looks like one that was skipped.
        return off or alike or (bool(accepted) and _some_stray_off(accepted[0], self._service))

    def _image(self) -> Any:
        return self._request.properties.get("ImageId")

    def _lacks_groups(self) -> bool:
        listed: list[dict[str, Any]] = self._request.properties.get("InstanceGroups") or []
        assert self._cluster is not None
        return any(entry["InstanceGroupName"] not in self._cluster.groups for entry in listed)

    def _slurm_on_default(self) -> bool:
        assert self._cluster is not None
        return self._cluster.slurm and any(
            truth[name].current.image == MANAGED
            for truth in self._request.seen
            for name in wanted(self._request.properties, self._cluster)
        )

    def _on_custom(self) -> bool:
        assert self._cluster is not None
        declared: dict[str, Wanted] = wanted(self._request.properties, self._cluster)
        return any(truth[name].current.custom for truth in self._request.seen for name in declared)

    def _batch_on_slurm(self) -> bool:
        declared = self._request.properties
        allowed = declared.get("AllowRollingUpdateOnSlurm") == "true"
        slurm = self._cluster is not None and self._cluster.slurm
        return slurm and bool(declared.get("DeploymentConfig")) and not allowed

    def _takes_newer_back(self) -> bool:
        assert self._cluster is not None
        new, old = self._request.properties, self._request.old_properties
        return any(
            is_newer_patch(software.release, each.release)
            and not takes_back(new, old, self._cluster, name)
            for name, each in wanted(new, self._cluster).items()
            for truth in self._request.seen
            for software in (
                truth[name].current,
                *truth[name].nodes,
                # One that is being moved into the group, too.
                *(node.software for node in self._cluster.groups[name].nodes),
            )
        )


def same_resource(
    request: Request, answer: dict[str, Any], stack: Stack, service: Service
) -> str | None:
    """Why the answer's physical id is wrong, or ``None``."""
    given = answer["PhysicalResourceId"]
    if not isinstance(given, str) or not 1 <= len(given.encode()) <= 1024:
        return f"the physical id is {given!r}"
    if request.type == "Delete":
        return None if given == request.physical_id else f"a Delete renames it to {given!r}"
    if request.is_waiter:
        stable = request.physical_id in (None, given)
        return None if stable else f"the physical id of a waiter is {given!r}"
    if request.type == "Create":
        expected = request.properties.get("ClusterName")
        return None if given == expected else f"the physical id is {given!r}, not the cluster"
    before, after = service.known.get(str(request.physical_id)), _cluster(request, service)
    if before is after or after is None or answer["Status"] == "FAILED":
        return None if given == request.physical_id else "the id changed, the cluster did not"
    if not service.exists(after):
        return None  # what a cluster is that nobody can find cannot be told: the id may stay
    return None if given != request.physical_id else "the cluster changed, the id did not"


def _cluster(request: Request, service: Service) -> Cluster | None:
    name = request.properties.get("ClusterName")
    return service.known.get(name) if isinstance(name, str) else None
