"""crhelper, with the hooks that this handler needs mended. All use of them is in here.

crhelper keeps what it is good at: it tells Create, Update, Delete and polls apart and calls
the function that was registered for each. What it does between those calls (see
``docs/architecture.md``) is replaced, hook by hook, by what ``reconciler`` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hyperpod_software.adapters import logs
from hyperpod_software.model.reply import Reply

Handle = Callable[[dict[str, Any], Any], Reply | None]

if TYPE_CHECKING:

    class CfnResource:
        """What of crhelper is used here; its own stubs leave the private names out."""

        _event: dict[str, Any]
        _context: Any
        _sam_local: str | None
        _send_response: bool

        def __init__(self, *, json_logging: bool, log_level: str, boto_level: str) -> None: ...
        def __call__(self, event: dict[str, Any], context: Any) -> None: ...
        def create(self, func: Handle) -> Handle: ...
        def update(self, func: Handle) -> Handle: ...
        def delete(self, func: Handle) -> Handle: ...
        def poll_create(self, func: Handle) -> Handle: ...
        def poll_update(self, func: Handle) -> Handle: ...
        def poll_delete(self, func: Handle) -> Handle: ...
        def _crhelper_init(self, event: dict[str, Any], context: Any) -> bool: ...
else:
    from crhelper import CfnResource


class SoftwareResource(CfnResource):
    """A ``CfnResource`` whose functions return a ``Reply``, or ``None`` while it goes on."""

    def __init__(self, deliver: Callable[[Reply, Any], None]) -> None:
        # Under SAM local crhelper builds no clients. The three that it builds otherwise are
        # for the polling that is replaced here, and would cost each cold start.
        with _environment("AWS_SAM_LOCAL", "true"):
            super().__init__(json_logging=False, log_level="INFO", boto_level="ERROR")
        self._sam_local = None
        self._deliver = deliver
        self._reply: Reply | None = None
        self._look: Callable[[], Reply | None] = lambda: None

        def look(_event: dict[str, Any], _context: Any) -> Reply | None:
            return self._look()

        for register in (self.poll_create, self.poll_update, self.poll_delete):
            register(look)

    def poll(self, event: dict[str, Any], context: Any, look: Callable[[], Reply | None]) -> None:
        """Our rule makes us look at a request: it is called as crhelper calls its own polls."""
        self._look = look
        self({**event, "CrHelperPoll": True}, context)

    def _log_setup(self, event: dict[str, Any], context: Any) -> None:  # noqa: ARG002
        logs.set_up(aws_request_id=str(getattr(context, "aws_request_id", "")))

    def _crhelper_init(self, event: dict[str, Any], context: Any) -> bool:
        self._reply = None
        return super()._crhelper_init(event, context)

    def _set_timeout(self) -> None:
        """No timer: a killed invocation is taken up by the next, not answered as failed."""

    def _wrap_function(self, func: Handle | None) -> None:
        """Unlike crhelper's, lets no error become an answer: ``reconciler`` weighs errors."""
        self._reply = func(self._event, self._context) if func is not None else None

    def _poll_enabled(self) -> bool:
        return True

    def _polling_init(self, event: dict[str, Any]) -> None:  # noqa: ARG002 - crhelper's own
        """The rule was put before the patch call already; only the answer is left to do."""
        self._send_response = self._reply is not None

    def _wait_for_cwlogs(self) -> None:
        """No pause: Lambda delivers the logs of a finished invocation anyway."""

    def _cfn_response(self, event: dict[str, Any]) -> None:  # noqa: ARG002 - crhelper's own
        self._send()

    def _send(self, status: str | None = None, reason: str = "") -> None:
        """The one way out. crhelper's own failures come here with a status: they are raised,
        so that Lambda delivers the event again and the request is taken up where it was."""
        if status is not None or self._reply is None:
            raise RuntimeError(f"crhelper gave up: {reason}")
        self._deliver(self._reply, self._context)


@contextmanager
def _environment(name: str, value: str) -> Generator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
