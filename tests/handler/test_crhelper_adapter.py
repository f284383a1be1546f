"""The hooks of crhelper that the handler overrides are there, in the version that is pinned."""

from __future__ import annotations

import inspect
import os
from importlib.metadata import version
from typing import Any

import pytest
from crhelper import CfnResource

from hyperpod_software.crhelper_adapter import SoftwareResource

OVERRIDDEN = sorted(
    name
    for name, value in vars(SoftwareResource).items()
    if inspect.isfunction(value) and name not in ("__init__", "poll")
)


def test_the_installed_crhelper_is_the_one_the_hooks_were_tried_with() -> None:
    assert version("crhelper") == "2.0.12"


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_every_overridden_hook_exists_in_crhelper(name: str) -> None:
    assert callable(getattr(CfnResource, name))


@pytest.mark.parametrize("name", ["_event", "_context", "_sam_local", "_send_response"])
def test_every_attribute_relied_on_exists_in_crhelper(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SAM_LOCAL", "true")
    assert hasattr(CfnResource(), name)


def test_no_client_is_built_and_the_environment_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a client was built at start-up")

    monkeypatch.setattr("boto3.client", refuse)
    monkeypatch.delenv("AWS_SAM_LOCAL", raising=False)
    SoftwareResource(lambda reply, context: None)
    assert "AWS_SAM_LOCAL" not in os.environ


def test_an_error_is_raised_so_that_lambda_delivers_again_and_not_answered_as_failed() -> None:
    sent: list[Any] = []
    resource = SoftwareResource(lambda reply, context: sent.append(reply))

    @resource.create
    def broken(event: dict[str, Any], context: Any) -> None:
        raise ValueError("a defect")

    event = {
        "RequestType": "Create",
        "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/S/1",
        "RequestId": "r",
        "LogicalResourceId": "L",
        "ResponseURL": "https://example.invalid/",
    }
    with pytest.raises(RuntimeError, match="a defect"):
        resource(event, None)
    assert not sent
