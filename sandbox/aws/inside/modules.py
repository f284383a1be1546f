"""MiniStack's own modules, which come without types."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

Json = dict[str, Any]

ACCOUNT = os.environ.get("MINISTACK_ACCOUNT_ID", "000000000000")
REGION = os.environ.get("MINISTACK_REGION", "us-east-1")


def module(name: str) -> Any:
    """A module of MiniStack by its name in the package."""
    return import_module(f"ministack.{name}")
