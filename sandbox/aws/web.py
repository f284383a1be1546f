"""JSON over HTTP on loopback, for the parts of the sandbox that talk to each other."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

# The machine's proxies have no business on loopback.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class WebError(Exception):
    """The other side could not be reached, or answered with an error; the message says which."""


def ask(url: str, body: Mapping[str, Any] | None = None, *, timeout: float = 120.0) -> Any:
    """GET, or POST where there is a body; the JSON that comes back. `timeout` in seconds."""
    if not url.startswith("http://"):
        raise WebError(f"not an address of a sandbox: {url}")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - http only, as checked above
        url, data=data, headers={"Content-Type": "application/json"}
    )
    try:
        with _opener.open(request, timeout=timeout) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            raise WebError(_reason(error.read())) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise WebError(f"{url} did not answer: {error}") from None


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500]
