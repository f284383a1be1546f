"""What must outlive an invocation, in SSM parameters: one path per request in flight.

Under ``/<prefix>/<resource>/<request>/`` lie small documents:

``progress``  what earlier looks saw. It is created first, and creating it is the claim
              that makes a twice-delivered request harmless.
``request``   the request itself; cut in pieces where it is over a parameter's 4 KB.
``call``      the intent to call UpdateClusterSoftware; whoever creates it may call.
``accepted``  HyperPod accepted that call.
``window-…``  the waiter in which CloudFormation waits now; none: the resource itself.
``answer-…``  a window's answer as it is to be sent; whoever creates it may answer.
``handed-over-…``  CloudFormation has that answer, and the patch goes on.
``closed``    a later request has taken over: no call may be made any more.

``request``, ``window`` and ``answer`` are SecureStrings: the first two hold a pre-signed URL. The
others are Strings, for KMS decrypts each SecureString that a look reads, and is paid for it.

SSM refuses a value with ``{{`` in it, which would mean another parameter: the documents are
JSON without one (``spelled``), and the request, compressed, is Base64.

A document that only one may create is made with ``Overwrite=False``, which SSM decides
atomically. Burying a request deletes its whole path.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from hyperpod_software.adapters.budget import budget
from hyperpod_software.adapters.clients import client
from hyperpod_software.adapters.documents import (
    Answer,
    Memory,
    call_document,
    name_of,
    pieces,
    progress_document,
    readable,
    unpack,
    window_document,
)
from hyperpod_software.contract.names import parameter_path
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.request import RequestInfo, Window
from hyperpod_software.model.state import Call, Progress, digest, spelled

_PAUSE = 4.0
"""The longest pause before a claim is released once more, in seconds."""
_DECLARATION = "declaration"
_OF_A_WINDOW = ("window", "answer", "handed-over")
_SECRET = ("request-", "window-", "answer-")


class RequestGone(Exception):
    """Somebody else ended this request meanwhile: there is nothing left to do."""


class Unsure(Exception):
    """What was claimed could not be looked at once more: Lambda delivers the event again."""


def new_token() -> str:
    """A name for whoever claims something, until it knows whether it has it."""
    return secrets.token_hex(6)


class ParameterStore:
    """The requests in flight of this stack's resources."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def resource_path(self, stack_id: str, logical_id: str) -> str:
        return parameter_path(self._prefix, digest(f"{stack_id}|{logical_id}", 16))

    def path(self, info: RequestInfo) -> str:
        resource = self.resource_path(info.stack_id, info.logical_id)
        return f"{resource}/{digest(info.key, 16)}"

    def recall(self, path: str) -> Memory | None:
        """What is remembered under a request's path, or ``None``."""
        return self.recall_all(path).get(path)

    def recall_surely(self, path: str) -> Memory | None:
        """The same, after something was claimed. Raises ``Unsure``: the claim may stand where the
        request is over by now, and nothing else would wake us for it."""
        try:
            return self.recall(path)
        except AwsError as problem:
            raise Unsure(str(problem)) from None

    def recall_all(self, path: str, *, leftovers: bool = False) -> dict[str, Memory]:
        """Every request remembered under a path, keyed by its own path; with ``leftovers`` also
        what was written after a clean-up."""
        return {
            request_path: readable(found)
            for request_path, found in self._documents(path).items()
            if not request_path.endswith(f"/{_DECLARATION}") and ("progress" in found or leftovers)
        }

    def _documents(self, path: str) -> dict[str, dict[str, str]]:
        """The documents under each path under a path."""
        documents: dict[str, dict[str, str]] = {}
        for name, value in self._read(path):
            request_path, _, document = name.rpartition("/")
            documents.setdefault(request_path, {})[document] = value
        return documents

    def claim(self, path: str, progress: Progress, by: str = "") -> bool:
        """Begin to remember a request; ``False`` where it is remembered already, unless
        with the same token, by who tries again because no answer came."""
        return self._create(f"{path}/progress", progress_document(progress), by)

    def keep_event(self, path: str, event: Mapping[str, Any]) -> None:
        """Remember the request itself: every writer of one request writes the same."""
        for index, piece in enumerate(pieces(event)):
            self._put(f"{path}/request-{index}", piece, overwrite=True)

    def keep_progress(self, path: str, progress: Progress) -> None:
        """Replace what looks saw. Raises ``RequestGone`` where the request has ended."""
        name = f"{path}/progress"
        if self._put(name, spelled(progress_document(progress)), overwrite=True) == 1:
            # Version 1 means that the put made it anew: it had been deleted meanwhile.
            self._delete([name])
            raise RequestGone

    def claim_call(self, path: str, call: Call) -> bool:
        """Write the intent to call; ``False`` where somebody wrote it before."""
        return self._create(f"{path}/call", call_document(call))

    def release_call(self, path: str) -> None:
        """Take the intent back: the call was certainly not accepted."""
        self._release(path, "call")

    def keep_acceptance(self, path: str) -> None:
        """HyperPod accepted the request. Raises ``RequestGone`` where the request has ended."""
        self._note(path, "accepted")

    def claim_window(self, path: str, window: Window) -> Memory | None:
        """Let a waiter be the window in which CloudFormation waits from now on, and forget the
        one before. What is remembered then; ``None`` where the patch is over."""
        own = name_of(window)
        self._create(f"{path}/window-{own}", window_document(window))
        found = self._documents(path).get(path, {})
        if "progress" not in found:
            self._delete([f"{path}/window-{own}"])
            return None
        memory = readable(found)
        current = own if memory.window is None else name_of(memory.window)
        kinds = tuple(f"{kind}-" for kind in _OF_A_WINDOW)
        older = [name for name in found if name.startswith(kinds) and not name.endswith(current)]
        self._delete([f"{path}/{name}" for name in older])
        return memory

    def claim_answer(self, path: str, window: Window, answer: Answer) -> bool:
        """Fix the one answer of a window; ``False`` where it was fixed before."""
        document = {"called": answer.called, "last": answer.last, "response": answer.response}
        return self._create(f"{path}/answer-{name_of(window)}", document)

    def release_answer(self, path: str, window: Window) -> None:
        self._release(path, f"answer-{name_of(window)}")

    def keep_handover(self, path: str, window: Window) -> None:
        """CloudFormation has the answer of a window whose patch goes on. Raises ``RequestGone``
        where it is over."""
        self._note(path, f"handed-over-{name_of(window)}")

    def close(self, path: str) -> Memory | None:
        """A later request takes over. What is remembered then: a call that was not claimed
        before this is never made."""
        self._create(f"{path}/closed", {})
        return self.recall(path)

    def keep_declaration(self, resource_path: str, patch: str, event: Mapping[str, Any]) -> None:
        """Let waiters know what was declared for a patch, also once it is over."""
        path = f"{resource_path}/{_DECLARATION}"
        kept = {"Patch": patch, "ResourceProperties": event.get("ResourceProperties")}
        for index, piece in enumerate(pieces(kept)):
            self._put(f"{path}/request-{index}", piece, overwrite=True)
        # By this one a version of this code that knows no declarations cleans up them, too.
        self._put(f"{path}/progress", spelled({}), overwrite=True)

    def declaration(self, resource_path: str, patch: str) -> object:
        """The properties that were declared for a patch, or ``None``."""
        path = f"{resource_path}/{_DECLARATION}"
        kept = unpack(self._documents(path).get(path, {}))
        if kept is None or kept.get("Patch") != patch:
            return None
        return kept.get("ResourceProperties")

    def forget_declaration(self, resource_path: str) -> None:
        self.forget(f"{resource_path}/{_DECLARATION}")

    def forget(self, path: str) -> None:
        """Delete everything under a path: answers, closure and claim last, so that a clean-up
        which is cut short begins no new life."""
        names = [name for name, _ in self._read(path)]
        last = ("answer", "closed", "progress")
        self._delete(sorted(names, key=lambda name: name.rpartition("/")[2].startswith(last)))

    def _read(self, path: str) -> Iterable[tuple[str, str]]:
        token: dict[str, str] = {}
        while True:
            page = client("ssm").get_parameters_by_path(
                Path=path, Recursive=True, WithDecryption=True, **token
            )
            for parameter in page["Parameters"]:
                yield str(parameter["Name"]), str(parameter["Value"])
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def _note(self, path: str, document: str) -> None:
        self._create(f"{path}/{document}", {})
        if self.recall(path) is None:
            self._delete([f"{path}/{document}"])
            raise RequestGone

    def _create(self, name: str, document: Mapping[str, Any], by: str = "") -> bool:
        # A put whose answer is lost is sent again, and then finds its own work there: the token
        # tells it from somebody else's.
        value = spelled({**document, "by": by or new_token()})
        try:
            self._put(name, value, overwrite=False)
        except AwsError as problem:
            if problem.code == "ParameterAlreadyExists":
                return (name, value) in self._read(name.rpartition("/")[0])
            raise
        return True

    def _release(self, path: str, document: str) -> None:
        # A delete is not simply sent again where no answer came: somebody else may have made the
        # same claim since.
        name = f"{path}/{document}"
        found = given_up = dict(self._read(path)).get(name)
        while found is not None and found == given_up:
            try:
                self._delete([name], retries=False)
            except AwsError as problem:
                if problem.kind is not AwsError.Kind.TRANSIENT or not budget().back_off(_PAUSE):
                    raise
            else:
                return
            found = dict(self._read(path)).get(name)

    def _put(self, name: str, value: str, *, overwrite: bool) -> int:
        put = partial(
            client("ssm").put_parameter,
            Name=name, Value=value, Overwrite=overwrite, Tier="Standard",
        )  # fmt: skip
        secret = name.rpartition("/")[2].startswith(_SECRET)
        try:
            answer = put(Type="SecureString" if secret else "String")
        except AwsError as problem:
            # SSM changes no parameter's type. An older version of this code made all of them
            # SecureStrings, and an account may have a policy that does.
            if problem.code != "HierarchyTypeMismatchException":
                raise
            answer = put(Type="SecureString")
        return int(answer["Version"])

    def _delete(self, names: list[str], *, retries: bool = True) -> None:
        for start in range(0, len(names), 10):  # DeleteParameters takes ten at a time
            client("ssm", retries=retries).delete_parameters(Names=names[start : start + 10])
