"""Structured logging: one line of JSON for each thing said."""

from __future__ import annotations

import json
import logging
import re
from typing import Any, cast

from hyperpod_software.contract.signals import DIMENSION, NAMESPACE

# A pre-signed URL is a credential. None is ever logged on purpose; this is the net below.
_SIGNED_URL = re.compile(r"(https?://[^\s\"'?]+)\?[^\s\"']+")


class JsonLines(logging.Formatter):
    """Formats a record, whose message is a dict or a text, as one line of JSON."""

    def __init__(self, **always: str) -> None:
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {"level": record.levelname, **self._always}
        message: object = record.msg
        if isinstance(message, dict):
            said.update(cast("dict[str, Any]", message))
        else:
            said["message"] = record.getMessage()
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        line = json.dumps(said, default=str)
        return _SIGNED_URL.sub(r"\1?…", line)


def measured(cluster: str | None, at: float, **counts: int) -> dict[str, Any]:
    """Counts as CloudWatch's embedded metric format has them: logging them is all it takes.

    Their one dimension is the cluster as it was declared.
    """
    if cluster is None or not counts:
        return {}
    metrics = [{"Name": name, "Unit": "Count"} for name in counts]
    return {
        "_aws": {
            "Timestamp": round(at * 1000),
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics}
            ],
        },
        DIMENSION: cluster,
        **counts,
    }


_LEVELS: dict[str | None, int] = {
    None: logging.INFO,
    **dict.fromkeys(("boto3", "botocore", "urllib3", "crhelper"), logging.ERROR),
}


def set_up(**always: str) -> None:
    """Log JSON lines at INFO, each with ``always``; AWS's libraries only speak of errors."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setFormatter(JsonLines(**always))
    for name, level in _LEVELS.items():
        logger = logging.getLogger(name)
        if logger.level != level:  # each setting empties the caches of all loggers
            logger.setLevel(level)
