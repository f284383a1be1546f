"""Rules 13 and 16: the answer's way to CloudFormation, over real HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from hyperpod_software.adapters.budget import Budget, spending
from hyperpod_software.adapters.logs import JsonLines
from hyperpod_software.adapters.response import put_answer

SECRET = "?X-Amz-Signature=SECRET"


class Bucket(BaseHTTPRequestHandler):
    """Answers as told, one status for each PUT; 0 hangs up without a word."""

    statuses: list[int]
    bodies: list[bytes]
    types: list[str | None]

    def do_PUT(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.types.append(self.headers["content-type"])
        status = self.statuses.pop(0) if self.statuses else 200
        if status:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def bucket(*statuses: int) -> Generator[tuple[str, type[Bucket]]]:
    kind = type("OneBucket", (Bucket,), {"statuses": list(statuses), "bodies": [], "types": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/answer{SECRET}", kind
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def put(url: str, pauses: list[float]) -> bool:
    with spending(Budget(sleep=pauses.append)):
        return put_answer(url, b'{"Status":"SUCCESS"}')


def test_rule_13_an_answer_is_put_as_it_is_with_an_empty_content_type() -> None:
    with bucket(200) as (url, seen):
        assert put(url, [])
    assert seen.bodies == [b'{"Status":"SUCCESS"}']
    assert seen.types == [""]


def test_rule_13_server_errors_and_broken_connections_are_tried_again_with_growing_pauses() -> None:
    pauses: list[float] = []
    with bucket(500, 0, 503) as (url, seen):
        assert put(url, pauses)
    assert len(seen.bodies) == 4
    assert pauses == [1, 2, 4]


@pytest.mark.parametrize("statuses", [(403,), (500, 500, 500, 500, 500)])
def test_rule_13_an_answer_that_is_not_taken_is_said_not_to_be_delivered(
    statuses: tuple[int, ...],
) -> None:
    with bucket(*statuses) as (url, seen):
        assert not put(url, [])
    assert len(seen.bodies) == len(statuses)


def test_rule_16_no_log_line_holds_the_url_whatever_goes_wrong(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, logger="hyperpod_software"):
        with bucket(500, 0, 403) as (url, _):
            put(url, [])
        put("http://127.0.0.1:9/nobody" + SECRET, [])
        put("http://no such host/" + SECRET, [])
    assert caplog.records
    assert "SECRET" not in caplog.text


def test_rule_16_even_a_url_in_an_error_is_cut_before_it_is_logged() -> None:
    record = logging.LogRecord(
        "x", logging.ERROR, "f", 1, f"cannot reach https://bucket/answer{SECRET}&b=c now", (), None
    )
    line = json.loads(JsonLines(stage="answer").format(record))
    assert line["message"] == "cannot reach https://bucket/answer?… now"
    assert line["stage"] == "answer"
