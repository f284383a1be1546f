"""What one ``ClusterSoftware`` declares: checked, and as the custom resource's properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar, cast

from aws_cdk import Annotations, Duration, Stack
from constructs import Construct

from hyperpod_software.contract.properties import (
    LATEST_IMAGE,
    OWN_IMAGE,
    GroupMember,
    OnCreate,
    OnRollback,
    OnSkippedNodes,
    Property,
)

from ._cluster import AnyCluster, Cluster
from ._image import SoftwareImage, SoftwareImageConfig
from ._resources import properties_of
from ._rolling_update import BatchSize, RollingUpdate
from ._timeout import Timeout
from ._validation import PropertyError, check_flag, check_instance_groups, check_tag

_WARNING: Final = "cdk-hyperpod-patching"

_Kind = TypeVar("_Kind")
_Choice = TypeVar("_Choice", bound=Enum)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A declaration that was checked. Nothing is made of it yet, in no stack."""

    cluster: Cluster
    image: SoftwareImage
    groups: tuple[str, ...] | None
    rolling_update: RollingUpdate | None
    timeout: Timeout
    on_create: OnCreate
    on_rollback: OnRollback
    on_skipped_nodes: OnSkippedNodes
    wait_for_completion: bool
    allow_caller_credentials: bool
    tags: dict[str, str] | None

    @classmethod
    def of(
        cls,
        stack: Stack,
        *,
        cluster: AnyCluster,
        image: SoftwareImage,
        instance_groups: Sequence[str] | None,
        rolling_update: RollingUpdate | None,
        timeout: Duration | None,
        on_create: OnCreate,
        on_rollback: OnRollback,
        on_skipped_nodes: OnSkippedNodes,
        wait_for_completion: bool,
        allow_caller_credentials: bool,
        cluster_tags: Mapping[str, str] | None,
    ) -> Declaration:
        """What ``ClusterSoftware`` was given.

        :raises PropertyError: for what SageMaker, or this library, does not accept.
        """
        known = Cluster.of(stack, cluster)
        return cls(
            cluster=known,
            groups=None if instance_groups is None else check_instance_groups(instance_groups),
            image=_check_image(image),
            rolling_update=_check_rolling_update(rolling_update, stack, known),
            on_create=_check_choice("on_create", on_create, OnCreate),
            on_rollback=_check_choice("on_rollback", on_rollback, OnRollback),
            on_skipped_nodes=_check_choice("on_skipped_nodes", on_skipped_nodes, OnSkippedNodes),
            wait_for_completion=check_flag("wait_for_completion", wait_for_completion),
            allow_caller_credentials=check_flag(
                "allow_caller_credentials", allow_caller_credentials
            ),
            timeout=_check_timeout(timeout, waits=wait_for_completion),
            tags=None if cluster_tags is None else _check_tags(cluster_tags, known),
        )

    def properties(self, image: SoftwareImageConfig) -> dict[str, Any]:
        """The custom resource's properties. Defaults are left unsaid, to be told from choices."""
        rolling_update = self.rolling_update
        properties: dict[str, Any] = {
            Property.CLUSTER: self.cluster.name_or_arn,
            **_render_image(image, self.groups),
            Property.DEPLOYMENT: rolling_update.render() if rolling_update else None,
            Property.ALLOW_ON_SLURM: "true"
            if rolling_update and rolling_update.allow_on_slurm
            else None,
            Property.TIMEOUT: self.timeout.seconds,
            Property.ON_CREATE: _unless(OnCreate.PATCH, self.on_create),
            Property.ON_ROLLBACK: _unless(OnRollback.RESTORE, self.on_rollback),
            Property.ON_SKIPPED_NODES: _unless(OnSkippedNodes.FAIL, self.on_skipped_nodes),
            Property.WAIT: None if self.wait_for_completion else "false",
            Property.ALLOW_CALLER_CREDENTIALS: "true" if self.allow_caller_credentials else None,
        }
        return {name: value for name, value in properties.items() if value is not None}

    def warn(self, scope: Construct, image: SoftwareImageConfig) -> None:
        """Stop a reviewer where a mistake would be expensive."""
        notes = Annotations.of(scope)
        batch = self.rolling_update.max_batch_size if self.rolling_update is not None else None
        if batch is None or batch == BatchSize.percent(100):
            which = "No maximum batch size" if batch is None else "A batch of 100 percent"
            notes.add_warning_v2(
                f"{_WARNING}:everyNodeAtOnce",
                f"{which}: a patch takes every node of the groups down at once, and the jobs on "
                "them are lost.",
            )
        if self.groups is None and self.cluster.construct is None:
            notes.add_warning_v2(
                f"{_WARNING}:everyInstanceGroup",
                "No instance groups named: a patch takes in every group of the cluster, and a Slurm "
                "controller may be among them.",
            )
        if image.image_id == LATEST_IMAGE and self.on_create is OnCreate.PATCH:
            notes.add_warning_v2(
                f"{_WARNING}:latestImage",
                "SoftwareImage.latest() names no version. A first deployment, which a renamed "
                "construct id or another stack is as well, and a changed or removed revision patch "
                "every group of which HyperPod does not steadily say UpToDate. Keep the logical id "
                "with override_logical_id, or adopt in the other stack with OnCreate.ADOPT.",
            )
        if image.encryption_key is not None:
            notes.add_warning_v2(
                f"{_WARNING}:encryptedImage",
                "An encryption_key is declared: AWS documents HyperPod on encrypted custom AMIs "
                "in its user guide, but asks for unencrypted ones in its API reference. Try it on "
                "a group you can spare.",
            )


def _check_image(value: object) -> SoftwareImage:
    if not isinstance(value, SoftwareImage):
        raise PropertyError("image", value, "an image such as SoftwareImage.latest()")
    return value


def _check_rolling_update(value: object, stack: Stack, cluster: Cluster) -> RollingUpdate | None:
    if value is None:
        return None
    rolling_update = _check_type("rolling_update", value, RollingUpdate, "a RollingUpdate(…)")
    rolling_update.check_place(stack)
    _check_orchestrator(rolling_update, cluster)
    return rolling_update


def _check_orchestrator(rolling_update: RollingUpdate, cluster: Cluster) -> None:
    """Refuse batches on a cluster that is declared in this app, and not for EKS."""
    if cluster.construct is None or rolling_update.allow_on_slurm:
        return
    said = properties_of(cluster.construct).get("orchestrator")
    # Anything else but Slurm's configuration alone may yet be for EKS, a condition say.
    if said is None or set(said) == {"slurm"}:
        raise PropertyError(
            "rolling_update",
            rolling_update,
            f"left out for {cluster.label}, which is not orchestrated by EKS: AWS documents "
            "batches, waits and alarms for EKS alone, and elsewhere every node may be replaced at "
            "once; RollingUpdate(…, allow_on_slurm=True) sends it all the same",
        )


def _check_choice(name: str, value: object, kind: type[_Choice]) -> _Choice:
    requirement = " or ".join(f"{kind.__name__}.{choice.name}" for choice in kind)
    return _check_type(name, value, kind, requirement)


def _check_type(name: str, value: object, kind: type[_Kind], requirement: str) -> _Kind:
    if not isinstance(value, kind):
        raise PropertyError(name, value, requirement)
    return value


def _check_timeout(value: object, *, waits: bool) -> Timeout:
    timeout = Timeout.of(value)
    if not waits:
        timeout.refuse_waiters("for a deployment that does not wait for the end")
    return timeout


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
        Property.IMAGE_ID: image.image_id,
        Property.IMAGE_OWNER: OWN_IMAGE if image.custom else None,
        Property.KEY: image.encryption_key.key_arn if image.encryption_key else None,
        Property.RELEASE: release if groups is None else None,
        Property.RELEASE_LINE: image.release_line,
        Property.ALLOW_DOWNGRADE: "true" if image.allow_downgrade else None,
        Property.GROUPS: None
        if groups is None
        else [
            {
                GroupMember.NAME: group,
                **({} if release is None else {GroupMember.RELEASE: release}),
            }
            for group in groups
        ],
        Property.REVISION: image.revision,
    }


def _unless(default: Enum, choice: Enum) -> object | None:
    return None if choice is default else choice.value
