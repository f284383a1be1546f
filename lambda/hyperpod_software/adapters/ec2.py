"""EC2: what is known about a custom AMI before any node is touched."""

from __future__ import annotations

from typing import Any

from hyperpod_software.adapters.clients import client
from hyperpod_software.model.errors import AwsError
from hyperpod_software.model.image import Image, Volume


class Images:
    """Reads AMIs; changes nothing."""

    def describe(self, image_id: str) -> Image | None:
        """The AMI, or ``None`` where EC2 knows none of that id."""
        try:
            found = client("ec2").describe_images(ImageIds=[image_id])["Images"]
        except AwsError as problem:
            if problem.kind is AwsError.Kind.NOT_FOUND:
                return None
            raise
        if not found:
            return None
        raw: dict[str, Any] = found[0]
        mappings: list[dict[str, Any]] = raw.get("BlockDeviceMappings") or []
        volumes = [mapping["Ebs"] for mapping in mappings if mapping.get("Ebs")]
        snapshots = self._snapshots(
            [str(ebs["SnapshotId"]) for ebs in volumes if ebs.get("SnapshotId")]
        )
        return Image(
            id=image_id,
            state=str(raw.get("State", "unknown")),
            owner=str(raw.get("OwnerId", "")),
            volumes=tuple(_volume(ebs, snapshots) for ebs in volumes),
        )

    def _snapshots(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        if not ids:
            return {}
        try:
            found = client("ec2").describe_snapshots(SnapshotIds=ids)["Snapshots"]
        except AwsError as problem:
            if problem.kind is AwsError.Kind.NOT_FOUND:
                return {}
            raise
        return {str(snapshot["SnapshotId"]): snapshot for snapshot in found}


def _volume(ebs: dict[str, Any], snapshots: dict[str, dict[str, Any]]) -> Volume:
    snapshot = snapshots.get(str(ebs.get("SnapshotId")), {})
    return Volume(
        snapshot=ebs.get("SnapshotId"),
        encrypted=bool(ebs.get("Encrypted") or snapshot.get("Encrypted")),
        key=snapshot.get("KmsKeyId") or ebs.get("KmsKeyId"),
    )
