"""What MiniStack is asked that the AWS APIs do not offer, under `/_sandbox/`."""

# ruff: noqa: SLF001 - MiniStack has no public names for what is changed or asked here.

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sandbox.aws.inside.modules import ACCOUNT, REGION, Json, module


def put_events(request: Json) -> Json:
    """PutEvents for sources that are AWS's own."""
    answer = module("services.eventbridge")._put_events(
        {"Entries": request["entries"]}, allow_aws_source=True
    )
    result: Json = json.loads(answer[2])
    return result


def put_images(request: Json) -> Json:
    """Register AMIs under the ids they are to have, with their snapshots."""
    ec2 = module("services.ec2")
    for image in request["images"]:
        ami: str = image["id"]
        mappings: list[Json] = []
        encrypted = bool(image.get("encrypted"))
        for number in range(int(image.get("snapshots", 1))):
            snapshot = f"snap-{number}{ami.removeprefix('ami-')[-16:]:0>16}"
            _put_snapshot(ec2, snapshot, encrypted=encrypted, owner=image.get("owner", ACCOUNT))
            ebs = {"SnapshotId": snapshot, "VolumeSize": "100", "VolumeType": "gp3"}
            ebs["Encrypted"] = str(encrypted).lower()
            mappings.append({"DeviceName": f"/dev/xvd{chr(ord('a') + number)}", "Ebs": ebs})
        owner = image.get("owner", ACCOUNT)
        record: Json = {
            "ImageId": ami,
            "Name": image.get("name", f"sandbox-{ami}"),
            "ImageLocation": "",
            "Description": image.get("description", "An image of the sandbox."),
            "Architecture": image.get("architecture", "x86_64"),
            "RootDeviceType": "ebs",
            "RootDeviceName": "/dev/xvda",
            "BlockDeviceMappings": mappings,
            "VirtualizationType": "hvm",
            "CreationDate": ec2._now_ts(),
            "OwnerId": owner,
            "State": image.get("state", "available"),
            "KmsKeyId": image.get("kms_key"),
        }
        if image.get("public"):
            record["LaunchPermissions"] = [{"Group": "all"}]
        ec2._images.set_scoped(owner, REGION, ami, record)
    return {}


def _put_snapshot(ec2: Any, snapshot: str, *, encrypted: bool, owner: str) -> None:
    record = {
        "SnapshotId": snapshot,
        "VolumeId": "vol-ffffffff",
        "VolumeSize": 100,
        "Description": "A snapshot of an image of the sandbox.",
        "State": "completed",
        "StartTime": ec2._now_ts(),
        "Progress": "100%",
        "OwnerId": owner,
        "Encrypted": encrypted,
        "StorageTier": "standard",
    }
    ec2._snapshots.set_scoped(owner, REGION, snapshot, record)


def image_facts(request: Json) -> Json:
    """One AMI as the HyperPod service sees it; nothing where there is none."""
    for (_, region, ami), image in module("services.ec2")._images.all_items():
        if ami == request["id"] and region == REGION:
            return {
                "state": image.get("State", "available"),
                "owner": image["OwnerId"],
                "public": bool(image.get("LaunchPermissions")),
                "kms_key": image.get("KmsKeyId"),
                "snapshots": [m["Ebs"]["SnapshotId"] for m in image["BlockDeviceMappings"]],
            }
    return {}


def put_parameters(request: Json) -> Json:
    """Public SSM parameters, whose names nobody but AWS may give."""
    ssm = module("services.ssm")
    reserved = ssm._reserved_name_error

    def nothing_reserved(_name: str) -> None:
        return None

    ssm._reserved_name_error = nothing_reserved
    try:
        for name, value in request["parameters"].items():
            parameter = {"Name": name, "Value": value, "Type": "String", "Overwrite": True}
            ssm._put_parameter(parameter)
    finally:
        ssm._reserved_name_error = reserved
    return {}


def alarms(request: Json) -> Json:
    """Which of the alarms named are in ALARM."""
    cloudwatch = module("services.cloudwatch")
    stores = (cloudwatch._alarms, cloudwatch._composite_alarms)
    found: dict[str, str] = {
        name: store.get(name)["StateValue"]
        for store in stores
        for name in request["names"]
        if store.get(name)
    }
    return {"in_alarm": [name for name, state in found.items() if state == "ALARM"]}


def authorize(request: Json) -> Json:
    """Whether the caller of a request made elsewhere may do `action` on `resource`.

    The request comes with its headers, so its signature is checked with the caller's own key.
    """
    evaluator = module("core.iam_evaluator")
    headers = [(str(n).lower().encode("latin-1"), str(v).encode()) for n, v in request["headers"]]
    plain = {name.decode(): value.decode() for name, value in headers}
    key: str = module("core.router").extract_access_key_id(plain, {})
    responses = module("core.responses")
    responses.set_request_account_id(evaluator.find_iam_access_key_account(key) or key)
    evaluator.pin_signed_request("POST", request.get("path", "/"), {}, headers)
    evaluator.pin_signed_body(request["body"].encode())
    action: str = request["action"]
    denied = evaluator.enforce(
        key,
        action,
        action.partition(":")[0],
        REGION,
        resource_arn=request["resource"],
        service_context=request.get("context") or {},
    )
    if denied is None:
        return {"denied": None}
    if isinstance(denied, evaluator.AuthError):
        return {"denied": {"code": denied.code, "message": denied.message}}
    message: str = module("core.iam_actions").identity_denial_message(
        action, denied.principal_arn, request["resource"], denied.decision == "Deny"
    )
    return {"denied": {"code": "AccessDeniedException", "message": message}}


ENDPOINTS: dict[str, Callable[[Json], Json]] = {
    "/_sandbox/events": put_events,
    "/_sandbox/images": put_images,
    "/_sandbox/image": image_facts,
    "/_sandbox/parameters": put_parameters,
    "/_sandbox/alarms": alarms,
    "/_sandbox/authorize": authorize,
}
