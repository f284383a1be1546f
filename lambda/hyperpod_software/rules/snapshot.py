"""One look at a patch: all that is known in it, and the plain questions that it answers."""

from __future__ import annotations

from dataclasses import dataclass

from hyperpod_software.model.cluster import (
    CHANGING_CLUSTER,
    CHANGING_GROUP,
    SETTLED_CLUSTER,
    SETTLED_GROUP,
    UPDATE_ENDED,
    UPDATE_RUNNING,
    UPDATE_SUCCEEDED,
    Cluster,
    Group,
    NodeTally,
)
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Software
from hyperpod_software.model.state import Call, Observation, Progress, digest
from hyperpod_software.rules.cluster import (
    contradicts,
    counted_elsewhere,
    counts_declared,
    is_updating,
)
from hyperpod_software.rules.declared import software_for

QUIET = 300
"""Seconds in which a patch must show itself, in a status or in a node's time, and within which
what passes has passed. They count from the call, or from when a group was last seen moving.

AWS documents no such bound; DescribeCluster shows an accepted update at once as far as
anybody has seen. A call that shows nothing for this long has changed nothing."""


STALE = 60
"""Seconds after the call in which a description may still be one from before it."""


@dataclass(frozen=True)
class GroupSnapshot:
    """One patched group with all that is known about it in this look."""

    group: Group
    software: Software
    tally: NodeTally
    had: int | None = None
    """How many nodes it had at the call; ``None``: that is not known."""
    sure: int | None = None
    """How many of them it surely had to patch."""

    @property
    def unsettled(self) -> int:
        """Nodes that are on their way, and those that ListClusterNodes does not list yet. Where
        none is missing that was there at the call, scaling brings them."""
        lost = self.sure is None or self.tally.total < self.sure
        unlisted = max(0, self.group.current_count - self._listed)
        return self.tally.unsettled + (unlisted if lost else 0)

    @property
    def _listed(self) -> int:
        return self.tally.total + self.tally.strays.total

    @property
    def on_image(self) -> int | None:
        """How many nodes the group itself counts on the declared software, where it does."""
        counts = counts_declared(self.software, self.group)
        return self.group.target_state_count if counts else None

    @property
    def skipped(self) -> int:
        """Nodes that the patch left on other software.

        They can be no more than the nodes that it had and that are not known to be on it.
        """
        if self.had is None:
            return self.off
        known, on_image = self.tally.done, self.on_image
        if on_image is not None:
            known = max(min(known, on_image), on_image - self.tally.launched)
        else:
            known = min(known, max(0, self.group.current_count - self._elsewhere))
        return max(0, min(self.off, self.had - known))

    @property
    def off(self) -> int:
        """Running nodes that are not on the software, whoever brought them into the group.

        The group's own count knows; nodes with an older time may have been there before.
        Where it is not shown, every node that was not replaced is taken to be off, and so is
        what the group counts on another release.
        """
        on_image, tally = self.on_image, self.tally
        if on_image is None:
            return max(tally.skipped + tally.untouched, self._elsewhere)
        # It counts running nodes on that very release: one that failed is told as failed, and not
        # twice, and one that was moved on needs nothing.
        idle = self._listed - tally.running
        running = max(tally.running, self.group.current_count - idle)
        # What its nodes say themselves is surer than a count of which the release may be hidden.
        return max(tally.skipped, running - on_image - tally.newer)

    @property
    def _elsewhere(self) -> int:
        return counted_elsewhere(self.software, self.group)

    @property
    def unchanged(self) -> bool:
        """No node was replaced, and nothing that is shown says that one was to be."""
        shown = self.on_image is not None
        off = self.skipped if shown else self.tally.skipped
        return not (self.tally.done or self.tally.broken or off)

    @property
    def proven(self) -> bool:
        """Every node of it says itself that it runs the software."""
        return self.tally.proven == self.tally.total


@dataclass(frozen=True)
class Snapshot:
    """All that is known in one look at a patch."""

    request: Request
    call: Call
    progress: Progress
    cluster: Cluster
    now: float
    ends: float
    """When the request stops waiting (epoch seconds)."""

    def software(self, group: Group) -> Software:
        return software_for(self.request, self.cluster, group.name) or Software()

    def contradicts(self, group: Group) -> bool:
        """It names another image than the declared one. A group without nodes runs none."""
        owned = self.request.declared.owned_image
        return group.current_count > 0 and contradicts(
            self.software(group), group, owned_image=owned
        )

    @property
    def known_to_run(self) -> bool:
        """HyperPod accepted the request: it said so, or groups were seen being patched, or show another
        end than they did before."""
        return (
            self.call.accepted
            or bool(self.progress.active)
            or any(
                group.update_status in UPDATE_ENDED and self.is_fresh(group)
                for group in self.cluster.groups
                if self.call.covers(group.name)
            )
        )

    @property
    def quiet(self) -> bool:
        """Nothing has moved for long."""
        since = self.progress.resting_since if self.progress.active else self.call.at
        return since is not None and self.now >= since + QUIET

    @property
    def shows_no_status(self) -> bool:
        """The older mode: what the cluster says of itself is all that tells of an update. Where
        other groups show a status, or showed one before, one without has never been patched."""
        statuses = (group.update_status for group in self.cluster.groups)
        return not any(statuses) and not any(self.call.before.values())

    @property
    def told_failure(self) -> bool:
        """The cluster's message is not the one from before the call."""
        message = self.cluster.failure_message
        return message is not None and (
            self.progress.cleared or digest(message) != self.call.failure_before
        )

    def is_fresh(self, group: Group) -> bool:
        """Its status tells of this request, and not of an earlier one."""
        if self.progress.saw_active(group.name):
            return True
        before = self.call.status_before(group.name)
        if before is None:
            # It may just not have been shown before the call, and still be the old one.
            return self.call.accepted and self.quiet
        return before != group.update_status

    def moves(self, group: Group) -> bool:
        """It is being patched; or it says that it was, and still names another image."""
        if group.status not in (*SETTLED_GROUP, None) or self._is_being_patched(group):
            return True
        succeeded = group.update_status == UPDATE_SUCCEEDED
        return succeeded and self.is_fresh(group) and self.contradicts(group)

    def _is_being_patched(self, group: Group) -> bool:
        """Signs of an update; where its status is absent, the older mode's coarser ones."""
        if group.update_status is not None:
            return is_updating(group)
        return self.cluster.status not in SETTLED_CLUSTER

    def observation(self, watched: list[GroupSnapshot]) -> Observation:
        """What of this look is to be remembered."""
        active = _digests([each for each in watched if self._is_seen_active(each.group)])
        had_message = bool(self.call.failure_before) and not self.progress.cleared
        return Observation(
            active=active,
            back=_digests([each for each in watched if self._is_seen_going_back(each.group)]),
            cleared=had_message and self.cluster.failure_message is None,
            rests=not any(self.moves(each.group) for each in watched),
            taken=bool(active) or self.known_to_run,
        )

    def _is_seen_active(self, group: Group) -> bool:
        """It is being patched for certain: a status nobody knows means "not finished yet", and
        no more. Of a call that nobody answered an old description proves nothing either."""
        if self._may_be_old and not self.call.accepted:
            return False
        if group.update_status is not None:
            return group.update_status in UPDATE_RUNNING
        # Where groups show a status, one that changes without one is being scaled.
        if group.scaling or not self.shows_no_status:
            return False
        return group.status in CHANGING_GROUP or self.cluster.status in CHANGING_CLUSTER

    @property
    def _may_be_old(self) -> bool:
        """The description may be one from before the call."""
        return self.now < self.call.at + STALE

    def _is_seen_going_back(self, group: Group) -> bool:
        if self._may_be_old and (not self.call.accepted or group.update_status is None):
            return False
        if group.update_status is not None:
            return group.update_status == "RollbackInProgress"
        return self.shows_no_status and self.cluster.status == "RollingBack"


def _digests(watched: list[GroupSnapshot]) -> frozenset[str]:
    return frozenset(digest(each.group.name) for each in watched)
