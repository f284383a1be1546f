"""What is read of a cluster before anything is patched: its nodes, and who else patches it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hyperpod_software.engine.observe import PAUSE
from tests.handler.parts import Parts, event
from tests.lifecycle.samples import cluster, group, node, properties

UP_TO_DATE: dict[str, Any] = {"image_id": "default", "image_status": "UpToDate"}
LATEST = event(ResourceProperties=properties(ImageId="default"))


def steady(nodes: int = 4) -> Parts:
    """A cluster that says in every reading that there is no newer image."""
    parts = Parts(cluster(group(**UP_TO_DATE, current_count=nodes)))
    parts.hyperpod.nodes_seen = [
        node(number=number, image_status="UpToDate") for number in range(nodes)
    ]
    return parts


def outcome(parts: Parts) -> str | None:
    reply = parts.begin(LATEST)
    return None if reply is None else str(reply.response["Data"]["Outcome"])


def test_rule_03_three_readings_that_agree_prove_the_latest_image() -> None:
    parts = steady()
    assert outcome(parts) == "NothingToPatch"
    assert parts.hyperpod.described == 3
    assert not parts.hyperpod.calls


def test_rule_03_one_reading_that_flaps_lets_the_group_be_patched() -> None:
    parts = steady()
    parts.hyperpod.nodes_seen[2] = node(number=2, image_status="UpdateAvailable")
    assert outcome(parts) is None
    assert parts.hyperpod.described == 1
    assert parts.hyperpod.calls == [("workers",)]


def test_nodes_that_take_too_long_to_read_prove_nothing() -> None:
    parts = steady(nodes=100)
    parts.hyperpod.seconds_per_node = 0.3
    began = parts.now
    assert outcome(parts) is None
    assert parts.hyperpod.calls == [("workers",)]
    assert parts.now - began < 60 + PAUSE


def test_what_else_patches_a_declared_group_is_told_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="hyperpod_software")
    automatic = "AutoPatchConfig WhenIdle"
    parts = Parts(cluster(group(patched_by=automatic), group("other", patched_by=automatic)))
    parts.begin(event())
    parts.look()
    lines: list[Any] = [record.msg for record in caplog.records]
    told = [line for line in lines if line["stage"] == "patched by others"]
    assert [line["groups"] for line in told] == [{"workers": automatic}]
