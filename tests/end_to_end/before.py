"""A stack as it was deployed before there were waiters: with a wait condition beyond the hour.

`before_the_relay/template.json` is what app.py made at the last commit before the change, of the
context keys `stack=Yesterday cluster=yesterday image=ami-0123456789abcdef0 groups=workers
timeout=720`; `hyperpod_software.tar.xz` is that commit's `lambda/hyperpod_software`.
"""

from __future__ import annotations

import json
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.end_to_end.stacks import Synthesized, by_app

_PLACE = Path(__file__).with_name("before_the_relay")
_NAME = "Yesterday"
CLUSTER = "yesterday"


def deployed_before() -> Synthesized:
    """The stack, with the function of then."""
    template: dict[str, Any] = json.loads((_PLACE / "template.json").read_text())
    (function,) = (
        one["Properties"]
        for one in template["Resources"].values()
        if one["Type"] == "AWS::Lambda::Function"
    )
    (bundle,) = by_app(_NAME, cluster=CLUSTER).files.values()
    return Synthesized(_NAME, template, {function["Code"]["S3Key"]: _with_old_code(bundle)})


def moved(**more: str) -> Synthesized:
    """The same declaration today."""
    keys = {"image": "ami-0123456789abcdef0", "groups": "workers", "timeout": "720", **more}
    return by_app(_NAME, cluster=CLUSTER, **keys)


def _with_old_code(bundle: bytes) -> bytes:
    """The bundle with the code of then: all the rest is the same."""
    old = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(bundle)) as now,
        zipfile.ZipFile(old, "w", zipfile.ZIP_DEFLATED) as then,
        tarfile.open(_PLACE / "hyperpod_software.tar.xz") as code,
    ):
        for name in now.namelist():
            if not name.startswith("hyperpod_software/"):
                then.writestr(name, now.read(name))
        for member in code:
            if (content := code.extractfile(member)) is not None:
                then.writestr(member.name, content.read())
    return old.getvalue()
