"""Limits that AWS keeps and MiniStack does not: what is too big, too long or too much is refused."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from sandbox.aws.inside.modules import Json
from sandbox.hyperpod.validate import violations
from sandbox.sdk import service_model

_SERVICES = {"AmazonSSM": "ssm", "AWSEvents": "events"}
"""The services whose requests are checked against their models, by prefix of the target."""

_RATE = re.compile(r"rate\((1 (minute|hour|day)|(?!0|1 )\d+ (minute|hour|day)s)\)")
_PARAMETER_SIZE = 4096
_NESTED = 'Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.'
_RESPONSE_SIZE = 4096
_RESPONSE_PATH = "/_ministack/cfn-response/"


def refusal(target: str, body: bytes) -> Json | None:
    """The error AWS would answer a request with for its form, or None."""
    prefix, _, operation = target.partition(".")
    service = _SERVICES.get(prefix)
    if service is None:
        return None
    request = json.loads(body or b"{}")
    shape = _shape(service, operation)
    wrong = list(violations(shape, request)) if shape is not None else []
    value = str(request.get("Value", "")) if operation == "PutParameter" else ""
    if "{{" in value:
        return {"__type": "ValidationException", "message": _NESTED}
    standard = operation == "PutParameter" and request.get("Tier", "Standard") == "Standard"
    if standard and len(value.encode()) > _PARAMETER_SIZE:
        wrong.append(f"Value: a standard parameter holds {_PARAMETER_SIZE} characters at most")
    schedule = str(request.get("ScheduleExpression", ""))
    if schedule.startswith("rate(") and not _RATE.fullmatch(schedule):
        wrong.append(f"ScheduleExpression: {schedule} is not valid")
    if not wrong:
        return None
    count = f"{len(wrong)} validation error{'s' if len(wrong) > 1 else ''} detected"
    return {"__type": "ValidationException", "message": f"{count}: {'; '.join(wrong)}"}


@cache
def _shape(service: str, operation: str) -> Any:
    model = _model(service)
    if operation not in model.operation_names:
        return None
    return model.operation_model(operation).input_shape


@cache
def _model(service: str) -> Any:
    return service_model(service)


def is_custom_response(method: str, path: str) -> bool:
    """Whether this is a custom resource answering CloudFormation."""
    return method == "PUT" and path.startswith(_RESPONSE_PATH)


def custom_response(body: bytes) -> bytes:
    """The answer of a custom resource, as CloudFormation takes it: not beyond 4096 bytes."""
    if len(body) <= _RESPONSE_SIZE:
        return body
    answer: Json = json.loads(body)
    failed = {"Status": "FAILED", "Reason": "Response object is too long."}
    kept = ("PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId")
    return json.dumps({**failed, **{k: answer[k] for k in kept if k in answer}}).encode()
