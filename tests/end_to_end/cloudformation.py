"""CloudFormation as AWS documents it, where the sandbox's own differs.

A loopback server takes answers and signals, as the response buckets do, and tells of the stack.
`Stack` goes through the sequences of requests that CloudFormation sends for one resource, and waits
for a signal where a request brings a new handle. The function behind it is woken by what is in
EventBridge, and by nothing else.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

from sandbox.images import ACCOUNT, NEW, REGION
from sandbox.waiting import until
from tests.end_to_end.function import Function, Ran

ANSWER_LIMIT = 4096
URL_LIFETIME = 7200
HANDLE_LIFETIME = 86_400
LONG = 43_020
"""The function's deadline for a declared timeout of twelve hours, in seconds."""
LOGICAL_ID = "Software"
TOO_LONG = "Response object is too long."
NO_ANSWER = (
    "CloudFormation did not receive a response from your Custom Resource. Please check your logs."
)
DROP = 0
"""A mood of the bucket: hang up without a word."""

Properties = Mapping[str, Any]


def software(
    cluster: str,
    image: str = NEW.id,
    groups: tuple[str, ...] = ("workers",),
    *,
    handle: Handle | None = None,
) -> dict[str, Any]:
    """Properties as CloudFormation sends them: all text. With a handle the patch may take hours."""
    long = {"Timeout": str(LONG), "WaitConditionHandle": handle.url} if handle else {}
    return {
        "ServiceToken": "not looked at",
        "ServiceTimeout": "3600",
        "ClusterName": cluster,
        "ImageId": image,
        "InstanceGroups": [{"InstanceGroupName": name} for name in groups],
        "Timeout": "3420",
        **long,
    }


@dataclass(eq=False, kw_only=True)
class Box:
    """A pre-signed URL, and what was put there."""

    url: str
    expires: float
    taken: list[bytes] = field(default_factory=list)
    """Everything that the bucket took; the first one is CloudFormation's."""
    late: list[bytes] = field(default_factory=list)
    """What came when CloudFormation did not wait any more."""
    tries: int = 0
    over: bool = False


@dataclass(eq=False, kw_only=True)
class Request(Box):
    """One request to the resource, and the answer that took effect."""

    event: dict[str, Any]

    @property
    def answer(self) -> dict[str, Any] | None:
        """What CloudFormation makes of the first answer."""
        if not self.taken:
            return None
        if len(self.taken[0]) > ANSWER_LIMIT:
            return {"Status": "FAILED", "Reason": TOO_LONG}
        body: dict[str, Any] = json.loads(self.taken[0])
        for name in ("StackId", "RequestId", "LogicalResourceId"):
            assert body[name] == self.event[name], f"an answer to something else: {body}"
        assert body["Status"] in ("SUCCESS", "FAILED")
        assert 1 <= len(body["PhysicalResourceId"].encode()) <= 1024
        assert body["Status"] == "SUCCESS" or body["Reason"]
        return body


@dataclass(eq=False, kw_only=True)
class Handle(Box):
    """A wait condition's handle, and the signal that took effect."""

    @property
    def signal(self) -> dict[str, str] | None:
        """What CloudFormation makes of the first signal; more with its id are ignored."""
        if not self.taken:
            return None
        assert len(self.taken[0]) <= ANSWER_LIMIT
        body: dict[str, str] = json.loads(self.taken[0])
        assert body.keys() == {"Status", "Reason", "UniqueId", "Data"}
        assert all(isinstance(value, str) for value in body.values())
        assert all(body.values())
        assert body["Status"] in ("SUCCESS", "FAILURE")
        return body

    @property
    def attributes(self) -> list[str]:
        """What a template makes of the wait condition's ``Data``."""
        assert self.signal is not None
        return json.dumps({self.signal["UniqueId"]: self.signal["Data"]}).split("|")[1:-1]


class CloudFormation:
    """The server: the buckets for what is told, and DescribeStacks and DescribeStackEvents."""

    def __init__(self) -> None:
        self.boxes: dict[str, Box] = {}
        self.stacks: dict[str, Stack] = {}
        self.moods: list[int | None] = []
        """What the next PUTs get instead of being taken: a status, or DROP. None: it is taken."""
        self.took: list[Box] = []
        """Where something was taken, in its order."""
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def sign(self, event: dict[str, Any], signed: float) -> Request:
        """Give a request its URL, signed at that time."""
        date = datetime.fromtimestamp(signed, UTC).strftime("%Y%m%dT%H%M%SZ")
        query = f"X-Amz-Date={date}&X-Amz-Expires={URL_LIFETIME}&X-Amz-Signature=SECRET"
        path = f"/{event['RequestId']}?{query}"
        event["ResponseURL"] = self.url + path
        request = Request(url=self.url + path, expires=signed + URL_LIFETIME, event=event)
        self.boxes[path] = request
        return request

    def handle(self, stack_id: str) -> Handle:
        """A wait condition's new handle."""
        expires = time.time() + HANDLE_LIFETIME
        name = quote(f"{stack_id}/Handle{next(_numbers):08}", safe="")
        path = f"/{name}?AWSAccessKeyId=AKIA&Expires={expires:.0f}&Signature=SECRET%2B%3D"
        self.boxes[path] = handle = Handle(url=self.url + path, expires=expires)
        return handle

    def put(self, path: str, body: bytes) -> int:
        """What the bucket says to an answer or a signal."""
        box = self.boxes.get(path)
        if box is None:
            return 403  # The signature is spoilt.
        box.tries += 1
        mood = self.moods.pop(0) if self.moods else None
        if mood is not None:
            return mood
        if time.time() > box.expires:
            return 403
        (box.late if box.over else box.taken).append(body)
        self.took.append(box)
        return 200

    def answer(self, form: Mapping[str, str]) -> str:
        """The Query protocol's XML."""
        stack = self.stacks[form["StackName"]]
        action = form["Action"]
        if action == "DescribeStacks":
            inner = (
                f"<Stacks><member><StackName>as-it-is</StackName><StackId>{stack.id}</StackId>"
                f"<CreationTime>{_iso(stack.born)}</CreationTime>"
                f"<StackStatus>{stack.status}</StackStatus></member></Stacks>"
            )
        else:
            assert action == "DescribeStackEvents"
            inner = stack.page(int(form.get("NextToken", "0")))
        return f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"


_numbers = count(1)


class Stack:
    """A stack with one resource of ours in it, and the requests that CloudFormation makes."""

    def __init__(self, formation: CloudFormation, function: Function, events: Any) -> None:
        number = next(_numbers)
        self.id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/as-it-is/{number:08}"
        self.status = "CREATE_IN_PROGRESS"
        self.born = time.time()
        self.physical_id: str | None = None
        self.properties: Properties | None = None
        self.requests: list[Request] = []
        self._formation = formation
        self._function = function
        self._eventbridge = events
        self._events: list[tuple[str, str, float]] = []
        formation.stacks[self.id] = self

    # The sequences

    def create(self, properties: Properties) -> Request:
        """Create, and Delete where that fails."""
        request = self.begin_create(properties)
        self.await_answer(request)
        return self.await_end(self.end_create(request))

    def begin_create(self, properties: Properties, *, age: float = 0.0) -> Request:
        self.properties = properties
        return self._send("Create", "CREATE_IN_PROGRESS", age, ResourceProperties=properties)

    def end_create(self, request: Request) -> Request:
        """What CloudFormation does with the answer to a Create, or with none."""
        answer = self._close(request)
        if answer["Status"] == "SUCCESS":
            self.physical_id = answer["PhysicalResourceId"]
            self._happened(LOGICAL_ID, "CREATE_COMPLETE")
            if self.waits_on(request) is None:
                self.status = "CREATE_COMPLETE"
            return request
        self.physical_id = answer.get("PhysicalResourceId")
        self._happened(LOGICAL_ID, "CREATE_FAILED")
        self._undo_create()
        return request

    def _undo_create(self) -> None:
        self.status = "ROLLBACK_IN_PROGRESS"
        self.delete()
        self.status = "ROLLBACK_COMPLETE"

    def cancel_create(self) -> Request:
        """Another resource fails while the Create runs: nobody tells the function. The Delete that
        follows names an id that CloudFormation has invented."""
        self.requests[-1].over = True
        self._happened(LOGICAL_ID, "CREATE_FAILED")
        self.status = "ROLLBACK_IN_PROGRESS"
        self.physical_id = None
        return self.delete()

    def update(self, properties: Properties) -> Request:
        """Update, and Update with the old properties where that fails."""
        request = self.begin_update(properties)
        self.await_answer(request)
        return self.await_end(self.end_update(request))

    def begin_update(self, properties: Properties, *, age: float = 0.0) -> Request:
        self.status = "UPDATE_IN_PROGRESS"
        return self._send(
            "Update",
            "UPDATE_IN_PROGRESS",
            age,
            PhysicalResourceId=self.physical_id,
            ResourceProperties=properties,
            OldResourceProperties=self.properties,
        )

    def end_update(self, request: Request) -> Request:
        """What CloudFormation does with the answer to an Update, or with none."""
        answer = self._close(request)
        if answer["Status"] == "FAILED":
            self._happened(LOGICAL_ID, "UPDATE_FAILED")
            self.roll_back(request)
            return request
        self._happened(LOGICAL_ID, "UPDATE_COMPLETE")
        if self.waits_on(request) is None:
            self._complete_update(request)
        return request

    def _complete_update(self, request: Request) -> None:
        assert request.answer is not None
        self.properties = request.event["ResourceProperties"]
        replaced, self.physical_id = self.physical_id, request.answer["PhysicalResourceId"]
        self.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        if replaced != self.physical_id:
            self.delete(replaced)
        self.status = "UPDATE_COMPLETE"

    def roll_back(self, failed: Request) -> Request:
        """The Update that undoes one, and its end."""
        request = self.begin_roll_back(failed)
        self.await_answer(request)
        return self.end_roll_back(request)

    def begin_roll_back(self, failed: Request) -> Request:
        """No event of that Update says what it is: the stack's status does."""
        failed.over = True
        handle = self.waits_on(failed)
        if handle is not None:
            handle.over = True
        self.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        return self._send(
            "Update",
            "UPDATE_IN_PROGRESS",
            0.0,
            PhysicalResourceId=self.physical_id,
            ResourceProperties=failed.event["OldResourceProperties"],
            OldResourceProperties=failed.event["ResourceProperties"],
        )

    def end_roll_back(self, request: Request) -> Request:
        done = self._close(request)["Status"] == "SUCCESS"
        self._happened(LOGICAL_ID, "UPDATE_COMPLETE" if done else "UPDATE_FAILED")
        self.status = "UPDATE_ROLLBACK_COMPLETE" if done else "UPDATE_ROLLBACK_FAILED"
        return request

    def delete(self, physical_id: str | None = None) -> Request:
        invented = f"as-it-is-{LOGICAL_ID}-1A2B3C4D5E6F"
        request = self._send(
            "Delete",
            "DELETE_IN_PROGRESS",
            0.0,
            PhysicalResourceId=physical_id or self.physical_id or invented,
            ResourceProperties=self.properties,
        )
        self.await_answer(request)
        answer = self._close(request)
        assert answer["PhysicalResourceId"] == request.event["PhysicalResourceId"]
        assert answer["Status"] == "SUCCESS", answer
        self._happened(LOGICAL_ID, "DELETE_COMPLETE")
        return request

    # Waiting past the hour

    def handle(self) -> Handle:
        """A new handle, as each new declaration of a long timeout brings one."""
        return self._formation.handle(self.id)

    def waits_on(self, request: Request) -> Handle | None:
        """The handle that came with this request, if it is a new one."""
        event = request.event
        url = event["ResourceProperties"].get("WaitConditionHandle")
        if url is None or url == event.get("OldResourceProperties", {}).get("WaitConditionHandle"):
            return None
        handle = self._formation.boxes[url.removeprefix(self._formation.url)]
        assert isinstance(handle, Handle)
        return handle

    def await_end(self, request: Request) -> Request:
        """Let the rules fire until the signal is there, where the resource is complete and its
        wait condition waits."""
        handle = self.waits_on(request)
        if handle is not None and self.status.endswith("_IN_PROGRESS"):
            self.await_answer(handle)
            self.end_wait(request)
        return request

    def end_wait(self, request: Request) -> None:
        """What CloudFormation does with the signal, or with none in all the condition's time."""
        handle = self.waits_on(request)
        assert handle is not None
        handle.over = True
        create = request.event["RequestType"] == "Create"
        if handle.signal is not None and handle.signal["Status"] == "SUCCESS":
            if create:
                self.status = "CREATE_COMPLETE"
            else:
                self._complete_update(request)
        elif create:
            self._undo_create()
        else:
            self.roll_back(request)

    # What they are made of

    def _send(self, kind: str, status: str, age: float, **more: Any) -> Request:
        signed = time.time() - age
        event = {
            "RequestType": kind,
            "ServiceToken": "not looked at",
            "StackId": self.id,
            "RequestId": f"request-{next(_numbers):08}",
            "LogicalResourceId": LOGICAL_ID,
            "ResourceType": "Custom::HyperPodClusterSoftware",
            **more,
        }
        request = self._formation.sign(event, signed)
        self.requests.append(request)
        self._happened("Role", "CREATE_COMPLETE", signed)
        self._happened(LOGICAL_ID, status, signed)
        self._happened("Another", "CREATE_IN_PROGRESS", signed)
        self.deliver(request)
        return request

    def deliver(self, request: Request) -> Ran:
        """Invoke the function with a request; Lambda may do so more than once."""
        return self._function.invoke(request.event)

    def wake(self, *, ahead: float = 0.0) -> int:
        """Let every rule of the function fire once; how many there are."""
        prefix = self._function.prefix
        rules = self._eventbridge.list_rules(NamePrefix=prefix)["Rules"]
        for rule in rules:
            targets = self._eventbridge.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            for target in targets:
                shown = json.dumps([rule, target])
                assert "SECRET" not in shown
                assert self._formation.url not in shown
                self._function.invoke(json.loads(target["Input"]), ahead=ahead)
        return len(rules)

    def await_answer(self, box: Box) -> None:
        """Let the rules fire until the answer, or the signal, is there."""

        def answered() -> bool | None:
            if not box.taken:
                assert self.wake(), "no answer, and no rule that could bring one"
            return bool(box.taken) or None

        until(answered, "an answer")

    def _close(self, request: Request) -> dict[str, Any]:
        request.over = True
        return request.answer or {"Status": "FAILED", "Reason": NO_ANSWER}

    # What is told of it

    def _happened(self, logical_id: str, status: str, at: float | None = None) -> None:
        self._events.append((logical_id, status, time.time() if at is None else at))

    def page(self, start: int) -> str:
        """Two events, newest first."""
        events = self._events[::-1]
        members = "".join(
            f"<member><StackId>{self.id}</StackId><StackName>as-it-is</StackName>"
            f"<EventId>{logical_id}-{at}</EventId><LogicalResourceId>{logical_id}"
            f"</LogicalResourceId><ResourceStatus>{escape(status)}</ResourceStatus>"
            f"<Timestamp>{_iso(at)}</Timestamp></member>"
            for logical_id, status, at in events[start : start + 2]
        )
        token = f"<NextToken>{start + 2}</NextToken>" if start + 2 < len(events) else ""
        return f"<StackEvents>{members}</StackEvents>{token}"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: CloudFormation


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: the tests ask for what they want to know."""

    @property
    def _owner(self) -> CloudFormation:
        assert isinstance(self.server, _Server)
        return self.server.owner

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_PUT(self) -> None:
        body = self._body()
        # S3 signs the URL without a content type: any other than none spoils the signature.
        status = self._owner.put(self.path, body) if not self.headers["Content-Type"] else 403
        if status == DROP:
            self.close_connection = True
            return
        self._reply(status, b"")

    def do_POST(self) -> None:
        form = {name: values[0] for name, values in parse_qs(self._body().decode()).items()}
        self._reply(200, self._owner.answer(form).encode())

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
