"""Why a request waits or ends, where no plan and no patch is what there is to tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Union

from hyperpod_software.model.errors import AwsError, BadProperty
from hyperpod_software.model.image import Refusal
from hyperpod_software.model.plan import Hold, Plan
from hyperpod_software.model.result import PatchResult, Pending


class Note(Enum):
    """What needs nothing else to be told."""

    DELETED = "the resource was deleted"
    TAKEN_BACK = "its own windows tell the end"
    NOT_BEGUN = "its patch had not begun"
    LATE_WINDOW = "another window waits for the patch"
    EARLIER_CALL = "an earlier request called just now"
    NOT_SHOWN = "CloudFormation does not show yet what the request belongs to"
    NO_WINDOW = "no window of the stack waits for a call"
    INVOCATION_OVER = "the time of this invocation is over"
    OTHER_INVOCATION = "another invocation is making the call"
    NO_ANSWER = "UpdateClusterSoftware was not answered"
    ACCEPTED = "HyperPod accepted the request"


class TroubleKind(Enum):
    """What a call to AWS that did not succeed means for its request."""

    NO_CLUSTER = "the cluster does not exist"
    CLUSTER_GONE = "the cluster disappeared while it was patched"
    NOT_PATCHED = "nothing was patched"
    NOT_BEGUN = "memory or rule could not be made"
    NOT_BACK = "memory or rule could not be made, in a rollback"
    TRY_AGAIN = "it is tried again"
    TOO_LATE = "nothing was patched, and it is too late to begin"
    END_UNKNOWN = "how the patch ended is not known"
    FATE_UNKNOWN = "what became of the patch is not known"


@dataclass(frozen=True)
class Trouble:
    """A call to AWS did not succeed, or the handler met a defect of its own."""

    kind: TroubleKind
    cause: AwsError | str
    """The problem, or a defect's type."""
    cluster: str | None = None
    region: str = ""
    account: str = ""


@dataclass(frozen=True)
class Invalid:
    """A property cannot be used."""

    problem: BadProperty
    waiter: bool = False


@dataclass(frozen=True)
class Unusable:
    """A custom AMI cannot be used."""

    refusal: Refusal


@dataclass(frozen=True)
class Held:
    """The call is not made, or not accepted, for now."""

    hold: Hold


@dataclass(frozen=True)
class PassedOn:
    """There was nothing left to wait for."""

    outcome: str


class Frame(Enum):
    """What another reason is told within."""

    ROLLED_BACK = "the stack was rolled back"
    RESTORED = "the groups returned to the software declared before"
    OVERTAKEN = "the stack is rolled back, and this was declared before"
    BETWEEN_WINDOWS = "no window of the stack waits"
    HANDED_OVER = "the next waiter goes on"
    HANDED_OVER_IN_ROLLBACK = "the next waiter goes on, or nobody"
    UNWATCHED = "the patch did not end while it was watched"
    UNREMEMBERED = "nothing is remembered of the patch"


@dataclass(frozen=True)
class Framed:
    """A reason within another."""

    frame: Frame
    inner: Why
    called: bool = False
    """The request made its patch call."""


class Unremembered(Enum):
    """What is known of a patch of which nothing is remembered."""

    IN_ROLLBACK = "its end is not known"
    NOT_DECLARED = "nor what was declared"


@dataclass(frozen=True)
class NotShown:
    """Groups are not shown to run what was declared."""

    groups: tuple[str, ...]
    cluster: str


Why = Union[  # noqa: UP007 - it names itself
    Plan, PatchResult, tuple[Pending, ...], Note, Trouble, Invalid, Unusable, Held, PassedOn,
    Framed, Unremembered, NotShown,
]  # fmt: skip
