"""What it takes to verify every node of the largest group there can be."""

from __future__ import annotations

from statistics import median

from benchmarks import processes
from benchmarks.section import Section, count
from hyperpod_software.contract.values import MOST_NODES
from sandbox import Sandbox
from sandbox.clusters import slurm

_NODES = (100, 1000, MOST_NODES)


def run(sandbox: Sandbox, *, quick: bool) -> Section:
    """Verify one page of nodes, ten, and the most there can be."""
    rows: list[list[str]] = []
    for nodes in _NODES:
        name = f"of-{nodes}"
        description = slurm(name, workers=nodes)
        description["InstanceGroups"] = description["InstanceGroups"][2:]
        sandbox.control.add(description)
        before = _pages(sandbox)
        repetitions = 2 if quick else 5
        measured = processes.run(
            "verify_nodes", name, str(repetitions), environment=sandbox.environment
        )
        # Once for the client's sake, once to see the memory.
        calls = (_pages(sandbox) - before) / (repetitions + 2)
        seconds = measured["seconds"]
        rows.append(
            [
                count(measured["nodes"]),
                count(calls),
                f"{median(seconds):.2f}",
                f"{max(seconds):.2f}",
                count(measured["peak"] / 1024),
            ]
        )
    return Section(
        "Verifying every node",
        ("nodes", "ListClusterNodes calls", "median, s", "longest, s", "memory at most, KiB"),
        rows,
        (
            (
                "The handler's own reading and counting, over HTTP, from the simulated HyperPod on the"
                " same machine: the seconds are its work and the simulation's. Memory is what Python"
                " allocated beyond what was there before, at its peak: one page is held at a time."
            ),
        ),
    )


def _pages(sandbox: Sandbox) -> int:
    return sandbox.control.operations().get("ListClusterNodes", 0)
