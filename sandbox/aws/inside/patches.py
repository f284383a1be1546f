"""Where MiniStack differs from AWS in what the sandbox is for, patched from outside.

Each of these replaces a function of MiniStack before it starts.
"""

# ruff: noqa: SLF001 - MiniStack has no public names for what is changed or asked here.

from __future__ import annotations

import json
import os
import queue
import re
from collections.abc import Callable
from typing import Any, cast

from sandbox.aws.inside.modules import ACCOUNT, REGION, Json, module


def patch_authorization() -> None:
    """Let policies be checked against the ARNs that AWS checks them against.

    MiniStack names a rule of the default bus `rule/default/NAME` (AWS: `rule/NAME`), does not see
    the rule in requests that call it `Rule`, nor parameters named by `Path` or `Names`, and puts
    an account into the ARNs of images and snapshots.
    """
    actions = module("core.iam_actions")
    original: Callable[..., str] = actions.extract_resource_arn

    def extract_resource_arn(
        service: str, method: str, path: str, headers: Json, body: bytes, *rest: Any
    ) -> str:
        arn = original(service, method, path, headers, body, *rest)
        if service == "events":
            return _rule_arn(arn, headers, body)
        if service == "ssm" and arn == "*":
            return _parameter_arn(body) or arn
        if service == "ec2":
            return re.sub(r":\d{12}:(image|snapshot)/", r"::\1/", arn)
        return arn

    actions.extract_resource_arn = extract_resource_arn


def _body(body: bytes) -> Json:
    try:
        parsed: Any = json.loads(body or b"{}")
    except ValueError:
        return {}
    return cast(Json, parsed) if isinstance(parsed, dict) else {}


def _rule_arn(arn: str, headers: Json, body: bytes) -> str:
    operation = str(headers.get("x-amz-target", "")).rpartition(".")[2]
    if operation in ("PutTargets", "RemoveTargets", "ListTargetsByRule"):
        request = _body(body)
        bus = request.get("EventBusName") or "default"
        arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{bus}/{request.get('Rule', '')}"
    return arn.replace(":rule/default/", ":rule/")


def _parameter_arn(body: bytes) -> str | None:
    request = _body(body)
    names: list[Any] = request.get("Names") or [None]
    name: Any = request.get("Path") or names[0]
    if not isinstance(name, str):
        return None
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name.lstrip('/')}"


def patch_images() -> None:
    """Let DescribeImages tell of state and encryption, and refuse ids that are not there."""
    ec2 = module("services.ec2")
    describe: Callable[[Json], tuple[int, Json, Any]] = ec2._describe_images
    mappings: Callable[[Json], str] = ec2._image_bdm_xml

    def describe_images(request: Json) -> tuple[int, Json, Any]:
        status, headers, body = describe(request)
        text = body.decode() if isinstance(body, bytes) else str(body)
        for wanted in ec2._parse_member_list(request, "ImageId"):
            if f"<imageId>{wanted}</imageId>" not in text:
                message = f"The image id '[{wanted}]' does not exist"
                answer: tuple[int, Json, Any] = ec2._error("InvalidAMIID.NotFound", message, 400)
                return answer
        for image in ec2._images.values():
            state = image.get("State", "available")
            pattern = rf"(<imageId>{image['ImageId']}</imageId>.*?<imageState>)available"
            text = re.sub(pattern, rf"\g<1>{state}", text, count=1, flags=re.DOTALL)
        return status, headers, text.encode() if isinstance(body, bytes) else text

    def image_bdm_xml(view: Json) -> str:
        parts = mappings(view).split("</ebs>")
        for index, mapping in enumerate(view.get("BlockDeviceMappings") or []):
            volume: Json = mapping.get("Ebs") or {}
            parts[index] += f"<encrypted>{volume.get('Encrypted', 'false')}</encrypted>"
        return "</ebs>".join(parts)

    ec2._image_bdm_xml = image_bdm_xml
    ec2._ACTION_MAP["DescribeImages"] = describe_images


def patch_parameters() -> None:
    """Let a parameter keep its type: PutParameter with another one is refused."""
    ssm = module("services.ssm")
    original: Callable[[Json], Any] = ssm._put_parameter

    def put_parameter(request: Json) -> Any:
        found: Json | None = ssm._parameters.get(request.get("Name"))
        kept = found["Type"] if found is not None else None
        if kept and request.get("Overwrite") and request.get("Type", kept) != kept:
            message = "The parameter's type cannot be changed. Create a new, unique parameter."
            return ssm.error_response_json("HierarchyTypeMismatchException", message, 400)
        return original(request)

    ssm._put_parameter = put_parameter


def patch_rules() -> None:
    """Let a rule that has targets stay: DeleteRule is refused."""
    events = module("services.eventbridge")
    original: Callable[[Json], Any] = events._delete_rule

    def delete_rule(request: Json) -> Any:
        key = events._rule_key(request.get("Name"), request.get("EventBusName", "default"))
        if events._targets.get(key):
            message = "Rule can't be deleted since it has targets."
            return events.error_response_json("ValidationException", message, 400)
        return original(request)

    events._delete_rule = delete_rule


def patch_schedules() -> None:
    """Let the minutes of schedules last as long as the sandbox was told."""
    seconds = float(os.environ.get("SANDBOX_MINUTE", "60"))
    if seconds == 60:
        return
    events = module("services.eventbridge")
    original: Callable[[str], int | None] = events._parse_rate_seconds

    def parse_rate_seconds(expression: str) -> float | None:
        interval = original(expression)
        return None if interval is None else interval * seconds / 60

    events._parse_rate_seconds = parse_rate_seconds
    events._SCHEDULER_TICK_INTERVAL = min(1.0, seconds / 4)


_END = "end of what an invocation logged"
_TOLD = f"""
def _told(handler, event, context):
    import sys
    try:
        return handler(event, context)
    finally:
        print("{_END}", file=sys.stderr, flush=True)

"""
_CALL = "handler_fn(event, context)"


def patch_logs() -> None:
    """Let no line of a function in Python be lost on a busy machine.

    MiniStack gives a thread that reads a function's lines 5 to 50 ms after the function's end.
    """
    runtime = module("core.lambda_runtime")
    script: str = runtime._PYTHON_WORKER_SCRIPT
    assert script.count(_CALL) == 1, "MiniStack calls functions in another way"
    runtime._PYTHON_WORKER_SCRIPT = _TOLD + script.replace(
        _CALL, "_told(handler_fn, event, context)"
    )
    original: Callable[..., str] = runtime.Worker._drain_stderr_bounded

    def drain(self: Any, **waits: float) -> str:
        if not str(self.config.get("Runtime")).startswith("python"):
            return original(self, **waits)
        lines: list[str] = []
        while True:
            try:
                line: str = self._stderr_queue.get(timeout=_ENDED)
            except queue.Empty:
                if self._proc is None or self._proc.poll() is not None:
                    return "\n".join(lines)
                continue
            rest = line.removesuffix(_END)
            if rest or rest == line:
                lines.append(rest)
            if rest != line:
                return "\n".join(lines)

    runtime.Worker._drain_stderr_bounded = drain


_ENDED = 1.0
"""Seconds after which a function that has ended and said nothing more was ended from outside."""
