"""The simulated HyperPod on a loopback port: the wire, the clock, and the way to the event bus."""

from __future__ import annotations

import json
import logging
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from sandbox.aws.switchboard import Switchboard
from sandbox.hyperpod import AnswerLostError, Event, HyperPod, ServiceError
from sandbox.hyperpod.faults import SettingError

_log = logging.getLogger("sandbox.hyperpod")

_TARGET = "SageMaker."
_SOONEST, _LATEST = 0.02, 0.1
"""Seconds between two looks at what is due, at least and at most: hours at high speed are many
steps, and the clock may be put ahead."""

Deliver = Callable[[list[Event]], None]
"""Puts events on the bus; may take its time."""

Authorizer = Callable[["Received", str, str, Mapping[str, str]], None]
"""Raises ServiceError where the sender of a request may not do `(action, ARN, condition keys)`."""


class Received:
    """A request as it came in: what a signature was made over."""

    __slots__ = ("body", "headers", "path")

    def __init__(self, path: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body

    def header(self, name: str) -> str:
        return next((v for k, v in self.headers if k.lower() == name.lower()), "")

    @property
    def access_key(self) -> str:
        """The key in the SigV4 credential; empty where the request is not signed."""
        _, _, credential = self.header("Authorization").partition("Credential=")
        return credential.partition("/")[0]


class HyperPodServer:
    """Runs a HyperPod in real time and serves it, in threads of this process.

    `deliver` takes the events, `authorizer` judges callers (None: everybody may do anything),
    `clock` tells the time.
    """

    def __init__(
        self,
        hyperpod: HyperPod,
        *,
        deliver: Deliver | None = None,
        authorizer: Authorizer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hyperpod = hyperpod
        self.switchboard = Switchboard(hyperpod)
        self._deliver = deliver
        self._authorizer = authorizer
        self._clock = clock
        self._changed = threading.Condition()
        self._stopping = False
        self._last = 0.0
        self._events: queue.SimpleQueue[list[Event] | None] = queue.SimpleQueue()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.05,), name="hyperpod-http"),
            threading.Thread(target=self._tick, name="hyperpod-clock"),
            threading.Thread(target=self._send, name="hyperpod-events"),
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def connect(
        self, deliver: Deliver, authorizer: Authorizer | None, clock: Callable[[], float]
    ) -> None:
        """Tell it where its events go, who judges its callers and what the time is, once that is
        known."""
        self._deliver = deliver
        self._authorizer = authorizer
        self._clock = clock

    def start(self) -> None:
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def stop(self) -> None:
        """End the threads and close every connection."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._events.put(None)
        self._http.shutdown()
        self._http.close_all()
        for thread in self._threads:
            thread.join(timeout=5)

    # Time

    def _now(self) -> float:
        # The service's time never goes back, whatever the machine's clock is set to.
        self._last = max(self._last, self._clock())
        return self._last

    def _tick(self) -> None:
        with self._changed:
            while not self._stopping:
                due = self.hyperpod.next_due()
                self._changed.wait(due and min(max(_SOONEST, due - self._now()), _LATEST))
                self._pass_time()

    def _pass_time(self) -> None:
        events = self.hyperpod.advance(self._now())
        if events:
            self._events.put(events)

    def _send(self) -> None:
        while (events := self._events.get()) is not None:
            if self._deliver is None:
                continue
            try:
                self._deliver(events)
            except Exception:  # noqa: BLE001 - the clock goes on, whatever the bus says
                _log.exception("events could not be delivered")

    # Requests

    def answer(self, received: Received) -> dict[str, Any]:
        """One call of the API. Raises ServiceError or AnswerLostError."""
        target = received.header("X-Amz-Target")
        if not target.startswith(_TARGET):
            raise ServiceError("UnknownOperationException", f"Unknown target {target!r}")
        if not received.access_key:
            code = "MissingAuthenticationTokenException"
            raise ServiceError(code, "Missing Authentication Token", 403)
        parameters = _parameters(received.body)
        with self._changed:
            try:
                return self.hyperpod.call(
                    target.removeprefix(_TARGET),
                    parameters,
                    now=self._now(),
                    caller=received.access_key,
                    authorize=self._authorize_with(received),
                )
            finally:
                self._changed.notify_all()

    def _authorize_with(
        self, received: Received
    ) -> Callable[[str, str, Mapping[str, str]], None] | None:
        judge = self._authorizer
        if judge is None:
            return None
        return lambda action, resource, context: judge(received, action, resource, context)

    def control(self, path: str, body: Mapping[str, Any]) -> Any:
        """One control call. Raises ServiceError or SettingError."""
        with self._changed:
            try:
                return self.switchboard.handle(path, body, self._now())
            finally:
                self._changed.notify_all()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    owner: HyperPodServer

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._guard:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        # Clients that go away are none of our business.
        _log.debug("connection ended", exc_info=True)

    def close_all(self) -> None:
        self.server_close()
        with self._guard:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("connection was closed already")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _owner(self) -> HyperPodServer:
        assert isinstance(self.server, _Http)
        return self.server.owner

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        _log.debug(format, *args)

    def do_GET(self) -> None:
        self._control({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/_sandbox/"):
            try:
                self._control(json.loads(body or b"{}"))
            except ValueError:
                self._reply(400, {"error": "the body is not JSON"})
            return
        received = Received(self.path, list(self.headers.items()), body)
        try:
            answer = self._owner.answer(received)
        except ServiceError as error:
            self._reply(error.status, {"__type": error.code, "Message": error.message})
        except AnswerLostError:
            self.close_connection = True
        except Exception:  # noqa: BLE001 - the caller is told, the log has the rest
            _log.exception("the simulated service failed")
            self._reply(500, {"__type": "InternalFailure", "Message": "The simulation failed."})
        else:
            self._reply(200, answer)

    def _control(self, body: Mapping[str, Any]) -> None:
        try:
            answer = self._owner.control(self.path, body)
        except (ServiceError, SettingError) as error:
            text = error.message if isinstance(error, ServiceError) else str(error)
            self._reply(400, {"error": text})
        except (KeyError, TypeError, ValueError) as error:
            self._reply(400, {"error": f"not understood: {error}"})
        else:
            self._reply(200, answer)

    def _reply(self, status: int, answer: Any) -> None:
        body = json.dumps(answer, default=_wire_time).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)


def _parameters(body: bytes) -> dict[str, Any]:
    try:
        content: Any = json.loads(body or b"{}")
    except ValueError:
        raise ServiceError("SerializationException", "The body is not JSON.") from None
    if not isinstance(content, dict):
        raise ServiceError("SerializationException", "The body is not an object.")
    return cast(dict[str, Any], content)


def _wire_time(value: Any) -> float:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"{value!r} is not of JSON")
