"""Progress for people."""

from __future__ import annotations

from sandbox.progress import group_progress, progress_lines
from tests.sandbox.service import NEW, OLD, Service, batches


def test_a_group_midway_shows_how_many_nodes_are_done_and_where_it_is_going() -> None:
    service = Service()
    service.patch("workers", RollingUpdatePolicy=batches(4))
    service.at(130)
    lines = progress_lines(service.call("DescribeCluster", ClusterName="ml"))
    assert len(lines) == 3
    assert "█████░░░░░░░░░░░░░░░" in lines[2]
    assert "4/16" in lines[2]
    assert "InProgress" in lines[2]
    assert f"{OLD} → {NEW}" in lines[2]


def test_a_group_that_says_nothing_is_shown_as_unknown() -> None:
    progress = group_progress({"InstanceGroupName": "g", "CurrentCount": 2, "Status": "InService"})
    assert progress.line() == f"g  {'·' * 20}        ?/2  InService           unknown image"
    assert not progress.moving


def test_release_versions_are_shown_with_their_image() -> None:
    group = {"CurrentImageId": "default", "CurrentImageReleaseVersion": "1.2.0"}
    assert group_progress(group).current == "default 1.2.0"
