"""What a person reads: the only place with English. Rules decide in values; this puts them in words."""

from __future__ import annotations

from hyperpod_software.messages import plans, results, troubles
from hyperpod_software.messages.wording import listed, sentence
from hyperpod_software.model.plan import Hold, HoldKind, Plan
from hyperpod_software.model.result import PatchResult
from hyperpod_software.model.why import (
    Frame,
    Framed,
    Held,
    Invalid,
    Note,
    NotShown,
    PassedOn,
    Trouble,
    Unremembered,
    Unusable,
    Why,
)

_NOTES = {
    Note.DELETED: "The cluster was left as it is.",
    Note.TAKEN_BACK: "The resource is rolled back: its own windows report the end.",
    Note.NOT_BEGUN: "Its patch had not begun.",
    Note.LATE_WINDOW: "Another window of the stack waits for this patch already.",
    Note.EARLIER_CALL: (
        "Waiting to begin: an earlier request of this resource called UpdateClusterSoftware just now."
    ),
    Note.NOT_SHOWN: "CloudFormation does not show yet what this request belongs to.",
    Note.NO_WINDOW: "No window of the stack waits for a call: not calling.",
    Note.INVOCATION_OVER: "The time of this invocation is over: calling in the next.",
    Note.OTHER_INVOCATION: "Another invocation is making the call.",
    Note.NO_ANSWER: (
        "UpdateClusterSoftware was not answered: the cluster will show whether it was accepted."
    ),
    Note.ACCEPTED: "HyperPod accepted the request.",
}
_UNREMEMBERED = "Nothing is remembered of the patch that was handed over"
_UNKNOWN = {
    Unremembered.IN_ROLLBACK: f"{_UNREMEMBERED}: its end is not known.",
    Unremembered.NOT_DECLARED: (
        f"{_UNREMEMBERED}, nor of what was declared: how it ended is not known. Look at the "
        "cluster, then change the declaration's revision or timeout and deploy again."
    ),
}
_FRAMES = {
    Frame.OVERTAKEN: "The stack is rolled back. Of what was declared before that: {}",
    Frame.BETWEEN_WINDOWS: "No window of the stack waits: {}",
    Frame.HANDED_OVER: "{} The next waiter of the stack goes on.",
    Frame.HANDED_OVER_IN_ROLLBACK: (
        "{} The next waiter of the stack goes on; where there is none, the function watches the "
        "cluster to its end, calls nothing, and tells the end in its log."
    ),
    Frame.UNWATCHED: "The patch did not end while it was monitored: {}",
}


def say(why: Why) -> str:
    """A reason in words: whole sentences, the first of which says what happened."""
    match why:
        case Plan():
            return plans.text(why)
        case PatchResult():
            return results.text(why)
        case tuple():
            return f"Patching: {results.waits_for(why)}."
        case Trouble():
            return troubles.text(why)
        case Framed():
            return _framed(why)
        case _:
            return _short(why)


def _short(
    why: Note | Invalid | Unusable | Held | PassedOn | Unremembered | NotShown,
) -> str:
    match why:
        case Note():
            return _NOTES[why]
        case Unremembered():
            return _UNKNOWN[why]
        case Invalid(problem, waiter):
            return str(problem) if waiter else f"{problem}{plans.NOTHING}"
        case Unusable(refusal):
            return troubles.unusable(refusal)
        case Held(hold):
            return _held(hold)
        case PassedOn(outcome):
            return f"There was nothing left to wait for: {outcome}."
        case NotShown(groups, cluster):
            which = f"{listed(groups)} of cluster {cluster}"
            return f"{which} is not shown to run the declared software."


def _held(hold: Hold) -> str:
    does = "waiting for the cluster" if hold.kind is HoldKind.CONFLICT else "not calling yet"
    return f"{plans.held(hold)}: {does}."


def _framed(why: Framed) -> str:
    inner = why.inner
    if why.frame is Frame.RESTORED:
        groups = listed(inner.patched_groups) if isinstance(inner, PatchResult) else "groups"
        return f"Rolled back: {groups} returned to the software declared before. {say(inner)}"
    if why.frame is Frame.UNREMEMBERED:
        known = plans.text(inner, nothing="") if isinstance(inner, Plan) else say(inner)
        return sentence(f"{_UNREMEMBERED}. {known}")
    if why.frame is Frame.ROLLED_BACK:
        cluster = "the cluster perhaps not wholly" if why.called else "the cluster was not"
        return sentence(f"The stack was rolled back, {cluster}: {say(inner)}")
    return sentence(_FRAMES[why.frame].format(say(inner)))
