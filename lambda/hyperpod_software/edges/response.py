"""The answer's way to CloudFormation: a PUT to the pre-signed URL, its status checked."""

from __future__ import annotations

import logging
from collections.abc import Callable

import urllib3

log = logging.getLogger(__name__)

ATTEMPTS = 5


def put_answer(url: str, body: bytes, sleep: Callable[[float], None]) -> bool:
    """PUT the answer; ``True`` once CloudFormation has it.

    Server errors and broken connections are tried again with growing pauses. The URL is a
    credential: nothing logged here, errors included, holds it.
    """
    http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=10))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            # S3 signed the URL without a content type: an empty one must be sent.
            status = http.request("PUT", url, body=body, headers={"content-type": ""}).status
            said = f"HTTP {status}"
        except urllib3.exceptions.HTTPError as error:
            status, said = 0, type(error).__name__
        if 200 <= status < 300:
            return True
        log.error({"stage": "answer", "problem": said, "attempt": attempt})
        if 400 <= status < 500:
            break  # expired, or not meant for us: another try in a second changes nothing
        if attempt < ATTEMPTS:
            sleep(2.0 ** (attempt - 1))
    return False
