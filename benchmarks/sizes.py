"""What is remembered, and what is answered, when everything is as large as it can be."""

from __future__ import annotations

from benchmarks import processes
from benchmarks.section import Section, count
from sandbox import Sandbox


def run(sandbox: Sandbox) -> Section:
    """Remember and answer the largest request."""
    measured = processes.run("remember", environment=sandbox.environment)
    parameters: dict[str, int] = measured["parameters"]
    request = {name: size for name, size in parameters.items() if name.startswith("request-")}
    rows = [
        ["the request as it came in, both declarations", count(measured["event"]), "–"],
        [f"as remembered, in {len(request)} parameters", count(sum(request.values())), "–"],
        ["the largest of these", count(max(request.values())), "4,096"],
        *(
            [f"parameter `{name}`", count(size), "4,096"]
            for name, size in sorted(parameters.items())
            if name not in request
        ),
        [f"all {len(parameters)} parameters", count(sum(parameters.values())), "–"],
        ["input of the rule's target", count(measured["target"]), "8,192"],
        ["answer to CloudFormation", count(measured["answer"]), "4,096"],
    ]
    return Section(
        "Sizes at the API's maximums",
        ("bytes", "size", "limit"),
        rows,
        (
            (
                "100 groups with names of 63 random characters and a release each, 10 alarms with names"
                " of 255, and a `ResponseURL` of 2 KB; the declaration before is as large, and shares"
                " no name. A waiter is in its window, and the declaration is kept for others. Written"
                " to and read back from SSM on the sandbox."
            ),
        ),
    )
