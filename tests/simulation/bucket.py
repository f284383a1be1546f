"""The bucket that takes answers, behind pre-signed URLs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import urllib3

from tests.simulation.gate import Gate
from tests.simulation.requests import Request


@dataclass
class Answered:
    """What the bucket said."""

    status: int


class Bucket:
    """Takes PUTs, or does not."""

    def __init__(self, gate: Gate, taken: Callable[[Request, bytes], None]) -> None:
        self._gate = gate
        self._taken = taken
        self.requests: dict[str, Request] = {}
        """Request by the URL of its answer."""
        self.read_timeout = 0.0
        """Seconds for which the function waits for a word."""

    def request(self, method: str, url: str, *, body: bytes, headers: dict[str, str]) -> Answered:
        """As urllib3's pool manager is asked."""
        assert method == "PUT"
        # S3 signed the URL without a content type.
        assert headers == {"content-type": ""}
        return self._gate.call("bucket", "PUT", lambda: self._put(url, body), fails=False)

    def _put(self, url: str, body: bytes) -> Answered:
        world, request = self._gate.world, self.requests.get(url)
        world.check(
            "answers go to the URL of their request",
            # A late copy may tell of a patch what nobody waits for any more.
            request is not None
            and (request.change is self._gate.invocation.change or not request.waiting),
            url,
        )
        if request is None:
            return Answered(403)
        strikes = world.chance.strikes
        forbidden = strikes("answer forbidden")
        if request.refused or forbidden is not None:
            # Once, or a few times in a row.
            request.refused = request.refused - 1 if request.refused else int((forbidden or 0) * 4)
            return self._trouble(request, 403)
        if strikes("answer meets a server error") is not None:
            return self._trouble(request, 503)
        if strikes("answer dropped") is not None:
            self._trouble(request, 0)
            raise urllib3.exceptions.ProtocolError("Connection aborted.", url)
        self._taken(request, body)
        if strikes("answer taken, connection lost") is not None:
            self._trouble(request, 0)
            self._gate.pause(self.read_timeout)
            raise urllib3.exceptions.ReadTimeoutError(None, url, "Read timed out.")  # type: ignore[arg-type]
        return Answered(200)

    def _trouble(self, request: Request, status: int) -> Answered:
        request.put_trouble = self._gate.world.now
        invocation = self._gate.invocation
        invocation.disturbed = True
        self._gate.world.say(lambda: f"{invocation} PUT: {status or 'connection lost'}")
        return Answered(status)
