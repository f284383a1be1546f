"""CloudFormation as AWS documents it, where the sandbox's own differs.

What happens in a stack comes from the model in `tests.cloudformation`. A loopback server takes the
answers, as the response buckets do, and tells of the stacks. The function behind it is woken by
what is in EventBridge, and by nothing else. All go by the sandbox's clock, which is put ahead where
everything waits: a patch of hours takes no time.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qs

from hyperpod_software.contract.properties import SOFTWARE_TYPE, WAITER_TYPE
from hyperpod_software.contract.times import WINDOW
from sandbox.aws.clock import Clock
from sandbox.aws.images import ACCOUNT, NEW, REGION
from tests.cloudformation import messages
from tests.cloudformation.messages import Answer, Event, GivenUp, Happening
from tests.cloudformation.relay import with_waiters
from tests.cloudformation.stack import Stack as Model
from tests.cloudformation.template import Resource, Template
from tests.end_to_end.function import Function

NAME = "as-it-is"
URL_LIFETIME = 7200
LOGICAL_ID = "Software"
ANOTHER = {"Another": Resource({}, "Custom::SomebodyElses")}
"""Somebody else's resource, beside ours. It goes on until a test lets it fail."""
DROP = 0
"""A mood of the bucket: hang up without a word."""
PAUSE = 6.0
"""Seconds between two phases of an operation."""
LOOKS_EVERY = 600.0
"""Seconds between two looks, but for the last one in a window."""
LAST_LOOK = 150.0
"""Seconds before the end of CloudFormation's patience."""
_PAGE = 5


def software(
    cluster: str,
    image: str = NEW.id,
    groups: tuple[str, ...] = ("workers",),
    *,
    timeout: int = WINDOW,
) -> Template:
    """A template with one resource of ours, and with its waiters where the timeout needs them."""
    properties = {
        "ServiceToken": "not looked at",
        "ServiceTimeout": "3600",
        "ClusterName": cluster,
        "ImageId": image,
        "InstanceGroups": [{"InstanceGroupName": name} for name in groups],
        "Timeout": timeout,
    }
    return with_waiters(LOGICAL_ID, Resource(properties))


@dataclass(eq=False, kw_only=True)
class Request:
    """One request to a resource, and what was put at its pre-signed URL."""

    event: dict[str, Any]
    url: str
    expires: float
    taken: list[bytes] = field(default_factory=list[bytes])
    """What the bucket took while CloudFormation waited; the first one counts."""
    late: list[bytes] = field(default_factory=list[bytes])
    """What came when CloudFormation did not wait any more."""
    tries: int = 0
    over: bool = False

    @property
    def name(self) -> str:
        return f"{self.event['RequestType']} {self.event['LogicalResourceId']}"

    @property
    def properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = self.event["ResourceProperties"]
        return properties

    @property
    def answer(self) -> dict[str, Any]:
        assert self.taken, f"no answer to {self.name}"
        answer: dict[str, Any] = json.loads(self.taken[0])
        return answer

    @property
    def outcome(self) -> str:
        return str(self.answer["Data"]["Outcome"])


class CloudFormation:
    """The server: the buckets for answers, and DescribeStacks and DescribeStackEvents."""

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.time
        self.stacks: dict[str, Stack] = {}
        self.moods: list[int] = []
        """What the next PUTs get instead of being taken: a status, or DROP."""
        self.took: list[Request] = []
        """What something was taken for, in its order."""
        self._boxes: dict[str, Request] = {}
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
        request = Request(event=event, url=self.url + path, expires=signed + URL_LIFETIME)
        self._boxes[path] = request
        return request

    def put(self, path: str, body: bytes) -> int:
        """What the bucket says to an answer."""
        request = self._boxes.get(path)
        if request is None:
            return 403  # The signature is spoilt.
        request.tries += 1
        if self.moods:
            return self.moods.pop(0)
        if self.now() > request.expires:
            return 403
        (request.late if request.over else request.taken).append(body)
        self.took.append(request)
        return 200

    def answer(self, form: Mapping[str, str]) -> str:
        """The Query protocol's XML."""
        stack, action = self.stacks[form["StackName"]], form["Action"]
        if action == "DescribeStacks":
            inner = f"<Stacks>{stack.described()}</Stacks>"
        else:
            assert action == "DescribeStackEvents"
            inner = stack.page(int(form.get("NextToken", "0")))
        return f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"


_new_id = map("{:032X}".format, count(1)).__next__


class Stack:
    """A stack of the model whose requests the real function answers."""

    def __init__(
        self, formation: CloudFormation, function: Function, events: Any, clock: Clock
    ) -> None:
        self.id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{NAME}/{_new_id()}"
        self.model = Model(name=NAME, pause=PAUSE, new_id=_new_id)
        self.requests: list[Request] = []
        """Those to the function, in their order."""
        self.delivers = True
        """Lambda delivers requests at once."""
        self._formation = formation
        self._function = function
        self._eventbridge = events
        self._clock = clock
        self._born = clock.now()
        self._shown: list[Event] = []
        formation.stacks[self.id] = self

    @property
    def status(self) -> str:
        return self.model.status

    @property
    def names(self) -> list[str]:
        """All requests so far, as ``Create Software``."""
        return [request.name for request in self.requests]

    def last(self, logical_id: str = LOGICAL_ID) -> Request:
        """The last request to a resource."""
        its = (one for one in self.requests if one.event["LogicalResourceId"] == logical_id)
        return list(its)[-1]

    # What a user does

    def begin(self, template: Template) -> Request:
        """Create or update the stack, up to its first request and the answers given at once."""
        before = len(self.requests)
        self._do(lambda: self.model.operate(template))
        return self.requests[before]

    def deploy(self, template: Template) -> Request:
        """Create or update the stack, and wait for the end."""
        request = self.begin(template)
        self.rest()
        return request

    def cancel(self) -> None:
        self._do(self.model.cancel)

    def fail(self, logical_id: str) -> None:
        """Somebody else's resource fails."""
        (request,) = (one for one in self.model.waiting.values() if one.logical_id == logical_id)
        failed = Answer(False, logical_id, reason="Not ours.")
        self._do(lambda: self.model.answered(request.id, failed))

    def delete(self) -> None:
        """Delete the stack: while it is created, that cancels the creation; an update ends before."""
        if self.status != "CREATE_IN_PROGRESS":
            self.rest()
        self._do(self.model.delete)

    # Time

    def wake(self, *, killed: bool = False) -> int:
        """Let every rule of the function fire once; how many there are."""
        prefix = self._function.prefix
        rules = self._eventbridge.list_rules(NamePrefix=prefix)["Rules"]
        for rule in rules:
            targets = self._eventbridge.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            for target in targets:
                shown = json.dumps([rule, target])
                assert "SECRET" not in shown
                assert self._formation.url not in shown
                self._invoke(json.loads(target["Input"]), killed=killed)
        self._go_on()
        return len(rules)

    def later(self, seconds: float) -> None:
        """Let time pass in which nothing looks, and CloudFormation's patience may end."""
        self._clock.put_ahead(seconds)
        self._do(lambda: self.model.tick(self._clock.now()))

    def look(self) -> None:
        """The next look that the rules make."""
        due = self.model.next_due()
        assert due is not None
        self.later(min(LOOKS_EVERY, max(60.0, due - LAST_LOOK - self._clock.now())))
        self.wake()

    def await_request(self, name: str) -> Request:
        """Let the rules look until that request comes, as ``Create Software``."""
        before = len(self.requests)
        while name not in self.names[before:]:
            assert not self.model.at_rest, f"no {name}, and {self.status}"
            self.look()
        return self.requests[-1]

    def rest(self) -> None:
        """Let the rules look until the operation is over."""
        while not self.model.at_rest:
            self.look()

    def deliver(self, request: Request) -> None:
        """Invoke the function with a request; Lambda may do so more than once, and late."""
        self._invoke(request.event)
        self._go_on()

    # What they are made of

    def _do(self, operation: Callable[[], list[Happening]]) -> None:
        self._happen(operation)
        self._go_on()

    def _go_on(self) -> None:
        """Tell the model what was answered, and let the pauses between two phases pass."""
        while (next_step := self._next_step()) is not None:
            self._happen(next_step)

    def _next_step(self) -> Callable[[], list[Happening]] | None:
        for request in self.requests:
            if request.taken and not request.over:
                request.over = True
                answer = messages.read(request.taken[0], request.event)
                assert answer.physical_id is not None, f"no valid answer: {request.taken[0]!r}"
                request_id = request.event["RequestId"]
                return lambda: self.model.answered(request_id, answer)
        for other in self.model.waiting.values():
            if not _is_ours(other) and (other.undoes or other.type == "Delete"):
                done = Answer(True, other.physical_id)
                return lambda: self.model.answered(other.id, done)
        due = self.model.next_due()
        if due is None or self.model.waiting:
            return None
        self._clock.put_ahead(max(0.0, due - self._clock.now()))
        return lambda: self.model.tick(due)

    def _happen(self, operation: Callable[[], list[Happening]]) -> None:
        self.model.now = max(self.model.now, self._clock.now())
        for happening in operation():
            if isinstance(happening, Event):
                self._shown.append(happening)
            elif isinstance(happening, GivenUp):
                for request in self.requests:
                    request.over |= request.event["RequestId"] == happening.request_id
            elif _is_ours(happening):
                self._send(happening)

    def _send(self, sent: messages.Request) -> None:
        request = self._formation.sign(sent.event(self.id, ""), sent.sent)
        self.requests.append(request)
        if self.delivers:
            self._invoke(request.event)

    def _invoke(self, event: Mapping[str, Any], *, killed: bool = False) -> None:
        self._function.invoke(event, ahead=self._clock.ahead, killed=killed)

    # What is told of it

    def described(self) -> str:
        return (
            f"<member><StackName>{NAME}</StackName><StackId>{self.id}</StackId>"
            f"<CreationTime>{_iso(self._born)}</CreationTime>"
            f"<RoleARN>arn:aws:iam::{ACCOUNT}:role/cloudformation</RoleARN>"
            f"<StackStatus>{self.status}</StackStatus></member>"
        )

    def page(self, start: int) -> str:
        """Some events, newest first."""
        events = self._shown[::-1]
        members = "".join(map(self._member, events[start : start + _PAGE]))
        end = start + _PAGE
        token = f"<NextToken>{end}</NextToken>" if end < len(events) else ""
        return f"<StackEvents>{members}</StackEvents>{token}"

    def _member(self, event: Event) -> str:
        own = event.logical_id == NAME
        return (
            f"<member><StackId>{self.id}</StackId><StackName>{NAME}</StackName>"
            f"<EventId>{event.logical_id}-{event.time}</EventId>"
            f"<LogicalResourceId>{event.logical_id}</LogicalResourceId>"
            f"<PhysicalResourceId>{self.id if own else event.logical_id}</PhysicalResourceId>"
            f"<ResourceStatus>{event.status}</ResourceStatus>"
            f"<Timestamp>{_iso(event.time)}</Timestamp></member>"
        )


def _is_ours(request: messages.Request) -> bool:
    return request.resource_type in (SOFTWARE_TYPE, WAITER_TYPE)


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
