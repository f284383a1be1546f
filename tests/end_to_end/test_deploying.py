"""Deploying patches what was declared, and tells how it went."""

from __future__ import annotations

from hyperpod_patching import OnRollback
from hyperpod_software.contract.properties import SOFTWARE_TYPE
from sandbox.aws.images import CURRENT, FAILING, NEW, NEWER, PARAMETERS, PUBLIC
from sandbox.clusters import older, slurm, training
from sandbox.waiting import until
from tests.end_to_end.declared import new_eks, workers
from tests.end_to_end.stacks import SPEED, Cloud, Said, Stack, by_app, images, patched
from tests.end_to_end.story import Told

SCRIPTS_FAILED = "Lifecycle scripts did not run successfully"


# --- Create and update ------------------------------------------------------------------------------


def test_a_first_deploy_can_adopt_a_cluster_as_it_is(cloud: Cloud) -> None:
    cloud.add(slurm("adopted"))
    keys = {"cluster": "adopted", "groups": "workers", "on_create": "adopt"}
    stack = cloud.deploy(by_app("Adopted", image=NEW.id, **keys))
    assert stack.status == "CREATE_COMPLETE"
    assert stack.outputs["Outcome"] == "Adopted"
    assert cloud.control.calls("adopted") == []
    cloud.deploy(by_app("Adopted", image=NEWER.id, **keys))
    assert patched(cloud, "adopted") == [(NEWER.id, ["workers"])]
    assert stack.outputs["Outcome"] == "Patched"


def test_without_groups_the_whole_cluster_is_patched_in_one_call(cloud: Cloud) -> None:
    cloud.add(slurm("whole", workers=3))
    stack = cloud.deploy(by_app("Whole", cluster="whole", image=NEW.id))
    assert patched(cloud, "whole") == [(NEW.id, ["controller", "login", "workers"])]
    assert stack.outputs["PatchedInstanceGroups"] == "controller,login,workers"
    assert stack.outputs["PatchedNodeCount"] == "5"


def test_groups_that_provably_run_the_image_are_not_touched(cloud: Cloud) -> None:
    cloud.add(slurm("proven"))
    stack = cloud.deploy(by_app("Proven", cluster="proven", image=CURRENT.id))
    assert stack.outputs["Outcome"] == "NothingToPatch"
    assert cloud.control.calls("proven") == []


def test_a_release_is_declared_for_each_group_of_an_eks_cluster(cloud: Cloud) -> None:
    cloud.add(new_eks("released"))
    keys = {"cluster": "released", "groups": "workers"}
    stack = cloud.deploy(by_app("Released", image="release:1.3.0", **keys))
    assert stack.status == "CREATE_COMPLETE"
    (call,) = cloud.control.calls("released")
    assert call["Parameters"] == {
        "ClusterName": "released",
        "InstanceGroups": [{"InstanceGroupName": "workers", "ImageReleaseVersion": "1.3.0"}],
    }
    assert images(cloud, "released") == {"system": "1.2.0", "workers": "1.3.0"}
    cloud.deploy(by_app("Released", image="release:1.1.0", **keys))
    assert images(cloud, "released") == {"system": "1.2.0", "workers": "1.1.0"}


def test_the_latest_image_is_patched_again_with_a_new_revision_only(cloud: Cloud) -> None:
    cloud.add(new_eks("latest"))
    keys = {"cluster": "latest", "groups": "workers"}
    stack = cloud.deploy(by_app("Latest", revision="2026-10", **keys))
    assert images(cloud, "latest")["workers"] == "1.3.0"
    cloud.deploy(by_app("Latest", revision="2026-10", batch="1", **keys))
    assert patched(cloud, "latest") == [("default", ["workers"])]
    cloud.control.set("latest", repatch_current=True)
    cloud.deploy(by_app("Latest", revision="2026-11", batch="1", **keys))
    assert patched(cloud, "latest") == [("default", ["workers"])] * 2
    assert stack.outputs["Outcome"] == "Patched"


def test_a_public_image_can_come_from_a_parameter(cloud: Cloud) -> None:
    cloud.add(slurm("public"))
    (name,) = PARAMETERS
    cloud.deploy(by_app("Public", cluster="public", groups="workers", image=f"ssm:{name}"))
    assert patched(cloud, "public") == [(PUBLIC.id, ["workers"])]
    assert images(cloud, "public")["workers"] == PUBLIC.id


def test_a_cluster_that_shows_no_images_is_patched_and_verified_by_its_nodes(cloud: Cloud) -> None:
    cloud.add(older("old"))
    stack = cloud.deploy(by_app("Old", cluster="old", groups="workers", revision="1"))
    assert stack.outputs["Outcome"] == "Patched"
    assert stack.outputs["PatchedNodeCount"] == "4"
    assert patched(cloud, "old") == [("default", ["workers"])]
    assert cloud.control.replaced("old") == {"controller": 0, "login": 0, "workers": 4}


def test_another_cluster_is_a_replacement_and_the_old_one_is_not_touched(cloud: Cloud) -> None:
    cloud.add(slurm("before"), slurm("after"))
    stack = cloud.deploy(by_app("Moved", cluster="before", groups="login", image=NEW.id))
    old = stack.physical_id
    cloud.deploy(by_app("Moved", cluster="after", groups="login", image=NEW.id))
    assert stack.status == "UPDATE_COMPLETE"
    assert (old, stack.physical_id) == ("before", "after")
    (deleted,) = until(lambda: stack.stages("delete") or None, "the old one's Delete")
    assert deleted["reason"] == "The cluster was left as it is."
    assert patched(cloud, "before") == patched(cloud, "after") == [(NEW.id, ["login"])]
    assert stack.left() == []


def test_a_busy_cluster_is_waited_for(cloud: Cloud) -> None:
    cloud.add(slurm("busy"), speed=1, settle_seconds=0)
    cloud.control.patch(
        ClusterName="busy", ImageId=NEWER.id, InstanceGroups=[{"InstanceGroupName": "login"}]
    )
    stack = cloud.begin(by_app("Busy", cluster="busy", groups="workers", image=NEW.id))
    waiting = until(lambda: stack.stages("waiting") or None, "a look at the busy cluster")
    assert waiting[0]["reason"].startswith("Waiting to begin: ")
    cloud.control.set("busy", speed=SPEED)
    stack.wait()
    assert stack.outputs["Outcome"] == "Patched"
    assert patched(cloud, "busy") == [(NEWER.id, ["login"]), (NEW.id, ["workers"])]
    assert images(cloud, "busy") == {
        "controller": CURRENT.id,
        "login": NEWER.id,
        "workers": NEW.id,
    }


def test_one_declared_change_is_one_accepted_call_whatever_the_service_answers(
    cloud: Cloud,
) -> None:
    cloud.add(slurm("moody"), lost_events=0.5, doubled_events=0.5)
    refusals = [
        {"code": "ThrottlingException", "operation": "DescribeCluster", "times": 2},
        {"code": "ConflictException", "operation": "UpdateClusterSoftware", "times": 2},
        {"code": "ThrottlingException", "operation": "UpdateClusterSoftware"},
        {"code": "AnswerLost", "operation": "UpdateClusterSoftware"},
        {"code": "InternalFailure", "operation": "ListClusterNodes"},
    ]
    cloud.control.set("moody", refusals=refusals)
    stack = cloud.deploy(by_app("Moody", cluster="moody", groups="workers", image=NEW.id))
    assert stack.outputs["Outcome"] == "Patched"
    assert [call["Outcome"] for call in cloud.control.calls("moody")] == [
        "ConflictException",
        "ConflictException",
        "ThrottlingException",
        "Accepted",
    ]
    assert cloud.control.replaced("moody")["workers"] == 16
    assert stack.left() == []


# --- Failure ----------------------------------------------------------------------------------------


def test_a_first_deploy_that_fails_is_rolled_back_and_can_be_deleted(cloud: Cloud) -> None:
    cloud.add(slurm("first"))
    stack = cloud.deploy(by_app("First", cluster="first", groups="workers", image=FAILING.id))
    assert stack.status == "ROLLBACK_COMPLETE"
    assert SCRIPTS_FAILED in stack.failure
    assert images(cloud, "first")["workers"] == CURRENT.id
    assert stack.left() == []
    stack.delete()
    assert patched(cloud, "first") == [(FAILING.id, ["workers"])]


def test_an_alarm_rolls_the_patch_back_and_fails_the_deploy(cloud: Cloud) -> None:
    cloud.add(training("alarmed"), alarm_after_batch=1)
    keys = {"cluster": "alarmed", "groups": "workers", "batch": "4"}
    declared = by_app("Alarmed", image=NEW.id, alarms="errors", wait_interval="60", **keys)
    stack = cloud.deploy(declared)
    assert stack.failure.startswith(
        f"The patch of cluster alarmed to {NEW.id} failed: workers (RollbackComplete, 16 nodes, "
        f"now on {CURRENT.id}). HyperPod rolled the nodes back. HyperPod's own reason: "
        "Software update rolled back: an alarm is in ALARM state. Log group: "
    )
    assert cloud.control.replaced("alarmed")["workers"] == 8
    assert stack.left() == []


def test_a_custom_image_cannot_replace_the_default_one_on_slurm(cloud: Cloud) -> None:
    cloud.add(slurm("managed", image=None))
    stack = cloud.deploy(by_app("Managed", cluster="managed", groups="workers", image=NEW.id))
    assert stack.failure.startswith(
        f"{NEW.id} cannot replace HyperPod's default image on a Slurm cluster, and workers of "
        "cluster managed runs it: create a new instance group on the AMI instead. "
        "Nothing was patched. Log group: "
    )
    assert cloud.control.calls("managed") == []


def test_skipped_nodes_fail_the_deploy_and_are_named(cloud: Cloud) -> None:
    cloud.add(new_eks("skipping"), skipped_nodes=2)
    stack = cloud.deploy(by_app("Skipping", cluster="skipping", groups="workers", image=NEW.id))
    assert stack.status == "ROLLBACK_COMPLETE"
    assert (
        f"of 8 nodes 6 run {NEW.id}, with 2 nodes skipped: {left_out(cloud, 'skipping')}. "
        "On EKS, nodes whose eviction would violate a PodDisruptionBudget are skipped."
    ) in stack.failure


def test_skipped_nodes_may_be_a_warning(cloud: Cloud) -> None:
    cloud.add(new_eks("warned"), skipped_nodes=2)
    keys = {"cluster": "warned", "groups": "workers", "on_skipped_nodes": "warn"}
    stack = cloud.deploy(by_app("Warned", image=NEW.id, **keys))
    assert stack.status == "CREATE_COMPLETE"
    assert stack.outputs["Outcome"] == "PatchedWithSkippedNodes"
    assert stack.outputs["PatchedNodeCount"] == "6"
    (said,) = stack.ends()
    assert left_out(cloud, "warned") in said["reason"]


def test_a_cluster_that_disappears_while_being_patched_fails_the_deploy(cloud: Cloud) -> None:
    cloud.add(slurm("doomed"), vanish_after=200)
    stack = cloud.deploy(by_app("Doomed", cluster="doomed", groups="workers", image=NEW.id))
    assert stack.failure.startswith("While being patched, cluster doomed disappeared. Log group: ")
    assert stack.left() == []


# --- Rollback ---------------------------------------------------------------------------------------


def test_when_a_later_resource_fails_the_groups_are_patched_back_until_the_next_deploy(
    cloud: Cloud,
) -> None:
    cloud.add(slurm("undone"))
    stack = cloud.deploy(workers("Undone", "undone", NEW.id))
    cloud.deploy(workers("Undone", "undone", NEWER.id, later_fails=True))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert patched(cloud, "undone") == [
        (image, ["workers"]) for image in (NEW.id, NEWER.id, NEW.id)
    ]
    assert images(cloud, "undone")["workers"] == NEW.id
    assert stack.outcomes(3) == ["Patched", "Patched", "Restored"]
    cloud.deploy(workers("Undone", "undone", NEWER.id))
    assert stack.status == "UPDATE_COMPLETE"
    assert patched(cloud, "undone")[3:] == [(NEWER.id, ["workers"])]
    assert stack.left() == []


def test_a_rollback_can_be_told_to_leave_the_groups_as_they_are(cloud: Cloud) -> None:
    cloud.add(slurm("kept"))
    leave = OnRollback.LEAVE
    stack = cloud.deploy(workers("Kept", "kept", NEW.id, on_rollback=leave))
    cloud.deploy(workers("Kept", "kept", NEWER.id, later_fails=True, on_rollback=leave))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert patched(cloud, "kept") == [(NEW.id, ["workers"]), (NEWER.id, ["workers"])]
    assert stack.outcomes(3) == ["Patched", "Patched", "LeftAsIs"]
    assert stack.left() == []


def test_a_rollback_to_whatever_is_newest_patches_nothing(cloud: Cloud) -> None:
    cloud.add(new_eks("newest"))
    stack = cloud.deploy(workers("Newest", "newest", "default"))
    cloud.deploy(workers("Newest", "newest", NEW.id, later_fails=True))
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert [image for image, _ in patched(cloud, "newest")] == ["default", NEW.id]
    assert stack.outcomes(3)[-1] == "LeftAsIs"


def left_out(cloud: Cloud, cluster: str) -> str:
    """The workers that were not replaced, as a reason names them."""
    nodes = cloud.control.replacements(cluster)["workers"]
    return " and ".join(f"{node} (skipped)" for node, times in nodes.items() if not times)


# --- The story, through the command line --------------------------------------------------------------


def test_the_first_deploy_patches_the_declared_group(told: Told) -> None:
    assert told.created.said.code == 0, told.created.said.text
    (call,) = told.created.calls
    assert call["Outcome"] == "Accepted"
    assert call["Parameters"] == {
        "ClusterName": "story",
        "ImageId": NEW.id,
        "InstanceGroups": [{"InstanceGroupName": "workers"}],
        "DeploymentConfig": {
            "RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "CAPACITY_PERCENTAGE", "Value": 50}
            }
        },
    }
    assert told.created.replaced == {"workers": 16}
    assert told.created.images == {"system": CURRENT.id, "inference": CURRENT.id, "workers": NEW.id}


def test_the_outputs_say_what_was_done(told: Told) -> None:
    assert told.created.outputs == {
        "ClusterArn": "arn:aws:sagemaker:us-east-1:000000000000:cluster/story0123456",
        "Outcome": "Patched",
        "PatchedInstanceGroups": "workers",
        "PatchedNodeCount": "16",
    }
    assert "Story.Outcome = Patched" in told.created.said.text


def test_deploying_the_same_again_makes_no_call(told: Told) -> None:
    assert told.repeated.said.code == 0, told.repeated.said.text
    assert told.repeated.calls == []
    assert "no changes" in told.repeated.said.text


def test_adding_a_group_patches_only_that_group(told: Told) -> None:
    assert told.widened.said.code == 0, told.widened.said.text
    (call,) = told.widened.calls
    assert call["Parameters"]["InstanceGroups"] == [{"InstanceGroupName": "inference"}]
    assert told.widened.replaced == {"inference": 4}
    assert told.widened.outputs["PatchedInstanceGroups"] == "inference"


def test_another_batch_size_patches_nothing(told: Told) -> None:
    assert told.rebatched.said.code == 0, told.rebatched.said.text
    assert told.rebatched.calls == []
    assert told.rebatched.status == "UPDATE_COMPLETE"
    assert told.rebatched.outputs["Outcome"] == "NothingToPatch"
    assert told.rebatched.outputs["PatchedNodeCount"] == "0"


def test_a_diff_between_two_images_shows_the_image_and_nothing_else(told: Told) -> None:
    assert told.compared.said.code == 0, told.compared.said.text
    assert told.compared.calls == []
    _, _, shown = told.compared.said.text.partition("Stack Story")
    assert [line.rstrip() for line in shown.splitlines()[1:] if line.strip()] == [
        "Resources",
        f"[~] {SOFTWARE_TYPE} ClusterSoftware/Resource ClusterSoftwareCE00E3E5 may be replaced",
        " └─ [~] ImageId (may cause replacement)",
        f"     ├─ [-] {NEW.id}",
        f"     └─ [+] {NEWER.id}",
        "✨  Number of stacks with differences: 1",
    ]


def test_an_image_that_fails_is_rolled_back_by_the_service_and_by_cloudformation(
    told: Told,
) -> None:
    assert told.failed.said.code == 1
    assert [call["Parameters"]["ImageId"] for call in told.failed.calls] == [FAILING.id]
    assert told.failed.images == {"system": CURRENT.id, "inference": NEW.id, "workers": NEW.id}
    assert told.failed.status == "UPDATE_ROLLBACK_COMPLETE"


def test_the_user_reads_why_an_image_failed(told: Told) -> None:
    assert told.failed.failure is not None
    assert told.failed.failure.startswith(
        f"The patch of cluster story to {FAILING.id} failed: "
        f"inference (Failed, 4 nodes, now on {NEW.id}) and "
        f"workers (Failed, 16 nodes, now on {NEW.id}). "
    )
    assert "HyperPod's own reason: Software update of instance group " in told.failed.failure
    assert (
        f"to {FAILING.id} failed: {SCRIPTS_FAILED}. Log group: Story-HyperPodSoftware"
        in told.failed.failure
    )
    assert told.failed.failure in told.failed.said.words


def test_destroying_touches_no_node_and_leaves_nothing(told: Told) -> None:
    assert told.destroyed.said.code == 0, told.destroyed.said.text
    assert told.destroyed.calls == []
    assert told.destroyed.replaced == {}
    assert told.destroyed.images == {"system": CURRENT.id, "inference": NEW.id, "workers": NEW.id}
    assert told.destroyed.status is None
    assert told.stack.left() == []


def test_a_cluster_that_does_not_exist_is_refused_at_once(
    cloud: Cloud, without_cluster: Said
) -> None:
    assert without_cluster.code == 1
    reason = "Cluster nosuch does not exist in us-east-1 of account 000000000000."
    assert f"{reason} Nothing was patched. Log group: " in without_cluster.words
    assert "Traceback" not in without_cluster.text
    assert_refused_at_once(cloud, "NoCluster", "nosuch")


def test_groups_that_do_not_exist_are_refused_with_those_that_do(
    cloud: Cloud, without_group: Said
) -> None:
    assert without_group.code == 1
    reason = "Cluster nogroup has no instance group nosuch."
    exist = "Its groups are: controller, login and workers. Nothing was patched. Log group: "
    assert f"{reason} {exist}" in without_group.words
    assert "Traceback" not in without_group.text
    assert_refused_at_once(cloud, "NoGroup", "nogroup")


def assert_refused_at_once(cloud: Cloud, name: str, cluster: str) -> None:
    stack = Stack(cloud, by_app(name, cluster=cluster))
    assert stack.status == "ROLLBACK_COMPLETE"
    # The first look decided; nothing was tried again.
    assert stack.outcomes() == ["Failed"]
    assert stack.stages("waiting") == []
    assert cloud.control.calls(cluster) == []
    assert stack.left() == []
