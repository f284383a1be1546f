"""A call on every Create and every Update, answered once it is accepted: `AwsCustomResource`."""

from __future__ import annotations

import json
from typing import Any

import boto3
import urllib3

from . import patch

sagemaker: Any = boto3.client("sagemaker")


def handler(event: dict[str, Any], _context: object) -> None:
    """The function's entry point."""
    answer = {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": event["ResourceProperties"]["ClusterName"],
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    if event["RequestType"] != "Delete":
        try:
            patch.begin(sagemaker, event["ResourceProperties"])
        except Exception as error:  # noqa: BLE001 - whatever it is, CloudFormation is told
            answer |= {"Status": "FAILED", "Reason": str(error)}
    urllib3.PoolManager().request("PUT", event["ResponseURL"], body=json.dumps(answer))
