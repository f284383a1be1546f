"""The AMIs the sandbox's EC2 knows, and what is the matter with each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.hyperpod import ImageFacts

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Image:
    """One AMI. `fails`: lifecycle scripts fail on nodes that run it. `kms_key`: encrypted with."""

    id: str
    about: str
    fails: bool = False
    state: str = "available"
    owner: str = ACCOUNT
    public: bool = False
    snapshots: int = 1
    kms_key: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "description": self.about,
            "state": self.state,
            "owner": self.owner,
            "public": self.public,
            "snapshots": self.snapshots,
            "encrypted": self.kms_key is not None,
            "kms_key": self.kms_key,
        }


KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"

CURRENT = Image("ami-00000000000000001", "works; the clusters run it from the start")
NEW = Image("ami-0123456789abcdef0", "works")
NEWER = Image("ami-0123456789abcdef1", "works")
FAILING = Image("ami-0badbadbadbadbad0", "fails: lifecycle scripts fail on every node", fails=True)
PUBLIC = Image(
    "ami-0000000000000aaaa", "works; a public HyperPod AMI", owner="905418338714", public=True
)
FOREIGN = Image("ami-0000000000000ffff", "refused: of another account", owner="111122223333")
PENDING = Image("ami-00000000000009999", "refused: not available yet", state="pending")
TWO_VOLUMES = Image("ami-00000000000002222", "refused: two snapshot volumes", snapshots=2)
ENCRYPTED = Image("ami-0000000000000eeee", "refused without its key: encrypted", kms_key=KEY)

IMAGES = (CURRENT, NEW, NEWER, FAILING, PUBLIC, FOREIGN, PENDING, TWO_VOLUMES, ENCRYPTED)

PARAMETERS = {
    "/aws/service/sagemaker-hyperpod/ami/x86_64/slurm-ubuntu-22.04/latest/ami-id": PUBLIC.id,
}
"""Public SSM parameters, by name."""


def facts(ami: str, answer: Mapping[str, Any]) -> ImageFacts:
    """What the service learns of an AMI from what EC2 has on it (nothing: it is not there)."""
    if not answer:
        return ImageFacts(problem=f"The image {ami} does not exist.")
    if answer["state"] != "available":
        return ImageFacts(problem=f"The image {ami} is {answer['state']}, not available.")
    foreign = answer["owner"] != ACCOUNT
    if foreign and not answer["public"]:
        return ImageFacts(problem=f"The image {ami} belongs to another account.")
    return ImageFacts(
        snapshots=tuple(answer["snapshots"]), kms_key=answer["kms_key"], foreign=foreign
    )
