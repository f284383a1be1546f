"""The construct: which software the instance groups of a HyperPod cluster run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, cast

from aws_cdk import Annotations, CustomResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from . import _monitoring as monitoring
from ._cluster import Cluster
from ._completion import Completion
from ._image import SoftwareImage, SoftwareImageConfig
from ._provider import Provider
from ._rolling_update import BatchSize, RollingUpdate
from ._timeout import Timeout
from ._validation import PropertyError, check_instance_groups, check_tag, unresolved

# Never changes: CloudFormation cannot change the type of a resource that exists.
_RESOURCE_TYPE: Final = "Custom::HyperPodClusterSoftware"
_WARNING: Final = "cdk-hyperpod-patching"


class OnCreate(Enum):
    """What happens when the declaration is deployed for the first time."""

    PATCH = "patch"
    """Patch every declared group that does not provably run the declared image already."""

    ADOPT = "adopt"
    """Patch nothing: only check that the cluster and its groups exist."""


class OnRollback(Enum):
    """What happens to groups that were patched when CloudFormation rolls the stack back."""

    RESTORE = "restore"
    """Patch back the groups that provably run the failed image, if the image declared before is
    a pinned one (an AMI or a release)."""

    LEAVE = "leave"
    """Leave them as they are."""


class OnSkippedNodes(Enum):
    """What it means when the service reports success and left nodes out.

    On EKS a node is skipped when evicting its pods would violate a PodDisruptionBudget.
    """

    FAIL = "fail"
    """The deployment fails and names the nodes."""

    WARN = "warn"
    """The deployment succeeds with the outcome ``PatchedWithSkippedNodes``."""


class ClusterSoftware(Construct):
    """The software that instance groups of a SageMaker HyperPod cluster run.

    Deploying it makes it so: groups whose declared image changed are patched with
    ``UpdateClusterSoftware``, groups that provably run it already are not touched, and the
    deployment ends when every node of the patched groups was verified. Patching a node replaces
    its root volume; what was on it, and the jobs that ran there, are lost.

    Deleting it touches no cluster.

    All ``ClusterSoftware`` of a stack share one function, role and log group.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        cluster: sagemaker.CfnCluster | str,
        image: SoftwareImage,
        instance_groups: Sequence[str] | None = None,
        rolling_update: RollingUpdate | None = None,
        timeout: Duration | None = None,
        on_create: OnCreate = OnCreate.PATCH,
        on_rollback: OnRollback = OnRollback.RESTORE,
        on_skipped_nodes: OnSkippedNodes = OnSkippedNodes.FAIL,
        wait_for_completion: bool = True,
        cluster_tags: Mapping[str, str] | None = None,
    ) -> None:
        """Declare the software of a cluster's instance groups.

        Values are checked against the service model of ``UpdateClusterSoftware``; tokens pass
        through unresolved.

        :param scope: where it is declared.
        :param id: its name there.
        :param cluster: the cluster: a ``CfnCluster``, a name (1 to 63 letters, digits and inner
            hyphens) or an ARN. With a name alone, the function's role gets permission for every
            cluster of the account's region; see ``cluster_tags``.
        :param image: what the groups run.
        :param instance_groups: 1 to 100 names of groups, each 1 to 63 characters long. Default:
            every group of the cluster, as in the API, a Slurm controller among them.
        :param rolling_update: how the nodes are replaced. Default: all nodes of the groups at
            once. A change of it alone patches nothing.
        :param timeout: how long a patch may take before the deployment fails: 5 minutes to 12
            hours, in whole seconds. The patch itself is not stopped. Beyond 57 minutes of the
            hour that CloudFormation waits for a custom resource, the stack waits on a wait
            condition instead: it is made anew with every change of the declaration, and whatever
            depends on this construct waits for the end of the patch. The patch has to begin
            within the hour all the same, and the image must be known at synthesis. No patch
            begins with less than 20 minutes left, or half of a shorter timeout: it could not
            end in time, and its rollback would replace the nodes once more. Default: 57 minutes.
        :param on_create: whether the first deployment patches. Default: it does.
        :param on_rollback: whether groups are patched back when the stack is rolled back.
            Default: they are.
        :param on_skipped_nodes: whether nodes the service left out fail the deployment. Default:
            they do.
        :param wait_for_completion: whether the deployment waits for the end of the patch. Without,
            it succeeds with the outcome ``Accepted`` as soon as HyperPod has taken the call: nobody
            verifies a node, a patch that fails fails no deployment and is not rolled back by
            CloudFormation, and what depends on this construct does not wait. Default: it waits.
        :param cluster_tags: tags the cluster carries; the role's permission for every cluster is
            narrowed to those that carry all of them (``aws:ResourceTag``). Only for a cluster
            known by name: an ARN is as narrow as can be. Default: not narrowed.
        :raises PropertyError: for a value SageMaker would refuse (a ``ValueError``).
        :raises ValueError: when another ``ClusterSoftware`` of the stack declares the software of
            the same group.
        """
        super().__init__(scope, id)
        stack = Stack.of(self)
        known = Cluster.of(stack, cluster)
        groups = None if instance_groups is None else check_instance_groups(instance_groups)
        _check_type("image", image, SoftwareImage, "an image such as SoftwareImage.latest()")
        if rolling_update is not None:
            _check_type("rolling_update", rolling_update, RollingUpdate, "a RollingUpdate(…)")
        deadline = Timeout.of(timeout)
        for name, value, choice in (
            ("on_create", on_create, OnCreate),
            ("on_rollback", on_rollback, OnRollback),
            ("on_skipped_nodes", on_skipped_nodes, OnSkippedNodes),
        ):
            _check_type(
                name, value, choice, " or ".join(f"{choice.__name__}.{one.name}" for one in choice)
            )
        _check_type("wait_for_completion", wait_for_completion, bool, "True or False")
        if not wait_for_completion:
            deadline.refuse_wait_condition("for a deployment that does not wait for the end")
        tags = None if cluster_tags is None else _check_tags(cluster_tags, known)

        self._cluster = known
        self._provider = provider = Provider.of(stack)
        provider.claim(self, known, groups)
        config = image.bind(self)
        provider.grant(known, tags, config)
        properties: dict[str, Any] = {
            "ClusterName": known.name_or_arn,
            **_render_image(config, groups),
            "DeploymentConfig": rolling_update.render() if rolling_update else None,
            "Timeout": deadline.seconds,
            # The defaults are left unsaid, so that they can be told from choices.
            "OnCreate": _unless(OnCreate.PATCH, on_create),
            "OnRollback": _unless(OnRollback.RESTORE, on_rollback),
            "OnSkippedNodes": _unless(OnSkippedNodes.FAIL, on_skipped_nodes),
            "WaitForCompletion": None if wait_for_completion else "false",
        }
        properties = {name: value for name, value in properties.items() if value is not None}
        self._completion: Completion | None = None
        if deadline.needs_wait_condition:
            if unresolved(config.image_id) or unresolved(config.release_version):
                deadline.refuse_wait_condition(
                    "where the image is a token or an SSM parameter; name the AMI itself to wait longer"
                )
            self._completion = Completion(self, properties)
            properties["WaitConditionHandle"] = self._completion.handle
        self._resource = CustomResource(
            self,
            "Resource",
            resource_type=_RESOURCE_TYPE,
            service_token=provider.function.function_arn,
            service_timeout=deadline.service_timeout,
            properties=properties,
        )
        provider.ready_before(self._resource)
        if self._completion is not None:
            self._completion.after(self._resource, deadline)
        self._warn(known, groups, rolling_update, config)

    @property
    def cluster_arn(self) -> str:
        """The ARN of the cluster."""
        return self._attribute("ClusterArn")

    @property
    def outcome(self) -> str:
        """What the last deployment did.

        ``Patched``, ``PatchedWithSkippedNodes``, ``AlreadyCurrent``, ``NothingToPatch``,
        ``Adopted``, ``Accepted``, ``Restored`` or ``LeftAsIs``.
        """
        return self._attribute("Outcome")

    @property
    def patched_instance_groups(self) -> str:
        """The names of the groups that the last deployment patched, parted by commas."""
        return self._attribute("PatchedInstanceGroups")

    @property
    def patched_node_count(self) -> str:
        """How many nodes the last deployment patched: a number, as a string."""
        return self._attribute("PatchedNodeCount")

    def metric(self, metric_name: str, **options: Any) -> cloudwatch.Metric:
        """A metric of this cluster's patches, in the namespace ``HyperPodSoftware``.

        Its one dimension is ``ClusterName``, the cluster as it was declared. The function's log
        lines carry the metrics, one value with each look, so there are none while no patch runs.

        :param metric_name: ``NodesDone``, ``NodesTotal`` or ``Failures``.
        :param options: CDK's ``MetricOptions``, such as ``period``. Default: the maximum of a
            minute.
        """
        return monitoring.metric(self, self._cluster, metric_name, "Maximum", options)

    def metric_nodes_done(self, **options: Any) -> cloudwatch.Metric:
        """How many nodes of the groups being patched are on the image that is being brought.

        :param options: CDK's ``MetricOptions``. Default: the maximum of a minute.
        """
        return self.metric(monitoring.NODES_DONE, **options)

    def metric_nodes_total(self, **options: Any) -> cloudwatch.Metric:
        """How many nodes the groups being patched have.

        :param options: CDK's ``MetricOptions``. Default: the maximum of a minute.
        """
        return self.metric(monitoring.NODES_TOTAL, **options)

    def metric_failures(self, **options: Any) -> cloudwatch.Metric:
        """How many requests of CloudFormation ended with a failure.

        :param options: CDK's ``MetricOptions``. Default: the sum of a minute.
        """
        return self.metric(monitoring.FAILURES, **{"statistic": "Sum", **options})

    def on_state_change(
        self,
        id: str,  # noqa: A002 - CDK's name
        *,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
    ) -> events.Rule:
        """An EventBridge rule for HyperPod's events about this cluster's state.

        They come from SageMaker, at least once, some of them twice, and may never come: let them
        tell people, and do not build on them. HyperPod sends none about software updates as such.

        :param id: the rule's name in this construct.
        :param target: what is told. Default: nothing; add targets to the rule that is returned.
        :param description: of the rule. Default: none.
        :param rule_name: its physical name. Default: CloudFormation makes one up.
        """
        return events.Rule(
            self,
            id,
            event_pattern=monitoring.state_change_pattern(self._cluster),
            targets=None if target is None else [target],
            description=description,
            rule_name=rule_name,
        )

    def dashboard_widgets(self, title: str | None = None) -> list[cloudwatch.IWidget]:
        """Widgets for a CloudWatch dashboard: ``Dashboard(…).add_widgets(*….dashboard_widgets())``.

        A graph of nodes done and nodes in all, the number of failed deploys in the time that is
        shown, and the function's last twenty decisions with the time that was left.

        :param title: what the widgets' titles begin with. Default: the construct's id.
        """
        log_group = self._provider.log_group
        return monitoring.widgets(self, self._cluster, log_group, title or self.node.id)

    def _attribute(self, name: str) -> str:
        if self._completion is not None:
            return self._completion.attribute(name)
        return self._resource.get_att_string(name)

    def _warn(
        self,
        cluster: Cluster,
        groups: tuple[str, ...] | None,
        rolling_update: RollingUpdate | None,
        image: SoftwareImageConfig,
    ) -> None:
        """Stop a reviewer where a mistake would be expensive."""
        notes = Annotations.of(self)
        batch = rolling_update.max_batch_size if rolling_update is not None else None
        if batch is None or batch == BatchSize.percent(100):
            which = "No maximum batch size" if batch is None else "A batch of 100 percent"
            notes.add_warning_v2(
                f"{_WARNING}:everyNodeAtOnce",
                f"{which}: a patch takes every node of the groups down at once, and the jobs on "
                "them are lost.",
            )
        if groups is None and not cluster.declared:
            notes.add_warning_v2(
                f"{_WARNING}:everyInstanceGroup",
                "No instance groups named: a patch takes in every group of the cluster, and a Slurm "
                "controller may be among them.",
            )
        if image.encryption_key is not None:
            notes.add_warning_v2(
                f"{_WARNING}:encryptedImage",
                "An encryption_key is declared: AWS documents HyperPod on encrypted custom AMIs "
                "in its user guide, but asks for unencrypted ones in its API reference. Try it on "
                "a group you can spare.",
            )


def _check_type(name: str, value: object, kind: type[object], requirement: str) -> None:
    if not isinstance(value, kind):
        raise PropertyError(name, value, requirement)


def _check_tags(value: object, cluster: Cluster) -> dict[str, str]:
    name = "cluster_tags"
    requirement = "a mapping of at least one tag's key to its value"
    if not isinstance(value, Mapping):
        raise PropertyError(name, value, requirement)
    tags = cast("Mapping[object, object]", value)
    if not tags:
        raise PropertyError(name, tags, requirement)
    if cluster.arn is not None:
        raise PropertyError(
            name, tags, "left out where the cluster's ARN is known, which is as narrow as can be"
        )
    return dict(check_tag(name, key, value) for key, value in tags.items())


def _render_image(
    image: SoftwareImageConfig, groups: tuple[str, ...] | None
) -> dict[str, object | None]:
    """The properties that say which software; a release is said for each group."""
    release = image.release_version
    return {
        "ImageId": image.image_id,
        "ImageOwner": "self" if image.custom else None,
        "KmsKeyId": image.encryption_key.key_arn if image.encryption_key else None,
        "ImageReleaseVersion": release if groups is None else None,
        "InstanceGroups": None
        if groups is None
        else [
            {
                "InstanceGroupName": group,
                **({} if release is None else {"ImageReleaseVersion": release}),
            }
            for group in groups
        ],
        "Revision": image.revision,
    }


def _unless(default: Enum, choice: Enum) -> object | None:
    return None if choice is default else choice.value
