"""One sandbox for all tests that need no other, and what is begun there before the first test."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.runner import Sandbox
from tests.end_to_end.stacks import MINUTE, SPEED, Cloud, Said, Stack
from tests.end_to_end.story import AHEAD, Told


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """A bootstrapped account in which everybody may do everything."""
    with Sandbox(clusters=[], bootstrap=True, speed=SPEED, minute=MINUTE) as sandbox:
        cloud = Cloud(sandbox)
        yield cloud
        cloud.close()


@pytest.fixture(scope="session", autouse=True)
def ahead(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[dict[str, Future[Any]]]:
    """What is begun ahead, as far as the chosen tests ask for it."""
    asked = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor(len(AHEAD)) as pool:
        yield {name: pool.submit(begin, cloud) for name, begin in AHEAD.items() if name in asked}


@pytest.fixture(scope="session")
def told(ahead: dict[str, Future[Any]]) -> Told:
    found: Told = ahead["told"].result()
    return found


@pytest.fixture(scope="session")
def without_cluster(ahead: dict[str, Future[Any]]) -> Said:
    found: Said = ahead["without_cluster"].result()
    return found


@pytest.fixture(scope="session")
def without_group(ahead: dict[str, Future[Any]]) -> Said:
    found: Said = ahead["without_group"].result()
    return found


@pytest.fixture(scope="session")
def slow(ahead: dict[str, Future[Any]]) -> Stack:
    found: Stack = ahead["slow"].result()
    return found
