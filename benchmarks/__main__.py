"""`python -m benchmarks`: run everything, print the tables, write `docs/benchmarks.md`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.aws.environment import ROOT, tools_path

if TYPE_CHECKING:
    from benchmarks.section import Section

_PAGE = ROOT / "docs" / "benchmarks.md"


def main() -> None:
    """Run the benchmarks that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--output", type=Path, default=_PAGE, help="default: docs/benchmarks.md")
    options = parser.parse_args()
    begun = time.monotonic()
    # The CDK looks for its Node when it is imported, which is why the rest is imported later.
    os.environ["PATH"] = tools_path(os.environ)
    from benchmarks.report import page  # noqa: PLC0415

    sections: list[Section] = []
    for section in _sections(quick=options.quick):
        _say(section.markdown())
        sections.append(section)
    options.output.write_text(page(sections, quick=options.quick), encoding="utf-8")
    _say(f"{options.output} written after {time.monotonic() - begun:.0f} seconds.")


def _sections(*, quick: bool) -> Iterator[Section]:
    """Each as soon as it is there; what measures time runs alone."""
    from benchmarks import (  # noqa: PLC0415
        calls,
        changes,
        nodes,
        noticing,
        sizes,
        starts,
        waiters,
        waiting,
    )
    from benchmarks.cloud import Cloud  # noqa: PLC0415
    from sandbox import Sandbox  # noqa: PLC0415

    yield noticing.run(quick=quick)
    minute = waiting.MINUTE
    with Sandbox(clusters=[], minute=minute) as sandbox, Cloud(sandbox) as cloud:
        hour = waiting.Hour(cloud, minute)
        yield hour.finish()
        yield calls.run(cloud, minute)
        yield changes.run(cloud)
    with Sandbox(clusters=[]) as sandbox:
        measures: tuple[Callable[[], Section], ...] = (
            lambda: nodes.run(sandbox, quick=quick),
            lambda: waiters.run(sandbox),
            lambda: sizes.run(sandbox),
            lambda: starts.run(sandbox, quick=quick),
        )
        for measure in measures:
            yield measure()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
