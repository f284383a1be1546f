"""The whole sandbox: MiniStack, the simulated service, and the way between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import Sandbox, SandboxError
from sandbox.aws.environment import ROOT
from sandbox.aws.images import (
    ENCRYPTED,
    FAILING,
    FOREIGN,
    KEY,
    NEW,
    PENDING,
    PUBLIC,
    TWO_VOLUMES,
    Image,
)
from sandbox.aws.web import WebError, ask
from sandbox.clusters import training
from sandbox.waiting import until


@contextmanager
def client(sandbox: Sandbox, service: str, **keys: str) -> Generator[Any]:
    client = sandbox.client(service, **keys)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def calm(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "sandbox" in request.fixturenames:
        sandbox = request.getfixturevalue("sandbox")
        sandbox.control.wait_idle()
        sandbox.control.reset()
        sandbox.control.forget()


def test_events_reach_a_rule_that_matches_on_their_detail(sandbox: Sandbox) -> None:
    arn = sandbox.control.add(training("eventful"))
    pattern = {
        "source": ["aws.sagemaker"],
        "detail": {
            "$or": [
                {"ClusterArn": [arn]},
                {"EventDetails": {"ClusterArn": [arn], "ResourceType": ["InstanceGroup"]}},
            ]
        },
    }
    with client(sandbox, "sqs") as sqs, client(sandbox, "events") as events:
        url = sqs.create_queue(QueueName="events")["QueueUrl"]
        queue = f"arn:aws:sqs:{sandbox.region}:{sandbox.account}:events"
        rule = {"Name": "both", "ScheduleExpression": "rate(1 minute)"}
        events.put_rule(**rule, EventPattern=json.dumps(pattern))
        events.put_targets(Rule="both", Targets=[{"Id": "queue", "Arn": queue}])
        sandbox.control.patch(ClusterName="eventful", ImageId=NEW.id)
        sandbox.control.wait_idle()
        seen: list[dict[str, Any]] = []

        def all_there() -> bool | None:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            seen.extend(json.loads(message["Body"]) for message in answer.get("Messages", []))
            return len(seen) >= 14 or None

        until(all_there, "the events", moves=lambda: len(seen))
        with pytest.raises(ClientError, match="it has targets"):
            events.delete_rule(Name="both")
        events.remove_targets(Rule="both", Ids=["queue"])
        events.delete_rule(Name="both")
    assert {event["source"] for event in seen} == {"aws.sagemaker"}
    assert {event["detail-type"] for event in seen} == {
        "SageMaker HyperPod Cluster State Change",
        "SageMaker HyperPod Cluster Event",
    }


def test_only_the_service_itself_puts_events_of_its_source(sandbox: Sandbox) -> None:
    with client(sandbox, "events") as events:
        entry = {"Source": "aws.sagemaker", "DetailType": "x", "Detail": "{}"}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 1


def test_an_alarm_of_cloudwatch_rolls_a_patch_back(sandbox: Sandbox) -> None:
    with client(sandbox, "cloudwatch") as cloudwatch:
        cloudwatch.put_metric_alarm(
            AlarmName="too-hot",
            Namespace="Cluster",
            MetricName="Heat",
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
        )
        cloudwatch.set_alarm_state(AlarmName="too-hot", StateValue="ALARM", StateReason="hot")
    sandbox.control.add(training("alarmed"))
    sandbox.control.patch(
        ClusterName="alarmed",
        ImageId=NEW.id,
        DeploymentConfig={"AutoRollbackConfiguration": [{"AlarmName": "too-hot"}]},
    )
    sandbox.control.wait_idle()
    groups = sandbox.control.describe("alarmed")["InstanceGroups"]
    assert {group["SoftwareUpdateStatus"] for group in groups} == {"RollbackComplete"}


@pytest.mark.parametrize("image", [FOREIGN, PENDING, TWO_VOLUMES, ENCRYPTED])
def test_the_service_refuses_images_it_cannot_use(sandbox: Sandbox, image: Any) -> None:
    said = rf"\(ValidationException\).*{image.id}"
    with client(sandbox, "sagemaker") as sagemaker, pytest.raises(ClientError, match=said):
        sagemaker.update_cluster_software(ClusterName="ml", ImageId=image.id)


def test_ec2_tells_what_is_the_matter_with_an_image(sandbox: Sandbox) -> None:
    with client(sandbox, "ec2") as ec2:

        def image(ami: str) -> Any:
            return ec2.describe_images(ImageIds=[ami])["Images"][0]

        assert image(NEW.id)["OwnerId"] == sandbox.account
        assert image(PENDING.id)["State"] == "pending"
        assert len(image(TWO_VOLUMES.id)["BlockDeviceMappings"]) == 2
        assert image(ENCRYPTED.id)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
        assert image(PUBLIC.id)["Public"]
        snapshot = image(NEW.id)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
        found = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
        assert found[0]["OwnerId"] == sandbox.account
        for hidden in (FOREIGN.id, "ami-00000000"):
            with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
                ec2.describe_images(ImageIds=[hidden])


def test_images_are_added_and_may_fail(sandbox: Sandbox) -> None:
    good, bad = Image("ami-0aaaaaaa", "works"), Image("ami-0bbbbbbb", "fails", fails=True)
    sandbox.control.add_images([good, bad])
    for image, last in ((bad, "Failed"), (FAILING, "Failed"), (good, "Succeeded")):
        group = [{"InstanceGroupName": "inference"}]
        sandbox.control.patch(ClusterName="ml", ImageId=image.id, InstanceGroups=group)
        sandbox.control.wait_idle()
        inference = sandbox.control.describe("ml")["InstanceGroups"][1]
        assert inference["SoftwareUpdateStatus"] == last


def test_the_public_parameter_names_the_public_image(sandbox: Sandbox) -> None:
    name = "/aws/service/sagemaker-hyperpod/ami/x86_64/slurm-ubuntu-22.04/latest/ami-id"
    with client(sandbox, "ssm") as ssm:
        assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == PUBLIC.id


def test_the_limits_of_aws_hold(sandbox: Sandbox) -> None:
    target = {"Id": "1", "Arn": "arn:aws:sqs:us-east-1:000000000000:q", "Input": "x" * 8193}
    with client(sandbox, "ssm") as ssm, client(sandbox, "events") as events:
        calls: tuple[Callable[[], object], ...] = (
            lambda: ssm.put_parameter(Name="/p", Value="v" * 4097, Type="SecureString"),
            lambda: ssm.put_parameter(Name="/p", Value="a {{b}} c", Type="SecureString"),
            lambda: ssm.delete_parameters(Names=[f"/p{n}" for n in range(11)]),
            lambda: events.put_rule(Name="r" * 65, ScheduleExpression="rate(1 minute)"),
            lambda: events.put_targets(Rule="r", Targets=[target]),
            lambda: events.put_rule(Name="r", ScheduleExpression="rate(0 minutes)"),
            lambda: events.put_rule(Name="r", ScheduleExpression="rate(1 minutes)"),
        )
        for call in calls:
            with pytest.raises(ClientError, match="ValidationException"):
                call()
        ssm.put_parameter(Name="/p", Value="v" * 4096, Type="SecureString", Overwrite=False)
        with pytest.raises(ClientError, match="ParameterAlreadyExists"):
            ssm.put_parameter(Name="/p", Value="v", Type="SecureString", Overwrite=False)
        with pytest.raises(ClientError, match="HierarchyTypeMismatchException"):
            ssm.put_parameter(Name="/p", Value="v", Type="String", Overwrite=True)
        assert ssm.put_parameter(Name="/p", Value="v", Overwrite=True)["Version"] == 2


def test_the_environment_leads_nowhere_else(sandbox: Sandbox) -> None:
    leading = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy")
    elsewhere: dict[str, str] = dict.fromkeys((*leading, "CDK_HOME", "TMPDIR"), "elsewhere")
    environment = sandbox.environment_from(elsewhere)
    assert "elsewhere" not in environment.values()
    assert environment["AWS_ENDPOINT_URL_SAGEMAKER"] == sandbox.hyperpod_url
    assert environment["AWS_ENDPOINT_URL"] == sandbox.ministack_url


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"sped": 1}, "unknown setting"),
        ({"clusters": {"ml": {"speed": 0}}}, "a number above 0"),
        ({"clusters": [1]}, "faults"),
        ({"failing_amis": 3}, "faults"),
    ],
)
def test_settings_that_cannot_be_are_told_before_anything_starts(
    faults: dict[str, Any], words: str
) -> None:
    with pytest.raises(SandboxError, match=words):
        Sandbox(faults=faults)


def test_policies_are_enforced_where_they_are_asked_for() -> None:
    with Sandbox(auth=True, speed=2_000.0) as sandbox:
        keyed = dict(sandbox.control.describe("ml"))
        del keyed["ClusterArn"], keyed["Now"]
        volume = {"VolumeKmsKeyId": KEY, "RootVolume": True}
        keyed["ClusterName"] = "keyed"
        for group in keyed["InstanceGroups"]:
            group["InstanceStorageConfigs"] = [{"EbsVolumeConfig": volume}]
        arn = sandbox.control.add(keyed, tags={"team": "research"})
        with client(sandbox, "iam") as iam:
            iam.create_user(UserName="patcher")
            key = iam.create_access_key(UserName="patcher")["AccessKey"]
            keys = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}

            def allow(actions: list[str], resource: str = "*", **condition: Any) -> None:
                statement: dict[str, Any] = {
                    "Effect": "Allow",
                    "Action": actions,
                    "Resource": resource,
                }
                if condition:
                    statement["Condition"] = {"StringEquals": condition}
                document = {"Version": "2012-10-17", "Statement": [statement]}
                iam.put_user_policy(
                    UserName="patcher", PolicyName="p", PolicyDocument=json.dumps(document)
                )

            with client(sandbox, "sagemaker", **keys) as sagemaker:

                def denied(operation: str, **parameters: Any) -> str | None:
                    try:
                        getattr(sagemaker, operation)(**parameters)
                    except sagemaker.exceptions.ClientError as error:
                        reason = error.response["Error"]
                        return f"{reason['Code']}: {reason['Message']}"
                    return None

                refusal = denied("describe_cluster", ClusterName="keyed")
                assert str(refusal).startswith("AccessDeniedException: ")
                allow(["sagemaker:DescribeCluster"], arn)
                assert not denied("describe_cluster", ClusterName="keyed")
                assert not denied("describe_cluster", ClusterName=arn)
                assert denied("describe_cluster", ClusterName="ml")
                assert denied("list_cluster_nodes", ClusterName="keyed")
                allow(["sagemaker:*"], **{"aws:ResourceTag/team": "research"})
                assert not denied("list_cluster_nodes", ClusterName="keyed")
                assert denied("list_cluster_nodes", ClusterName="ml")

                # A custom image takes the caller's rights to share it with the service.
                needed = ["sagemaker:UpdateClusterSoftware"]
                patch = {"ClusterName": "keyed", "ImageId": ENCRYPTED.id}
                for action in (
                    "ec2:DescribeImages",
                    "ec2:ModifyImageAttribute",
                    "ec2:DescribeSnapshots",
                    "ec2:ModifySnapshotAttribute",
                    "kms:DescribeKey",
                    "kms:CreateGrant",
                ):
                    allow(needed)
                    assert action in str(denied("update_cluster_software", **patch))
                    needed.append(action)
                allow(needed)
                assert not denied("update_cluster_software", **patch)
            wrong = {**keys, "secret": "wrong"}
            with (
                client(sandbox, "sagemaker", **wrong) as sagemaker,
                pytest.raises(ClientError, match="SignatureDoesNotMatch"),
            ):
                sagemaker.list_clusters()


def test_rules_and_parameters_are_judged_by_the_arns_of_aws() -> None:
    base = "arn:aws:{}:us-east-1:000000000000:{}"
    statement = [
        {
            "Effect": "Allow",
            "Action": ["events:PutRule", "events:PutTargets", "events:RemoveTargets"],
            "Resource": base.format("events", "rule/mine-*"),
        },
        {
            "Effect": "Allow",
            "Action": ["ssm:PutParameter", "ssm:GetParametersByPath", "ssm:DeleteParameters"],
            "Resource": base.format("ssm", "parameter/mine/*"),
        },
    ]
    with Sandbox(auth=True, clusters=[]) as sandbox, client(sandbox, "iam") as iam:
        iam.create_user(UserName="u")
        key = iam.create_access_key(UserName="u")["AccessKey"]
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
        keys = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
        with client(sandbox, "events", **keys) as events, client(sandbox, "ssm", **keys) as ssm:

            def use(name: str) -> None:
                rule, path = f"{name}-rule", f"/{name}/a"
                events.put_rule(Name=rule, ScheduleExpression="rate(1 minute)")
                queue = base.format("sqs", "q")
                events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": queue}])
                events.remove_targets(Rule=rule, Ids=["1"])
                ssm.put_parameter(Name=f"{path}/b", Value="v", Type="SecureString")
                found = ssm.get_parameters_by_path(Path=path, Recursive=True, WithDecryption=True)
                assert [parameter["Value"] for parameter in found["Parameters"]] == ["v"]
                ssm.delete_parameters(Names=[f"{path}/b"])

            use("mine")
            with pytest.raises(ClientError, match="AccessDenied"):
                use("other")
            calls: tuple[Callable[[], object], ...] = (
                lambda: events.remove_targets(Rule="other-rule", Ids=["1"]),
                lambda: ssm.get_parameters_by_path(Path="/other/a"),
                lambda: ssm.delete_parameters(Names=["/other/a"]),
            )
            for call in calls:
                with pytest.raises(ClientError, match="AccessDenied"):
                    call()


@pytest.mark.parametrize("auth", [False, True])
def test_a_bootstrapped_sandbox_takes_assets_over_plain_http(auth: bool) -> None:
    bucket = "cdk-hnb659fds-assets-000000000000-us-east-1"
    with Sandbox(clusters=[], bootstrap=True, auth=auth) as sandbox:
        with client(sandbox, "ssm") as ssm:
            version = ssm.get_parameter(Name="/cdk-bootstrap/hnb659fds/version")
            assert int(version["Parameter"]["Value"]) >= 20
        with client(sandbox, "s3") as s3:
            s3.put_object(Bucket=bucket, Key="k", Body=b"b")


PARENT = """
import sys
from sandbox import Sandbox
with Sandbox(clusters=[], bootstrap=len(sys.argv) > 1) as sandbox:
    print(sandbox.ministack_url, sandbox.hyperpod_url, sandbox.directory, flush=True)
    sys.stdin.read()
"""


@contextmanager
def parent(*arguments: str, **environment: str) -> Generator[subprocess.Popen[str]]:
    """A process of its own that has a sandbox until its standard input ends: what other tests do
    in this one is none of its business."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process


def test_a_sandbox_and_its_bootstrap_write_nothing_outside_their_directory(
    tmp_path: Path,
) -> None:
    places = {name: str(tmp_path / name) for name in ("TMPDIR", "CDK_HOME")}
    for place in places.values():
        Path(place).mkdir()
    with parent("bootstrap", **places) as process:
        assert process.stdout
        *_, directory = process.stdout.readline().split()
        assert list(tmp_path.glob("*/*")) == [Path(directory)]
        # Where the CLI notes whose keys these are: else it does so in the user's home.
        assert list(Path(directory).glob("scratch/cdk/cache/*"))
        process.communicate()
    assert not list(tmp_path.glob("*/*"))


def answers(url: str) -> bool:
    try:
        ask(url)
    except WebError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_parent_is_killed(number: signal.Signals) -> None:
    with parent() as process:
        assert process.stdout
        ministack, hyperpod, directory = process.stdout.readline().split()
        assert answers(f"{ministack}/_ministack/ready")
        assert answers(f"{hyperpod}/_sandbox/status")
        os.kill(process.pid, number)
    until(lambda: not answers(f"{ministack}/_ministack/ready") or None, "MiniStack's end")
    assert not answers(f"{hyperpod}/_sandbox/status")
    until(lambda: not Path(directory).exists() or None, "its directory's end")


def test_nothing_is_left_after_the_with() -> None:
    with Sandbox(clusters=[]) as sandbox:
        url, pid = sandbox.ministack_url, sandbox.ministack.pid
        directory = sandbox.directory
    assert not answers(f"{url}/_ministack/ready")
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
