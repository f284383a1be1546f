"""The context keys of app.py: their names, and their values as they were given."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar, cast

KEYS: Final = (
    "cluster",
    "cluster-tags",
    "image",
    "groups",
    "revision",
    "allow-downgrade",
    "batch",
    "rollback-batch",
    "wait-interval",
    "alarms",
    "allow-batch-on-slurm",
    "timeout",
    "allow-caller-credentials",
    "on-create",
    "on-rollback",
    "on-skipped-nodes",
    "wait",
    "stack",
)
"""The context keys of this app. ``cluster`` and ``image`` must be given."""
ALIASES: Final = {
    "alarm-name": "alarms",
    "allow-on-slurm": "allow-batch-on-slurm",
    "allow-rolling-update-on-slurm": "allow-batch-on-slurm",
    "batch-size": "batch",
    "cluster-arn": "cluster",
    "cluster-name": "cluster",
    "image-id": "image",
    "instance-group-name": "groups",
    "instance-groups": "groups",
    "max-batch-size": "batch",
    "maximum-batch-size": "batch",
    "rollback-alarms": "alarms",
    "rollback-batch-size": "rollback-batch",
    "rollback-max-batch-size": "rollback-batch",
    "rollback-maximum-batch-size": "rollback-batch",
    "stack-name": "stack",
    "wait-for-completion": "wait",
    "wait-interval-in-seconds": "wait-interval",
}
"""The library's and the API's names of what has a key, and the key."""
ELSEWHERE: Final = {
    "at-least": "image=release-line:1.3.2 says it",
    "auto-rollback-configuration": "alarms=NAME,NAME says it",
    "count": "batch=4 says it",
    "custom-ami": "image=ami-… says it",
    "deployment-config": "batch, rollback-batch, wait-interval and alarms say it",
    "encryption-key": "it has none for a key of KMS; declare ClusterSoftware in an app of your own",
    "from-ssm-parameter": "image=ssm:/parameter/name says it",
    "image-release-version": "image=release:MAJOR.MINOR.PATCH says it",
    "kms-key-id": "it has none for a key of KMS; declare ClusterSoftware in an app of your own",
    "latest": "image=default says it",
    "line": "image=release-line:1.3 says it",
    "parameter-name": "image=ssm:/parameter/name says it",
    "percent": "batch=25% says it",
    "public-ami": "image=public:ami-… says it",
    "release": "image=release:MAJOR.MINOR.PATCH says it",
    "release-line": "image=release-line:1.3 says it",
    "rolling-update": "batch, rollback-batch, wait-interval and alarms say it",
    "rolling-update-policy": "batch and rollback-batch say it",
    "type": "batch=4 or batch=25% says it",
    "value": "batch=4 or batch=25% says it",
    "version": "image=release:MAJOR.MINOR.PATCH says it",
}
"""Their names of what is said otherwise here, and how."""
# Feature flags, what the command line adds to each run, and what it looked up itself.
_OF_THE_CDK: Final = re.compile(
    r"@[\w.-]+/.*|aws(-|:)cdk:.*|[\w-]+:account=.*|acknowledged-issue-numbers|"
    r"assets-ecr-repository-name|cli-telemetry",
    re.ASCII | re.DOTALL,
)
NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
"""A whole number, as it is written in a key's value."""
_LONGEST_SHOWN: Final = 80

_Choice = TypeVar("_Choice", bound=Enum)


class ContextError(Exception):
    """A context key is missing, or its value cannot be deployed."""


class Context:
    """The context keys of this app, as text."""

    def __init__(self, values: Mapping[str, object], declared: Collection[str] = ()) -> None:
        """Take the app's whole context, and refuse what may be meant for this app and is not read.

        :param declared: keys that the user's own files declare; others' keys may stand there.
        """
        self._values: dict[str, object] = {}
        self._typed: dict[str, str] = {}
        for typed, value in values.items():
            key = _key_of(typed)
            if key is None:
                _refuse_unless_of_others(typed, declared=typed in declared)
            elif key in self._values and self._values[key] != value:
                raise ContextError(
                    f"{self._shown(key)} and -c {_line(typed)}={_line(value)}: "
                    f"both are {key}, give one of them"
                )
            elif value is not None:
                self._values[key], self._typed[key] = value, typed
                if "${Token[" in str(value):
                    raise self.refused(key, "plain text, not a token of the CDK")

    def text(self, key: str, requirement: str = "text") -> str | None:
        """A key's value. In cdk.json it may be a number as well."""
        value = self._values.get(key)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise self.refused(key, requirement)

    def names(self, key: str) -> list[str] | None:
        """A comma-separated list. In cdk.json it may be a list as well."""
        value = self._values.get(key)
        if isinstance(value, list):
            items = cast("list[object]", value)
            names = [item for item in items if isinstance(item, str)]
            if len(names) < len(items):
                raise self.refused(key, "a list of names")
            return names
        text = self.text(key, "a comma-separated list of names")
        if text is None:
            return None
        return [name.strip() for name in text.split(",")] if text.strip() else []

    def tags(self, key: str) -> dict[str, str] | None:
        """A comma-separated list of ``KEY=VALUE``. In cdk.json it may be a mapping as well."""
        value = self._values.get(key)
        if isinstance(value, dict):
            # Its values are the library's to check.
            return cast("dict[str, str]", value)
        items = self.names(key)
        if items is None:
            return None
        tags: dict[str, str] = {}
        for item in items or [""]:
            name, equals, tag = item.partition("=")
            if not equals or name in tags:
                raise self.refused(key, "KEY=VALUE, each key once, in a comma-separated list", item)
            tags[name] = tag
        return tags

    def number(self, key: str, unit: str) -> int | None:
        """A whole number."""
        requirement = f"a whole number of {unit}"
        text = self.text(key, requirement)
        if text is None:
            return None
        if not NUMBER.fullmatch(text):
            raise self.refused(key, requirement)
        return int(text)

    def choice(self, key: str, default: _Choice) -> _Choice:
        """One of an enumeration's values."""
        choices = {str(choice.value): choice for choice in type(default)}
        requirement = " or ".join(choices)
        text = self.text(key, requirement)
        if text is None:
            return default
        if text not in choices:
            raise self.refused(key, requirement)
        return choices[text]

    def flag(self, key: str, *, default: bool) -> bool:
        """``yes`` or ``no``, or what the library's properties and JSON have for it."""
        value = self._values.get(key, default)
        if isinstance(value, bool):
            return value
        text = self.text(key, "yes or no")
        if text not in ("yes", "true", "no", "false"):
            raise self.refused(key, "yes or no")
        return text in ("yes", "true")

    def refused(self, key: str, requirement: str, item: object = None) -> ContextError:
        """The error that says what a key's value, or one item of it, must be."""
        named = "" if item is None else f"{_line(repr(item))} "
        return ContextError(f"{self._shown(key)}: {named}must be {requirement}")

    def _shown(self, key: str) -> str:
        """A key as it was given."""
        return f"-c {_line(self._typed.get(key, key))}={_line(self._values.get(key))}"


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


_KEYS_OF_NAMES: Final = {_plain(key): key for key in KEYS} | {
    _plain(alias): key for alias, key in ALIASES.items()
}
_HINTS: Final = {
    **{name: f"{key} is" for name, key in _KEYS_OF_NAMES.items()},
    **{_plain(name): hint for name, hint in ELSEWHERE.items()},
}


def _key_of(name: str) -> str | None:
    """The key that a name means, however it is written: max_batch_size, MaxBatchSize …"""
    return _KEYS_OF_NAMES.get(_plain(name))


def _refuse_unless_of_others(name: str, *, declared: bool) -> None:
    """Refuse a name that nobody reads: who wrote it expects something of it.

    A file may declare what is for others, but nothing that reads like a name of ours.
    """
    if _OF_THE_CDK.fullmatch(name):
        return
    plain = _plain(name)
    if declared and plain not in _HINTS:
        near = difflib.get_close_matches(plain, _KEYS_OF_NAMES, n=1, cutoff=0.8)
    else:
        near = difflib.get_close_matches(plain, _HINTS, n=1, cutoff=0.6)
        near = near or sorted((one for one in _HINTS if one in plain), key=len, reverse=True)
    # A single word such as "version" is anybody's.
    if declared and (not near or plain in ELSEWHERE):
        return
    hint = _HINTS[near[0]] if near else f"its keys are {', '.join(KEYS)}"
    raise ContextError(f"-c {_line(name)}=… is not a context key of this app: {hint}")


def _line(value: object) -> str:
    """A value as an error shows it: printable, on one line, and no longer than a line."""
    match value:
        case list():
            text = ",".join(map(str, cast("list[object]", value)))
        case dict():
            items = cast("dict[object, object]", value).items()
            text = ",".join(f"{name}={one}" for name, one in items)
        case _:
            text = str(value)
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def declared_keys(project: Path) -> set[str]:
    """The context keys in the user's files, which the CDK merges with those of the command line."""
    keys: set[str] = set()
    for file, holder in (
        (project / "cdk.json", "context"),
        (project / "cdk.context.json", None),
        (Path("~/.cdk.json"), "context"),
    ):
        try:
            found: object = json.loads(file.expanduser().read_text("utf-8-sig"))
        except (OSError, ValueError, RuntimeError):
            continue  # No file, or one about which the CDK's command line has its own word.
        if holder is not None and isinstance(found, dict):
            found = cast("dict[str, object]", found).get(holder)
        if isinstance(found, dict):
            keys.update(cast("dict[str, object]", found))
    return keys
