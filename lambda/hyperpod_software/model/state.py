"""What a request must remember between looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from hyperpod_software.model.plan import Hold


def digest(text: str, length: int = 10) -> str:
    """A short stand-in for a name: a hundred 63-character names fit one parameter so."""
    return sha256(text.encode()).hexdigest()[:length]


def spelled(document: Mapping[str, Any]) -> str:
    """A document as JSON in which no two opening braces follow each other, whatever it says.

    Parameter Store takes ``{{`` for another parameter's name and refuses the value. In JSON it can
    only stand inside a string, where the second brace may as well be written as its number.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("{{", "{\\u007b")


@dataclass(frozen=True)
class Call:
    """The one UpdateClusterSoftware call of a request, written before it is made."""

    at: float
    """When it was about to be made (epoch seconds)."""
    before: Mapping[str, str]
    """Digest of each patched group's name → its ``SoftwareUpdateStatus`` before, or ``""``."""
    had: Mapping[str, int] = field(default_factory=dict[str, int])
    """Digest of each patched group's name → how many nodes it had before."""
    ran: Mapping[str, int] = field(default_factory=dict[str, int])
    """The same, but only those that it counted as running its image."""
    failure_before: str = ""
    """Digest of the cluster's ``FailureMessage`` before the call, or ``""``."""
    accepted: bool = False
    """HyperPod answered the call; ``False`` while nobody knows."""

    def covers(self, group: str) -> bool:
        """Whether that group is being patched by this call."""
        return digest(group) in self.before

    def nodes_before(self, group: str) -> int | None:
        return self.had.get(digest(group))

    def sure_before(self, group: str, *, scaling: bool) -> int | None:
        """How many nodes it surely had to patch: where it is scaling, it may have counted others
        that had never come up."""
        had = self.nodes_before(group)
        return self.ran.get(digest(group), had) if scaling else had

    def status_before(self, group: str) -> str | None:
        return self.before.get(digest(group)) or None


@dataclass(frozen=True)
class Observation:
    """What one look at a patch saw."""

    active: frozenset[str] = field(default_factory=frozenset[str])
    """Digests of patched groups that are being patched."""
    back: frozenset[str] = field(default_factory=frozenset[str])
    """Digests of those that HyperPod is rolling back."""
    cleared: bool = False
    """The ``FailureMessage`` from before the call is gone."""
    rests: bool = True
    """No patched group is moving."""
    taken: bool = False
    """It tells that HyperPod accepted the request."""
    hold: Hold | None = None
    """What keeps the request from beginning."""


@dataclass(frozen=True)
class Progress:
    """What earlier looks saw."""

    issued: float
    """When the request was issued: it orders the requests of one resource."""
    rollback: bool | None = None
    """Whether the stack was rolling back when the request came; ``None``: not known yet."""
    active: frozenset[str] = field(default_factory=frozenset[str])
    """Digests of patched groups that were seen being patched."""
    cleared: bool = False
    """The cluster's old ``FailureMessage`` was seen gone: one that is there later is new."""

    back: frozenset[str] = field(default_factory=frozenset[str])
    """Digests of patched groups that were seen being rolled back by HyperPod."""
    resting_since: float | None = None
    """Since when no patched group was seen moving; ``None`` while one is."""
    hold: Hold | None = None
    """What kept the request from beginning, as it was seen last."""
    held_since: float | None = None
    """When that was first seen."""

    hold_until: float = 0.0
    """An earlier request called so shortly before this one that HyperPod may not show it yet:
    nothing is decided until then (epoch seconds)."""

    def before_call(self) -> Progress:
        """Without what was seen of a patch: while a call was claimed and then turned away, it was
        somebody else's."""
        return replace(
            self, active=frozenset(), back=frozenset(), cleared=False, resting_since=None
        )

    def saw_active(self, group: str) -> bool:
        return digest(group) in self.active

    def after(self, observation: Observation, now: float) -> Progress:
        """The progress with what one more look saw."""
        return replace(
            self,
            active=self.active | observation.active,
            cleared=self.cleared or observation.cleared,
            back=self.back | observation.back,
            resting_since=(self.resting_since or now) if observation.rests else None,
            hold=observation.hold or self.hold,
            held_since=now if observation.hold not in (None, self.hold) else self.held_since,
        )
