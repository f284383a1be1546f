"""The answer's way to CloudFormation: a PUT to the pre-signed URL, its status checked."""

from __future__ import annotations

import logging

import urllib3

from hyperpod_software.adapters.budget import budget

log = logging.getLogger(__name__)

_CONNECT, _READ = 3, 10
_PAUSES = (1, 2, 4, 8)
"""Seconds."""


def put_answer(url: str, body: bytes) -> bool:
    """PUT the answer; ``True`` once CloudFormation has it.

    Server errors and broken connections are tried again with growing pauses, as far as the
    invocation has the time. The URL is a credential: nothing logged here, errors included,
    holds it.
    """
    http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=_CONNECT, read=_READ))
    for attempt, pause in enumerate((*_PAUSES, None), start=1):
        if budget().left < _CONNECT + _READ:
            log.error({"stage": "answer", "problem": "TooLate", "attempt": attempt})
            return False
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
        if pause is None or not budget().pause(pause):
            break
    return False
