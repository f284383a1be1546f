"""Checks of single values in ``ResourceProperties``: the error says where, what and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NoReturn, TypeVar, cast

from hyperpod_software.contract.values import Range, Text
from hyperpod_software.model.errors import BadProperty

# Deliberately ASCII: str.isdigit() also accepts digits that int() does not.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")

Choice = TypeVar("Choice", bound=Enum)


def flag(props: Mapping[str, object], name: str, *, absent: str = "true") -> bool:
    value = props.get(name, absent)
    if value not in ("true", "false"):
        bad(name, value, "true or false")
    return value == "true"


def choice(props: Mapping[str, object], name: str, default: Choice) -> Choice:
    value = props.get(name)
    if value is None:
        return default
    try:
        return type(default)(value)
    except ValueError:
        bad(name, value, " or ".join(str(one.value) for one in type(default)))


def whole(at: str, raw: object, bounds: Range) -> int:
    digits = raw if isinstance(raw, str) else str(raw) if type(raw) is int else ""
    if not _WHOLE_NUMBER.fullmatch(digits) or not bounds.allows(int(digits)):
        bad(at, raw, bounds.allowed)
    return int(digits)


def text(props: Mapping[str, object], name: str, kind: Text, inside: str = "") -> str | None:
    raw = props.get(name)
    return None if raw is None else required(f"{inside}.{name}" if inside else name, raw, kind)


def required(at: str, raw: object, kind: Text) -> str:
    if not isinstance(raw, str) or not kind.allows(raw):
        bad(at, raw, kind.allowed)
    return raw


def structure(at: str, raw: object, known: Iterable[str]) -> Mapping[str, object]:
    members = set(map(str, known))
    if not isinstance(raw, dict):
        bad(at, raw, "a structure of " + ", ".join(sorted(members)))
    given = cast("dict[str, object]", raw)
    unknown = sorted(set(given) - members)
    if unknown:
        raise BadProperty(
            f"{at} has a property {_shown(unknown[0])}; allowed are {', '.join(sorted(members))}."
        )
    return given


def items(at: str, raw: object, count: Range) -> list[tuple[str, object]]:
    if not isinstance(raw, list):
        bad(at, raw, f"a list of {count}")
    entries = cast("list[object]", raw)
    if not count.allows(len(entries)):
        raise BadProperty(f"{at} has {len(entries)} entries; allowed are {count}.")
    return [(f"{at}[{index}]", item) for index, item in enumerate(entries)]


def bad(at: str, value: object, allowed: str) -> NoReturn:
    raise BadProperty(f"{at} is {_shown(value)}; allowed is {allowed}.")


def _shown(value: object) -> str:
    """A value as an error shows it: one short line, whatever was sent."""
    if value is None:
        return "missing"
    text = repr(value) if isinstance(value, str) else f"{type(value).__name__} {value!r}"
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
