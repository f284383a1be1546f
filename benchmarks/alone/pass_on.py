"""Let a waiter that has nothing to wait for pass on what it was given.

Prints the AWS calls that it makes, by operation, as JSON.
"""

import json
import sys
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import boto3

from hyperpod_software.contract.properties import WAITER_TYPE
from hyperpod_software.handler import build

calls: Counter[str] = Counter()


def note(model: Any, **_: Any) -> None:
    """Count a call, as botocore tells of it."""
    calls[f"{model.service_model.service_name}.{model.name}"] += 1


def put(_url: str, _body: bytes) -> bool:
    """The bucket takes the answer."""
    return True


boto3.setup_default_session()
assert boto3.DEFAULT_SESSION is not None
boto3.DEFAULT_SESSION.events.register("before-call", note)
handler = build(time.time, time.sleep, put)
handler(
    {
        "RequestType": "Create",
        "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/Patching/0a1b2c3d",
        "RequestId": "one",
        "LogicalResourceId": "SoftwareWaiter2",
        "ResourceType": WAITER_TYPE,
        "ResponseURL": "https://bucket.s3.amazonaws.com/?",
        "ResourceProperties": {
            "ServiceToken": "function",
            "Resource": "Software",
            "Window": "2",
            "Handover": "arn:aws:sagemaker:us-east-1:000000000000:cluster/abcdefghij12|Patched|workers|16",
        },
    },
    SimpleNamespace(
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:waiter",
        function_name="waiter",
        aws_request_id="waiter",
        log_group_name="waiter",
        get_remaining_time_in_millis=lambda: 60_000,
    ),
)
json.dump({"calls": calls}, sys.stdout)
