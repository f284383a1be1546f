"""The function as Lambda runs it: the unpacked asset in a process that finds nothing else.

Run with the asset's directory as the only argument. It takes one invocation a line on standard
input and says on standard output how it went. Pauses take no time, the clock can be put ahead, and
an invocation can be killed as soon as it has sent an answer.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
from typing import Any

sys.path.insert(0, sys.argv[1])

said = io.StringIO()
logging.getLogger().addHandler(logging.StreamHandler(said))

from hyperpod_software.adapters.response import put_answer  # noqa: E402 - found by the path above
from hyperpod_software.handler import build  # noqa: E402


class Context:
    """What Lambda tells a function about itself."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"
    invoked_function_arn = os.environ["FUNCTION_ARN"]
    log_group_name = "/aws/lambda/function"

    def get_remaining_time_in_millis(self) -> int:
        return 180_000


def main() -> None:
    ahead, killed = 0.0, False

    def skip(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    def put(url: str, body: bytes) -> bool:
        done = put_answer(url, body)
        if killed:
            os._exit(1)
        return done

    handler = build(clock=lambda: time.time() + ahead, sleep=skip, put=put)
    for line in sys.stdin:
        invocation: dict[str, Any] = json.loads(line)
        ahead, killed = float(invocation["ahead"]), bool(invocation["killed"])
        error = None
        try:
            handler(invocation["event"], Context())
        except Exception as raised:  # noqa: BLE001 - Lambda takes whatever is raised
            error = f"{type(raised).__name__}: {raised}"
        print(json.dumps({"error": error, "log": said.getvalue()}), flush=True)
        said.seek(0)
        said.truncate()


if __name__ == "__main__":
    main()
