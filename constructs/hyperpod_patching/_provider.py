"""The one function of a stack that patches for all its ``ClusterSoftware``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from aws_cdk import Acknowledgment, Aws, Duration, RemovalPolicy, Stack, Stage, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IDependable

from hyperpod_software.contract import names
from hyperpod_software.contract.times import FUNCTION_TIMEOUT

from ._asset import handler_asset, handler_directory
from ._cluster import Cluster
from ._image import SoftwareImageConfig
from ._validation import unresolved

_ID: Final = "HyperPodSoftwareProvider"
# jsii keeps only weak references to constructs written in Python, so what a provider remembers
# would be lost with it. A stack that is a key here stays the same object for jsii as well.
_PROVIDERS: Final[dict[Stack, Provider]] = {}


class Provider(Construct):
    """Function, role, log group and permission; only the policy depends on what is declared."""

    @staticmethod
    def of(stack: Stack) -> Provider:
        """The stack's provider, made on first use."""
        if stack not in _PROVIDERS:
            _PROVIDERS[stack] = Provider(stack)
        return _PROVIDERS[stack]

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, _ID)
        # Clusters by ARN then share statements: a role's policies could not hold one for each.
        self.node.set_context("@aws-cdk/aws-iam:minimizePolicies", value=True)
        self._stack = stack
        self._acknowledged: set[str] = set()
        self._granted: list[IDependable] = []
        prefix = _prefix(self, stack)
        rules = stack.format_arn(
            service="events", resource="rule", resource_name=names.all_rules(prefix)
        )
        self.log_group = logs.LogGroup(
            self,
            "LogGroup",
            # The audit trail, and where the reason of a failure points to: it must outlive a
            # create that is rolled back, and the stack.
            removal_policy=RemovalPolicy.RETAIN,
            retention=logs.RetentionDays.ONE_YEAR,
        )
        self._role = iam.Role(
            self,
            "Role",
            # jsii calls the parameters of a class and of its interface by different names.
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),  # pyright: ignore[reportArgumentType]
            description="Patches the software of SageMaker HyperPod clusters",
        )
        self._allow_own(prefix, rules)
        self.function = self._function(prefix)
        permission = lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="events.amazonaws.com",
            source_arn=rules,
        )
        self._granted.append(permission)

    def grant(
        self,
        cluster: Cluster,
        tags: Mapping[str, str] | None,
        image: SoftwareImageConfig,
    ) -> Sequence[IDependable]:
        """Let the function do what one ``ClusterSoftware`` asks of it, and no more.

        What is returned must be there before it is asked.
        """
        self._allow(
            _operations("sagemaker"),
            cluster.arn or self._arn("sagemaker", "cluster"),
            conditions={
                "StringEquals": {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
            }
            if tags
            else None,
            wildcard="A cluster's ARN holds an id that is not known from its name; give the ARN, "
            "or cluster_tags.",
        )
        if image.custom:
            self._grant_images()
        if image.encryption_key is not None:
            self._grant_key(image.encryption_key.key_arn)
        return self._granted

    def _allow_own(self, prefix: str, rules: str) -> None:
        """Let the function do what every request needs, with what is this stack's own."""
        # The ARN as CloudFormation gives it: with ":*", for the streams in the group.
        self._allow(["logs:CreateLogStream", "logs:PutLogEvents"], self.log_group.log_group_arn)
        self._allow(
            _operations("events"),
            rules,
            wildcard="Every request polls with a rule of its own; the prefix is this stack's.",
        )
        self._allow(
            _operations("ssm"),
            self._stack.format_arn(
                service="ssm", resource="parameter", resource_name=names.all_parameters(prefix)
            ),
            wildcard="Every request has parameters of its own; the prefix is this stack's.",
        )
        self._allow(_operations("cloudformation"), Aws.STACK_ID)

    def _function(self, prefix: str) -> lambda_.Function:
        return lambda_.Function(
            self,
            "Function",
            description="Patches the software of SageMaker HyperPod clusters",
            code=_code(self),
            handler=names.ENTRY_POINT,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=256,
            timeout=Duration.seconds(FUNCTION_TIMEOUT),
            role=self._role,  # pyright: ignore[reportArgumentType]
            log_group=self.log_group,
            environment={
                names.PREFIX_VARIABLE: prefix,
                names.LOG_GROUP_VARIABLE: self.log_group.log_group_name,
            },
        )

    def _grant_key(self, key: str) -> None:
        by_alias: dict[str, object] = {}
        wildcard = None
        _, is_alias, name = key.partition(":alias/")
        if not is_alias and unresolved(key):
            # A key of the CDK's own writes its ARN from tokens.
            _, is_alias, name = _as_shown(self._stack.resolve(key)).partition(":alias/")
        if is_alias:
            # A policy on an alias is about the alias, not about the key behind it.
            by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{name}"}}
            key = self._arn("kms", "key")
            wildcard = "Which key an alias names is KMS's to say; the condition asks for the alias."
        for action, conditions in (
            ("kms:DescribeKey", by_alias),
            ("kms:CreateGrant", {**by_alias, "Bool": {"kms:GrantIsForAWSResource": True}}),
        ):
            self._allow([action], key, conditions=conditions or None, wildcard=wildcard)

    def _grant_images(self) -> None:
        """Let HyperPod's call look at custom AMIs and share them.

        Not narrowed to the AMI declared: another image would then be another policy, and a diff
        between two images is to show the image alone. Only an AMI's owner can share it anyway.
        """
        self._allow(
            _operations("ec2"),
            "*",
            wildcard="These actions know no resources.",
        )
        for action, resource in (
            ("ec2:ModifyImageAttribute", "image"),
            ("ec2:ModifySnapshotAttribute", "snapshot"),
        ):
            self._allow(
                [action],
                self._arn("ec2", resource, account=""),
                wildcard="Which AMI comes next, and its snapshot, is not known beforehand; EC2 "
                "lets an account share none but its own.",
            )

    def _arn(self, service: str, resource: str, account: str | None = None) -> str:
        return self._stack.format_arn(
            service=service, resource=resource, resource_name="*", account=account
        )

    def _allow(
        self,
        actions: list[str],
        resource: str,
        *,
        conditions: Mapping[str, object] | None = None,
        wildcard: str | None = None,
    ) -> None:
        """Add a permission; ``wildcard`` tells cdk-nag why the resource may end in one."""
        added = self._role.add_to_principal_policy(
            iam.PolicyStatement(actions=actions, resources=[resource], conditions=conditions)
        )
        if added.policy_dependable is not None:
            self._granted.append(added.policy_dependable)
        if wildcard is None or not resource.endswith("*") or resource in self._acknowledged:
            return
        self._acknowledged.add(resource)
        Validations.of(self).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-IAM5[Resource::"
                f"{_as_shown(self._stack.resolve(resource))}]",
                reason=wildcard,
            )
        )


def _as_shown(resolved: Any) -> str:
    """An ARN as cdk-nag writes it: with the names of what only CloudFormation knows."""
    match resolved:
        case {"Fn::Join": ["", [*parts]]}:
            return "".join(_as_shown(part) for part in cast("list[object]", parts))
        case {"Ref": str(name)}:
            return f"<{name}>"
        case _:
            return str(resolved)


def _operations(service: str) -> list[str]:
    """What the handler calls of a service, as a policy allows it."""
    return [f"{service}:{operation}" for operation in names.OPERATIONS[service]]


def _code(scope: Construct) -> lambda_.Code:
    """The function's code, as a file of the assembly: without staging, templates point to it."""
    asset = handler_asset(handler_directory())
    stage = Stage.of(scope)
    assert stage is not None, "a stack without an app gets one of its own"
    path = asset.written_to(Path(stage.asset_outdir))
    return lambda_.Code.from_asset(str(path), asset_hash=asset.digest)


def _prefix(provider: Construct, stack: Stack) -> str:
    """The beginning of every name the function makes up: no other stack's, the same at each synth.

    Rules and parameters are names in an account's region, and so is a stack; a nested stack's own
    name is known only to CloudFormation, hence the outermost one's.
    """
    outermost = stack
    while outermost.nested_stack_parent is not None:
        outermost = outermost.nested_stack_parent
    unique = f"{outermost.stack_name}\0{provider.node.path}"
    return names.prefix_for(hashlib.sha256(unique.encode()).hexdigest())
