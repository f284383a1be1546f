"""Custom AMIs: what HyperPod surely cannot use is refused before any node is touched."""

from __future__ import annotations

from hyperpod_software.words.image import Image


def image_refusal(image_id: str, image: Image | None, account: str, key: str | None) -> str | None:
    """Why this AMI cannot be used, in words a user can act on, or ``None``.

    The service model wants an available AMI of the same account with its primary snapshot
    volume only, unencrypted; the user guide also documents AMIs encrypted with a customer
    managed key. So encryption is refused only where no key was declared.
    """
    if image is None:
        why = "it does not exist in this account and region"
    elif image.owner != account:
        why = (
            f"account {image.owner} owns it, and HyperPod takes custom AMIs of the cluster's own "
            f"account {account} only: copy it there first, or declare a HyperPod image with "
            "SoftwareImage.public_ami()"
        )
    elif image.state != "available":
        why = f"its state is {image.state}, and it must be available"
    elif sum(volume.snapshot is not None for volume in image.volumes) > 1:
        snapshots = sum(volume.snapshot is not None for volume in image.volumes)
        why = f"it has {snapshots} snapshot volumes, and HyperPod takes the root volume's only"
    elif key is None and any(volume.encrypted for volume in image.volumes):
        why = (
            "it is encrypted and no encryption_key was declared: declare the key with "
            "SoftwareImage.custom_ami(…, encryption_key=…), or use an unencrypted AMI"
        )
    else:
        return None
    return f"{image_id} cannot be used: {why}. Nothing was patched."
