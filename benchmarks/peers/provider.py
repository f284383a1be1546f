"""The two functions that the CDK's provider framework asks for."""

from __future__ import annotations

from typing import Any

import boto3

from . import patch

sagemaker: Any = boto3.client("sagemaker")


def on_event(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Call for the patch, unless the resource is deleted."""
    if event["RequestType"] == "Delete":
        return {}
    return {"PhysicalResourceId": patch.begin(sagemaker, event["ResourceProperties"])}


def is_complete(event: dict[str, Any], _context: object) -> dict[str, bool]:
    """Whether the patch is over; the framework asks every five seconds by default."""
    deleted = event["RequestType"] == "Delete"
    return {"IsComplete": deleted or patch.is_over(sagemaker, event["ResourceProperties"])}
