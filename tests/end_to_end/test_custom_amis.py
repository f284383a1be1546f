"""A custom AMI that HyperPod cannot use is refused before any node is touched."""

from __future__ import annotations

import pytest

from sandbox.aws.images import ACCOUNT, ENCRYPTED, FOREIGN, PENDING, PUBLIC, TWO_VOLUMES, Image
from sandbox.clusters import slurm
from tests.end_to_end.declared import keyed_slurm, workers
from tests.end_to_end.stacks import Cloud, by_app, images

MISSING = Image("ami-0000000000000dead", "not there")

NOT_THERE = "it does not exist in this account and region"
NOT_OWN = (
    f"account {PUBLIC.owner} owns it, and HyperPod takes custom AMIs of the cluster's own account "
    f"{ACCOUNT} only: copy it there first, or declare a HyperPod image with "
    "SoftwareImage.public_ami()"
)
NOT_AVAILABLE = "its state is pending, and it must be available"
MORE_VOLUMES = "it has 2 snapshot volumes, and HyperPod takes the root volume's only"
NO_KEY = (
    "it is encrypted and no encryption_key was declared: declare the key with "
    "SoftwareImage.custom_ami(…, encryption_key=…), or use an unencrypted AMI"
)


@pytest.mark.parametrize(
    ("cluster", "image", "why"),
    [
        ("missing", MISSING, NOT_THERE),
        ("unshared", FOREIGN, NOT_THERE),
        ("foreign", PUBLIC, NOT_OWN),
        ("pending", PENDING, NOT_AVAILABLE),
        ("volumes", TWO_VOLUMES, MORE_VOLUMES),
        ("encrypted", ENCRYPTED, NO_KEY),
    ],
    ids=["missing", "unshared", "foreign", "pending", "volumes", "encrypted"],
)
def test_it_is_refused_before_any_call_in_words_a_user_can_act_on(
    cloud: Cloud, cluster: str, image: Image, why: str
) -> None:
    cloud.add(slurm(cluster))
    declared = by_app(cluster.title(), cluster=cluster, groups="workers", image=image.id)
    stack = cloud.deploy(declared)
    assert stack.status == "ROLLBACK_COMPLETE"
    assert stack.failure.startswith(
        f"{image.id} cannot be used: {why}. Nothing was patched. Log group: "
    )
    assert cloud.control.calls(cluster) == []
    assert stack.left() == []


def test_an_encrypted_one_is_used_where_its_key_is_declared(cloud: Cloud) -> None:
    cloud.add(keyed_slurm("keyed"))

    stack = cloud.deploy(workers("Keyed", "keyed", ENCRYPTED.id))
    assert stack.status == "CREATE_COMPLETE"
    assert images(cloud, "keyed")["workers"] == ENCRYPTED.id


def test_one_that_is_refused_in_an_update_leaves_the_stack_as_it_was(cloud: Cloud) -> None:
    cloud.add(slurm("amis"))
    keys = {"cluster": "amis", "groups": "workers"}
    current = images(cloud, "amis")["workers"]
    stack = cloud.deploy(by_app("Amis", image=current, **keys))
    cloud.deploy(by_app("Amis", image=MISSING.id, **keys))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert f"{MISSING.id} cannot be used" in stack.failure
    assert cloud.control.calls("amis") == []
