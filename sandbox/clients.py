"""Clients of a sandbox's AWS that many threads use."""

from __future__ import annotations

import threading
from typing import Any

from sandbox.runner import Sandbox


class Clients:
    """One client for each service, made when it is first asked for; threads may share it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()

    def __call__(self, service: str) -> Any:
        with self._making:
            if service not in self._made:
                self._made[service] = self._sandbox.client(service)
            return self._made[service]

    def close(self) -> None:
        """End all of them."""
        for client in self._made.values():
            client.close()
