"""The SDK's data, cut down to what the handler calls: most of a cold start is reading it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from botocore.loaders import Loader

from hyperpod_software.contract.names import OPERATIONS

# What botocore reads besides, to make any client.
_WHOLE: Final = ("_retry", "partitions", "sdk-default-configuration")
_DOCUMENTATION: Final = frozenset({"documentation", "documentationUrl"})

_Json = dict[str, Any]


def sdk_data(data: Path) -> Iterator[tuple[str, bytes]]:
    """Names below ``botocore/data`` and what stands there, made from what is installed there."""
    # Read as the SDK reads it, but for the models that a user may keep in the home directory.
    loader = Loader([str(data)], include_default_search_paths=False)
    prefixes: set[str] = set()
    for service, operations in OPERATIONS.items():
        version = loader.determine_latest_version(service, "service-2")
        model = _model(loader, service, "service-2")
        prefixes.add(model["metadata"]["endpointPrefix"])
        where = f"{service}/{version}"
        yield f"{where}/service-2.json", _written(reduced_model(model, operations))
        rules = _model(loader, service, "endpoint-rule-set-1")
        yield f"{where}/endpoint-rule-set-1.json", _written(rules)
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    yield "endpoints.json", _written(_reduced_endpoints(endpoints, prefixes))
    for name in _WHOLE:
        yield f"{name}.json", _written(json.loads((data / f"{name}.json").read_bytes()))


def _model(loader: Loader, service: str, kind: str) -> _Json:
    return cast("_Json", loader.load_service_model(service, kind))


def reduced_model(model: _Json, operations: tuple[str, ...]) -> _Json:
    """A service model with these operations and the shapes they reach, and without its texts."""
    kept = {name: model["operations"][name] for name in operations}
    reached: set[str] = set()
    ahead = list(_shapes_in(kept))
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += _shapes_in(model["shapes"][name])
    shapes = {name: shape for name, shape in model["shapes"].items() if name in reached}
    return cast("_Json", _without_texts({**model, "operations": kept, "shapes": shapes}))


def _shapes_in(value: object) -> Iterator[str]:
    """The names of the shapes that a part of a model refers to."""
    match value:
        case {"shape": str(name)}:
            yield name
        case dict():
            for part in cast("dict[str, object]", value).values():
                yield from _shapes_in(part)
        case list():
            for part in cast("list[object]", value):
                yield from _shapes_in(part)
        case _:
            return


def _without_texts(value: object) -> object:
    match value:
        case dict():
            return {
                name: _without_texts(part)
                for name, part in cast("dict[str, object]", value).items()
                # A member of that name is a structure, not a text.
                if not (name in _DOCUMENTATION and isinstance(part, str))
            }
        case list():
            return [_without_texts(part) for part in cast("list[object]", value)]
        case _:
            return value


def _reduced_endpoints(endpoints: _Json, prefixes: set[str]) -> _Json:
    """Every partition and region, with the endpoints of these services."""
    partitions: list[_Json] = endpoints["partitions"]
    return {
        **endpoints,
        "partitions": [
            {
                **partition,
                "services": {
                    prefix: service
                    for prefix, service in partition["services"].items()
                    if prefix in prefixes
                },
            }
            for partition in partitions
        ],
    }


def _written(value: _Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
