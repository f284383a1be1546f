"""EC2: the AMIs of the account, as DescribeImages and DescribeSnapshots show them."""

# ruff: noqa: N803 - arguments are called as AWS calls them

from __future__ import annotations

from typing import Any

from sandbox.hyperpod.updates import ImageFacts
from tests.simulation.gate import Gate, error

ACCOUNT = "000000000000"
GOOD = tuple(f"ami-{letter * 17}" for letter in "abcd")
"""AMIs that nothing is wrong with; the last one fails where a history says so."""
FAILING = "ami-0badbadbadbadbad0"
PENDING, FOREIGN, FORKED = (f"ami-{letter * 17}" for letter in "123")
MISSING = "ami-99999999999999999"
UNUSABLE = (MISSING, PENDING, FOREIGN, FORKED)
"""What a custom AMI of one's own cannot be."""


class Images:
    """The AMIs, and the client that the function sees."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def facts(self, image: str) -> ImageFacts:
        """What HyperPod finds when it is asked for the AMI."""
        problems = {
            MISSING: f"The image id '{MISSING}' does not exist.",
            PENDING: f"{PENDING} is not available.",
            FORKED: f"{FORKED} has more than the primary snapshot volume.",
        }
        return ImageFacts(problem=problems.get(image), foreign=image == FOREIGN)

    def describe_images(self, *, ImageIds: list[str]) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            (image,) = ImageIds
            if image == MISSING:
                raise error("InvalidAMIID.NotFound", "DescribeImages", "It does not exist.")
            volumes = 2 if image == FORKED else 1
            return {
                "Images": [
                    {
                        "ImageId": image,
                        "State": "pending" if image == PENDING else "available",
                        "OwnerId": "111122223333" if image == FOREIGN else ACCOUNT,
                        "BlockDeviceMappings": [
                            {"Ebs": {"SnapshotId": f"snap-{number}{image[4:20]}"}}
                            for number in range(volumes)
                        ],
                    }
                ]
            }

        return self._gate.call("ec2", "DescribeImages", effect)

    def describe_snapshots(self, *, SnapshotIds: list[str]) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            found = [{"SnapshotId": name, "Encrypted": False} for name in SnapshotIds]
            return {"Snapshots": found}

        return self._gate.call("ec2", "DescribeSnapshots", effect)
