"""Read a cluster from a saved `aws sagemaker describe-cluster`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sandbox.clusters import Description
from sandbox.hyperpod.validate import sagemaker_model, violations
from sandbox.sdk import parsed_time


class SavedError(Exception):
    """A file that cannot be used; the message is one line that names it and says why."""


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SavedError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise SavedError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise SavedError(f"{path}: not a JSON object")
    return cast(dict[str, Any], content)


def read_cluster(path: Path) -> tuple[Description, list[str]]:
    """A cluster's description, and the members in it that this SDK has never heard of.

    Those are left out: the file may come from a newer CLI. What the service model knows has to be
    as the model says.
    """
    content = read_json(path)
    if not isinstance(content.get("ClusterName"), str):
        raise SavedError(f"{path}: no ClusterName in it: not what describe-cluster prints")
    content.pop("ResponseMetadata", None)
    shape = sagemaker_model().operation_model("DescribeCluster").output_shape
    unknown: list[str] = []
    description: Description = _loaded(shape, content, "", unknown, path)
    wrong = list(violations(shape, description))
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise SavedError(f"{path}: {wrong[0]}{more}")
    names = [group.get("InstanceGroupName") for group in description["InstanceGroups"]]
    if not names or None in names or len(set(names)) < len(names):
        raise SavedError(f"{path}: InstanceGroups must have groups with names that differ")
    return description, unknown


def _loaded(shape: Any, value: Any, path: str, unknown: list[str], file: Path) -> Any:
    """A value as the SDK would hand it out: times parsed, unknown members left out."""
    kind = shape.type_name
    if kind == "timestamp":
        try:
            return parsed_time(value)
        except (ValueError, TypeError):
            raise SavedError(f"{file}: {path} is not a time: {value!r}") from None
    if kind == "structure" and isinstance(value, dict):
        entry = cast(Mapping[str, Any], value)
        known = {name: item for name, item in entry.items() if name in shape.members}
        unknown += [f"{path}.{name}".lstrip(".") for name in entry if name not in known]
        return {
            name: _loaded(shape.members[name], item, f"{path}.{name}".lstrip("."), unknown, file)
            for name, item in known.items()
            if item is not None
        }
    if kind == "list" and isinstance(value, list):
        items = cast("list[object]", value)
        return [
            _loaded(shape.member, item, f"{path}[{index}]", unknown, file)
            for index, item in enumerate(items)
        ]
    return value
