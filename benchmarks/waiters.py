"""What a waiter costs that has nothing to wait for."""

from __future__ import annotations

from benchmarks import processes
from benchmarks.section import Section, count
from sandbox import Sandbox


def run(sandbox: Sandbox) -> Section:
    """Let one pass on what it was given."""
    calls: dict[str, int] = processes.run("pass_on", environment=sandbox.environment)["calls"]
    looks = sum(made for name, made in calls.items() if name.startswith("sagemaker."))
    return Section(
        "A waiter with nothing to wait for",
        ("", "invocations", "AWS calls", "looks at the cluster"),
        [["passes the result on", "1", count(sum(calls.values())), count(looks)]],
        (
            (
                "A declared timeout beyond 57 minutes has a waiter for each further 57 minutes. Where"
                " the patch ended before, or nothing was patched, each of them answers with what it was"
                f" given: {', '.join(f'{made} × {name}' for name, made in calls.items())}."
            ),
        ),
    )
