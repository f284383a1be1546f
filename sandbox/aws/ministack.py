"""Start and stop a MiniStack, and ask it for what the AWS APIs do not offer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.aws.clock import VARIABLE, Clock
from sandbox.aws.environment import scrubbed, settings, tools_path
from sandbox.aws.images import ACCOUNT, REGION, Image, facts
from sandbox.aws.server import Received
from sandbox.aws.web import WebError, ask
from sandbox.hyperpod import Event, ImageFacts, ServiceError
from sandbox.waiting import PATIENCE

_PROGRAM = Path(__file__).parent / "inside" / "__main__.py"
_ENTRIES = 10
"""The most PutEvents takes in one call."""


class MiniStackError(Exception):
    """MiniStack did not come up; the message has the end of its log."""


class MiniStack:
    """One MiniStack process, the leader of a process group of its own.

    All it writes goes into `directory`. `auth` makes it enforce IAM. `minute` is how many seconds
    a minute of an EventBridge rate() lasts, and `pace` how many seconds pass in one of the
    machine's while everything waits.
    """

    def __init__(
        self,
        directory: Path,
        hyperpod_url: str,
        *,
        auth: bool = False,
        minute: float = 60.0,
        pace: float = 1.0,
    ) -> None:
        self.auth = auth
        self.log = directory / "ministack.log"
        self._directory = directory
        self._hyperpod_url = hyperpod_url
        self._minute = minute
        self._pace = pace
        self._clock_file = directory / "clock"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def clock(self) -> Clock:
        """The clock that it puts ahead."""
        return Clock(self._clock_file)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process. It is not ready then: see `wait_ready`."""
        self._port = _free_port()
        scratch = self._directory / "tmp"
        scratch.mkdir(exist_ok=True)
        self.clock.put_ahead(0.0)  # Functions read it at once.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=self._environment(scratch),
                start_new_session=True,
            )

    def _environment(self, scratch: Path) -> dict[str, str]:
        state = self._directory / "state"
        return {
            **scrubbed(os.environ),
            **settings(self.url, self._hyperpod_url),
            "PATH": tools_path(os.environ),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GATEWAY_PORT": str(self._port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "AUTH": "true" if self.auth else "false",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Functions run as processes. Whatever containers the machine has are not ours.
            "LAMBDA_EXECUTOR": "local",
            "DOCKER_HOST": f"unix://{self._directory}/no-docker.sock",
            # Functions and uploads go through the temporary directory, state is not kept.
            "TMPDIR": str(scratch),
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            "STATE_DIR": str(state),
            "S3_DATA_DIR": str(state / "s3"),
            "SANDBOX_DIRECTORY": str(self._directory),
            "SANDBOX_MINUTE": str(self._minute),
            "SANDBOX_PACE": str(self._pace),
            VARIABLE: str(self._clock_file),
        }

    def wait_ready(self, *, timeout: float = PATIENCE) -> None:
        """Wait until it answers; it is started again if another process took its port."""
        end = time.monotonic() + timeout
        restarts = 2
        while time.monotonic() < end:
            if not self.alive:
                if not restarts:
                    break
                restarts -= 1
                self.stop()
                self.start()
            try:
                ask(f"{self.url}/_ministack/ready", timeout=10)
            except WebError:
                time.sleep(0.05)
            else:
                return
        raise MiniStackError(f"MiniStack did not come up:\n{self._last_lines()}")

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-15:])

    def stop(self) -> None:
        """End the whole process group at once: no process in it needs a clean shutdown."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            _kill_what_is_left(process.pid)
        process.wait(PATIENCE)
        if process.stdin:
            process.stdin.close()

    # Asking

    def _ask(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = ask(f"{self.url}/_sandbox/{name}", body)
        return answer

    def set_pace(self, pace: float) -> None:
        """Let so many seconds pass in one of the machine's while everything waits."""
        self._ask("pace", {"pace": pace})

    def add_images(self, images: Iterable[Image]) -> None:
        self._ask("images", {"images": [image.as_json() for image in images]})

    def add_parameters(self, parameters: Mapping[str, str]) -> None:
        """Public SSM parameters, by name."""
        self._ask("parameters", {"parameters": dict(parameters)})

    def image(self, ami: str) -> ImageFacts:
        return facts(ami, self._ask("image", {"id": ami}))

    def in_alarm(self, names: Sequence[str]) -> bool:
        """Whether any of these CloudWatch alarms is in ALARM."""
        return bool(self._ask("alarms", {"names": list(names)})["in_alarm"])

    def deliver(self, events: list[Event]) -> None:
        """Put events on the default bus, in their order."""
        for start in range(0, len(events), _ENTRIES):
            entries = [event.entry() for event in events[start : start + _ENTRIES]]
            self._ask("events", {"entries": entries})

    def authorize(
        self, received: Received, action: str, resource: str, context: Mapping[str, str]
    ) -> None:
        """Raise ServiceError where the sender of a request may not do this."""
        denied = self._ask(
            "authorize",
            {
                "path": received.path,
                "headers": received.headers,
                "body": received.body.decode(),
                "action": action,
                "resource": resource,
                "context": dict(context),
            },
        )["denied"]
        if denied:
            raise ServiceError(denied["code"], denied["message"])


def _kill_what_is_left(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
