"""The role has the permissions it needs, and no others; policies are enforced here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hyperpod_software.contract.properties import SOFTWARE_TYPE
from sandbox.aws.images import ACCOUNT, CURRENT, ENCRYPTED, FAILING, KEY, NEW, NEWER
from sandbox.clusters import slurm, training
from sandbox.runner import Sandbox
from sandbox.waiting import until
from tests.end_to_end.cloudformation import CloudFormation, Request
from tests.end_to_end.declared import keyed_slurm, new_eks, workers
from tests.end_to_end.function import Function
from tests.end_to_end.stacks import (
    MINUTE,
    SPEED,
    Guarded,
    Said,
    Stack,
    Synthesized,
    by_app,
    denied,
    is_denied,
    patched,
)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with Sandbox(clusters=[], bootstrap=True, auth=True, speed=SPEED, minute=MINUTE) as sandbox:
        cloud = Guarded(sandbox)
        yield cloud
        cloud.close()


# --- Nothing is denied ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Through:
    """What the command line said to a create, an update that fails and a destroy."""

    stack: Stack
    created: Said
    failed: Said
    destroyed: Said


@pytest.fixture(scope="module", autouse=True)
def begun(request: pytest.FixtureRequest, guarded: Guarded) -> Iterator[Future[Through] | None]:
    """The command line sleeps a lot: it is begun before the first test, if a test asks for it."""
    asked = any("through" in getattr(item, "fixturenames", ()) for item in request.session.items)
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(go_through, guarded) if asked else None


@pytest.fixture(scope="module")
def through(begun: Future[Through]) -> Through:
    return begun.result()


def go_through(guarded: Guarded) -> Through:
    guarded.add(training("line"))
    stack = Stack(guarded, by_app("Line", cluster="line"))
    keys = ["-c", "cluster=line", "-c", "groups=workers", "-c", "batch=50%", "-c", "stack=Line"]
    deploy = ["deploy", "--require-approval", "never", *keys]
    return Through(
        stack=stack,
        created=guarded.cdk(*deploy, "-c", f"image={NEW.id}"),
        failed=guarded.cdk(*deploy, "-c", f"image={FAILING.id}"),
        destroyed=guarded.cdk("destroy", "--force", *keys, "-c", f"image={FAILING.id}"),
    )


def test_replacing_a_cluster_and_deleting_the_stack_is_allowed(guarded: Guarded) -> None:
    guarded.add(slurm("oldone"), slurm("newone"))
    stack = guarded.deploy(workers("Moved", "oldone", NEW.id))
    guarded.deploy(workers("Moved", "newone", NEW.id))
    assert stack.status == "UPDATE_COMPLETE"
    assert len(patched(guarded, "oldone")) == len(patched(guarded, "newone")) == 1
    assert denied(stack, 2) == []
    stack.delete()
    assert stack.left() == []


def test_patching_back_when_a_later_resource_fails_is_allowed(guarded: Guarded) -> None:
    guarded.add(slurm("undone"))
    stack = guarded.deploy(workers("Undone", "undone", NEW.id))
    guarded.deploy(workers("Undone", "undone", NEWER.id, later_fails=True))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.outcomes(3) == ["Patched", "Patched", "Restored"]
    assert denied(stack, 3) == []
    assert stack.left() == []


def test_an_encrypted_image_that_the_service_rolls_back_is_allowed(guarded: Guarded) -> None:
    guarded.add(keyed_slurm("secret"), alarm_after_batch=1)
    stack = guarded.deploy(workers("Secret", "secret", CURRENT.id))
    guarded.deploy(workers("Secret", "secret", ENCRYPTED.id))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "HyperPod rolled the nodes back" in stack.failure
    assert denied(stack, 3) == []
    assert stack.left() == []


def test_a_cluster_known_by_its_arn_or_its_tags_is_allowed(guarded: Guarded) -> None:
    guarded.add(new_eks("named"))
    guarded.control.add(new_eks("tagged"), tags={"team": "ml", "stage": "test"})
    arn = guarded.control.describe("named")["ClusterArn"]
    named = guarded.begin(by_app("Named", cluster=arn, groups="workers", image="release:1.3.0"))
    tagged = guarded.begin(workers("Tagged", "tagged", "default", cluster_tags={"team": "ml"}))
    for stack in (named, tagged):
        assert stack.wait() == "CREATE_COMPLETE"
        assert stack.outcomes() == ["Patched"]
        assert denied(stack, 1) == []
        assert stack.left() == []


# --- Nothing is superfluous ---------------------------------------------------------------------------

NOT_ENFORCED = {
    # The sandbox writes a function's logs itself, whatever the function's role allows.
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}

# What a request says or logs when the role lacks an action.
FAILS_WITHOUT = {
    "cloudformation:DescribeStackEvents": "DescribeStackEvents said AccessDenied",
    "ec2:DescribeImages": "DescribeImages said UnauthorizedOperation",
    "ec2:DescribeSnapshots": "DescribeSnapshots said UnauthorizedOperation",
    "ec2:ModifyImageAttribute": "UpdateClusterSoftware said AccessDenied",
    "ec2:ModifySnapshotAttribute": "UpdateClusterSoftware said AccessDenied",
    "events:PutRule": "PutRule said AccessDenied",
    "events:PutTargets": "PutTargets said AccessDenied",
    "kms:CreateGrant": "UpdateClusterSoftware said AccessDenied",
    "kms:DescribeKey": "UpdateClusterSoftware said AccessDenied",
    "sagemaker:DescribeCluster": "DescribeCluster said AccessDenied",
    "sagemaker:ListClusterNodes": "ListClusterNodes said AccessDenied",
    "sagemaker:UpdateClusterSoftware": "UpdateClusterSoftware said AccessDenied",
    "ssm:GetParametersByPath": "GetParametersByPath said AccessDenied",
    "ssm:PutParameter": "PutParameter said AccessDenied",
}
UPDATE_FAILS_WITHOUT = {"cloudformation:DescribeStacks": "DescribeStacks said AccessDenied"}
LEAVES_WITHOUT = {
    "events:DeleteRule": "DeleteRule said AccessDenied",
    "events:RemoveTargets": "RemoveTargets said AccessDenied",
    "ssm:DeleteParameters": "DeleteParameters said AccessDenied",
}

Policy = dict[str, Any]


@dataclass(frozen=True)
class Life:
    """What became of a request."""

    status: str
    reason: str
    log: str
    left: list[str]

    @property
    def unharmed(self) -> bool:
        return self.status == "SUCCESS" and not self.left and not is_denied(self.log)


class Silent:
    """A stack with the real role, whose function never answers: so its resource stays under way.

    The real bundle runs beside it, with the role's temporary credentials and nothing else.
    """

    def __init__(
        self, guarded: Guarded, formation: CloudFormation, declared: Synthesized, directory: Path
    ) -> None:
        self._guarded = guarded
        self._formation = formation
        self._prefix = declared.prefix
        stack = guarded.begin(silenced(declared))
        self._resource = until(
            lambda: next((e for e in stack.events() if e["ResourceType"] == SOFTWARE_TYPE), None),
            "the resource to be under way",
        )
        iam = guarded.client("iam")
        roles = iam.list_roles()["Roles"]
        role = next(one for one in roles if one["RoleName"].startswith(f"{declared.name}-"))
        self._role = {"RoleName": role["RoleName"]}
        (name,) = iam.list_role_policies(**self._role)["PolicyNames"]
        self._policy = {**self._role, "PolicyName": name}
        self.policy: Policy = iam.get_role_policy(**self._policy)["PolicyDocument"]
        # Only Lambda may assume it; the tests have to as well.
        trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.update_assume_role_policy(**self._role, PolicyDocument=document)
        environment = {**guarded.sandbox.environment, **guarded.assume(role["Arn"])}
        (bundle,) = declared.files.values()
        self.function = Function(bundle, directory, declared.prefix, environment)

    def without(self, action: str) -> Policy:
        """The role's policy with one action less."""
        policy = deepcopy(self.policy)
        for statement in policy["Statement"]:
            actions = actions_of(statement)
            statement["Action"] = [one for one in actions if one != action]
        policy["Statement"] = [one for one in policy["Statement"] if one["Action"]]
        return policy

    def live(self, policy: Policy, cluster: str, kind: str = "Create") -> Life:
        """One request from its beginning to its end, with that policy."""
        iam = self._guarded.client("iam")
        iam.put_role_policy(**self._policy, PolicyDocument=json.dumps(policy))
        try:
            ran = len(self.function.ran)
            answer = self._answer(cluster, kind)
            log = "".join(one.log for one in self.function.ran[ran:])
            return Life(answer["Status"], answer["Reason"], log, self._left())
        finally:
            iam.put_role_policy(**self._policy, PolicyDocument=json.dumps(self.policy))
            self._clear()

    def _answer(self, cluster: str, kind: str) -> dict[str, Any]:
        properties = {
            "ClusterName": cluster,
            "ImageId": ENCRYPTED.id,
            "ImageOwner": "self",
            "KmsKeyId": KEY,
            "InstanceGroups": [{"InstanceGroupName": "workers"}],
            "Timeout": "3420",
        }
        event = {
            "RequestType": kind,
            "StackId": self._resource["StackId"],
            "RequestId": f"{kind}-{cluster}",
            "LogicalResourceId": self._resource["LogicalResourceId"],
            "ResourceProperties": properties,
        }
        if kind == "Update":
            event |= {"PhysicalResourceId": cluster, "OldResourceProperties": properties}
        request = self._formation.sign(event, time.time())
        self.function.invoke(event)
        until(lambda: True if self._has_come_to_something(request) else None, "an answer")
        # A denied call may be allowed a bit later, and a patch under way may be seen again: it is
        # tried so long, and then as long as there is time.
        for ahead in (200, 3421):
            if not request.taken:
                self._wake(ahead)
        return request.answer

    def _has_come_to_something(self, request: Request) -> bool:
        if not request.taken:
            self._wake(0)
        return bool(request.taken) or is_denied(self.function.ran[-1].log)

    def _wake(self, ahead: float) -> None:
        events = self._guarded.client("events")
        for rule in events.list_rules(NamePrefix=self._prefix)["Rules"]:
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                self.function.invoke(json.loads(target["Input"]), ahead=ahead)

    def _left(self) -> list[str]:
        rules = self._guarded.client("events").list_rules(NamePrefix=self._prefix)["Rules"]
        return [one["Name"] for one in rules] + self._parameters()

    def _parameters(self) -> list[str]:
        ssm = self._guarded.client("ssm")
        found = ssm.get_parameters_by_path(Path=f"/{self._prefix}", Recursive=True)["Parameters"]
        return [one["Name"] for one in found]

    def _clear(self) -> None:
        events = self._guarded.client("events")
        for rule in events.list_rules(NamePrefix=self._prefix)["Rules"]:
            events.remove_targets(Rule=rule["Name"], Ids=["handler"])
            events.delete_rule(Name=rule["Name"])
        for name in self._parameters():
            self._guarded.client("ssm").delete_parameter(Name=name)


def silenced(declared: Synthesized) -> Synthesized:
    """The same stack with a function that does nothing at all."""
    template = deepcopy(declared.template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            code = {"ZipFile": "def handler(event, context):\n    pass\n"}
            resource["Properties"] |= {"Code": code, "Handler": "index.handler"}
    return replace(declared, template=template)


def actions_of(statement: Mapping[str, Any]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else list(actions)


@pytest.fixture(scope="module")
def silent(
    guarded: Guarded, formation: CloudFormation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Silent]:
    declared = workers("Silent", "any", ENCRYPTED.id)
    silent = Silent(guarded, formation, declared, tmp_path_factory.mktemp("bundle"))
    with silent.function:
        yield silent


def test_with_the_whole_policy_a_create_and_an_update_succeed(
    guarded: Guarded, silent: Silent
) -> None:
    guarded.add(keyed_slurm("entire"))
    created = silent.live(silent.policy, "entire")
    assert created.unharmed, created
    assert created.reason.startswith(
        f"Patched 16 nodes of workers in cluster entire to {ENCRYPTED.id}"
    )
    updated = silent.live(silent.policy, "entire", "Update")
    assert updated.unharmed, updated


def test_every_action_of_the_policy_is_taken_away_in_turn(silent: Silent) -> None:
    actions = [action for one in silent.policy["Statement"] for action in actions_of(one)]
    assert len(actions) == len(set(actions))
    taken = {*FAILS_WITHOUT, *UPDATE_FAILS_WITHOUT, *LEAVES_WITHOUT}
    assert set(actions) == taken | NOT_ENFORCED


@pytest.mark.parametrize(("action", "said"), FAILS_WITHOUT.items(), ids=FAILS_WITHOUT)
def test_a_create_fails_without(guarded: Guarded, silent: Silent, action: str, said: str) -> None:
    cluster = "no" + action.partition(":")[2].lower().replace("describe", "").replace("modify", "")
    guarded.add(keyed_slurm(cluster))
    life = silent.live(silent.without(action), cluster)
    assert life.status == "FAILED"
    assert said in life.reason


@pytest.mark.parametrize(("action", "said"), UPDATE_FAILS_WITHOUT.items(), ids=UPDATE_FAILS_WITHOUT)
def test_an_update_fails_without(guarded: Guarded, silent: Silent, action: str, said: str) -> None:
    guarded.add(keyed_slurm("noupdate"))
    life = silent.live(silent.without(action), "noupdate", "Update")
    assert life.status == "FAILED"
    assert said in life.reason


@pytest.mark.parametrize(("action", "said"), LEAVES_WITHOUT.items(), ids=LEAVES_WITHOUT)
def test_something_is_left_without(
    guarded: Guarded, silent: Silent, action: str, said: str
) -> None:
    cluster = f"un{action.partition(':')[2].lower()}"
    guarded.add(keyed_slurm(cluster))
    life = silent.live(silent.without(action), cluster)
    assert life.status == "SUCCESS"
    assert said in life.log
    assert life.left != []


def test_a_cluster_without_the_declared_tags_is_out_of_reach(
    guarded: Guarded, formation: CloudFormation, tmp_path: Path
) -> None:
    guarded.control.add(slurm("untagged"), tags={"team": "other"})
    declared = workers("Narrow", "untagged", CURRENT.id, cluster_tags={"team": "ml"})
    narrow = Silent(guarded, formation, declared, tmp_path)
    with narrow.function:
        life = narrow.live(narrow.policy, "untagged")
    assert life.status == "FAILED"
    assert "DescribeCluster said AccessDenied" in life.reason
    assert guarded.control.calls("untagged") == []


# --- Nothing is denied to the command line --------------------------------------------------------------


def test_create_failure_rollback_and_destroy_through_the_command_line_are_allowed(
    through: Through,
) -> None:
    assert through.created.code == 0, through.created.text
    assert through.failed.code == 1
    assert "Lifecycle scripts did not run successfully" in through.failed.text
    assert denied(through.stack, 3) == []
    assert through.destroyed.code == 0, through.destroyed.text
    assert through.stack.left() == []
    assert not is_denied(through.created.text + through.destroyed.text)
