"""Rules 1 to 7: what a Create or an Update patches, and what it never touches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hyperpod_software.edges.properties import BadProperty, parse_declaration
from hyperpod_software.edges.sagemaker import update_request
from hyperpod_software.rules.images import image_refusal
from hyperpod_software.rules.starting import may_call, plan
from hyperpod_software.words.decision import Finish, Outcome, Patch, Wait
from hyperpod_software.words.image import Image, Volume
from hyperpod_software.words.request import Request
from tests.lifecycle.samples import (
    ARN,
    NEW,
    NOW,
    OLD,
    cluster,
    declared,
    group,
    groups,
    properties,
    request,
)

HANDLE = "https://bucket.invalid/handle?X-Amz-Signature=secret"


def patched(decision: object) -> tuple[str, ...]:
    assert isinstance(decision, Patch), decision
    return decision.groups


def ended(decision: object, outcome: Outcome | None) -> str:
    assert isinstance(decision, Finish), decision
    assert decision.outcome is outcome
    return decision.reason


# -- rule 1 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ClusterName": None}, "ClusterName is missing; allowed is a cluster's name or ARN"),
        ({"ClusterName": "no good"}, "ClusterName is 'no good'; allowed is a name of 1 to 63"),
        ({"ClusterName": "arn:aws:s3:::b"}, "ClusterName is 'arn:aws:s3:::b'; allowed is an ARN"),
        ({"ImageId": "foo"}, "ImageId is 'foo'; allowed is ami- and 8 to 17 hexadecimal"),
        ({"ImageId": None}, "Neither ImageId nor an ImageReleaseVersion"),
        ({"ImageReleaseVersion": "1.2.3"}, "ImageId and ImageReleaseVersion were both given"),
        ({"ImageOwner": "amazon"}, "ImageOwner is 'amazon'; allowed is self"),
        ({"KmsKeyId": "alias/x"}, "KmsKeyId is 'alias/x'; allowed is the ARN of a KMS key"),
        ({"InstanceGroups": []}, "InstanceGroups has 0 entries; allowed are 1 to 100"),
        ({"InstanceGroups": groups(*(f"g{n}" for n in range(101)))}, "has 101 entries"),
        ({"InstanceGroups": groups("a", "a")}, "'a'; allowed is each group once"),
        ({"InstanceGroups": groups("-a")}, "InstanceGroupName is '-a'; allowed is letters"),
        ({"InstanceGroups": groups("x" * 64)}, "allowed is text of 1 to 63 characters"),
        ({"InstanceGroups": "workers"}, "InstanceGroups is 'workers'; allowed is a list"),
        ({"InstanceGroups": ["workers"]}, "InstanceGroups[0] is 'workers'; allowed is a structure"),
        ({"ImageId": None, "InstanceGroups": groups("a", version="1.2")}, "MAJOR.MINOR.PATCH"),
        ({"Timeout": "soon"}, "Timeout is 'soon'; allowed is a whole number from 60 to 3420"),
        ({"Timeout": "36000"}, "Timeout is '36000'"),
        ({"Timeout": "٣٠٠"}, "Timeout is '\\u0663"),
        ({"OnCreate": "maybe"}, "OnCreate is 'maybe'; allowed is patch or adopt"),
        ({"OnRollback": "x"}, "allowed is restore or leave"),
        ({"OnSkippedNodes": "x"}, "allowed is fail or warn"),
        ({"Colour": "red"}, "ResourceProperties has a property 'Colour'; allowed are ClusterName"),
        (
            {"DeploymentConfig": {"RollingUpdatePolicy": {}}},
            "DeploymentConfig.RollingUpdatePolicy.MaximumBatchSize is missing",
        ),
        (
            {"DeploymentConfig": {"WaitIntervalInSeconds": "3601"}},
            "DeploymentConfig.WaitIntervalInSeconds is '3601'; allowed is a whole number from 0",
        ),
        (
            {"DeploymentConfig": {"AutoRollbackConfiguration": [{"AlarmName": " "}]}},
            "AutoRollbackConfiguration[0].AlarmName is ' '",
        ),
    ],
)
def test_rule_01_bad_properties_fail_naming_property_value_and_what_is_allowed(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(BadProperty) as caught:
        parse_declaration(properties(**changes))
    assert said in str(caught.value)


@pytest.mark.parametrize("raw", [None, "text", 7, [], {"ClusterName": {"deep": ["x" * 9000]}}])
def test_rule_01_whatever_is_sent_gets_one_short_line(raw: object) -> None:
    with pytest.raises(BadProperty) as caught:
        parse_declaration(raw)
    assert len(str(caught.value)) < 400


def test_numbers_arrive_as_strings_and_leave_as_numbers() -> None:
    size = {"Type": "CAPACITY_PERCENTAGE", "Value": "10"}
    config = {
        "RollingUpdatePolicy": {"MaximumBatchSize": size},
        "WaitIntervalInSeconds": "300",
        "AutoRollbackConfiguration": [{"AlarmName": "errors"}],
    }
    assert declared(DeploymentConfig=config).deployment == {
        "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "CAPACITY_PERCENTAGE", "Value": 10}},
        "WaitIntervalInSeconds": 300,
        "AutoRollbackConfiguration": [{"AlarmName": "errors"}],
    }


# -- rule 2 ---------------------------------------------------------------------------------


def test_rule_02_a_missing_group_fails_and_names_the_groups_that_exist() -> None:
    asked = request(declared(InstanceGroups=groups("nosuch")))
    said = ended(plan(asked, cluster(group("login"), group("workers")), NOW), None)
    assert said == (
        "Cluster ml has no instance group nosuch. Its groups are: login and workers. "
        "Nothing was patched."
    )


def test_rule_02_a_restricted_group_is_not_patched_by_name() -> None:
    asked = request(declared(InstanceGroups=groups("nova")))
    said = ended(plan(asked, cluster(restricted_groups=("nova",)), NOW), None)
    assert "restricted instance group" in said


# -- rule 3 ---------------------------------------------------------------------------------


def test_rule_03_create_patches_every_declared_group_that_is_not_proven() -> None:
    asked = request(declared(InstanceGroups=groups("a", "b")))
    seen = cluster(group("a"), group("b", image_id=NEW), group("c"))
    assert patched(plan(asked, seen, NOW)) == ("a",)


def test_rule_03_create_with_nothing_left_succeeds_without_a_call() -> None:
    said = ended(plan(request(), cluster(group(image_id=NEW)), NOW), Outcome.NOTHING_TO_PATCH)
    assert said.endswith("Nothing was patched.")


def test_rule_03_adopting_only_checks_that_cluster_and_groups_exist() -> None:
    asked = request(declared(OnCreate="adopt"))
    said = ended(plan(asked, cluster(status="Updating"), NOW), Outcome.ADOPTED)
    assert said.endswith(
        f"Not on the declared software, and left so until the declaration changes: workers ({OLD})."
    )


def test_rule_03_what_is_left_on_another_image_is_told() -> None:
    asked = request(declared(Timeout="600"), declared())
    said = ended(plan(asked, cluster(), NOW), Outcome.NOTHING_TO_PATCH)
    assert f"left so until the declaration changes: workers ({OLD})." in said
    there = ended(plan(asked, cluster(group(image_id=NEW)), NOW), Outcome.NOTHING_TO_PATCH)
    assert there.endswith("Nothing was patched.")


def test_rule_03_a_first_deploy_does_not_call_a_group_current_that_counts_nodes_off_the_image() -> (
    None
):
    partly = cluster(group(image_id=NEW, target_state_count=3))
    said = ended(plan(request(), partly, NOW), None)
    assert "counts only 3 of 4 nodes of workers on it. Nothing was patched" in said
    warned = plan(request(declared(OnSkippedNodes="warn")), partly, NOW)
    assert "3 of 4 nodes" in ended(warned, Outcome.NOTHING_TO_PATCH)


def test_rule_03_a_later_deploy_tells_of_such_nodes_and_does_not_fail() -> None:
    """Its rollback would take the group for one that it patched, and replace every node."""
    partly = cluster(group(image_id=NEW, target_state_count=3))
    later = request(declared(), declared(ImageId=OLD))
    assert "3 of 4 nodes" in ended(plan(later, partly, NOW), Outcome.NOTHING_TO_PATCH)
    missing = request(declared(OnCreate="adopt", InstanceGroups=groups("nosuch")))
    ended(plan(missing, cluster(), NOW), None)


def test_rule_03_update_patches_only_groups_whose_declared_software_changed() -> None:
    before = declared(InstanceGroups=groups("a"))
    asked = request(declared(InstanceGroups=groups("a", "b")), before)
    assert patched(plan(asked, cluster(group("a"), group("b")), NOW)) == ("b",)


def test_rule_03_update_from_listed_groups_to_every_group_patches_the_new_ones() -> None:
    before = declared(InstanceGroups=groups("a"))
    asked = request(declared(InstanceGroups=None), before)
    assert patched(plan(asked, cluster(group("a"), group("b")), NOW)) == ("b",)


def test_rule_03_a_new_revision_patches_again_for_default_proves_nothing() -> None:
    before = declared(ImageId="default", Revision="2026-10")
    asked = request(declared(ImageId="default", Revision="2026-11"), before)
    assert patched(plan(asked, cluster(group(image_id="default")), NOW)) == ("workers",)


def test_rule_03_absent_image_fields_prove_nothing() -> None:
    assert patched(plan(request(), cluster(group(image_id=None)), NOW)) == ("workers",)


def test_rule_03_versions_are_compared_group_by_group() -> None:
    both = groups("a", version="1.2.0") + groups("b", version="1.3.0")
    before = declared(ImageId=None, InstanceGroups=groups("a", "b", version="1.2.0"))
    asked = request(declared(ImageId=None, InstanceGroups=both), before)
    seen = cluster(group("a", image_id="default", version="1.2.0"),
                   group("b", image_id="default", version="1.2.0"))  # fmt: skip
    assert patched(plan(asked, seen, NOW)) == ("b",)


def test_rule_03_ami_ids_are_the_same_in_capital_letters() -> None:
    asked = request(declared(ImageId=NEW.upper().replace("AMI", "ami")), declared())
    ended(plan(asked, cluster(), NOW), Outcome.NOTHING_TO_PATCH)


def test_rule_03_what_is_proven_needs_no_waiting_for_what_others_do() -> None:
    asked = request(declared(InstanceGroups=groups("a")))
    others = cluster(group("a", image_id=NEW), group("b", update_status="InProgress"))
    ended(plan(asked, others, NOW), Outcome.NOTHING_TO_PATCH)


def test_rule_03_in_the_older_mode_a_busy_cluster_proves_nothing() -> None:
    busy = cluster(group(image_id=NEW), status="SystemUpdating")
    assert isinstance(plan(request(), busy, NOW), Wait)


def test_every_group_is_asked_for_by_name_so_that_one_made_meanwhile_is_not_patched() -> None:
    asked = declared(InstanceGroups=None)
    whole = plan(request(asked), cluster(group("a"), group("b")), NOW)
    assert isinstance(whole, Patch)
    assert update_request(whole, asked)["InstanceGroups"] == groups("a", "b")


# -- rule 4 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"Timeout": "600"},
        {"OnSkippedNodes": "warn"},
        {"OnRollback": "leave"},
        {"ClusterName": ARN},
        {"DeploymentConfig": {"WaitIntervalInSeconds": "60"}},
        {"ImageOwner": "self"},
    ],
)
def test_rule_04_what_does_not_say_which_software_never_patches(
    change: dict[str, object],
) -> None:
    asked = request(declared(**change), declared())
    ended(plan(asked, cluster(status="Updating"), NOW), Outcome.NOTHING_TO_PATCH)


def test_rule_04_the_order_of_the_groups_never_patches() -> None:
    asked = request(declared(InstanceGroups=groups("b", "a")),
                    declared(InstanceGroups=groups("a", "b")))  # fmt: skip
    ended(plan(asked, cluster(group("a"), group("b")), NOW), Outcome.NOTHING_TO_PATCH)


# -- rule 5 ---------------------------------------------------------------------------------

OWN = "111122223333"


@pytest.mark.parametrize(
    ("image", "key", "said"),
    [
        (None, None, "it does not exist in this account and region"),
        (Image(NEW, "available", "999999999999"), None, "account 999999999999 owns it"),
        (Image(NEW, "pending", OWN), None, "its state is pending, and it must be available"),
        (Image(NEW, "available", OWN, (Volume("s1"), Volume("s2"))), None, "2 snapshot volumes"),
        (Image(NEW, "available", OWN, (Volume("s1", encrypted=True),)), None, "it is encrypted"),
    ],
)
def test_rule_05_an_ami_that_cannot_be_used_is_refused_before_any_call(
    image: Image | None, key: str | None, said: str
) -> None:
    refusal = image_refusal(NEW, image, OWN, key)
    assert refusal is not None
    assert said in refusal
    assert refusal.endswith("Nothing was patched.")


@pytest.mark.parametrize(
    ("image", "key"),
    [
        (Image(NEW, "available", OWN, (Volume("s1"),)), None),
        (Image(NEW, "available", OWN), None),
        (Image(NEW, "available", OWN, (Volume("s1", encrypted=True),)), "arn:aws:kms:…"),
    ],
)
def test_rule_05_an_ami_that_may_be_used_passes(image: Image, key: str | None) -> None:
    assert image_refusal(NEW, image, OWN, key) is None


def test_rule_05_default_to_custom_ami_on_slurm_is_refused_where_proven() -> None:
    seen = cluster(group(image_id="default"), slurm=True)
    assert "cannot replace HyperPod's default image" in ended(plan(request(), seen, NOW), None)
    patched(plan(request(), cluster(group(image_id=None), slurm=True), NOW))
    patched(plan(request(), cluster(group(image_id="default")), NOW))


def test_rule_05_a_release_is_for_eks_clusters() -> None:
    asked = request(declared(ImageId=None, ImageReleaseVersion="1.3.0", InstanceGroups=None))
    said = ended(plan(asked, cluster(group(image_id="default"), slurm=True), NOW), None)
    assert said.startswith("A release version is for EKS clusters, and cluster ml is a Slurm")


def test_rule_05_a_release_cannot_replace_a_custom_ami() -> None:
    asked = request(declared(ImageId=None, ImageReleaseVersion="1.3.0", InstanceGroups=None))
    assert "declare SoftwareImage.latest() first" in ended(plan(asked, cluster(), NOW), None)


# -- rule 6 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen",
    [
        cluster(status="Updating"),
        cluster(status="SomethingNew"),
        cluster(group(status="SystemUpdating")),
        cluster(group(update_status="Pending")),
        cluster(group(update_status="SomethingNew")),
        cluster(group(scaling=True)),
        cluster(group(), group("other", status="Creating")),
    ],
)
def test_rule_06_a_busy_cluster_is_waited_for_while_a_patch_can_end_in_time(seen: object) -> None:
    assert isinstance(plan(request(), seen, NOW + 1799), Wait)  # type: ignore[arg-type]
    late = ended(plan(request(), seen, NOW + 1800), None)  # type: ignore[arg-type]
    assert late.startswith("Nothing was patched within 1800 seconds: ")
    assert late.endswith("would not end before the timeout of 3000 seconds.")


@pytest.mark.parametrize(
    ("timeout", "handle", "latest"),
    [
        ("600", None, 300),
        ("3420", None, 2220),
        ("3600", HANDLE, 2400),
        ("43020", HANDLE, 3420),
    ],
)
def test_rule_12_no_patch_begins_that_cannot_end_in_time(
    timeout: str, handle: str | None, latest: int
) -> None:
    asked = request(declared(Timeout=timeout, WaitConditionHandle=handle))
    assert asked.begin_by == NOW + latest
    patched(plan(asked, cluster(), NOW + latest - 1))
    assert "could not begin within" in ended(plan(asked, cluster(), NOW + latest), None)


@pytest.mark.parametrize("status", ["Failed", "Degraded", "InService", None])
def test_rule_06_a_group_that_rests_is_not_busy(status: str | None) -> None:
    patched(plan(request(), cluster(group(status=status, update_status="Failed")), NOW))


# -- rule 7 ---------------------------------------------------------------------------------


def live(asked: Request, status: str | None, at: float | None) -> bool:
    return may_call(asked, status, at)


def test_rule_07_a_request_calls_only_while_cloudformation_shows_it_under_way() -> None:
    create, update = request(), request(before=declared())
    assert live(create, "CREATE_IN_PROGRESS", NOW)
    assert live(update, "UPDATE_IN_PROGRESS", NOW + 1)
    assert not live(create, "CREATE_COMPLETE", NOW)
    assert not live(create, None, None)


@pytest.mark.parametrize("word", ["UPDATE", "IMPORT", "UPDATE_ROLLBACK", "NEWFANGLED"])
def test_rule_07_under_way_is_any_word_but_a_deletes(word: str) -> None:
    """A resource that is new in a stack's update is said to be created, or to be updated."""
    assert live(request(), f"{word}_IN_PROGRESS", NOW)
    assert not live(request(), f"{word}_COMPLETE", NOW)
    assert not live(request(), "DELETE_IN_PROGRESS", NOW)


def test_rule_07_a_request_delivered_again_during_a_later_one_does_not_call() -> None:
    assert not live(request(before=declared()), "UPDATE_IN_PROGRESS", NOW + 600)


def test_an_update_that_moves_to_another_cluster_patches_it_as_a_create_would() -> None:
    moved = request(declared(ClusterName="other"), declared())
    assert patched(plan(moved, replace(cluster(), name="other"), NOW)) == ("workers",)
