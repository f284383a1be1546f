"""Custom AMIs: what HyperPod surely cannot use is refused before any node is touched."""

from __future__ import annotations

from hyperpod_software.model.image import Image, Refusal, RefusalReason


def image_refusal(
    image_id: str, image: Image | None, account: str, key: str | None
) -> Refusal | None:
    """Why this AMI cannot be used, or ``None``.

    The service model wants an available AMI of the same account with its primary snapshot
    volume only, unencrypted; the user guide also documents AMIs encrypted with a customer
    managed key. So encryption is refused only where no key was declared.
    """
    if image is None:
        return Refusal(RefusalReason.MISSING, image_id, account)
    if image.owner != account:
        reason = RefusalReason.FOREIGN
    elif image.state != "available":
        reason = RefusalReason.NOT_AVAILABLE
    elif image.snapshots > 1:
        reason = RefusalReason.MORE_VOLUMES
    elif key is None and any(volume.encrypted for volume in image.volumes):
        reason = RefusalReason.ENCRYPTED
    else:
        return None
    return Refusal(reason, image_id, account, image)
