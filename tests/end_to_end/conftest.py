"""One sandbox for all tests that need no other, and what is begun there before a module's first.

Also CloudFormation as AWS documents it, with the function by hand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.runner import Sandbox
from tests.end_to_end import cloudformation
from tests.end_to_end.cloudformation import CloudFormation
from tests.end_to_end.function import KILLED, Function
from tests.end_to_end.stacks import MINUTE, SPEED, Cloud, Said, by_app
from tests.end_to_end.story import AHEAD, Hours, Told

PREFIX = "HyperPodSoftware-a51715a5"


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """A bootstrapped account in which everybody may do everything."""
    with Sandbox(clusters=[], bootstrap=True, speed=SPEED, minute=MINUTE) as sandbox:
        cloud = Cloud(sandbox)
        yield cloud
        cloud.close()


@pytest.fixture(scope="module", autouse=True)
def ahead(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Any]]]:
    """What is begun ahead, as far as the module's tests ask for it. It ends with the module: no
    other test has it beside it in its process."""
    items = [item for item in request.session.items if item.path == request.path]
    asked = {name for item in items for name in getattr(item, "fixturenames", ())}
    begins = {name: begin for name, begin in AHEAD.items() if name in asked}
    if not begins:
        yield {}
        return
    cloud = request.getfixturevalue("cloud")
    with ThreadPoolExecutor(len(begins)) as pool:
        yield {name: pool.submit(begin, cloud) for name, begin in begins.items()}


@pytest.fixture(scope="module")
def told(ahead: dict[str, Future[Any]]) -> Told:
    found: Told = ahead["told"].result()
    return found


@pytest.fixture(scope="module")
def hours(ahead: dict[str, Future[Any]]) -> Hours:
    found: Hours = ahead["hours"].result()
    return found


@pytest.fixture(scope="module")
def without_cluster(ahead: dict[str, Future[Any]]) -> Said:
    found: Said = ahead["without_cluster"].result()
    return found


@pytest.fixture(scope="module")
def without_group(ahead: dict[str, Future[Any]]) -> Said:
    found: Said = ahead["without_group"].result()
    return found


# --- CloudFormation as it is --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def formation() -> Iterator[CloudFormation]:
    with CloudFormation() as formation:
        yield formation


@pytest.fixture(scope="module")
def function(
    cloud: Cloud, formation: CloudFormation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    (bundle,) = by_app("Bundle", cluster="ml").files.values()
    environment = {
        **cloud.sandbox.environment,
        "AWS_ENDPOINT_URL_CLOUDFORMATION": formation.url,
    }
    directory = tmp_path_factory.mktemp("bundle")
    with Function(bundle, directory, PREFIX, environment) as function:
        yield function


@pytest.fixture
def stack(
    cloud: Cloud, formation: CloudFormation, function: Function, left: Callable[[], list[str]]
) -> Iterator[cloudformation.Stack]:
    clock = cloud.sandbox.ministack.clock
    formation.now = clock.now
    function.ran.clear()
    formation.moods.clear()
    formation.took.clear()
    stack = cloudformation.Stack(formation, function, cloud.client("events"), clock)
    yield stack
    formation.moods.clear()
    remains = left()
    if stack.status != "DELETE_COMPLETE":
        stack.delete()
    # What was declared may stay for the waiters, as long as the stack is there.
    assert [name for name in remains if "/declaration/" not in name] == []
    assert left() == []
    assert [ran.error for ran in function.ran if ran.error not in (None, KILLED)] == []
    log = "".join(ran.log for ran in function.ran)
    assert "SECRET" not in log
    assert formation.url not in log


@pytest.fixture
def left(cloud: Cloud) -> Callable[[], list[str]]:
    """The rules and parameters that the function left."""

    def found() -> list[str]:
        rules = cloud.client("events").list_rules(NamePrefix=PREFIX)["Rules"]
        path = {"Path": f"/{PREFIX}", "Recursive": True}
        parameters = cloud.client("ssm").get_parameters_by_path(**path)["Parameters"]
        return [str(one["Name"]) for one in (*rules, *parameters)]

    return found
