"""`docs/benchmarks.md`: all tables, and how to repeat them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.section import Section, wrapped

_PACKAGES = ("aws-cdk-lib", "boto3", "crhelper", "ministack")
_NUMBERS = {1: "one core", 2: "two cores", 4: "four cores", 8: "eight cores"}


def page(sections: Sequence[Section], *, quick: bool) -> str:
    """The whole page."""
    cores = os.cpu_count() or 1
    on = _NUMBERS.get(cores, f"{cores} cores")
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    head = """# Benchmarks

Ours beside what one would use otherwise, on the sandbox: no AWS account is used. Repeat them with

```console
$ make bench
```

"""
    repeat = (
        "It takes some minutes and writes this page anew; nothing else should run meanwhile."
        " `python -m benchmarks --quick` makes do with fewer repetitions. Counts and sizes hardly"
        f" change from run to run. Seconds are those of the machine, which had {on}: read the"
        " ratios."
    )
    measured = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}{' with `--quick`' if quick else ''}, with"
        f" Python {platform.python_version()}, {versions}."
    )
    tables = "\n".join(section.markdown() for section in sections)
    return f"{head}{wrapped(repeat)}\n\n{wrapped(measured)}\n\n{tables}"
