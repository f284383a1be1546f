"""What SageMaker would refuse is refused at synthesis, in one readable sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsii
import pytest
from aws_cdk import (
    App,
    CfnParameter,
    Duration,
    Environment,
    Fn,
    IResolvable,
    IStableAnyProducer,
    Lazy,
    Stack,
    Token,
)
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.aws_cloudwatch import IAlarm

from hyperpod_patching import (
    BatchSize,
    ClusterSoftware,
    HyperPodCluster,
    PropertyError,
    RollingUpdate,
    SoftwareImage,
)

AMI = "ami-0123456789abcdef0"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:cluster/abcdef012345"
ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"
EKS = {"clusterArn": "arn:aws:eks:us-east-1:123456789012:cluster/ml"}
TOKEN = Token.as_string({"Ref": "Text"})
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@jsii.implements(IStableAnyProducer)
class OnceKnown:
    def produce(self) -> object:
        return {"eks": EKS}


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


def alarms(stack: Stack, *names: str) -> list[IAlarm]:
    return [
        cloudwatch.Alarm.from_alarm_name(stack, f"Alarm{index}", name)
        for index, name in enumerate(names)
    ]


def declare(stack: Stack, **properties: Any) -> ClusterSoftware:
    given: dict[str, Any] = {"cluster": "ml", "image": SoftwareImage.latest(), **properties}
    return ClusterSoftware(stack, "Software", **given)


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ({"cluster": ""}, "cluster is '', but must be a HyperPod cluster's name"),
        ({"cluster": "-ml"}, "cluster is '-ml'"),
        ({"cluster": "ml-"}, "cluster is 'ml-'"),
        ({"cluster": "m_l"}, "cluster is 'm_l'"),
        ({"cluster": "ml\n"}, r"cluster is 'ml\\n'"),
        ({"cluster": "m" * 64}, "cluster is 'mmm"),
        ({"cluster": "ümlaut"}, "cluster is 'ümlaut'"),
        ({"cluster": ARN[:-1]}, "cluster is 'arn:.*/abcdef01234'"),
        ({"cluster": ARN.replace("abcdef", "ABCDEF")}, "cluster is 'arn:.*/ABCDEF012345'"),
        ({"cluster": ARN.replace("sagemaker", "ecs")}, "cluster is 'arn:aws:ecs"),
        ({"cluster": None}, "cluster is None, but must be a CfnCluster, a cluster's name or its"),
        ({"cluster": Unprintable()}, "cluster is a Unprintable, but must be"),
        ({"image": AMI}, "image is 'ami-0123456789abcdef0', but must be an image such as"),
        ({"image": None}, "image is None, but must be an image"),
        ({"instance_groups": "workers"}, "instance_groups is 'workers', but must be a list"),
        ({"instance_groups": 3}, "instance_groups is 3, but must be a list"),
        ({"instance_groups": []}, r"instance_groups is \[\], but must be 1 to 100"),
        ({"instance_groups": [f"g{i}" for i in range(101)]}, "but must be 1 to 100"),
        ({"instance_groups": ["a", "a"]}, r"instance_groups\[1\] is 'a', but must be named once"),
        (
            {"instance_groups": ["a", ""]},
            r"instance_groups\[1\] is '', but must be an instance group",
        ),
        ({"instance_groups": ["a b"]}, r"instance_groups\[0\] is 'a b'"),
        ({"instance_groups": ["a-"]}, r"instance_groups\[0\] is 'a-'"),
        ({"instance_groups": [7]}, r"instance_groups\[0\] is 7"),
        ({"instance_groups": ["x" * 64]}, "1 to 63 letters, digits and inner hyphens"),
        ({"rolling_update": {}}, r"rolling_update is {}, but must be a RollingUpdate"),
        ({"timeout": Duration.minutes(4)}, "timeout is '240 seconds', but must be from 5"),
        (
            {"timeout": Duration.minutes(1441)},
            "timeout is '86460 seconds', but must be from 5 minutes to 24 hours: ",
        ),
        (
            {"timeout": Duration.hours(1), "wait_for_completion": False},
            "timeout is '3600 seconds', but must be at most 57 minutes for a deployment that does not wait",
        ),
        ({"wait_for_completion": "no"}, "wait_for_completion is 'no', but must be True or False"),
        (
            {"allow_caller_credentials": 1},
            "allow_caller_credentials is 1, but must be True or False",
        ),
        ({"timeout": Duration.millis(300_500)}, "but must be in whole seconds"),
        ({"timeout": 600}, "timeout is 600, but must be a Duration"),
        ({"on_create": "adopt"}, "on_create is 'adopt', but must be OnCreate.PATCH or OnCreate.A"),
        ({"on_rollback": None}, "on_rollback is None, but must be OnRollback.RESTORE or"),
        ({"on_skipped_nodes": True}, "on_skipped_nodes is True, but must be OnSkippedNodes.FAIL"),
        ({"cluster_tags": {}}, "cluster_tags is {}, but must be a mapping of at least one"),
        ({"cluster_tags": ["a"]}, r"cluster_tags is \['a'\], but must be a mapping"),
        ({"cluster_tags": {"": "x"}}, "cluster_tags's key is '', but must be 1 to 128"),
        ({"cluster_tags": {"a*": "x"}}, r"cluster_tags's key is 'a\*'"),
        ({"cluster_tags": {"a": "x" * 257}}, r"cluster_tags\['a'\] is 'xxx"),
        ({"cluster_tags": {"a": None}}, r"cluster_tags\['a'\] is None"),
        ({"cluster_tags": {"a": "b"}, "cluster": ARN}, "left out where the cluster's ARN is known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_bad_property_is_refused(
    stack: Stack, properties: dict[str, object], complaint: str
) -> None:
    with pytest.raises(PropertyError, match=complaint) as refused:
        declare(stack, **properties)
    assert isinstance(refused.value, ValueError)
    message = str(refused.value)
    assert "\n" not in message
    assert len(message) < 300


# What is ignored below is a mistake for mypy too, which not everyone runs.
@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: SoftwareImage.custom_ami("default"), "image_id is 'default', but must be an AMI"),
        (lambda: SoftwareImage.custom_ami("ami-1234567"), "ami- and 8 to 17 hexadecimal digits"),
        (lambda: SoftwareImage.custom_ami(AMI + "0"), "image_id is 'ami-0123456789abcdef00'"),
        (lambda: SoftwareImage.custom_ami(None), "image_id is None"),  # type: ignore[arg-type]
        (lambda: SoftwareImage.custom_ami(AMI, encryption_key=KEY), "encryption_key is 'arn:aws"),  # type: ignore[arg-type]
        (lambda: SoftwareImage.public_ami("ami-0123456g"), "image_id is 'ami-0123456g'"),
        (lambda: SoftwareImage.release("1.3"), "version is '1.3', but must be a release version"),
        (lambda: SoftwareImage.release("v1.3.0"), "version is 'v1.3.0'"),
        (lambda: SoftwareImage.release("1.3." + "0" * 61), "of at most 64 characters"),
        (lambda: SoftwareImage.release(1.3), "version is 1.3"),  # type: ignore[arg-type]
        (lambda: SoftwareImage.release("1.3.0", allow_downgrade="no"), "must be True or False"),  # type: ignore[arg-type]
        (lambda: SoftwareImage.release_line("1.3.0"), "line is '1.3.0', but must be a line of"),
        (lambda: SoftwareImage.release_line(1.3), "line is 1.3, but must be a line of releases"),  # type: ignore[arg-type]
        (lambda: SoftwareImage.release_line("1." + "0" * 61), "line is '1.000"),
        (lambda: SoftwareImage.release_line(TOKEN), "a line of releases .* known at synthesis"),
        (
            lambda: SoftwareImage.release_line("1.3", at_least="1.30.1"),
            "at_least is '1.30.1', but must be a release of the line 1.3",
        ),
        (lambda: SoftwareImage.release_line("1.3", at_least="1.3"), "at_least is '1.3', but must"),
        (lambda: SoftwareImage.release_line("1.3", at_least=TOKEN), "a release of the line 1.3"),
        (lambda: HyperPodCluster.from_cluster_arn("ml"), "cluster_arn is 'ml', but must be a Hyp"),
        (lambda: HyperPodCluster.from_cluster_name(ARN), "cluster_name is 'arn:aws"),
        (lambda: SoftwareImage.latest(revision=""), "revision is '', but must be 1 to 64"),
        (lambda: SoftwareImage.latest(revision=" a"), "revision is ' a'"),
        (lambda: SoftwareImage.latest(revision="x" * 65), "revision is 'xxx"),
        (lambda: SoftwareImage.latest(revision="ä"), "revision is 'ä'"),
        (lambda: SoftwareImage.latest(revision="a\tb"), r"revision is 'a\\tb'"),
        (lambda: SoftwareImage.from_ssm_parameter(""), "parameter_name is ''"),
        (lambda: SoftwareImage.from_ssm_parameter("/"), "parameter_name is '/'"),
        (lambda: SoftwareImage.from_ssm_parameter("/a/"), "parameter_name is '/a/'"),
        (lambda: SoftwareImage.from_ssm_parameter("/a:3"), "parameter_name is '/a:3'.*version"),
        (lambda: SoftwareImage.from_ssm_parameter("ml/golden"), "each after a / where there are"),
        (lambda: SoftwareImage.from_ssm_parameter("/x" * 16), "in at most 15 levels"),
        (lambda: SoftwareImage.from_ssm_parameter("x" * 1012), "parameter_name is 'xxx"),
        (
            lambda: SoftwareImage.from_ssm_parameter(Token.as_string({"Ref": "Name"})),
            "known at synthesis",
        ),
        (lambda: BatchSize.count(0), "BatchSize.count is 0, but must be a whole number from 1"),
        (lambda: BatchSize.count(-1), "BatchSize.count is -1"),
        (lambda: BatchSize.count(6759), "BatchSize.count is 6759, but must be .* from 1 to 6758"),
        (lambda: BatchSize.count(1.5), "BatchSize.count is 1.5"),
        (lambda: BatchSize.count("4"), "BatchSize.count is '4'"),  # type: ignore[arg-type]
        (lambda: BatchSize.count(True), "BatchSize.count is True"),
        (lambda: BatchSize.count(float("nan")), "BatchSize.count is nan"),
        (lambda: BatchSize.percent(0), "BatchSize.percent is 0, but must be a whole number from"),
        (lambda: BatchSize.percent(101), "BatchSize.percent is 101.*from 1 to 100"),
        (lambda: BatchSize("PERCENT", 4), "BatchSize.type is 'PERCENT'"),
        (RollingUpdate, "rolling_update is None, but must be at least one of"),
        (lambda: RollingUpdate(max_batch_size=4), "max_batch_size is 4, but must be BatchSize"),  # type: ignore[arg-type]
        (
            lambda: RollingUpdate(rollback_max_batch_size=BatchSize.count(1)),
            "max_batch_size is None, but must be given with rollback_max_batch_size",
        ),
        (lambda: RollingUpdate(wait_interval=60), "wait_interval is 60, but must be a Duration"),  # type: ignore[arg-type]
        (
            lambda: RollingUpdate(wait_interval=Duration.seconds(3601)),
            "wait_interval is '3601 seconds', but must be whole seconds from 0 to 3600",
        ),
        (lambda: RollingUpdate(wait_interval=Duration.millis(1500)), "is '1.5 seconds'"),
        (lambda: RollingUpdate(rollback_alarms=[]), "rollback_alarms is '0 alarms', but must be 1"),
        (lambda: RollingUpdate(rollback_alarms="errors"), "but must be a list of alarms"),  # type: ignore[arg-type]
        (
            lambda: RollingUpdate(wait_interval=Duration.minutes(1), allow_on_slurm=1),  # type: ignore[arg-type]
            "allow_on_slurm is 1, but must be True or False",
        ),
        (lambda: RollingUpdate(allow_on_slurm=True), "must be at least one of max_batch_size"),
        (lambda: RollingUpdate(rollback_alarms=["a"]), r"rollback_alarms\[0\] is 'a', but must be"),  # type: ignore[list-item]
    ],
)
def test_a_bad_value_is_refused_where_it_is_written(
    make: Callable[[], object], complaint: str
) -> None:
    with pytest.raises(PropertyError, match=complaint) as refused:
        make()
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["x"] * 11, "rollback_alarms is '11 alarms', but must be 1 to 10 alarms"),
        ([" "], r"rollback_alarms\[0\] is ' ', but must be the name of a CloudWatch alarm"),
        (["a", "x" * 256], r"rollback_alarms\[1\] is 'xxx"),
        (["a\nb"], r"rollback_alarms\[0\]"),
        (["a\x1bb"], r"rollback_alarms\[0\]"),
        (["\ud800"], r"rollback_alarms\[0\]"),
        (["a", "b", "a"], r"rollback_alarms\[2\] is 'a', but must be named once"),
        ([ALARM], r"rollback_alarms\[0\] is 'arn:.*, and not its ARN"),
    ],
    ids=["eleven", "blank", "long", "two lines", "control", "surrogate", "twice", "an ARN"],
)
def test_bad_alarms_are_refused(stack: Stack, names: list[str], complaint: str) -> None:
    with pytest.raises(PropertyError, match=complaint):
        RollingUpdate(rollback_alarms=alarms(stack, *names))


def test_ten_alarms_with_the_longest_names_are_accepted(stack: Stack) -> None:
    RollingUpdate(rollback_alarms=alarms(stack, *[f"{index}" + "x" * 254 for index in range(10)]))


def test_a_key_for_a_public_image_is_refused(stack: Stack) -> None:
    key = kms.Key.from_key_arn(stack, "Key", KEY)
    with pytest.raises(PropertyError, match="left out for a parameter under /aws/"):
        SoftwareImage.from_ssm_parameter("/aws/service/ami", encryption_key=key)


def test_tags_beside_a_cluster_of_the_stack_are_refused(stack: Stack) -> None:
    with pytest.raises(PropertyError, match="left out where the cluster's ARN is known"):
        declare(stack, cluster=sagemaker.CfnCluster(stack, "Cluster"), cluster_tags={"team": "ml"})


def test_a_list_of_groups_that_only_cloudformation_knows_is_refused(stack: Stack) -> None:
    groups = CfnParameter(stack, "Groups", type="CommaDelimitedList").value_as_list
    with pytest.raises(PropertyError, match="a list whose length is known at synthesis"):
        declare(stack, instance_groups=groups)
    first = Fn.select(0, groups)
    declare(Stack(), instance_groups=[first])


PLACES = pytest.mark.parametrize(
    ("account", "region", "complaint"),
    [
        ("123456789012", "us-west-2", "in the stack's own region, us-west-2"),
        ("210987654321", "us-east-1", "in the stack's own account, 210987654321"),
    ],
    ids=["region", "account"],
)


@PLACES
def test_an_arn_of_another_place_is_refused(account: str, region: str, complaint: str) -> None:
    stack = Stack(App(), "Training", env=Environment(account=account, region=region))
    for arn in (ARN, HyperPodCluster.from_cluster_arn(ARN)):
        with pytest.raises(PropertyError, match=f"cluster is 'arn:.*{complaint}"):
            declare(stack, cluster=arn)


@PLACES
def test_a_cluster_of_a_stack_in_another_place_is_refused(
    account: str, region: str, complaint: str
) -> None:
    app = App()
    home = Stack(app, "Home", env=Environment(account="123456789012", region="us-east-1"))
    cluster = sagemaker.CfnCluster(home, "Cluster", cluster_name="ml")
    stack = Stack(app, "Training", env=Environment(account=account, region=region))
    for known in (cluster, cluster.ref, cluster.cluster_ref):
        with pytest.raises(PropertyError, match=f"cluster is 'Home/Cluster'.*{complaint}"):
            declare(stack, cluster=known)


@PLACES
def test_an_alarm_of_another_place_is_refused(account: str, region: str, complaint: str) -> None:
    app = App()
    home = Stack(app, "Home", env=Environment(account="123456789012", region="us-east-1"))
    metric = cloudwatch.Metric(namespace="Training", metric_name="Errors")
    alarm = cloudwatch.Alarm(home, "Alarm", metric=metric, threshold=1, evaluation_periods=1)
    stack = Stack(app, "Training", env=Environment(account=account, region=region))
    for one in (alarm, cloudwatch.Alarm.from_alarm_arn(stack, "Errors", ALARM)):
        rolling_update = RollingUpdate(rollback_alarms=[one])
        with pytest.raises(PropertyError, match=rf"rollback_alarms\[0\].*{complaint}"):
            declare(stack, rolling_update=rolling_update)


@pytest.mark.parametrize("region", [None, "us-east-1"], ids=["anywhere", "a known region"])
def test_an_arn_of_another_partition_is_refused(region: str | None) -> None:
    stack = Stack(App(), "Training", env=Environment(region=region))
    arn = ARN.replace("arn:aws:", "arn:aws-cn:")
    with pytest.raises(PropertyError, match=r"in the partition of us-east-1, aws$"):
        declare(stack, cluster=arn)


def test_an_arn_of_which_parts_are_tokens_is_accepted(stack: Stack) -> None:
    declare(
        stack,
        cluster=stack.format_arn(service="sagemaker", resource="cluster", resource_name="a" * 12),
    )
    declare(Stack(), cluster=f"arn:{TOKEN}")


OrchestratorProperty = sagemaker.CfnCluster.OrchestratorProperty
Orchestrator = OrchestratorProperty | IResolvable | None


@pytest.mark.parametrize(
    "orchestrator",
    [None, OrchestratorProperty(slurm={"slurmConfigStrategy": "Managed"})],
    ids=["nothing said", "Slurm"],
)
def test_batches_on_a_cluster_that_is_not_of_eks_are_refused(
    stack: Stack, orchestrator: Orchestrator
) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster", orchestrator=orchestrator)
    size = BatchSize.count(1)
    with pytest.raises(PropertyError, match="Training/Cluster, which is not orchestrated by EKS"):
        declare(stack, cluster=cluster, rolling_update=RollingUpdate(max_batch_size=size))
    declare(
        stack,
        cluster=cluster,
        rolling_update=RollingUpdate(max_batch_size=size, allow_on_slurm=True),
    )


@pytest.mark.parametrize(
    "orchestrator",
    [
        OrchestratorProperty(eks=EKS),
        Lazy.any(OnceKnown()),
        Fn.condition_if("OnEks", {"Eks": EKS}, Fn.ref("AWS::NoValue")),
    ],
    ids=["EKS", "lazy", "a condition"],
)
def test_batches_on_a_cluster_of_eks_are_accepted(stack: Stack, orchestrator: Orchestrator) -> None:
    cluster = sagemaker.CfnCluster(stack, "Cluster", orchestrator=orchestrator)
    declare(stack, cluster=cluster, rolling_update=RollingUpdate(max_batch_size=BatchSize.count(1)))


def test_an_error_keeps_its_parts_apart() -> None:
    with pytest.raises(PropertyError) as refused:
        BatchSize.percent(0)
    error = refused.value
    assert (error.property_name, error.value) == ("BatchSize.percent", 0)
    assert str(error).endswith(error.requirement)


def test_a_timeout_that_only_cloudformation_knows_is_refused(stack: Stack) -> None:
    number = CfnParameter(stack, "Minutes", type="Number").value_as_number
    with pytest.raises(PropertyError, match="known at synthesis"):
        declare(stack, timeout=Duration.minutes(number))
