"""Patches of hours, waited for in windows, on a sandbox whose clock is put ahead.

Policies are enforced here, and stacks are made with the service role of the CDK's bootstrap.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aws_cdk import CfnOutput, CfnWaitConditionHandle, Fn
from aws_cdk import Stack as CdkStack
from aws_cdk import aws_ssm as ssm

from hyperpod_software.contract.properties import SOFTWARE_TYPE, WAITER_TYPE
from sandbox.aws.images import NEW, NEWER
from sandbox.clusters import slurm, training
from sandbox.runner import Sandbox
from sandbox.waiting import until
from tests.end_to_end.before import deployed_before, moved
from tests.end_to_end.declared import workers, workers_of
from tests.end_to_end.stacks import (
    Cloud,
    Guarded,
    Stack,
    Synthesized,
    by_app,
    by_hand,
    denied,
    images,
    patched,
)
from tests.end_to_end.story import Hours

HOUR = 3600
LOOKS_EVERY = 120
"""Seconds: as late as a schedule of a minute may be, and a window still end in time."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """An account in which policies are enforced, and hours pass while everything waits."""
    with Sandbox(
        clusters=[], bootstrap=True, auth=True, pace=math.inf, minute=LOOKS_EVERY
    ) as sandbox:
        cloud = Guarded(sandbox)
        yield cloud
        cloud.close()


def went_through(stack: Stack, since: int = 0) -> list[tuple[str, str]]:
    """What the resource and its waiters went through after so many events, oldest first."""
    return [
        (name_of(event["LogicalResourceId"]), str(event["ResourceStatus"]))
        for event in stack.events()[since:]
        if event["ResourceType"] in (SOFTWARE_TYPE, WAITER_TYPE)
    ]


def name_of(logical_id: str) -> str:
    """What a window is called, without the hash that the CDK adds."""
    return logical_id[:-8].removeprefix("ClusterSoftware") or "Resource"


def waiters(synthesized: Synthesized) -> list[str]:
    resources = synthesized.template["Resources"]
    return [name_of(name) for name, one in resources.items() if one["Type"] == WAITER_TYPE]


def end(stack: Stack, number: int) -> dict[str, Any]:
    """What the function says about the end of the request of that number, from 1."""
    return stack.ends(number)[number - 1]


# --- When the patch begins, and when it ends ---------------------------------------------------------


def test_a_cluster_that_is_busy_for_two_hours_is_patched_in_a_later_window(cloud: Cloud) -> None:
    cloud.add(training("occupied"), node_seconds=2 * HOUR, jitter=0.0)
    theirs = [{"InstanceGroupName": "inference"}]
    cloud.control.patch(ClusterName="occupied", ImageId=NEWER.id, InstanceGroups=theirs)
    stack = cloud.deploy(workers("Occupied", "occupied", NEW.id, hours=6))
    assert stack.status == "CREATE_COMPLETE"
    assert patched(cloud, "occupied") == [(NEWER.id, ["inference"]), (NEW.id, ["workers"])]
    others, ours = (call["Time"] for call in cloud.control.calls("occupied", accepted=True))
    assert ours - others > 2 * HOUR
    assert end(stack, 1)["window"] == 5
    assert images(cloud, "occupied")["workers"] == NEW.id
    assert denied(stack, 1) == []
    assert stack.left() == []


def test_the_last_window_fails_with_how_far_the_patch_got(cloud: Cloud) -> None:
    cloud.add(slurm("slow"), node_seconds=1e6)
    stack = cloud.deploy(workers("Slow", "slow", NEW.id, hours=2))
    assert stack.status == "ROLLBACK_COMPLETE"
    assert ("WaiterLast", "CREATE_FAILED") in went_through(stack)
    assert stack.failure.startswith(
        "The timeout of 7200 seconds passed before the patch of cluster slow ended: "
        "group workers is InProgress, and 0 of 16 nodes counted on the image that HyperPod is "
        "bringing. The patch continues on the cluster, but this deployment no longer monitors it. Log group: "
    )
    assert len(cloud.control.calls("slow")) == 1
    assert stack.left() == []


def test_what_depends_on_the_construct_is_created_after_the_last_window(cloud: Cloud) -> None:
    cloud.add(slurm("depended"), node_seconds=1.5 * HOUR)

    def declare(stack: CdkStack) -> None:
        patch = workers_of(stack, "depended", NEW.id, hours=2.5)
        CfnWaitConditionHandle(stack, "Later").node.add_dependency(patch)

    stack = cloud.deploy(by_hand("Depended", declare))
    completed = [
        event["LogicalResourceId"]
        for event in stack.events()
        if event["ResourceStatus"] == "CREATE_COMPLETE"
    ]
    assert [name_of(name) for name in completed[-5:-2]] == ["Resource", "Waiter2", "WaiterLast"]
    assert completed[-2:] == ["Later", "Depended"]
    assert end(stack, 1)["window"] == 2


# --- There and back -----------------------------------------------------------------------------------


def test_each_way_between_two_images_is_a_patch_of_its_own(cloud: Cloud) -> None:
    cloud.add(slurm("pendulum"), node_seconds=1.2 * HOUR, jitter=0.0)
    there, back = (workers("Pendulum", "pendulum", image, hours=3) for image in (NEW.id, NEWER.id))
    stack = Stack(cloud, there)
    for number, declared in enumerate((there, back, there, back), 1):
        cloud.deploy(declared)
        image = declared.software["Properties"]["ImageId"]
        assert images(cloud, "pendulum")["workers"] == image
        assert (end(stack, number)["outcome"], end(stack, number)["window"]) == ("Patched", 2)
    assert stack.status == "UPDATE_COMPLETE"
    assert [image for image, _ in patched(cloud, "pendulum")] == [NEW.id, NEWER.id] * 2
    assert cloud.control.replaced("pendulum")["workers"] == 4 * 16
    assert stack.left() == []


def test_the_groups_are_patched_back_when_something_fails_after_the_last_window(
    cloud: Cloud,
) -> None:
    cloud.add(slurm("longback"), node_seconds=1.2 * HOUR, jitter=0.0)
    stack = cloud.deploy(workers("Longback", "longback", NEW.id, hours=3))
    cloud.deploy(workers("Longback", "longback", NEWER.id, hours=3, later_fails=True))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert [image for image, _ in patched(cloud, "longback")] == [NEW.id, NEWER.id, NEW.id]
    assert images(cloud, "longback")["workers"] == NEW.id
    assert (end(stack, 3)["outcome"], end(stack, 3)["window"]) == ("Restored", 2)
    assert denied(stack, 3) == []
    assert stack.left() == []


def test_a_rollback_with_too_few_windows_is_watched_to_the_end_of_the_patch(cloud: Cloud) -> None:
    cloud.add(slurm("cancelled"), node_seconds=1.2 * HOUR, jitter=0.0)
    stack = cloud.deploy(workers("Cancelled", "cancelled", NEW.id, hours=6))
    with cloud.clock_held():
        cloud.begin(workers("Cancelled", "cancelled", NEWER.id, hours=6))
        until(lambda: len(patched(cloud, "cancelled")) == 2 or None, "the call")
        cloud.client("cloudformation").cancel_update_stack(StackName=stack.name)
    # The waiters were not reached, so the resource alone waits in the rollback.
    assert stack.wait() == "UPDATE_ROLLBACK_COMPLETE"
    assert went_through(stack)[-2:] == [
        ("Resource", "UPDATE_IN_PROGRESS"),
        ("Resource", "UPDATE_COMPLETE"),
    ]
    restored = end(stack, 2)
    assert (restored["outcome"], restored["window"]) == ("Restored", 1)
    assert restored["seconds_since_request"] > HOUR
    assert images(cloud, "cancelled")["workers"] == NEW.id
    assert [image for image, _ in patched(cloud, "cancelled")] == [NEW.id, NEWER.id, NEW.id]
    assert denied(stack, 2) == []
    assert stack.left() == []


# --- The timeout alone --------------------------------------------------------------------------------


def test_a_timeout_that_grows_and_shrinks_patches_nothing_and_moves_no_output(
    cloud: Cloud,
) -> None:
    cloud.add(slurm("elastic"), node_seconds=600)

    def declared(minutes: int) -> Synthesized:
        keys = {"cluster": "elastic", "groups": "workers", "image": NEW.id}
        return by_app("Elastic", timeout=str(minutes), **keys)

    stack = cloud.deploy(declared(110))
    first = stack.outputs
    assert first["Outcome"] == "Patched"
    for minutes in (300, 150, 57, 110):
        cloud.deploy(declared(minutes))
        assert stack.status == "UPDATE_COMPLETE"
        assert stack.outputs == {
            **first,
            "Outcome": "NothingToPatch",
            "PatchedInstanceGroups": "",
            "PatchedNodeCount": "0",
        }
    assert len(cloud.control.calls("elastic")) == 1
    assert stack.left() == []
    stack.delete()
    assert stack.left() == []


# --- Two stacks -----------------------------------------------------------------------------------------


def test_another_stack_imports_the_cluster_and_stays_when_that_is_patched(cloud: Cloud) -> None:
    cloud.add(slurm("shared"), node_seconds=1.2 * HOUR)

    def export(image: str) -> Synthesized:
        def declare(stack: CdkStack) -> None:
            patch = workers_of(stack, "shared", image, hours=3)
            CfnOutput(stack, "Cluster", value=patch.cluster_arn, export_name="patched-cluster")

        return by_hand("Exporting", declare)

    def use(stack: CdkStack) -> None:
        arn = Fn.import_value("patched-cluster")
        ssm.CfnParameter(stack, "Cluster", name="/cluster", type="String", value=arn)

    exporting = cloud.deploy(export(NEW.id))
    importing = cloud.deploy(by_hand("Importing", use))
    assert (exporting.status, importing.status) == ("CREATE_COMPLETE",) * 2
    cloud.deploy(export(NEWER.id))
    assert exporting.status == "UPDATE_COMPLETE"
    assert [image for image, _ in patched(cloud, "shared")] == [NEW.id, NEWER.id]
    found = cloud.client("ssm").get_parameter(Name="/cluster")["Parameter"]["Value"]
    assert found == cloud.control.describe("shared")["ClusterArn"]
    assert exporting.left() == []


# --- Credentials ----------------------------------------------------------------------------------------


def test_a_stack_without_a_role_is_refused_beyond_one_window(cloud: Cloud) -> None:
    cloud.add(slurm("roleless"))
    stack = cloud.deploy(workers("Roleless", "roleless", NEW.id, hours=3), RoleARN=None)
    assert stack.status == "ROLLBACK_COMPLETE"
    assert stack.failure.startswith(
        "A timeout of 10800 seconds needs a stack with a service role: without one CloudFormation "
        "works with the credentials of the caller, which end before. Deploy with a role (CDK's "
        "default synthesizer does), declare at most 3420 seconds, or insist with "
        "allow_caller_credentials. Nothing was patched. Log group: "
    )
    assert cloud.control.calls("roleless") == []
    assert stack.left() == []


def test_within_one_window_or_on_demand_a_stack_needs_no_role(cloud: Cloud) -> None:
    cloud.add(slurm("insisting"), node_seconds=600)
    stack = cloud.deploy(workers("Insisting", "insisting", NEW.id), RoleARN=None)
    assert stack.status == "CREATE_COMPLETE"
    insisting = workers("Insisting", "insisting", NEWER.id, hours=3, allow_caller_credentials=True)
    cloud.deploy(insisting, RoleARN=None)
    assert stack.status == "UPDATE_COMPLETE"
    assert [image for image, _ in patched(cloud, "insisting")] == [NEW.id, NEWER.id]


# --- From before ------------------------------------------------------------------------------------------


def test_a_stack_from_before_moves_over_and_patches_nothing_unless_that_fails(
    cloud: Cloud,
) -> None:
    cloud.add(slurm("yesterday"), node_seconds=1.2 * HOUR)
    stack = cloud.deploy(deployed_before())
    assert moved().prefix == deployed_before().prefix
    assert stack.status == "CREATE_COMPLETE"
    assert stack.outputs["Outcome"] == "Patched"
    before = stack.outputs
    cloud.deploy(failing_later(moved()))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.outputs == before
    assert stack.left() == []
    cloud.deploy(moved())
    assert stack.status == "UPDATE_COMPLETE"
    assert stack.outputs["ClusterArn"] == before["ClusterArn"]
    assert stack.outputs["Outcome"] == "NothingToPatch"
    assert len(cloud.control.calls("yesterday")) == 1
    cloud.deploy(moved(image=NEWER.id))
    assert stack.outputs["Outcome"] == "Patched"
    assert [image for image, _ in patched(cloud, "yesterday")] == [NEW.id, NEWER.id]
    assert stack.left() == []


def failing_later(synthesized: Synthesized) -> Synthesized:
    """The same with something that fails after the last waiter: nobody ever signals it."""
    template = json.loads(json.dumps(synthesized.template))
    (last,) = (name for name in template["Resources"] if "WaiterLast" in name)
    template["Resources"] |= {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Later": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "DependsOn": last,
            "Properties": {"Count": 1, "Handle": {"Ref": "Handle"}, "Timeout": "1"},
        },
    }
    return replace(synthesized, template=template)


# --- Through the command line -----------------------------------------------------------------------


def test_a_patch_of_four_hours_is_waited_for_in_five_windows(hours: Hours) -> None:
    step = hours.created
    assert step.said.code == 0, step.said.text
    assert [call["Parameters"]["ImageId"] for call in step.calls] == [NEW.id]
    assert step.replaced == {"workers": 16}
    assert step.outputs == {
        "ClusterArn": "arn:aws:sagemaker:us-east-1:000000000000:cluster/hours0123456",
        "Outcome": "Patched",
        "PatchedInstanceGroups": "workers",
        "PatchedNodeCount": "16",
    }
    assert end(hours.stack, 1)["window"] == 5
    assert end(hours.stack, 1)["seconds_since_request"] > 4 * HOUR


def test_the_command_line_shows_each_window(hours: Hours) -> None:
    names = [*(f"Waiter{window}" for window in range(2, 22)), "WaiterLast"]
    for status in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"):
        shown = rf"\| {status} +\| {WAITER_TYPE} +\| ClusterSoftware/(\w+)/Default"
        assert re.findall(shown, hours.created.said.text) == names


def test_a_diff_between_two_images_shows_no_waiter(hours: Hours) -> None:
    _, _, shown = hours.compared.said.text.partition("Stack Hours")
    assert [line.rstrip() for line in shown.splitlines()[1:] if line.strip()] == [
        "Resources",
        f"[~] {SOFTWARE_TYPE} ClusterSoftware/Resource ClusterSoftwareCE00E3E5",
        " └─ [~] ImageId",
        f"     ├─ [-] {NEW.id}",
        f"     └─ [+] {NEWER.id}",
        "✨  Number of stacks with differences: 1",
    ]


def test_a_failure_in_the_third_window_is_patched_back_in_as_many(hours: Hours) -> None:
    step = hours.failed
    assert step.said.code == 1
    assert [call["Parameters"]["ImageId"] for call in step.calls] == [NEWER.id, NEW.id]
    assert step.images["workers"] == NEW.id
    assert step.status == "UPDATE_ROLLBACK_COMPLETE"
    failed, restored = end(hours.stack, 2), end(hours.stack, 3)
    assert (failed["outcome"], failed["window"]) == ("Failed", 3)
    assert (restored["outcome"], restored["window"]) == ("Restored", 3)
    first = [
        (name, f"UPDATE_{status}")
        for name, status in [
            ("Resource", "IN_PROGRESS"),
            ("Resource", "COMPLETE"),
            ("Waiter2", "IN_PROGRESS"),
            ("Waiter2", "COMPLETE"),
            ("Waiter3", "IN_PROGRESS"),
        ]
    ]
    assert went_through(hours.stack)[-12:] == [
        *first,
        ("Waiter3", "UPDATE_FAILED"),
        *first,
        ("Waiter3", "UPDATE_COMPLETE"),
    ]


def test_the_user_reads_why_the_third_window_failed(hours: Hours) -> None:
    step = hours.failed
    assert step.failure is not None
    assert step.failure.startswith(
        f"HyperPod ended the update of workers in cluster hours, but of 16 nodes 14 run {NEWER.id}"
    )
    assert step.failure in step.said.words


def test_nothing_is_denied_and_nothing_left_in_all_these_hours(hours: Hours) -> None:
    assert denied(hours.stack, 3) == []
    assert hours.stack.left() == []
