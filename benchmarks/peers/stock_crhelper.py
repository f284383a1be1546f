"""crhelper as its README has it: clients at the top, a poll every two minutes by default."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import Any

import boto3
from crhelper import CfnResource, utils

from . import patch


class _Plain(HTTPConnection):
    """crhelper answers by HTTPS alone, and the sandbox has plain HTTP: nothing else is changed."""

    def __init__(self, host: str, context: object) -> None:  # noqa: ARG002 - crhelper's call
        super().__init__(host)


setattr(utils, "HTTPSConnection", _Plain)  # noqa: B010 - its type stubs leave the name out

helper = CfnResource()

try:
    sagemaker: Any = boto3.client("sagemaker")
except Exception as error:  # noqa: BLE001 - as crhelper's README has it
    helper.init_failure(error)


def begin(event: dict[str, Any], _context: object) -> None:
    """Call for the patch."""
    patch.begin(sagemaker, event["ResourceProperties"])


def look(event: dict[str, Any], _context: object) -> str | None:
    """The physical id once the patch is over; nothing makes crhelper look again."""
    properties = event["ResourceProperties"]
    return str(properties["ClusterName"]) if patch.is_over(sagemaker, properties) else None


def forget(_event: dict[str, Any], _context: object) -> None:
    """Nothing is to be deleted."""


helper.create(begin)
helper.update(begin)
helper.poll_create(look)
helper.poll_update(look)
helper.delete(forget)


def handler(event: dict[str, Any], context: object) -> None:
    """The function's entry point."""
    helper(event, context)
