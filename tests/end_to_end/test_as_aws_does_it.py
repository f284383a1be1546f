"""Where the sandbox patches MiniStack's CloudFormation, and what a stack of ours makes of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aws_cdk import Stack as CdkStack
from botocore.exceptions import ClientError

from hyperpod_patching import ClusterSoftware, SoftwareImage
from hyperpod_software.contract.properties import SOFTWARE_TYPE
from sandbox.aws.images import NEW, NEWER
from sandbox.clusters import slurm
from tests.end_to_end.stacks import (
    ROLE,
    Cloud,
    Stack,
    Synthesized,
    by_app,
    by_hand,
    patched,
)

CREATED = ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]


def declaring(stack_name: str, **groups: str) -> Synthesized:
    """A stack with one construct for each group, by that name, and the AMI declared for it."""

    def declare(stack: CdkStack) -> None:
        for name, image in groups.items():
            ClusterSoftware(
                stack,
                name,
                cluster=stack_name.lower(),
                image=SoftwareImage.custom_ami(image),
                instance_groups=[name.removeprefix("renamed_")],
            )

    return by_hand(stack_name, declare)


def test_a_second_declaration_in_an_update_patches_at_once(cloud: Cloud) -> None:
    cloud.add(slurm("second"))
    stack = cloud.deploy(declaring("Second", login=NEW.id))
    cloud.deploy(declaring("Second", login=NEW.id, workers=NEWER.id))
    assert stack.status == "UPDATE_COMPLETE"
    assert patched(cloud, "second") == [(NEW.id, ["login"]), (NEWER.id, ["workers"])]
    assert went_through(stack, "workers") == CREATED
    assert stack.left() == []


def test_a_renamed_construct_patches_at_once(cloud: Cloud) -> None:
    cloud.add(slurm("renamed"))
    stack = cloud.deploy(declaring("Renamed", workers=NEW.id))
    cloud.deploy(declaring("Renamed", renamed_workers=NEWER.id))
    assert stack.status == "UPDATE_COMPLETE"
    assert patched(cloud, "renamed") == [(NEW.id, ["workers"]), (NEWER.id, ["workers"])]
    assert went_through(stack, "renamedworkers") == CREATED
    assert stack.left() == []


def test_a_failed_create_is_followed_by_a_delete_under_its_id(cloud: Cloud) -> None:
    cloud.add(slurm("unmade"))
    stack = cloud.deploy(by_app("Unmade", cluster="unmade", groups="nosuch"))
    assert stack.status == "ROLLBACK_COMPLETE"
    assert stack.statuses() == [
        "CREATE_IN_PROGRESS",
        "CREATE_FAILED",
        "DELETE_IN_PROGRESS",
        "DELETE_COMPLETE",
    ]
    deleted = [e for e in stack.events() if e["ResourceType"] == SOFTWARE_TYPE][-1]
    assert deleted["PhysicalResourceId"] == "unmade"
    assert stack.left() == []


def test_one_that_failed_in_an_update_is_deleted_and_the_others_stay(cloud: Cloud) -> None:
    cloud.add(slurm("added"))
    stack = cloud.deploy(declaring("Added", login=NEW.id))
    cloud.deploy(declaring("Added", login=NEW.id, nosuch=NEW.id))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert went_through(stack, "nosuch") == [
        "CREATE_IN_PROGRESS",
        "CREATE_FAILED",
        "DELETE_IN_PROGRESS",
        "DELETE_COMPLETE",
    ]
    assert not any(status.startswith("DELETE") for status in went_through(stack, "login"))
    assert stack.left() == []


def test_a_fix_forward_after_no_rollback_patches_at_once(cloud: Cloud) -> None:
    cloud.add(slurm("forward"))
    stack = cloud.deploy(declaring("Forward", login=NEW.id))
    stay = {"DisableRollback": True}
    cloud.deploy(declaring("Forward", login=NEW.id, nosuch=NEW.id), **stay)
    assert stack.status == "UPDATE_FAILED"
    fixed = declaring("Forward", login=NEW.id, workers=NEWER.id)
    with pytest.raises(ClientError, match=r"non-terminal \[UPDATE_FAILED\] state"):
        cloud.deploy(fixed)
    cloud.deploy(fixed, **stay)
    assert stack.status == "UPDATE_COMPLETE"
    assert patched(cloud, "forward") == [(NEW.id, ["login"]), (NEWER.id, ["workers"])]
    assert stack.left() == []


def test_a_log_group_is_named_as_cloudformation_names_it(cloud: Cloud) -> None:
    cloud.add(slurm("logged"))
    stack = cloud.deploy(by_app("Logged", cluster="logged", groups="nosuch"))
    _, _, name = stack.failure.rpartition("Log group: ")
    assert re.fullmatch(r"Logged-HyperPodSoftwareProviderLogGroup[0-9A-F]{8}-\w{12}", name)
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="Logged-")["logGroups"]
    assert [one["logGroupName"] for one in groups] == [name]


def holding(stack_name: str, value: str, **export: str) -> Synthesized:
    """A stack with a parameter of that name and value, exported if a name is given."""
    parameter = {"Type": "String", "Name": f"/{stack_name.lower()}", "Value": value}
    output: dict[str, Any] = {"Value": {"Fn::GetAtt": ["Held", "Value"]}}
    if export:
        output["Export"] = {"Name": export["name"]}
    template = {
        "Resources": {"Held": {"Type": "AWS::SSM::Parameter", "Properties": parameter}},
        "Outputs": {"Value": output},
    }
    return Synthesized(stack_name, template, {})


def test_a_stack_shows_the_role_that_it_was_given_last(cloud: Cloud) -> None:
    one, other = (ROLE.format(name) for name in ("cfn-exec", "deploy"))
    stack = cloud.deploy(holding("Roles", "1"), RoleARN=None)
    assert stack.role is None
    for number, (given, shown) in enumerate([(one, one), (None, one), (other, other)]):
        cloud.deploy(holding("Roles", f"again {number}"), RoleARN=given)
        assert stack.role == shown


def test_a_role_of_a_change_set_is_shown_once_that_was_executed(cloud: Cloud) -> None:
    stack = cloud.deploy(holding("Changed", "1"), RoleARN=None)
    role = ROLE.format("cfn-exec")
    named = {"StackName": stack.name, "ChangeSetName": "change"}
    cloud.operator.create_change_set(
        **named, TemplateBody=json.dumps(holding(stack.name, "2").template), RoleARN=role
    )
    assert stack.role is None
    cloud.operator.execute_change_set(**named)
    assert stack.wait() == "UPDATE_COMPLETE"
    assert stack.role == role


def test_an_exported_value_that_another_stack_imports_cannot_change(cloud: Cloud) -> None:
    stack = cloud.deploy(holding("Exporter", "1", name="held"))
    importer = holding("Importer", "")
    importer.template["Resources"]["Held"]["Properties"]["Value"] = {"Fn::ImportValue": "held"}
    cloud.deploy(importer)
    cloud.deploy(holding("Exporter", "2", name="held"))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    reasons = [str(event.get("ResourceStatusReason")) for event in stack.events()]
    assert "Export held cannot be updated as it is in use by Importer" in reasons
    assert stack.outputs == {"Value": "1"}


def went_through(stack: Stack, construct: str) -> list[str]:
    """The statuses of one declaration's custom resource, oldest first."""
    return [
        str(event["ResourceStatus"])
        for event in stack.events()
        if event["ResourceType"] == SOFTWARE_TYPE
        and event["LogicalResourceId"].startswith(construct)
    ]
