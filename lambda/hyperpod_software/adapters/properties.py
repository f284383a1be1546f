"""``ResourceProperties`` as CloudFormation sends them, parsed into a ``Declaration``.

CloudFormation turns every primitive into a string, and a template can be written by
hand: so everything is checked again here, before any call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from hyperpod_software.adapters.checks import (
    bad,
    choice,
    flag,
    items,
    required,
    structure,
    text,
    whole,
)
from hyperpod_software.contract.properties import (
    LATEST_IMAGE,
    OWN_IMAGE,
    AlarmMember,
    BatchMember,
    DeploymentMember,
    GroupMember,
    OnCreate,
    OnRollback,
    OnSkippedNodes,
    PolicyMember,
    Property,
    WaiterProperty,
)
from hyperpod_software.contract.times import WINDOW
from hyperpod_software.contract.values import (
    ALARM_NAME,
    ALARMS,
    AMI,
    BATCH_SIZES,
    CLUSTER_ARN,
    CLUSTER_NAME,
    GROUP_NAME,
    GROUPS,
    KEY_ARN,
    LOGICAL_ID,
    RELEASE,
    RELEASE_LINE,
    REVISION,
    TIMEOUT,
    WAIT_INTERVAL,
    WAITER_WINDOW,
    is_of_line,
)
from hyperpod_software.model.errors import BadProperty
from hyperpod_software.model.handover import Waiter, read_handover
from hyperpod_software.model.software import Declaration

_SOFTWARE = frozenset(
    {
        Property.CLUSTER,
        Property.IMAGE_ID,
        Property.RELEASE,
        Property.RELEASE_LINE,
        Property.GROUPS,
        Property.REVISION,
        Property.ON_ROLLBACK,
    }
)


def parse_declaration(properties: object) -> Declaration:
    """Parse one property set. Raises ``BadProperty`` with a text for the user."""
    props = structure("ResourceProperties", properties, Property)
    image_id = _image_id(props)
    version = text(props, Property.RELEASE, RELEASE)
    groups, group_versions = _instance_groups(props)
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
        revision=text(props, Property.REVISION, REVISION),
        groups=groups,
        group_versions=group_versions,
        line=_line(props, declared),
        allow_downgrade=flag(props, Property.ALLOW_DOWNGRADE, absent="false"),
        owned_image=_owned_image(props, image_id),
        kms_key_id=text(props, Property.KEY, KEY_ARN),
        deployment=_deployment(props),
        allow_rolling_update_on_slurm=flag(props, Property.ALLOW_ON_SLURM, absent="false"),
        timeout=whole(Property.TIMEOUT, props.get(Property.TIMEOUT, WINDOW), TIMEOUT),
        allow_caller_credentials=flag(props, Property.ALLOW_CALLER_CREDENTIALS, absent="false"),
        wait_for_completion=flag(props, Property.WAIT),
        on_create=choice(props, Property.ON_CREATE, OnCreate.PATCH),
        on_rollback=choice(props, Property.ON_ROLLBACK, OnRollback.RESTORE),
        on_skipped_nodes=choice(props, Property.ON_SKIPPED_NODES, OnSkippedNodes.FAIL),
    )


def parse_software(properties: object) -> Declaration:
    """Parse what an earlier property set says of software and of its rollback, and nothing else:
    another version of the library may have written it. Raises ``BadProperty`` where that cannot be read."""
    if not isinstance(properties, dict):
        bad("OldResourceProperties", properties, "a structure")
    props = cast("dict[str, object]", properties)
    kept = {name: value for name, value in props.items() if name in _SOFTWARE}
    entries = kept.get(Property.GROUPS)
    if isinstance(entries, list):
        kept[Property.GROUPS] = [_known_entry(each) for each in cast("list[object]", entries)]
    return parse_declaration(kept)


def parse_waiter(properties: object) -> Waiter:
    """Parse a waiter's properties. Raises ``BadProperty`` with a text for the user."""
    props = structure("ResourceProperties", properties, WaiterProperty)
    at = WaiterProperty.HANDOVER
    handover = read_handover(props.get(at))
    if handover is None:
        bad(at, props.get(at), f"the {at} attribute of the window before")
    return Waiter(
        required(WaiterProperty.RESOURCE, props.get(WaiterProperty.RESOURCE), LOGICAL_ID),
        whole(WaiterProperty.WINDOW, props.get(WaiterProperty.WINDOW), WAITER_WINDOW),
        handover,
    )


def _known_entry(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    given = cast("dict[str, object]", entry)
    return {name: value for name, value in given.items() if name in set(GroupMember)}


def _cluster(props: Mapping[str, object]) -> str:
    value = props.get(Property.CLUSTER)
    kinds = (CLUSTER_NAME, CLUSTER_ARN)
    if not isinstance(value, str) or not any(kind.allows(value) for kind in kinds):
        bad(Property.CLUSTER, value, " or ".join(kind.allowed for kind in kinds))
    return value


def _image_id(props: Mapping[str, object]) -> str | None:
    value = props.get(Property.IMAGE_ID)
    if value is None:
        return None
    if not isinstance(value, str) or (value != LATEST_IMAGE and not AMI.allows(value)):
        bad(Property.IMAGE_ID, value, f"{AMI.allowed}, or {LATEST_IMAGE}")
    return value.lower()


def _owned_image(props: Mapping[str, object], image_id: str | None) -> bool:
    owner = props.get(Property.IMAGE_OWNER)
    if owner not in (None, OWN_IMAGE):
        bad(Property.IMAGE_OWNER, owner, OWN_IMAGE)
    return owner is not None and image_id not in (None, LATEST_IMAGE)


def _line(props: Mapping[str, object], versions: tuple[str, ...]) -> str | None:
    line = text(props, Property.RELEASE_LINE, RELEASE_LINE)
    if line is None:
        return None
    if not versions:
        raise BadProperty(
            "ReleaseLine was given without an ImageReleaseVersion; declare the oldest release of "
            "it that will do."
        )
    for version in versions:
        if not is_of_line(version, line):
            bad(Property.RELEASE, version, f"a release of the declared line {line}")
    return line


def _instance_groups(
    props: Mapping[str, object],
) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    if Property.GROUPS not in props:
        return None, {}
    versions: dict[str, str] = {}
    names: list[str] = []
    for at, item in items(Property.GROUPS, props[Property.GROUPS], GROUPS):
        spec = structure(at, item, GroupMember)
        where = f"{at}.{GroupMember.NAME}"
        name = required(where, spec.get(GroupMember.NAME), GROUP_NAME)
        if name in names:
            bad(where, name, "each group once")
        names.append(name)
        version = text(spec, GroupMember.RELEASE, RELEASE, at)
        if version is not None:
            versions[name] = version
    return tuple(names), versions


def _deployment(props: Mapping[str, object]) -> dict[str, Any] | None:
    at = Property.DEPLOYMENT
    if at not in props:
        return None
    raw = structure(at, props[at], DeploymentMember)
    parsed: dict[str, Any] = {}
    if (policy := DeploymentMember.POLICY) in raw:
        where = f"{at}.{policy}"
        sizes = structure(where, raw[policy], PolicyMember)
        if PolicyMember.BATCH not in sizes:
            raise BadProperty(
                f"{where}.{PolicyMember.BATCH} is missing; a rolling update needs it."
            )
        parsed[policy.value] = {
            size: _batch_size(f"{where}.{size}", value) for size, value in sizes.items()
        }
    if (wait := DeploymentMember.WAIT_INTERVAL) in raw:
        parsed[wait.value] = whole(f"{at}.{wait}", raw[wait], WAIT_INTERVAL)
    if (alarms := DeploymentMember.ALARMS) in raw:
        names: list[str] = []
        for entry, item in items(f"{at}.{alarms}", raw[alarms], ALARMS):
            where = f"{entry}.{AlarmMember.NAME}"
            given = structure(entry, item, AlarmMember)
            name = required(where, given.get(AlarmMember.NAME), ALARM_NAME)
            if name in names:
                bad(where, name, "each alarm once")
            names.append(name)
        parsed[alarms.value] = [{AlarmMember.NAME.value: name} for name in names]
    return parsed


def _batch_size(at: str, raw: object) -> dict[str, Any]:
    size = structure(at, raw, BatchMember)
    kind = size.get(BatchMember.TYPE)
    if not isinstance(kind, str) or kind not in BATCH_SIZES:
        bad(f"{at}.{BatchMember.TYPE}", kind, " or ".join(BATCH_SIZES))
    value = whole(f"{at}.{BatchMember.VALUE}", size.get(BatchMember.VALUE), BATCH_SIZES[kind])
    return {BatchMember.TYPE.value: kind, BatchMember.VALUE.value: value}
