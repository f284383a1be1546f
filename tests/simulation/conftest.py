"""Says in the end of a test run what the simulated histories amounted to."""

from __future__ import annotations

import pytest

from tests.simulation.counts import KEPT


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = config.stash.get(KEPT, None)
    if lines is not None:
        terminalreporter.section("simulated lifecycles")
        for line in lines:
            terminalreporter.line(line)
