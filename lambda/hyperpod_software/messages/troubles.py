"""What went wrong beside the patch itself, in the service's own words and with what to do."""

from __future__ import annotations

from hyperpod_software.messages.plans import NOTHING
from hyperpod_software.messages.results import UNMONITORED
from hyperpod_software.messages.wording import sentence
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.image import Image, Refusal, RefusalReason
from hyperpod_software.model.why import Trouble, TroubleKind

_QUOTAS = {
    "PutRule": (
        "EventBridge allows no more rules in this account and region",
        "raise the quota of rules per event bus, or remove rules",
    ),
    "PutParameter": (
        "Parameter Store holds no more parameters in this account and region",
        "raise the quota of standard parameters, or remove parameters",
    ),
}
"""Operation → what the account has too many of, and what to do."""


def text(trouble: Trouble) -> str:
    """What it means for the request."""
    cause = _cause(trouble.cause)
    match trouble.kind:
        case TroubleKind.CLUSTER_GONE:
            return f"While being patched, cluster {trouble.cluster} disappeared."
        case TroubleKind.NO_CLUSTER:
            where = f"{trouble.region} of account {trouble.account}"
            return f"Cluster {trouble.cluster} does not exist in {where}.{NOTHING}"
        case TroubleKind.NOT_PATCHED:
            return f"{sentence(cause)}{NOTHING}"
        case TroubleKind.NOT_BEGUN:
            return sentence(f"Nothing was patched: {cause}")
        case TroubleKind.NOT_BACK:
            return sentence(f"Nothing was patched back: {cause}")
        case TroubleKind.TRY_AGAIN:
            return sentence(f"Looking again later: {cause}")
        case TroubleKind.TOO_LATE:
            return sentence(f"Nothing was patched, and it is too late to begin: {cause}")
        case TroubleKind.END_UNKNOWN:
            known = sentence(f"How the patch ended is not known: at the timeout {cause}")
            return f"{known} {UNMONITORED}"
        case TroubleKind.FATE_UNKNOWN:
            return sentence(f"What became of the patch is not known: {cause}")


def _cause(cause: AwsError | str) -> str:
    """A problem in the service's own words; of a quota, what is used up and what to do."""
    if isinstance(cause, str):
        return f"the handler met a defect of its own ({cause})"
    if cause.kind is not AwsError.Kind.QUOTA:
        return str(cause)
    used_up, remedy = _QUOTAS.get(cause.operation, (str(cause), "raise that quota of the account"))
    code = "" if used_up == str(cause) else f" ({cause.code})"
    return f"{used_up.rstrip('. ')}{code}: {remedy}"


def unusable(refusal: Refusal) -> str:
    """Why a custom AMI cannot be used, and what to do."""
    return f"{refusal.image_id} cannot be used: {_refused(refusal)}.{NOTHING}"


def _refused(refusal: Refusal) -> str:
    image = refusal.image or Image(refusal.image_id, "unknown", "unknown")
    match refusal.reason:
        case RefusalReason.MISSING:
            return "it does not exist in this account and region"
        case RefusalReason.FOREIGN:
            return (
                f"account {image.owner} owns it, and HyperPod takes custom AMIs of the cluster's "
                f"own account {refusal.account} only: copy it there first, or declare a HyperPod "
                "image with SoftwareImage.public_ami()"
            )
        case RefusalReason.NOT_AVAILABLE:
            return f"its state is {image.state}, and it must be available"
        case RefusalReason.MORE_VOLUMES:
            return (
                f"it has {image.snapshots} snapshot volumes, and HyperPod takes the root volume's "
                "only"
            )
        case RefusalReason.ENCRYPTED:
            return (
                "it is encrypted and no encryption_key was declared: declare the key with "
                "SoftwareImage.custom_ami(…, encryption_key=…), or use an unencrypted AMI"
            )
