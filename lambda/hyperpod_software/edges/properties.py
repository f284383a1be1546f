"""``ResourceProperties`` as CloudFormation sends them, parsed into a ``Declaration``.

CloudFormation turns every primitive into a string, and a template can be written by
hand: so everything is checked again here, before any call. Bounds and patterns are those
of the SageMaker service model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NoReturn, TypeVar, cast

from hyperpod_software.words.handover import Waiter, read_handover
from hyperpod_software.words.problem import BadProperty
from hyperpod_software.words.request import LONGEST_TIMEOUT, WINDOW
from hyperpod_software.words.software import (
    RELEASE,
    Declaration,
    OnCreate,
    OnRollback,
    OnSkippedNodes,
)

CLUSTER = re.compile(
    r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:cluster/[a-z0-9]{12}"
    r"|[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
)
IMAGE_ID = re.compile(r"ami-[0-9a-fA-F]{8,17}|default")
GROUP_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
RELEASE_LINE = re.compile(r"[0-9]+\.[0-9]+")
ALARM_NAME = re.compile(r"(?!\s*$).+")
KEY_ARN = re.compile(r"arn:aws[a-z\-]*:kms:[a-z0-9\-]*:[0-9]{12}:(key|alias)/.+")
RESOURCE = re.compile(r"[a-zA-Z0-9]{1,255}")
# Deliberately ASCII: str.isdigit() also accepts digits that int() does not.
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")

MAX_GROUPS = 100
MAX_GROUP_NAME = 63
MAX_RELEASE = 64
MAX_ALARMS = 10
MAX_ALARM_NAME = 255
MAX_WAIT_INTERVAL = 3600
MAX_REVISION = 256
MIN_TIMEOUT = 60
MAX_WINDOW = 1000

KNOWN = frozenset(
    {
        "ServiceToken", "ServiceTimeout", "ClusterName", "ImageId", "ImageOwner", "KmsKeyId",
        "ImageReleaseVersion", "InstanceGroups", "DeploymentConfig", "Revision", "Timeout",
        "OnCreate", "OnRollback", "OnSkippedNodes", "WaitForCompletion", "AllowCallerCredentials",
        "ReleaseLine", "AllowDowngrade", "AllowRollingUpdateOnSlurm",
        "WaitConditionHandle",  # what versions before declared; it means nothing any more
    }
)  # fmt: skip

Choice = TypeVar("Choice", bound=Enum)
SOFTWARE = frozenset(
    {
        "ClusterName", "ImageId", "ImageReleaseVersion", "InstanceGroups", "Revision",
        "OnRollback", "ReleaseLine",
    }
)  # fmt: skip
WAITER = frozenset({"ServiceToken", "ServiceTimeout", "Resource", "Window", "Handover"})
GROUP_ENTRY = frozenset({"InstanceGroupName", "ImageReleaseVersion"})


def parse_declaration(properties: object) -> Declaration:
    """Parse one property set. Raises ``BadProperty`` with a text for the user."""
    props = _structure("ResourceProperties", properties, KNOWN)
    image_id = _optional(props, "ImageId")
    version = _optional(props, "ImageReleaseVersion")
    groups, group_versions = _instance_groups(props)
    if image_id is not None:
        _match("ImageId", image_id, IMAGE_ID, "ami- and 8 to 17 hexadecimal digits, or default")
        image_id = image_id.lower()
    if version is not None:
        _release("ImageReleaseVersion", version)
    versioned = version is not None or bool(group_versions)
    if image_id is not None and versioned:
        raise BadProperty("ImageId and ImageReleaseVersion were both given; declare one of them.")
    if groups is not None and version is not None:
        raise BadProperty(
            "ImageReleaseVersion was given beside InstanceGroups; with groups listed, "
            "each of them carries its own ImageReleaseVersion."
        )
    if image_id is None and version is None and len(group_versions) < len(groups or ("any",)):
        raise BadProperty(
            "Neither ImageId nor an ImageReleaseVersion for every group was given; "
            "declare the image that the groups are to run."
        )
    declared = (*group_versions.values(), *([version] if version is not None else []))
    return Declaration(
        cluster=_cluster(props),
        image_id=image_id,
        version=version,
        revision=_text("Revision", props.get("Revision"), MAX_REVISION),
        groups=groups,
        group_versions=group_versions,
        line=_line(props, declared),
        allow_downgrade=_flag(props, "AllowDowngrade", absent="false"),
        owned_image=_owned_image(props, image_id),
        kms_key_id=_key(props),
        deployment=_deployment(props),
        allow_rolling_update_on_slurm=_flag(props, "AllowRollingUpdateOnSlurm", absent="false"),
        timeout=_whole("Timeout", props.get("Timeout", WINDOW), MIN_TIMEOUT, LONGEST_TIMEOUT),
        allow_caller_credentials=_flag(props, "AllowCallerCredentials", absent="false"),
        wait_for_completion=_flag(props, "WaitForCompletion"),
        on_create=_choice(props, "OnCreate", OnCreate, OnCreate.PATCH),
        on_rollback=_choice(props, "OnRollback", OnRollback, OnRollback.RESTORE),
        on_skipped_nodes=_choice(props, "OnSkippedNodes", OnSkippedNodes, OnSkippedNodes.FAIL),
    )


def parse_software(properties: object) -> Declaration:
    """Parse what an earlier property set says of software and of its rollback, and nothing else:
    another version of the library may have written it. Raises ``BadProperty`` where that cannot be read."""
    if not isinstance(properties, dict):
        _bad("OldResourceProperties", properties, "a structure")
    props = cast("dict[str, object]", properties)
    kept = {name: value for name, value in props.items() if name in SOFTWARE}
    entries = kept.get("InstanceGroups")
    if isinstance(entries, list):
        kept["InstanceGroups"] = [_known_entry(each) for each in cast("list[object]", entries)]
    return parse_declaration(kept)


def parse_waiter(properties: object) -> Waiter:
    """Parse a waiter's properties. Raises ``BadProperty`` with a text for the user."""
    props = _structure("ResourceProperties", properties, WAITER)
    resource = _optional(props, "Resource") or ""
    _match("Resource", resource, RESOURCE, "the logical id of the resource that is waited for")
    handover = read_handover(props.get("Handover"))
    if handover is None:
        _bad("Handover", props.get("Handover"), "the Handover attribute of the window before")
    return Waiter(resource, _whole("Window", props.get("Window"), 2, MAX_WINDOW), handover)


def _known_entry(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    given = cast("dict[str, object]", entry)
    return {name: value for name, value in given.items() if name in GROUP_ENTRY}


def _cluster(props: Mapping[str, object]) -> str:
    value = _optional(props, "ClusterName")
    if value is None:
        raise BadProperty("ClusterName is missing; allowed is a cluster's name or ARN.")
    if value.startswith("arn:"):
        _match(
            "ClusterName", value, CLUSTER, "an ARN arn:…:sagemaker:…:cluster/<12 letters or digits>"
        )
    _match(
        "ClusterName",
        value,
        CLUSTER,
        "a name of 1 to 63 letters, digits and inner hyphens, or an ARN",
    )
    return value


def _owned_image(props: Mapping[str, object], image_id: str | None) -> bool:
    owner = _optional(props, "ImageOwner")
    if owner is None:
        return False
    if owner != "self":
        _bad("ImageOwner", owner, "self")
    return image_id is not None and image_id != "default"


def _key(props: Mapping[str, object]) -> str | None:
    value = _optional(props, "KmsKeyId")
    if value is not None:
        _match("KmsKeyId", value, KEY_ARN, "the ARN of a KMS key")
    return value


def _line(props: Mapping[str, object], versions: tuple[str, ...]) -> str | None:
    line = _optional(props, "ReleaseLine")
    if line is None:
        return None
    _match("ReleaseLine", line, RELEASE_LINE, "MAJOR.MINOR, as in 1.3")
    if not versions:
        raise BadProperty(
            "ReleaseLine was given without an ImageReleaseVersion; declare the oldest release of "
            "it that will do."
        )
    for version in versions:
        if list(map(int, version.split(".")[:2])) != list(map(int, line.split("."))):
            _bad("ImageReleaseVersion", version, f"a release of the declared line {line}")
    return line


def _flag(props: Mapping[str, object], name: str, *, absent: str = "true") -> bool:
    value = props.get(name, absent)
    if value not in ("true", "false"):
        _bad(name, value, "true or false")
    return value == "true"


def _instance_groups(
    props: Mapping[str, object],
) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    if "InstanceGroups" not in props:
        return None, {}
    versions: dict[str, str] = {}
    names: list[str] = []
    for at, item in _items("InstanceGroups", props["InstanceGroups"], MAX_GROUPS):
        spec = _structure(at, item, GROUP_ENTRY)
        where = f"{at}.InstanceGroupName"
        name = _text(where, spec.get("InstanceGroupName"), MAX_GROUP_NAME)
        if name is None:
            raise BadProperty(f"{where} is missing; every entry names an instance group.")
        _match(where, name, GROUP_NAME, "letters, digits and inner hyphens")
        if name in names:
            _bad(where, name, "each group once")
        names.append(name)
        version = _optional(spec, "ImageReleaseVersion")
        if version is not None:
            _release(f"{at}.ImageReleaseVersion", version)
            versions[name] = version
    return tuple(names), versions


def _deployment(props: Mapping[str, object]) -> dict[str, Any] | None:
    if "DeploymentConfig" not in props:
        return None
    at = "DeploymentConfig"
    members = {"RollingUpdatePolicy", "WaitIntervalInSeconds", "AutoRollbackConfiguration"}
    raw = _structure(at, props[at], members)
    parsed: dict[str, Any] = {}
    if "RollingUpdatePolicy" in raw:
        where = f"{at}.RollingUpdatePolicy"
        sizes = {"MaximumBatchSize", "RollbackMaximumBatchSize"}
        policy = _structure(where, raw["RollingUpdatePolicy"], sizes)
        if "MaximumBatchSize" not in policy:
            raise BadProperty(f"{where}.MaximumBatchSize is missing; a rolling update needs it.")
        parsed["RollingUpdatePolicy"] = {
            size: _batch_size(f"{where}.{size}", value) for size, value in policy.items()
        }
    if "WaitIntervalInSeconds" in raw:
        parsed["WaitIntervalInSeconds"] = _whole(
            f"{at}.WaitIntervalInSeconds", raw["WaitIntervalInSeconds"], 0, MAX_WAIT_INTERVAL
        )
    if "AutoRollbackConfiguration" in raw:
        where = f"{at}.AutoRollbackConfiguration"
        parsed["AutoRollbackConfiguration"] = [
            {"AlarmName": _alarm(entry, item)}
            for entry, item in _items(where, raw["AutoRollbackConfiguration"], MAX_ALARMS)
        ]
    return parsed


def _batch_size(at: str, raw: object) -> dict[str, Any]:
    size = _structure(at, raw, {"Type", "Value"})
    kind = _optional(size, "Type", at)
    if kind not in ("INSTANCE_COUNT", "CAPACITY_PERCENTAGE"):
        _bad(f"{at}.Type", kind, "INSTANCE_COUNT or CAPACITY_PERCENTAGE")
    highest = 100 if kind == "CAPACITY_PERCENTAGE" else 6758
    return {"Type": kind, "Value": _whole(f"{at}.Value", size.get("Value"), 1, highest)}


def _alarm(at: str, raw: object) -> str:
    where = f"{at}.AlarmName"
    name = _text(where, _structure(at, raw, {"AlarmName"}).get("AlarmName"), MAX_ALARM_NAME)
    if name is None:
        raise BadProperty(f"{where} is missing; every entry names a CloudWatch alarm.")
    _match(where, name, ALARM_NAME, "the name of a CloudWatch alarm")
    return name


def _release(at: str, value: str) -> None:
    if len(value) > MAX_RELEASE:
        _bad(at, value, f"at most {MAX_RELEASE} characters")
    _match(at, value, RELEASE, "MAJOR.MINOR.PATCH, as in 1.3.0")


def _choice(props: Mapping[str, object], name: str, kind: type[Choice], default: Choice) -> Choice:
    value = _optional(props, name)
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError:
        _bad(name, value, " or ".join(str(choice.value) for choice in kind))


def _whole(at: str, raw: object, lowest: int, highest: int) -> int:
    text = raw if isinstance(raw, str) else str(raw) if type(raw) is int else ""
    if not WHOLE_NUMBER.fullmatch(text) or not lowest <= int(text) <= highest:
        _bad(at, raw, f"a whole number from {lowest} to {highest}")
    return int(text)


def _text(at: str, raw: object, longest: int) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not 1 <= len(raw) <= longest:
        _bad(at, raw, f"text of 1 to {longest} characters")
    return raw


def _optional(props: Mapping[str, object], name: str, inside: str = "") -> str | None:
    return _text(f"{inside}.{name}" if inside else name, props.get(name), 2048)


def _structure(at: str, raw: object, members: frozenset[str] | set[str]) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        _bad(at, raw, "a structure of " + ", ".join(sorted(members)))
    structure = cast("dict[str, object]", raw)
    unknown = sorted(set(structure) - members)
    if unknown:
        raise BadProperty(
            f"{at} has a property {shown(unknown[0])}; allowed are {', '.join(sorted(members))}."
        )
    return structure


def _items(at: str, raw: object, most: int) -> list[tuple[str, object]]:
    if not isinstance(raw, list):
        _bad(at, raw, f"a list of 1 to {most}")
    items = cast("list[object]", raw)
    if not 1 <= len(items) <= most:
        raise BadProperty(f"{at} has {len(items)} entries; allowed are 1 to {most}.")
    return [(f"{at}[{index}]", item) for index, item in enumerate(items)]


def _match(at: str, value: str, pattern: re.Pattern[str], allowed: str) -> None:
    if not pattern.fullmatch(value):
        _bad(at, value, allowed)


def _bad(at: str, value: object, allowed: str) -> NoReturn:
    raise BadProperty(f"{at} is {shown(value)}; allowed is {allowed}.")


def shown(value: object) -> str:
    """A value as an error shows it: one short line, whatever was sent."""
    if value is None:
        return "missing"
    text = repr(value) if isinstance(value, str) else f"{type(value).__name__} {value!r}"
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
