"""The construct: which software the instance groups of a HyperPod cluster run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from constructs import Construct

from hyperpod_software.contract import signals
from hyperpod_software.contract.answers import Attribute
from hyperpod_software.contract.properties import (
    SOFTWARE_TYPE,
    OnCreate,
    OnRollback,
    OnSkippedNodes,
)

from . import _monitoring as monitoring
from ._cluster import AnyCluster
from ._declaration import Declaration
from ._image import SoftwareImage
from ._neighbours import Neighbours
from ._provider import Provider
from ._rolling_update import RollingUpdate
from ._waiters import add_waiters


class ClusterSoftware(Construct):
    """The software that instance groups of a SageMaker HyperPod cluster run.

    Deploying it patches the groups whose declared image changed, with ``UpdateClusterSoftware``.
    Groups that provably run it already are not touched. The deployment ends when every node of the
    patched groups was verified. Patching a node replaces its root volume; what was on it, and the
    jobs that ran there, are lost.

    **Usage**::

        software = ClusterSoftware(
            self,
            "Software",
            cluster="ml",
            image=SoftwareImage.custom_ami("ami-0123456789abcdef0"),
            instance_groups=["workers"],
            rolling_update=RollingUpdate(max_batch_size=BatchSize.percent(10)),
            timeout=Duration.hours(6),
        )
        CfnOutput(self, "Outcome", value=software.outcome)

    Only a change of the image, of its revision or of the listed groups patches. A change of
    ``rolling_update``, ``timeout`` or any other property patches nothing. Without ``rolling_update``
    all nodes of the groups are replaced at once. Without ``instance_groups`` every group is patched.

    Values are checked against the service model of ``UpdateClusterSoftware``, tokens aside: wrong
    ones raise ``PropertyError`` at synthesis. What only the deployment can find out (no such
    cluster, an AMI that cannot be used) fails it before any node is touched.

    Deleting it touches no cluster.

    Of its attributes only ``cluster_arn`` may be exported to other stacks: the others change with
    every patch, and CloudFormation refuses to change an exported value that is imported.

    All ``ClusterSoftware`` of a stack share one function, role and log group. Those of one cluster
    are deployed one after another, in the order of their declaration unless you gave another, for
    HyperPod takes one patch of a cluster at a time.

    :param scope: where it is declared.
    :param id: its name there.
    :param cluster: the cluster: a ``CfnCluster`` or another reference to a cluster, a name (1
        to 63 letters, digits and inner hyphens) or an ARN. With a name alone, or a token that
        may be one, the function's role gets permission for every cluster of the account's
        region; see ``cluster_tags``, and ``HyperPodCluster.from_cluster_arn`` for a token that
        holds an ARN.
    :param image: what the groups run.
    :param instance_groups: 1 to 100 names of groups, each 1 to 63 characters long. Default:
        every group of the cluster, as in the API, a Slurm controller among them.
    :param rolling_update: how the nodes are replaced. Default: all nodes of the groups at
        once. A change of it alone patches nothing.
    :param timeout: how long a patch may take before the deployment fails: 5 minutes to 24
        hours, in whole seconds. The patch itself is not stopped. Each 57 minutes are one
        *window*, a custom resource in which CloudFormation waits: beyond the first, the
        construct adds a waiter (``Custom::HyperPodPatchWaiter``) for each, and whatever depends
        on this construct waits for the last of them. Their text in the template never changes,
        so a diff between two images does not show them. No patch begins with less than 20
        minutes left, or half of a shorter timeout: it could not end in time, and its rollback
        would replace the nodes once more. Default: 57 minutes.
    :param on_create: whether the first deployment patches. Default: it does.
    :param on_rollback: whether groups are patched back when the stack is rolled back.
        Default: they are.
    :param on_skipped_nodes: whether nodes the service left out fail the deployment. Default:
        they do.
    :param wait_for_completion: whether the deployment waits for the end of the patch. Without,
        it succeeds with the outcome ``Accepted`` as soon as HyperPod accepted the request: nobody
        verifies a node, a patch that fails fails no deployment and is not rolled back by
        CloudFormation, and what depends on this construct does not wait. Default: it waits.
    :param allow_caller_credentials: whether a timeout of more than one window may be deployed
        without a service role. CloudFormation then works with the credentials of whoever
        deploys, and cannot renew them: when they end, the stack operation ends while the patch
        goes on. Default: such a deployment is refused before anything is patched.
    :param cluster_tags: tags the cluster carries; the role's permission for every cluster is
        narrowed to those that carry all of them (``aws:ResourceTag``). Only for a cluster
        known by name: an ARN is as narrow as can be. Default: not narrowed.
    :raises PropertyError: for a value SageMaker would refuse (a ``ValueError``).
    :raises ValueError: when another ``ClusterSoftware`` of the stack declares the software of
        the same group.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        cluster: AnyCluster,
        image: SoftwareImage,
        instance_groups: Sequence[str] | None = None,
        rolling_update: RollingUpdate | None = None,
        timeout: Duration | None = None,
        on_create: OnCreate = OnCreate.PATCH,
        on_rollback: OnRollback = OnRollback.RESTORE,
        on_skipped_nodes: OnSkippedNodes = OnSkippedNodes.FAIL,
        wait_for_completion: bool = True,
        allow_caller_credentials: bool = False,
        cluster_tags: Mapping[str, str] | None = None,
    ) -> None:
        stack = Stack.of(scope)
        declared = Declaration.of(
            stack,
            cluster=cluster,
            image=image,
            instance_groups=instance_groups,
            rolling_update=rolling_update,
            timeout=timeout,
            on_create=on_create,
            on_rollback=on_rollback,
            on_skipped_nodes=on_skipped_nodes,
            wait_for_completion=wait_for_completion,
            allow_caller_credentials=allow_caller_credentials,
            cluster_tags=cluster_tags,
        )
        neighbours = Neighbours.of(stack)
        claim = neighbours.claim(f"{scope.node.path}/{id}", declared.cluster, declared.groups)
        # What is refused is refused above: it leaves no construct, claim or permission behind.
        super().__init__(scope, id)
        self._cluster = declared.cluster
        self._provider = Provider.of(stack)
        first, self._last = self._windows(declared)
        neighbours.add(claim, begins=first, ends=self._last)

    def _windows(self, declared: Declaration) -> tuple[CustomResource, CustomResource]:
        """Declare the first custom resource and its waiters: the first and the last of them."""
        config = declared.image.bind(self)
        service_token = self._provider.function.function_arn
        granted = self._provider.grant(declared.cluster, declared.tags, config)
        first = CustomResource(
            self,
            "Resource",
            resource_type=SOFTWARE_TYPE,
            service_token=service_token,
            service_timeout=declared.timeout.service_timeout,
            properties=declared.properties(config),
        )
        # So that the function may act, and be called back, before it is asked.
        first.node.add_dependency(*granted)
        windows = declared.timeout.windows
        last = add_waiters(self, first, service_token=service_token, windows=windows)
        declared.warn(self, config)
        return first, last

    @property
    def cluster_arn(self) -> str:
        """The ARN of the cluster: the very one that was declared, where it is known to be one."""
        return self._cluster.arn or self._attribute(Attribute.CLUSTER_ARN)

    @property
    def outcome(self) -> str:
        """What the last deployment did.

        ``Patched``, ``PatchedWithSkippedNodes``, ``AlreadyCurrent``, ``NothingToPatch``,
        ``Adopted``, ``Accepted``, ``Restored`` or ``LeftAsIs``.
        """
        return self._attribute(Attribute.OUTCOME)

    @property
    def patched_instance_groups(self) -> str:
        """The names of the groups that the last deployment patched, comma-separated."""
        return self._attribute(Attribute.GROUPS)

    @property
    def patched_node_count(self) -> str:
        """How many nodes the last deployment patched: a number, as a string."""
        return self._attribute(Attribute.NODES)

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
        return self.metric(signals.NODES_DONE, **options)

    def metric_nodes_total(self, **options: Any) -> cloudwatch.Metric:
        """How many nodes the groups being patched have.

        :param options: CDK's ``MetricOptions``. Default: the maximum of a minute.
        """
        return self.metric(signals.NODES_TOTAL, **options)

    def metric_failures(self, **options: Any) -> cloudwatch.Metric:
        """How many requests of CloudFormation ended with a failure.

        :param options: CDK's ``MetricOptions``. Default: the sum of a minute.
        """
        return self.metric(signals.FAILURES, **{"statistic": "Sum", **options})

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
        return self._last.get_att_string(name)
