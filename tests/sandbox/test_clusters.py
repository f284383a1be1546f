"""The clusters a sandbox has if it is given none."""

from __future__ import annotations

import re

import pytest

from sandbox.clusters import eks, older, slurm

NAMES = ["m", "ml", "ml0", "eks-ml", "eksml", "ML", "ml0123456789", "twelve-chars", "a" * 63]


def cluster_id(name: str) -> str:
    return str(slurm(name)["ClusterArn"]).rpartition("/")[2]


@pytest.mark.parametrize("name", NAMES)
def test_the_id_of_a_cluster_is_twelve_letters_and_digits_as_in_aws(name: str) -> None:
    assert re.fullmatch("[a-z0-9]{12}", cluster_id(name))


def test_clusters_whose_names_begin_alike_have_ids_of_their_own() -> None:
    begins_alike = [f"the-long-name-of-cluster-{number}" for number in range(1000)]
    assert len(set(map(cluster_id, [*NAMES, *begins_alike]))) == len(NAMES) + 1000


def test_the_same_name_has_the_same_id_in_every_run() -> None:
    # Written down, since templates and policies made for a cluster name its ARN.
    assert cluster_id("ml") == "ml0123456789"
    assert cluster_id("the-long-name-of-cluster-1") == "98miwyn5y6nu"
    assert {one("ml")["ClusterArn"] for one in (slurm, eks, older)} == {slurm("ml")["ClusterArn"]}
