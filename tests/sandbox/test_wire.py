"""The simulated service as the SDK meets it."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from sandbox import ControlError
from sandbox.aws.web import WebError, ask
from sandbox.control import Control
from tests.sandbox.service import NEW


def test_the_sdk_describes_patches_and_lists(wire: Any) -> None:
    with wire.client() as client:
        described = client.describe_cluster(ClusterName="ml")
        assert described["CreationTime"].tzinfo is not None
        answer = client.update_cluster_software(
            ClusterName="ml", ImageId=NEW, InstanceGroups=[{"InstanceGroupName": "workers"}]
        )
        assert answer["ClusterArn"] == described["ClusterArn"]
        wire.control.wait_idle()
        pages = client.get_paginator("list_cluster_nodes").paginate(
            ClusterName="ml", PaginationConfig={"PageSize": 7}
        )
        nodes = [node for page in pages for node in page["ClusterNodeSummaries"]]
        assert len(nodes) == 18
        assert nodes[0]["LaunchTime"] < datetime.now(UTC)
    assert wire.control.replaced("ml") == {"controller": 0, "login": 0, "workers": 16}
    assert [call["Nodes"] for call in wire.control.calls("ml", accepted=True)] == [16]
    assert wire.control.operations()["ListClusterNodes"] == 3


@pytest.mark.parametrize(
    ("call", "given", "code"),
    [
        ("describe_cluster", {"ClusterName": "nosuch"}, "ResourceNotFound"),
        ("describe_cluster", {"ClusterName": "no_name"}, "ValidationException"),
        ("list_models", {}, "UnknownOperationException"),
    ],
)
def test_errors_arrive_under_their_codes(
    wire: Any, call: str, given: dict[str, str], code: str
) -> None:
    with wire.client() as client, pytest.raises(ClientError, match=rf"\({code}\).*: ."):
        getattr(client, call)(**given)


def test_modelled_errors_arrive_as_their_own_classes(wire: Any) -> None:
    wire.control.set(refusals=[{"code": "ConflictException"}])
    with wire.client() as client, pytest.raises(client.exceptions.ConflictException):
        client.update_cluster_software(ClusterName="ml", ImageId=NEW)


def test_a_request_nobody_signed_is_refused(wire: Any) -> None:
    request = urllib.request.Request(
        wire.server.url, data=b"{}", headers={"X-Amz-Target": "SageMaker.ListClusters"}
    )
    with pytest.raises(HTTPError) as error:
        urllib.request.urlopen(request)
    with error.value as answer:
        assert answer.code == 403
        assert b"MissingAuthenticationToken" in answer.read()


def test_after_a_lost_answer_the_sdk_tries_again_and_meets_its_own_patch(wire: Any) -> None:
    wire.control.set(node_seconds=1e9, refusals=[{"code": "AnswerLost"}])
    with wire.client() as client, pytest.raises(client.exceptions.ConflictException):
        client.update_cluster_software(ClusterName="ml", ImageId=NEW)
    calls = wire.control.calls()
    assert [c["Outcome"] for c in calls] == ["Accepted", "ConflictException"]
    assert [c["AnswerLost"] for c in calls] == [True, False]


def test_server_errors_have_their_status(wire: Any) -> None:
    wire.control.set(refusals=[{"code": "InternalFailure", "times": 9}])
    with wire.client() as client, pytest.raises(ClientError) as error:
        client.describe_cluster(ClusterName="ml")
    metadata = error.value.response.get("ResponseMetadata", {})
    assert metadata.get("HTTPStatusCode") == 500


def test_clusters_come_and_go_by_control(wire: Any) -> None:
    group = {"InstanceGroupName": "g", "CurrentCount": 3}
    arn = wire.control.add({"ClusterName": "added", "InstanceGroups": [group]})
    with wire.client() as client:
        assert client.describe_cluster(ClusterName=arn)["ClusterName"] == "added"
        wire.control.vanish("added")
        with pytest.raises(client.exceptions.ResourceNotFound):
            client.describe_cluster(ClusterName=arn)


def test_somebody_else_patches_and_scales(wire: Any) -> None:
    wire.control.patch(ClusterName="ml", ImageId=NEW)
    wire.control.wait_idle()
    wire.control.scale("ml", "workers", 4)
    wire.control.wait(lambda it: it["InstanceGroups"][2]["CurrentCount"] == 4, "ml")
    assert [call["Caller"] for call in wire.control.calls()] == ["somebody-else"]
    wire.control.forget()
    assert wire.control.calls() == []


FRUITLESS: list[tuple[Callable[[Control], object], str]] = [
    (lambda c: c.set(sped=1), "unknown setting"),
    (lambda c: c.set("ml", throttling=2), "between 0 and 1"),
    (lambda c: c.vanish("nosuch"), "not found"),
    (lambda c: c.scale("ml", "nosuch", 1), "no instance group"),
    (lambda c: c.patch(ClusterName="ml", ImageId="x"), "ValidationException"),
    (lambda c: c.describe("nosuch"), "no cluster nosuch"),
    (lambda c: c.add_images([]), "MiniStack"),
]


@pytest.mark.parametrize(("call", "words"), FRUITLESS)
def test_control_calls_that_come_to_nothing_say_why(
    wire: Any, call: Callable[[Control], object], words: str
) -> None:
    with pytest.raises(ControlError, match=words):
        call(wire.control)


def test_unknown_control_calls_are_named(wire: Any) -> None:
    with pytest.raises(WebError, match="there is no /_sandbox/nosuch"):
        ask(f"{wire.server.url}/_sandbox/nosuch")


def test_a_stopped_service_leaves_its_port(wire: Any) -> None:
    with wire.client() as client:
        client.list_clusters()
        wire.server.stop()
        address = urlsplit(str(wire.server.url))
        with socket.socket() as probe:
            assert probe.connect_ex((address.hostname, address.port)) != 0
