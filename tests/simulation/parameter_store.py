"""The parameter store, with the limits that it has."""

# ruff: noqa: N803 - arguments are called as AWS calls them

from __future__ import annotations

import zlib
from base64 import b64decode
from typing import Any

from tests.simulation.gate import Gate, error
from tests.simulation.stacks import SECRET

VALUE_LIMIT = 4096
NAME_LIMIT = 1011
NESTED = 'Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.'


class ParameterStore:
    """Parameters of one account, and the client that the function sees."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.values: dict[str, tuple[str, int]] = {}
        """Name → value and version."""
        self.types: dict[str, str] = {}

    def get_parameters_by_path(
        self,
        *,
        Path: str,
        Recursive: bool,
        WithDecryption: bool,
        MaxResults: int = 10,
        NextToken: str | None = None,
    ) -> dict[str, Any]:
        assert (Recursive, WithDecryption) == (True, True)
        assert MaxResults <= 10

        def effect() -> dict[str, Any]:
            inside = Path.rstrip("/") + "/"
            names = sorted(name for name in self.values if name.startswith(inside))
            if NextToken is not None:
                names = [name for name in names if name > NextToken]
            page = names[:MaxResults]
            answer: dict[str, Any] = {
                "Parameters": [
                    {
                        "Name": name,
                        "Type": self.types[name],
                        "Value": self.values[name][0],
                        "Version": self.values[name][1],
                    }
                    for name in page
                ]
            }
            if len(names) > len(page):
                answer["NextToken"] = page[-1]
            return answer

        return self._gate.call("ssm", "GetParametersByPath", effect)

    def put_parameter(
        self, *, Name: str, Value: str, Type: str, Overwrite: bool, Tier: str
    ) -> dict[str, Any]:
        world = self._gate.world
        size = len(Value.encode())
        world.check(
            "a parameter holds at most 4 KB",
            size <= VALUE_LIMIT,
            lambda: f"{Name} has {size} bytes",
        )
        world.check(
            "no parameter's value names another parameter",
            "{{" not in Value,
            lambda: f"{Name} is {Value}",
        )
        world.check(
            "no String holds a ResponseURL",
            Type == "SecureString" or SECRET not in _plain(Value),
            lambda: f"{Name} is {Value}",
        )
        assert Type in ("String", "SecureString")
        assert Tier == "Standard"
        assert Name.startswith("/")
        assert len(Name) <= NAME_LIMIT
        assert Name.count("/") <= 15

        def effect() -> dict[str, Any]:
            if size > VALUE_LIMIT:
                raise error("ValidationException", "PutParameter", "The value is too long.")
            if "{{" in Value:
                raise error("ValidationException", "PutParameter", NESTED)
            found = self.values.get(Name)
            if found is None and self._gate.used_up("parameters"):
                raise error("ParameterLimitExceeded", "PutParameter", "Too many parameters.")
            if found is not None and not Overwrite:
                raise error("ParameterAlreadyExists", "PutParameter", "It already exists.")
            if found is not None and Type != self.types[Name]:
                raise error("HierarchyTypeMismatchException", "PutParameter", "Another type.")
            version = found[1] + 1 if found is not None else 1
            self.values[Name], self.types[Name] = (Value, version), Type
            request = self._gate.invocation.change
            if request is not None and Name.endswith("/call"):
                request.called = self._gate.world.now
            return {"Version": version, "Tier": "Standard"}

        return self._gate.call("ssm", "PutParameter", effect)

    def delete_parameters(self, *, Names: list[str]) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            if not 1 <= len(Names) <= 10:
                raise error("ValidationException", "DeleteParameters", "1 to 10 names.")
            gone = [name for name in Names if self.values.pop(name, None) is not None]
            return {
                "DeletedParameters": gone,
                "InvalidParameters": [name for name in Names if name not in gone],
            }

        return self._gate.call("ssm", "DeleteParameters", effect)


def _plain(value: str) -> str:
    """What anybody who reads a value knows: a request is only compressed."""
    try:
        return zlib.decompressobj().decompress(b64decode(value, validate=True)).decode()
    except (ValueError, zlib.error):
        return value
