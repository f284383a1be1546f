"""MiniStack's application, with what the sandbox adds in front of it."""

from __future__ import annotations

import json
import sys
from typing import Any

from sandbox.aws.inside.cloudformation import patch_stacks
from sandbox.aws.inside.endpoints import ENDPOINTS
from sandbox.aws.inside.hours import let_hours_pass
from sandbox.aws.inside.limits import custom_response, is_custom_response, refusal
from sandbox.aws.inside.modules import ACCOUNT, REGION, Json, module
from sandbox.aws.inside.patches import (
    patch_authorization,
    patch_images,
    patch_logs,
    patch_parameters,
    patch_rules,
    patch_schedules,
)
from sandbox.aws.inside.watchdog import end_with_parent


def in_front_of(app: Any) -> Any:
    """An ASGI application that takes what is the sandbox's, and hands on the rest."""

    async def outer(scope: Json, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path: str = scope["path"]
        target = _header(scope, b"x-amz-target")
        if path in ENDPOINTS:
            await _reply(send, *_answer(path, await _body(receive)))
        elif is_custom_response(scope["method"], path):
            await app(scope, _again(custom_response(await _body(receive))), send)
        elif target:
            body = await _body(receive)
            refused = refusal(target, body)
            if refused:
                await _reply(send, 400, refused)
            else:
                await app(scope, _again(body), send)
        else:
            await app(scope, receive, send)

    return outer


def _header(scope: Json, name: bytes) -> str:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")


async def _body(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        message: Json = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if not message.get("more_body"):
            return body


def _again(body: bytes) -> Any:
    """Hand out a body that was read already."""

    async def receive() -> Json:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _answer(path: str, body: bytes) -> tuple[int, Json]:
    try:
        with module("core.responses").request_scope(ACCOUNT, REGION):
            return 200, ENDPOINTS[path](json.loads(body or b"{}"))
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        return 500, {"error": f"{type(error).__name__}: {error}"}


async def _reply(send: Any, status: int, answer: Json) -> None:
    headers = [(b"content-type", b"application/x-amz-json-1.1")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def main() -> None:
    """Run MiniStack until it is killed."""
    end_with_parent()
    application = module("app")
    patch_authorization()
    patch_images()
    patch_parameters()
    patch_rules()
    patch_schedules()
    patch_logs()
    patch_stacks()
    ENDPOINTS["/_sandbox/pace"] = let_hours_pass().set_pace
    application.app = in_front_of(application.app)
    sys.argv = ["ministack"]
    application.main()
