"""Counts the AWS calls of one stack's functions, on their way to the sandbox."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_ANSWER = "/_ministack/cfn-response/"
_HOP_BY_HOP = frozenset({"connection", "host", "content-length", "transfer-encoding", "keep-alive"})


@dataclass(frozen=True)
class Call:
    """One call of an AWS API."""

    at: float
    operation: str
    keys_used: int = 0
    """How often KMS had a parameter's value to encrypt or decrypt for it."""


class Meter:
    """A loopback address that a stack's functions take for AWS.

    SageMaker's calls go on to the simulated HyperPod, all others to MiniStack.
    """

    def __init__(self, ministack_url: str, hyperpod_url: str) -> None:
        """Say where calls go on to."""
        self._ministack = urlsplit(ministack_url).netloc
        self._hyperpod = urlsplit(hyperpod_url).netloc
        self._calls: list[Call] = []
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.meter = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        """What a function is to take for AWS."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def calls(self) -> list[Call]:
        """The calls so far, in the order of their coming in."""
        return sorted(self._calls, key=lambda call: call.at)

    def pass_on(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Hand a request on and take its call down; status, headers and body of the answer."""
        at = time.time()
        operation = _operation(path, headers, body)
        there = self._hyperpod if operation.startswith("SageMaker.") else self._ministack
        connection = HTTPConnection(there, timeout=180)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if not path.startswith(_ANSWER):
                self._calls.append(Call(at, operation, _keys_used(operation, body, content)))
            return answer.status, answer.getheaders(), content
        finally:
            connection.close()


def _operation(path: str, headers: dict[str, str], body: bytes) -> str:
    """What is called, in whichever protocol."""
    target = next((text for name, text in headers.items() if name.lower() == "x-amz-target"), None)
    if target is not None:
        return target
    if path.startswith("/2015-03-31/functions/"):
        return f"Lambda {path.rstrip('/').rpartition('/')[2].partition('?')[0]}"
    return parse_qs(body.decode(errors="replace")).get("Action", [path])[0]


def _keys_used(operation: str, body: bytes, content: bytes) -> int:
    """KMS encrypts a SecureString that is put, and decrypts each that is read; no String."""
    parameters: list[dict[str, Any]] = []
    if operation == "AmazonSSM.PutParameter":
        parameters = [json.loads(body)]
    elif operation == "AmazonSSM.GetParametersByPath":
        parameters = json.loads(content or b"{}").get("Parameters", [])
    return sum(parameter.get("Type") == "SecureString" for parameter in parameters)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    meter: Meter

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A function that is gone, with the sandbox, waits for no answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Say nothing."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _pass_on(self) -> None:
        assert isinstance(self.server, _Http)
        body = self._body()
        headers = {name: text for name, text in self.headers.items() if _goes_on(name)}
        status, answered, content = self.server.meter.pass_on(
            self.command, self.path, headers, body
        )
        self.send_response_only(status)
        for name, text in answered:
            if _goes_on(name):
                self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815 - the parent's names


def _goes_on(header: str) -> bool:
    return header.lower() not in _HOP_BY_HOP
