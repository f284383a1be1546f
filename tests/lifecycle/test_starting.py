"""Rules 1 to 7: what a Create or an Update patches, and what it never touches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hyperpod_software.adapters.properties import parse_declaration
from hyperpod_software.adapters.sagemaker import update_request
from hyperpod_software.contract.answers import Outcome
from hyperpod_software.messages import say
from hyperpod_software.messages.plans import held
from hyperpod_software.model.cluster import Cluster, Group, Reading, Said
from hyperpod_software.model.decision import CountNodes, Finish, Patch, Wait
from hyperpod_software.model.errors import BadProperty
from hyperpod_software.model.image import Image, Volume
from hyperpod_software.model.plan import Hold, HoldKind
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Declaration
from hyperpod_software.model.state import Progress
from hyperpod_software.model.why import Unusable
from hyperpod_software.rules.images import image_refusal
from hyperpod_software.rules.operation import is_taken_back, may_call
from hyperpod_software.rules.planning import plan
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
    reason,
    request,
)


def patched(decision: object) -> tuple[str, ...]:
    assert isinstance(decision, Patch), decision
    return decision.groups


def line_of(version: str, **more: object) -> dict[str, object]:
    """The properties of a release line of which ``version`` is the oldest that will do."""
    listed = groups("workers", version=version)
    return {"ImageId": None, "InstanceGroups": listed, "ReleaseLine": "1.3", **more}


def release(version: str, **more: object) -> Declaration:
    return declared(ImageId=None, InstanceGroups=groups("workers", version=version), **more)


def on(version: str | None, **changes: Any) -> Group:
    return group(image_id="default", version=version, **changes)


def told(seen: Cluster, *, times: int = 1, **said: object) -> list[Reading]:
    """Readings of a cluster whose four workers say so."""
    fields: dict[str, Any] = {"total": 4, **said}
    return [Reading(seen, {"workers": Said(**fields)})] * times


def decide(asked: Request, seen: Cluster, **said: Any) -> object:
    """What is decided once the nodes were read, where they are asked for."""
    decision = plan(asked, seen, NOW)
    if isinstance(decision, CountNodes):
        return plan(asked, seen, NOW, told(seen, **said))
    return decision


def ended(decision: object, outcome: Outcome | None) -> str:
    assert isinstance(decision, Finish), decision
    assert decision.outcome is outcome
    return reason(decision)


# -- rule 1 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ClusterName": None}, "ClusterName is missing; allowed is a HyperPod cluster's name"),
        ({"ClusterName": "no good"}, "ClusterName is 'no good'; allowed is a HyperPod cluster's"),
        (
            {"ClusterName": "arn:aws:s3:::b"},
            "ClusterName is 'arn:aws:s3:::b'; allowed is a HyperPod",
        ),
        ({"ImageId": "foo"}, "ImageId is 'foo'; allowed is an AMI id: ami- and 8 to 17"),
        ({"ImageId": None}, "Neither ImageId nor an ImageReleaseVersion"),
        ({"ImageReleaseVersion": "1.2.3"}, "ImageId and ImageReleaseVersion were both given"),
        ({"ImageOwner": "amazon"}, "ImageOwner is 'amazon'; allowed is self"),
        ({"KmsKeyId": "alias/x"}, "KmsKeyId is 'alias/x'; allowed is the ARN of a KMS key"),
        ({"InstanceGroups": []}, "InstanceGroups has 0 entries; allowed are 1 to 100"),
        ({"InstanceGroups": groups(*(f"g{n}" for n in range(101)))}, "has 101 entries"),
        ({"InstanceGroups": groups("a", "a")}, "'a'; allowed is each group once"),
        ({"InstanceGroups": groups("-a")}, "InstanceGroupName is '-a'; allowed is an instance"),
        ({"InstanceGroups": groups("x" * 64)}, "name (1 to 63 letters, digits and inner hyphens)"),
        ({"InstanceGroups": "workers"}, "InstanceGroups is 'workers'; allowed is a list"),
        ({"InstanceGroups": ["workers"]}, "InstanceGroups[0] is 'workers'; allowed is a structure"),
        ({"ImageId": None, "InstanceGroups": groups("a", version="1.2")}, "MAJOR.MINOR.PATCH"),
        ({"Timeout": "soon"}, "Timeout is 'soon'; allowed is a whole number from 300 to 86400"),
        ({"Timeout": "86401"}, "Timeout is '86401'"),
        ({"Timeout": "٣٠٠"}, "Timeout is '\\u0663"),
        ({"OnCreate": "maybe"}, "OnCreate is 'maybe'; allowed is patch or adopt"),
        ({"OnRollback": "x"}, "allowed is restore or leave"),
        ({"OnSkippedNodes": "x"}, "allowed is fail or warn"),
        (
            {"Colour": "red"},
            "ResourceProperties has a property 'Colour'; allowed are AllowCallerCredentials",
        ),
        ({"ReleaseLine": "1.3"}, "ReleaseLine was given without an ImageReleaseVersion"),
        (line_of("1.3.0", ReleaseLine="1"), "ReleaseLine is '1'; allowed is a line"),
        (line_of("1.4.0"), "'1.4.0'; allowed is a release of the declared line 1.3"),
        ({"AllowDowngrade": "yes"}, "AllowDowngrade is 'yes'; allowed is true or false"),
        ({"AllowRollingUpdateOnSlurm": "x"}, "AllowRollingUpdateOnSlurm is 'x'; allowed is true"),
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


def test_rule_03_a_release_that_is_partly_there_is_called_for_again() -> None:
    """AWS documents that only nodes not on that release are touched."""
    partly = cluster(on("1.3.0", target_state_count=3))
    first = request(release("1.3.0"))
    again = request(release("1.3.0", Revision="2"), release("1.3.0", Revision="1"))
    newly = request(release("1.3.0"), release("1.2.0"))
    for asked in (first, again, newly):
        assert patched(decide(asked, partly)) == ("workers",)
    whole = cluster(on("1.3.0", target_state_count=4))
    for asked in (first, again, newly):
        ended(plan(asked, whole, NOW), Outcome.NOTHING_TO_PATCH)


def test_rule_03_where_no_count_is_shown_nodes_say_which_release_they_run() -> None:
    seen = cluster(on("1.3.0"))
    asked = request(release("1.3.0"))
    assert plan(asked, seen, NOW) == CountNodes(("workers",))
    assert patched(plan(asked, seen, NOW, told(seen, off=1))) == ("workers",)
    ended(plan(asked, seen, NOW, told(seen)), Outcome.NOTHING_TO_PATCH)
    ended(plan(asked, seen, NOW, [Reading(seen, {})]), Outcome.NOTHING_TO_PATCH)


def test_rule_03_releases_are_compared_as_numbers() -> None:
    asked = request(declared(**line_of("1.3.9")))
    older, newer = (cluster(on(it, target_state_count=4)) for it in ("1.3.1", "1.3.10"))
    assert patched(decide(asked, older)) == ("workers",)
    ended(plan(asked, newer, NOW), Outcome.NOTHING_TO_PATCH)


def test_rule_03_anything_newer_of_a_release_line_proves_itself() -> None:
    asked = declared(**line_of("1.3.2"))
    for version, there in (("1.3.2", True), ("1.3.7", True), ("1.3.1", False), ("1.4.0", False)):
        decision = decide(request(asked), cluster(on(version, target_state_count=4)))
        assert isinstance(decision, Finish) == there, version
    named = update_request(Patch(cluster(), ("workers",)), asked)
    assert named["InstanceGroups"] == groups("workers", version="1.3.2")


NEWEST = cluster(group(image_id="default", image_status="UpToDate", target_state_count=4))


def test_rule_03_nodes_that_steadily_say_up_to_date_prove_the_latest_image() -> None:
    asked = request(declared(ImageId="default", Revision="1"))
    for times in range(3):
        read = told(NEWEST, times=times, newest=4)
        assert plan(asked, NEWEST, NOW, read) == CountNodes(("workers",))
    ended(plan(asked, NEWEST, NOW, told(NEWEST, times=3, newest=4)), Outcome.NOTHING_TO_PATCH)


@pytest.mark.parametrize(
    "changes",
    [
        {"image_status": None},
        {"image_status": "UpdateAvailable"},
        {"image_id": None},
        {"image_id": OLD},
        {"update_status": "InProgress"},
    ],
)
def test_rule_03_up_to_date_proves_nothing_where_something_speaks_against_it(
    changes: dict[str, object],
) -> None:
    """A group on a custom AMI says UpToDate, too, and the field was seen to flap."""
    asked = request(declared(ImageId="default"))
    other = cluster(replace(NEWEST.groups[0], **changes))  # type: ignore[arg-type]
    assert not isinstance(plan(asked, other, NOW), Finish | CountNodes)
    flapped = [*told(NEWEST, newest=4), *told(other, newest=4)]
    assert patched(plan(asked, NEWEST, NOW, flapped)) == ("workers",)
    one_does_not = told(NEWEST, newest=3)
    assert patched(plan(asked, NEWEST, NOW, one_does_not)) == ("workers",)
    too_many_to_read = [Reading(NEWEST, {})]
    assert patched(plan(asked, NEWEST, NOW, too_many_to_read)) == ("workers",)


def test_rule_03_a_group_that_counts_fewer_nodes_than_it_has_is_patched() -> None:
    asked = request(declared(ImageId="default"))
    fewer = cluster(replace(NEWEST.groups[0], target_state_count=3))
    assert patched(plan(asked, fewer, NOW, told(fewer, newest=4))) == ("workers",)


def test_rule_03_nodes_that_move_between_groups_speak_against_no_proof() -> None:
    asked = request(declared(ImageId="default"))
    moving = cluster(replace(NEWEST.groups[0], current_count=5))
    steady = told(moving, times=3, total=5, newest=4, away=1, moving=1)
    ended(plan(asked, moving, NOW, steady), Outcome.NOTHING_TO_PATCH)
    not_newest = told(moving, times=3, total=5, newest=4, away=1)
    assert patched(plan(asked, moving, NOW, not_newest)) == ("workers",)


def test_rule_19_a_release_whose_count_is_hidden_is_read_again_before_it_is_refused() -> None:
    """Fields were seen to be missing in single readings."""
    asked = request(release("1.3.0"))
    hidden = cluster(on_release := group(image_id="default", version=None, desired_version="1.3.1"))
    assert plan(asked, hidden, NOW, told(hidden)) == CountNodes(("workers",))
    none = cluster(replace(on_release, version="1.2.0", target_state_count=0))
    assert patched(plan(asked, none, NOW, told(hidden) + told(none))) == ("workers",)
    ended(plan(asked, hidden, NOW, told(hidden, times=3)), None)


def test_rule_03_nodes_that_scaling_has_not_brought_up_speak_against_no_proof() -> None:
    """The count of a group that wants capacity may hold them."""
    wanting: dict[str, Any] = {"current_count": 6, "target_state_count": 4, "scaling": True}
    latest = cluster(replace(NEWEST.groups[0], **wanting))
    asked = request(declared(ImageId="default", Revision="1"))
    steady = told(latest, times=3, total=6, newest=4, away=2)
    ended(plan(asked, latest, NOW, steady), Outcome.NOTHING_TO_PATCH)
    one_does_not = told(latest, times=3, total=6, newest=3, away=2)
    assert patched(plan(asked, latest, NOW, one_does_not)) == ("workers",)
    fewer = cluster(replace(latest.groups[0], target_state_count=3))  # one runs a custom AMI
    one_is_not_counted = told(fewer, times=3, total=6, newest=4, away=2)
    assert patched(plan(asked, fewer, NOW, one_is_not_counted)) == ("workers",)

    released, pinned = cluster(on("1.3.0", **wanting)), request(release("1.3.0"))
    assert plan(pinned, released, NOW) == CountNodes(("workers",))
    ended(plan(pinned, released, NOW, told(released, total=6)), Outcome.NOTHING_TO_PATCH)
    assert patched(plan(pinned, released, NOW, told(released, total=6, off=1))) == ("workers",)

    custom = cluster(group(image_id=NEW, **wanting))
    said = ended(plan(request(), custom, NOW), Outcome.NOTHING_TO_PATCH)
    assert "counts only 4 of 6 nodes of workers on it" in said


def test_rule_03_a_removed_revision_asks_for_nothing_and_a_new_one_does() -> None:
    before = declared(ImageId="default", Revision="1")
    steady = told(NEWEST, times=3, newest=4)
    removed = request(declared(ImageId="default"), before)
    ended(plan(removed, NEWEST, NOW, steady), Outcome.NOTHING_TO_PATCH)
    new = request(declared(ImageId="default", Revision="2"), before)
    assert patched(plan(new, NEWEST, NOW)) == ("workers",)


def test_rule_03_no_node_is_read_while_another_group_has_to_wait() -> None:
    busy = cluster(*NEWEST.groups, group("b", image_id="default", update_status="InProgress"))
    asked = request(declared(ImageId="default", InstanceGroups=groups("workers", "b")))
    assert isinstance(plan(asked, busy, NOW), Wait)


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
    assert patched(decide(asked, seen)) == ("b",)


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
        {"AllowDowngrade": "true"},
        {"AllowRollingUpdateOnSlurm": "true"},
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
    assert said in say(Unusable(refusal))
    assert say(Unusable(refusal)).endswith("Nothing was patched.")


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


@pytest.mark.parametrize("shown", [{"slurm": True}, {"eks": False}])
def test_rule_05_a_declared_batch_is_refused_where_eks_is_not_shown(
    shown: dict[str, object],
) -> None:
    wait = {"DeploymentConfig": {"WaitIntervalInSeconds": "60"}}
    seen = cluster(**shown)
    said = ended(plan(request(declared(**wait)), seen, NOW), None)
    assert "available only for clusters integrated with Amazon EKS" in said
    patched(plan(request(declared(**wait, AllowRollingUpdateOnSlurm="true")), seen, NOW))
    patched(plan(request(declared(**wait)), cluster(), NOW))
    nothing = cluster(group(image_id=NEW), **shown)
    ended(plan(request(declared(**wait)), nothing, NOW), Outcome.NOTHING_TO_PATCH)


# -- rule 19 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen",
    [
        on("1.3.10", target_state_count=4),
        on("1.3.1", desired_version="1.3.10", target_state_count=1),
    ],
)
def test_rule_19_a_newer_patch_release_is_not_taken_back_unasked(seen: Group) -> None:
    asked = release("1.3.9")
    unasked = (request(asked), request(asked, release("1.3.8")), request(asked, release("1.2.0")))
    for each in (*unasked, request(asked, declared(InstanceGroups=groups("other")))):
        said = ended(decide(each, cluster(seen)), None)
        assert "to release 1.3.9 would take a newer patch release back" in said
        assert "workers (1.3.10)" in said
        assert 'release("1.3.9", allow_downgrade=True)' in said


def test_rule_19_a_newer_patch_release_is_taken_back_where_the_diff_shows_it() -> None:
    seen = cluster(on("1.3.10", target_state_count=4))
    for before in (release("1.3.10"), release("1.4.0"), declared(**line_of("1.3.10"))):
        assert patched(decide(request(release("1.3.9"), before), seen)) == ("workers",)
    allowed = request(release("1.3.9", AllowDowngrade="true"))
    assert patched(decide(allowed, seen)) == ("workers",)


def test_rule_19_a_diff_to_an_older_release_line_takes_nothing_back() -> None:
    seen = cluster(on("1.2.0", target_state_count=4))
    asked = request(declared(**line_of("1.3.0")), release("1.3.9"))
    assert "workers (1.3.9)" in ended(decide(asked, seen, newer="1.3.9"), None)


def test_rule_19_a_diff_about_another_cluster_allows_nothing() -> None:
    seen = cluster(on("1.3.10", target_state_count=4))
    moved = request(release("1.3.9"), release("1.3.10", ClusterName="other"))
    assert "would take a newer patch" in ended(decide(moved, seen), None)


def test_rule_19_nodes_that_were_moved_on_are_not_taken_back_to_finish_a_group() -> None:
    seen = cluster(on("1.3.0", desired_version="1.3.1", target_state_count=2))
    asked = request(release("1.3.0"))
    said = ended(plan(asked, seen, NOW, told(seen, off=1, newer="1.3.1")), None)
    assert "workers (1.3.1)" in said
    ended(plan(asked, seen, NOW, told(seen, newer="1.3.1")), Outcome.NOTHING_TO_PATCH)


def test_rule_19_a_single_node_on_a_newer_patch_is_not_taken_back() -> None:
    """Before a release is called for, its nodes are asked: the group need not show it."""
    seen = cluster(on("1.2.0", desired_version="1.2.0", target_state_count=3))
    asked = request(release("1.3.0"))
    assert plan(asked, seen, NOW) == CountNodes(("workers",))
    assert "workers (1.3.1)" in ended(decide(asked, seen, newer="1.3.1"), None)
    assert patched(plan(asked, seen, NOW, [Reading(seen, {})])) == ("workers",)


def test_rule_19_a_release_line_does_not_take_back_what_is_newer_than_it_calls_for() -> None:
    seen = cluster(on("1.3.5", desired_version="1.3.5", target_state_count=3))
    asked = request(declared(**line_of("1.3.2")))
    said = ended(plan(asked, seen, NOW, told(seen, off=1)), None)
    assert 'release_line("1.3", at_least="1.3.5")' in said
    ended(plan(asked, seen, NOW, told(seen)), Outcome.NOTHING_TO_PATCH)


def test_another_line_is_no_newer_patch_of_the_declared_one() -> None:
    assert patched(decide(request(release("1.3.9")), cluster(on("1.4.0")))) == ("workers",)


# -- rule 6 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen",
    [
        cluster(status="Updating"),
        cluster(status="SomethingNew"),
        cluster(group(status="SystemUpdating")),
        cluster(group(update_status="Pending")),
        cluster(group(update_status="SomethingNew")),
        cluster(group(), group("other", status="Creating")),
    ],
)
def test_rule_06_a_busy_cluster_is_waited_for_while_a_patch_can_end_in_time(seen: object) -> None:
    assert isinstance(plan(request(), seen, NOW + 1799), Wait)  # type: ignore[arg-type]
    late = ended(plan(request(), seen, NOW + 1800), None)  # type: ignore[arg-type]
    assert late.startswith("Nothing was patched within 1800 seconds: ")
    assert late.endswith("would not end before the timeout of 3000 seconds.")


WANTING = group(scaling=True, current_count=4)


def test_rule_06_a_group_that_wants_capacity_is_patched_all_the_same() -> None:
    patched(plan(request(), cluster(WANTING), NOW))
    patched(plan(request(), cluster(group(), replace(WANTING, name="other")), NOW))


def test_rule_03_a_group_that_wants_capacity_is_proven_all_the_same() -> None:
    there = cluster(replace(WANTING, image_id=NEW))
    ended(plan(request(), there, NOW), Outcome.NOTHING_TO_PATCH)


HELD = Hold(HoldKind.UPDATE, "login", "InProgress")
SINCE_NOW = Progress(NOW, hold=HELD, held_since=NOW)


def test_rule_06_what_kept_a_request_is_told_with_since_when() -> None:
    seen = cluster(group(), group("login", update_status="InProgress"))
    waiting = plan(request(), seen, NOW)
    assert isinstance(waiting, Wait)
    assert waiting.observation is not None
    assert Progress(NOW).after(waiting.observation, NOW + 60).after(
        waiting.observation, NOW + 120
    ) == Progress(NOW, hold=HELD, held_since=NOW + 60)
    said = ended(plan(request(), seen, NOW + 1800, progress=SINCE_NOW), None)
    assert said.startswith(
        f"Nothing was patched within 1800 seconds: {held(HELD)}, another update of this cluster, "
        "seen since 08:00 UTC. A patch that begins later"
    )


def test_rule_06_another_reason_than_the_last_one_has_no_time_yet() -> None:
    said = ended(plan(request(), cluster(status="Updating"), NOW + 1800, progress=SINCE_NOW), None)
    assert said.startswith("Nothing was patched within 1800 seconds: cluster ml is Updating. A")


def test_rule_06_what_kept_a_request_that_may_begin_too_late_is_told() -> None:
    said = ended(plan(request(), cluster(), NOW + 1800, progress=SINCE_NOW), None)
    assert said.endswith(f"1800 seconds. What kept it last: {held(HELD)}, seen since 08:00 UTC.")


@pytest.mark.parametrize(
    ("timeout", "latest"), [("600", 300), ("3420", 2220), ("3600", 2400), ("86400", 85_200)]
)
def test_rule_12_no_patch_begins_that_cannot_end_in_time(timeout: str, latest: int) -> None:
    asked = request(declared(Timeout=timeout))
    assert asked.begin_by == NOW + latest
    patched(plan(asked, cluster(), NOW + latest - 1))
    assert "could not begin within" in ended(plan(asked, cluster(), NOW + latest), None)


@pytest.mark.parametrize("status", ["Failed", "Degraded", "InService", None])
def test_rule_06_a_group_that_rests_is_not_busy(status: str | None) -> None:
    patched(plan(request(), cluster(group(status=status, update_status="Failed")), NOW))


# -- rule 7 ---------------------------------------------------------------------------------


def live(asked: Request, status: str | None, at: float | None) -> bool:
    return may_call(asked.info, status, at)


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


def test_rule_18_events_of_the_operation_before_take_nothing_back() -> None:
    """They may be all that is shown, where the next operation follows within seconds."""
    ticket = request().info
    assert is_taken_back(ticket, "UPDATE_IN_PROGRESS", ticket.issued - 5)
    assert not is_taken_back(ticket, "UPDATE_IN_PROGRESS", ticket.issued - 14)
