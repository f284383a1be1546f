"""Which software: the images a group can be declared to run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_kms as kms
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hyperpod_software.contract.properties import LATEST_IMAGE
from hyperpod_software.contract.values import (
    AMI,
    KEY_ARN,
    RELEASE,
    RELEASE_LINE,
    REVISION,
    is_of_line,
)

from ._validation import (
    PropertyError,
    check_flag,
    check_known,
    check_parameter_name,
    check_text,
    unresolved,
)

# Names that begin so are AWS's own; what HyperPod publishes there is public.
_AWS_PARAMETERS: Final = "/aws/"

# To a strict type checker a Key is no IKey: jsii calls some parameters by different names.
_AnyKey = kms.IKey | kms.Key


@dataclass(frozen=True, kw_only=True)
class SoftwareImageConfig:
    """An image as the custom resource's properties and the function's permissions need it."""

    image_id: str | None = None
    """The API's ``ImageId``: ``default`` or an AMI id."""

    release_version: str | None = None
    """The API's ``ImageReleaseVersion``."""

    release_line: str | None = None
    """``MAJOR.MINOR``: any newer release of this line is as good."""

    allow_downgrade: bool = False
    """Whether a first patch may take back a newer patch release."""

    revision: str | None = None
    """What tells this declaration of the same image from an earlier one."""

    custom: bool = False
    """Whether it is an AMI of this account, to be checked and shared by the function."""

    encryption_key: _AnyKey | None = None
    """The key a custom AMI's snapshot is encrypted with."""


class SoftwareImage(ABC):
    """The software a cluster's instance groups are declared to run.

    **Usage**::

        SoftwareImage.custom_ami("ami-0123456789abcdef0")  # an AMI of this account
        SoftwareImage.public_ami("ami-0123456789abcdef0")  # a public HyperPod AMI
        SoftwareImage.release("1.3.0")  # a release of HyperPod's own AMI
        SoftwareImage.release_line("1.3", at_least="1.3.2")  # that, or a newer one of the line
        SoftwareImage.from_ssm_parameter("/images/training")  # the AMI that it holds at deployment
        SoftwareImage.latest(revision="2026-11")  # whatever is newest now

    AMIs and releases are *pinned*: they prove what a group runs, so that it is not patched twice,
    and a rollback can go back to them. ``latest()`` is not.

    Malformed values raise ``PropertyError`` at synthesis. Bounds are those of the service model of
    ``UpdateClusterSoftware``; what is ours (lines, revisions) is never sent to it.
    """

    @staticmethod
    def latest(*, revision: str | None = None) -> SoftwareImage:
        """The newest image HyperPod has for the cluster (``ImageId: default``).

        What is newest changes without this declaration changing, so a later deployment of the
        same text patches nothing. Change ``revision`` to patch to the newest image once more.

        A first deployment, which a renamed construct id or another stack is as well, and a removed
        revision leave a group alone where HyperPod steadily says of it and of all its nodes that
        they are ``UpToDate``. Elsewhere nothing proves what they run, and they are patched again;
        synthesis warns of it. To move a declaration without, keep its logical id
        (``software.node.default_child.node.default_child.override_logical_id("…")``); in another
        stack, deploy it with ``OnCreate.ADOPT`` first.

        :param revision: free text such as ``"2026-11"``: 1 to 64 printable ASCII characters.
            Never sent to SageMaker. Default: no revision.
        :raises PropertyError: for a revision that is empty, too long or not printable.
        """
        return _Known(SoftwareImageConfig(image_id=LATEST_IMAGE, revision=_revision(revision)))

    @staticmethod
    def public_ami(image_id: str) -> SoftwareImage:
        """A public HyperPod AMI, named by its id.

        On Slurm, HyperPod does not support going from its default image to a named AMI.

        :param image_id: ``ami-`` and 8 to 17 hexadecimal digits (or a token).
        :raises PropertyError: for anything else.
        """
        return _Known(SoftwareImageConfig(image_id=check_text("image_id", image_id, AMI)))

    @staticmethod
    def custom_ami(image_id: str, *, encryption_key: _AnyKey | None = None) -> SoftwareImage:
        """An AMI of this account, built on a HyperPod AMI.

        Before any node is touched the AMI is looked at: it must exist, be available, belong to
        this account and have one snapshot volume, unencrypted unless ``encryption_key`` is given.

        :param image_id: ``ami-`` and 8 to 17 hexadecimal digits (or a token).
        :param encryption_key: the KMS key the AMI's snapshot is encrypted with. AWS documents
            encrypted AMIs in one place and excludes them in another, so declaring a key brings a
            warning at synthesis. The function's role may then describe the key and create
            grants for AWS services; the key's own policy must let the account's IAM policies
            do so. Default: the AMI is not encrypted.
        :raises PropertyError: for a malformed id.
        """
        return _Known(
            SoftwareImageConfig(
                image_id=check_text("image_id", image_id, AMI),
                custom=True,
                encryption_key=_check_key(encryption_key),
            )
        )

    @staticmethod
    def release(
        version: str, *, revision: str | None = None, allow_downgrade: bool = False
    ) -> SoftwareImage:
        """A release of the HyperPod-managed AMI (``ImageReleaseVersion`` on each group).

        Declaring an older release than the one declared before rolls back to it. AWS documents
        release versions for EKS-orchestrated clusters created since 2026-01-01.

        :param version: ``MAJOR.MINOR.PATCH``, at most 64 characters (or a token).
        :param revision: free text as for :meth:`latest`. Change it to patch the nodes of a group
            that are not on the release yet; the others are not touched. Default: no revision.
        :param allow_downgrade: whether the first deployment, or a newly listed group, may take
            back a newer patch release of the same line, such as automatic patching brings.
            Default: it fails before anything is patched, and names both.
        :raises PropertyError: for anything else.
        """
        return _Known(
            SoftwareImageConfig(
                release_version=check_text("version", version, RELEASE),
                revision=_revision(revision),
                allow_downgrade=check_flag("allow_downgrade", allow_downgrade),
            )
        )

    @staticmethod
    def release_line(
        line: str, *, at_least: str | None = None, revision: str | None = None
    ) -> SoftwareImage:
        """A line of releases of the HyperPod-managed AMI, from one of its releases on.

        A group that runs ``at_least`` or a newer release of the line is left as it is; others are
        patched to ``at_least``. So a stack and HyperPod's automatic patching get along, which
        brings patch releases and never another line.

        :param line: ``MAJOR.MINOR``, known at synthesis.
        :param at_least: the oldest release of the line that will do, known at synthesis. Default:
            the line's first, ``MAJOR.MINOR.0``.
        :param revision: as for :meth:`release`. Default: no revision.
        :raises PropertyError: for anything else, or a release of another line.
        """
        oldest = f"{check_known('line', line, RELEASE_LINE)}.0"
        if at_least is not None:
            oldest = check_text("at_least", at_least, RELEASE)
            if unresolved(oldest) or not is_of_line(oldest, line):
                raise PropertyError("at_least", at_least, f"a release of the line {line}")
        return _Known(
            SoftwareImageConfig(
                release_version=oldest, release_line=line, revision=_revision(revision)
            )
        )

    @staticmethod
    def from_ssm_parameter(
        parameter_name: str, *, encryption_key: _AnyKey | None = None
    ) -> SoftwareImage:
        """The AMI whose id an SSM parameter holds when the stack is deployed.

        CloudFormation reads the parameter at each deployment, so a deployment after the
        parameter changed patches the groups, even if nothing else changed. The template stays
        the same: ``cdk diff`` shows nothing of it where it compares templates, ``cdk diff
        --method=change-set`` shows it, for it asks CloudFormation, and ``cdk deploy --hotswap``
        leaves it out. A name under ``/aws/`` holds a public HyperPod AMI, such as
        ``/aws/service/sagemaker-hyperpod/ami/x86_64/slurm-ubuntu-22.04/latest/ami-id``; any
        other name a custom AMI of this account, checked as by :meth:`custom_ami`.

        :param parameter_name: the name, known at synthesis, without a version.
        :param encryption_key: as for :meth:`custom_ami`; refused for a name under ``/aws/``.
        :raises PropertyError: for a malformed name, or a key for a public AMI.
        """
        name = check_parameter_name(parameter_name)
        if encryption_key is not None and name.startswith(_AWS_PARAMETERS):
            raise PropertyError(
                "encryption_key",
                encryption_key,
                "left out for a parameter under /aws/, which holds a public AMI",
            )
        return _Parameter(name, _check_key(encryption_key))

    @abstractmethod
    def bind(self, scope: Construct) -> SoftwareImageConfig:
        """What this image means in the stack of ``scope``; called by ``ClusterSoftware``."""


@dataclass(frozen=True)
class _Known(SoftwareImage):
    """An image that means the same in every stack."""

    config: SoftwareImageConfig

    def bind(self, scope: Construct) -> SoftwareImageConfig:  # noqa: ARG002 - SoftwareImage's
        return self.config


@dataclass(frozen=True)
class _Parameter(SoftwareImage):
    name: str
    encryption_key: _AnyKey | None

    def bind(self, scope: Construct) -> SoftwareImageConfig:
        return SoftwareImageConfig(
            image_id=ssm.StringParameter.value_for_string_parameter(scope, self.name),
            custom=not self.name.startswith(_AWS_PARAMETERS),
            encryption_key=self.encryption_key,
        )


def _revision(value: str | None) -> str | None:
    return None if value is None else check_text("revision", value, REVISION)


def _check_key(key: _AnyKey | None) -> _AnyKey | None:
    if key is not None and not hasattr(key, "key_arn"):
        raise PropertyError("encryption_key", key, "a KMS key, such as Key.from_key_arn(…)")
    if key is not None:
        check_text("encryption_key", key.key_arn, KEY_ARN)
    return key
