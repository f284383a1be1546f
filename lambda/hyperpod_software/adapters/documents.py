"""What is remembered, as documents: small enough for a parameter, and read back as they were."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from hyperpod_software.model.plan import Hold, HoldKind
from hyperpod_software.model.request import RequestInfo, RequestType, Window
from hyperpod_software.model.state import Call, Progress, digest, spelled

PIECE = 4096
"""The most a standard parameter holds, in bytes; standard parameters cost nothing."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An answer that was decided on, kept until CloudFormation has it."""

    called: bool
    """It was decided in the knowledge of a patch call."""
    last: bool
    """The patch is over; ``False``: the next window takes it up."""
    response: Document


@dataclass(frozen=True)
class Memory:
    """Everything remembered about one request in flight."""

    progress: Progress
    event: Document | None
    """The request as CloudFormation sent it; ``None`` where whoever claimed it died before
    writing it down."""
    call: Call | None
    window: Window | None
    """The waiter in which CloudFormation waits now; ``None``: the resource itself."""
    answer: Answer | None
    """The answer of the window in which CloudFormation waits now."""
    handed_over: bool
    """CloudFormation has that answer, and no other window has come yet."""
    closed: bool
    """A later request has taken over."""
    left_over: bool = False
    """It was written after the request's clean-up."""

    @property
    def over(self) -> bool:
        return self.closed or (self.answer is not None and self.answer.last)

    @property
    def was_handed_over(self) -> bool:
        """The resource itself has given, or is giving, it over to its waiters."""
        return self.window is not None or (self.answer is not None and not self.answer.last)


def decode(value: str) -> Document:
    return cast("Document", json.loads(value))


def pieces(event: Mapping[str, Any]) -> list[str]:
    # Names that repeat, and the old properties beside the new ones, cost next to nothing
    # compressed; a hundred long names still need more than one parameter.
    packed = b64encode(zlib.compress(spelled(event).encode(), 9)).decode()
    return [packed[start : start + PIECE] for start in range(0, len(packed), PIECE)]


def unpack(found: Mapping[str, str]) -> Document | None:
    numbers = sorted(int(name[8:]) for name in found if name.startswith("request-"))
    packed = "".join(found[f"request-{number}"] for number in numbers)
    try:
        return decode(zlib.decompress(b64decode(packed, validate=True)).decode())
    except (ValueError, zlib.error):
        return None  # not, or not wholly, written yet


def progress_document(progress: Progress) -> Document:
    return {
        "issued": progress.issued,
        "rollback": progress.rollback,
        "active": sorted(progress.active),
        "cleared": progress.cleared,
        "back": sorted(progress.back),
        "resting": progress.resting_since,
        "held": progress.hold
        and [progress.hold.kind.value, progress.hold.name, progress.hold.status],
        "since": progress.held_since,
        "hold": progress.hold_until,
    }


def call_document(call: Call) -> Document:
    # One line for a group: three mappings by digest would be over 4 KB for 100 of them.
    before = [
        f"{group} {call.had.get(group, '')} {call.ran.get(group, '')} {status}"
        for group, status in call.before.items()
    ]
    return {"at": call.at, "before": "\n".join(before), "failure": call.failure_before}


def _call(document: Document, *, accepted: bool) -> Call:
    before = [line.split(" ", 3) for line in str(document["before"]).split("\n")]
    return Call(
        at=float(document["at"]),
        before={group: status for group, _, _, status in before},
        had={group: int(had) for group, had, _, _ in before if had},
        ran={group: int(ran) for group, _, ran, _ in before if ran},
        failure_before=str(document["failure"]),
        accepted=accepted,
    )


def readable(found: Mapping[str, str]) -> Memory:
    """What is remembered; of what another version of this code wrote, only that it is there.

    A function changes between requests, so CloudFormation has given such a request up: it is
    the oldest of all, and the next one cleans it up.
    """
    try:
        return _memory(found)
    except (IndexError, KeyError, TypeError, ValueError):
        return Memory(
            Progress(0.0), None, None, None, None, handed_over=False, closed=False,
            left_over="progress" not in found,
        )  # fmt: skip


def _memory(found: Mapping[str, str]) -> Memory:
    progress = decode(found["progress"])
    held = cast("tuple[str, str, str] | None", progress.get("held"))
    event = unpack(found)
    windows = (_window(decode(found[name])) for name in found if name.startswith("window-"))
    window = max(windows, key=lambda each: each.order, default=None)
    own = name_of(window)
    answer = found.get(f"answer-{own}")
    return Memory(
        progress=Progress(
            issued=float(progress["issued"]),
            rollback=progress["rollback"],
            active=frozenset(cast("list[str]", progress["active"])),
            cleared=bool(progress["cleared"]),
            back=frozenset(cast("list[str]", progress["back"])),
            resting_since=progress["resting"],
            hold=Hold(HoldKind(held[0]), held[1], held[2]) if held else None,
            held_since=progress.get("since"),
            hold_until=float(progress.get("hold", 0.0)),
        ),
        event=event,
        call=_call(decode(found["call"]), accepted="accepted" in found)
        if "call" in found
        else None,
        window=window,
        answer=None if answer is None else _answer(decode(answer)),
        handed_over=f"handed-over-{own}" in found,
        closed="closed" in found,
    )


def _answer(document: Document) -> Answer:
    response = cast("Document", document["response"])
    return Answer(bool(document["called"]), bool(document["last"]), response)


def window_document(window: Window) -> Document:
    info = vars(window.info) | {"type": window.info.type.value}
    return {"info": info, "number": window.number, "rollback": window.rollback}


def _window(document: Document) -> Window:
    info: Document = {**document["info"], "type": RequestType(document["info"]["type"])}
    return Window(RequestInfo(**info), int(document["number"]), rollback=document["rollback"])


def name_of(window: Window | None) -> str:
    """What the documents of a window's own end in."""
    if window is None or window.number == 1:
        return "1"
    return digest(window.info.key)
