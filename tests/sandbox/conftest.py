from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from sandbox import Control, Sandbox, sdk
from sandbox.aws.server import HyperPodServer
from sandbox.clusters import slurm
from sandbox.hyperpod import RELEASES, Faults, HyperPod, load_cluster
from tests.sandbox.service import CHECKS


class Wire:
    """A simulated service on a port, without MiniStack; fast, so that a patch takes no time."""

    def __init__(self) -> None:
        hyperpod = HyperPod(rng=Random(3), faults=Faults(speed=20_000.0), checks=CHECKS)
        hyperpod.add(load_cluster(slurm(), rng=Random(1), now=0.0, releases=RELEASES))
        self.server = HyperPodServer(hyperpod)
        self.control = Control(self.server.url)

    @contextmanager
    def client(self, **more: str) -> Generator[Any]:
        keys = {"key": "test", "secret": "test", **more}
        client = sdk.client("sagemaker", endpoint=self.server.url, region="us-east-1", **keys)
        yield client
        client.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    wire.server.start()
    yield wire
    wire.server.stop()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(speed=2_000.0) as sandbox:
        yield sandbox
