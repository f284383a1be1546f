"""Environments in which nothing but the sandbox can be reached."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.aws.images import REGION

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""

_KEY = "test"
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without anything that leads to a real account, a proxy or other code."""
    return {
        name: value
        for name, value in environment.items()
        if not (
            name.startswith(("AWS_", "CDK_", "PYTHON", "MINISTACK_", "LOCALSTACK_"))
            or name.upper() in _PROXIES
        )
    }


def settings(ministack_url: str, hyperpod_url: str) -> dict[str, str]:
    """What an SDK and the CDK need to be told, and nothing that is the machine's own."""
    return {
        "AWS_ENDPOINT_URL": ministack_url,
        "AWS_ENDPOINT_URL_S3": ministack_url,
        "AWS_ENDPOINT_URL_SAGEMAKER": hyperpod_url,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # Profiles could name a real account, and the metadata service could lend its keys.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_NOTICES": "false",
        "CDK_VERSION_REPORTING": "false",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def tools_path(environment: Mapping[str, str]) -> str:
    """The search path, with this Python, its Node and the pinned CDK CLI first."""
    first = [str(Path(sys.executable).parent), str(ROOT / "node_modules" / ".bin")]
    return os.pathsep.join([*first, environment.get("PATH", os.defpath)])
