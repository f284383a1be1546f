"""`python -m sandbox.demo`: a cluster is patched by the real CDK CLI, on a local AWS, and counted."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from rich.console import Console

from sandbox.control import ControlError
from sandbox.demo.cdk_cli import Cli, CliError
from sandbox.demo.claims import Claim
from sandbox.demo.scenario import PACE, Scenario, ScenarioError, cluster
from sandbox.demo.screen import Screen
from sandbox.demo.traces import Traces
from sandbox.runner import Sandbox, SandboxError

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the demo. Exit status 0 only if all it claims was measured to be so."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    screen = Screen(Console(highlight=False))
    traces = Traces()
    began = time.monotonic()
    try:
        claims = _run(screen, traces)
        claims.append(_nothing_left(traces))
        return _judge(screen, claims, time.monotonic() - began)
    except KeyboardInterrupt:
        return _interrupted(screen, traces)
    except ScenarioError as error:
        screen.line()
        for line in error.lines:
            screen.verbatim(line, "dim")
        return _failed(str(error))
    except (CliError, ControlError, SandboxError) as error:
        return _failed(str(error))


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _run(screen: Screen, traces: Traces) -> list[Claim]:
    """Set up, run the scenario, and clear away whatever happens."""
    sandbox = Sandbox(clusters=[cluster()], bootstrap=True, pace=PACE)
    cli: Cli | None = None
    try:
        _greet(screen)
        sandbox.start()
        screen.settle(erase=True)
        cli = Cli(sandbox.environment, sandbox.scratch)
        traces.groups = cli.groups
        traces.note(sandbox)
        with contextlib.closing(Scenario(sandbox, screen, cli)) as scenario:
            return scenario.run()
    finally:
        # Clearing away takes a moment, and is not to be cut short.
        for number in (signal.SIGINT, *_SIGNALS):
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(OSError):  # The terminal may be gone.
            screen.settle()
        if cli:
            cli.stop()
        sandbox.stop()


def _greet(screen: Screen) -> None:
    screen.line("Patching a SageMaker HyperPod cluster with cdk deploy", "bold")
    screen.say(
        "The CDK CLI, app.py and the function are the real ones. AWS is MiniStack, and HyperPod a "
        f"simulation, both on loopback. One second here is {PACE:g} seconds of HyperPod's."
    )
    screen.line()
    screen.draw(("   Starting MiniStack, and cdk bootstrap …", "dim"))


def _nothing_left(traces: Traces) -> Claim:
    left = traces.left_for_good()
    counts = f"{len(traces.groups)} process groups, {len(traces.addresses)} ports"
    text = f"Left on this machine, of {counts} and the temporary directory: none."
    return Claim(text, not left, f"left behind: {', '.join(left)}")


def _judge(screen: Screen, claims: Sequence[Claim], seconds: float) -> int:
    for claim in claims:
        text = claim.text if claim.holds else f"Not so: {claim.otherwise}."
        screen.item(text, good=claim.holds)
    broken = [claim for claim in claims if not claim.holds]
    screen.line()
    if broken:
        measured = "; ".join(claim.otherwise for claim in broken)
        return _failed(f"{len(broken)} of {len(claims)} claims do not hold: {measured}")
    screen.say(f"All {len(claims)} measured, in {seconds:.0f} s. To type these commands yourself:")
    screen.command(["make", "sandbox"])
    return 0


def _interrupted(screen: Screen, traces: Traces) -> int:
    left = traces.left_for_good()
    with contextlib.suppress(OSError):
        screen.line()
        screen.line(f"Interrupted; left behind: {', '.join(left) or 'nothing'}.")
    return 130


def _failed(message: str) -> int:
    print(f"demo: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
