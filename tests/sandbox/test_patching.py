"""How the simulated service patches: its batches, its statuses, its ways to fail."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.clusters import eks, older, slurm
from sandbox.hyperpod import ServiceError
from tests.sandbox.service import NEW, OLD, START, Service, batches, seconds

FAILING: dict[str, Any] = {"failing_amis": [NEW]}
TO_CREATE = {
    "InstanceGroupName": "g",
    "InstanceCount": 2,
    "InstanceType": "ml.g5.xlarge",
    "ExecutionRole": "arn:aws:iam::000000000000:role/Role",
    "ImageId": NEW,
}


def refused(code: str) -> pytest.RaisesExc[ServiceError]:
    return pytest.raises(ServiceError, match=f"^{code}: ")


def test_a_group_goes_from_pending_through_in_progress_to_succeeded() -> None:
    service = Service()
    service.patch("workers")
    assert service.trace("SoftwareUpdateStatus") == [
        "Succeeded",  # of the request before, for a while
        "Pending",
        "InProgress",
        "Succeeded",
    ]
    assert service.group()["CurrentImageId"] == NEW
    assert service.replaced() == {"controller": 0, "login": 0, "workers": 16}


def test_just_after_a_call_nothing_of_it_can_be_seen() -> None:
    service = Service()
    before = service.group()
    service.patch("workers")
    assert service.group() == before


def test_without_groups_every_group_is_patched() -> None:
    service = Service()
    service.patch()
    service.finish()
    assert service.replaced() == {"controller": 1, "login": 1, "workers": 16}


def test_without_a_deployment_config_a_whole_group_goes_down_at_once() -> None:
    service = Service()
    service.patch("workers")
    service.at(21)
    assert {n["InstanceStatus"]["Status"] for n in service.nodes()} == {"SystemUpdating"}


@pytest.mark.parametrize(
    ("policy", "counts"),
    [
        (batches(6), [16, 0, 6, 12, 16]),
        (batches(percent=25), [16, 0, 4, 8, 12, 16]),
        (batches(percent=30), [16, 0, 4, 8, 12, 16]),
        (batches(percent=1), [16, *range(17)]),
        (batches(99), [16, 0, 16]),
    ],
)
def test_batches_are_counted_or_taken_as_a_percentage_rounded_down(
    policy: dict[str, object], counts: list[int]
) -> None:
    service = Service()
    service.patch("workers", RollingUpdatePolicy=policy)
    assert service.trace("TargetStateCount") == counts


def test_percentages_can_be_rounded_up() -> None:
    service = Service(percent_rounds_up=True)
    service.patch("workers", RollingUpdatePolicy=batches(percent=30))
    assert service.trace("TargetStateCount") == [16, 0, 5, 10, 15, 16]


@pytest.mark.parametrize(
    "config",
    [
        {"RollingUpdatePolicy": batches(4)},
        {"WaitIntervalInSeconds": 60},
        {"AutoRollbackConfiguration": [{"AlarmName": "errors"}]},
    ],
)
def test_batches_on_slurm_are_refused_unless_it_is_told(config: dict[str, Any]) -> None:
    service = Service(slurm_batches="Refused")
    with refused("ValidationException"):
        service.patch("workers", **config)
    service.patch("workers")
    service.add(eks())
    service.patch("workers", cluster="eks-ml", **config)


def test_slurm_can_be_told_to_patch_every_node_at_once() -> None:
    service = Service(slurm_batches="Ignored")
    service.patch("workers", RollingUpdatePolicy=batches(4))
    assert service.trace("TargetStateCount") == [16, 0, 16]


def test_it_waits_between_batches_but_not_after_the_last() -> None:
    service = Service()
    service.patch("workers", RollingUpdatePolicy=batches(8), WaitIntervalInSeconds=600)
    service.finish()
    assert service.now == pytest.approx(10 + 10 + 100 + 600 + 100)


def test_the_speed_divides_every_duration() -> None:
    service = Service(speed=10.0)
    service.patch("workers", RollingUpdatePolicy=batches(8), WaitIntervalInSeconds=600)
    service.finish()
    assert service.now == pytest.approx(82)


def test_a_change_of_speed_midway_shortens_what_is_left() -> None:
    service = Service()
    service.patch("workers")
    service.at(70)
    service.hyperpod.set_faults({"speed": 10.0}, now=START + 70)
    service.finish()
    assert service.now == pytest.approx(75)


def test_the_software_update_time_is_the_launch_time_until_the_first_patch() -> None:
    service = Service()
    before = service.nodes()[0]
    assert before["LastSoftwareUpdateTime"] == before["LaunchTime"]
    service.patch("workers")
    service.finish()
    after = service.nodes()[0]
    assert after["LaunchTime"] == before["LaunchTime"]
    assert seconds(after["LastSoftwareUpdateTime"]) == pytest.approx(120)
    assert after["InstanceId"] == before["InstanceId"]


def test_replaced_nodes_can_get_other_ids() -> None:
    service = Service(new_instance_ids=True)
    before = {node["InstanceId"] for node in service.nodes()}
    service.patch("workers")
    service.finish()
    assert before.isdisjoint(node["InstanceId"] for node in service.nodes())


def test_failing_scripts_let_the_service_roll_back_by_itself_and_the_group_fail() -> None:
    service = Service(**FAILING)
    service.patch("workers", RollingUpdatePolicy=batches(4))
    assert service.trace("SoftwareUpdateStatus", "CurrentImageId", "DesiredImageId") == [
        ("Succeeded", OLD, OLD),
        ("Pending", OLD, NEW),
        ("InProgress", OLD, NEW),
        ("RollbackInProgress", NEW, OLD),  # the two are swapped
        ("Failed", OLD, OLD),
    ]
    assert service.replaced()["workers"] == 8  # there and back again
    message = service.call("DescribeCluster", ClusterName="ml")["FailureMessage"]
    assert NEW in message


def test_while_it_rolls_back_the_target_state_count_counts_the_old_image() -> None:
    service = Service(**FAILING)
    service.patch("workers", RollingUpdatePolicy=batches(4))
    service.at(121)
    assert service.group()["TargetStateCount"] == 0  # it counts running nodes
    service.at(120 + 1080 + 1)
    assert service.group()["SoftwareUpdateStatus"] == "RollbackInProgress"
    assert service.group()["TargetStateCount"] == 12  # never touched


def test_a_failing_node_shows_failure_midway_and_its_message_sticks() -> None:
    service = Service(**FAILING)
    service.patch("workers", RollingUpdatePolicy=batches(4))
    service.at(121)
    failed = [n for n in service.nodes() if n["InstanceStatus"]["Status"] == "Failure"]
    assert len(failed) == 4
    service.finish()
    statuses = [n["InstanceStatus"] for n in service.nodes()]
    assert {status["Status"] for status in statuses} == {"Running"}
    assert sum("Message" in status for status in statuses) == 4


def test_only_the_group_that_fails_is_rolled_back() -> None:
    # Two groups of one request may end differently.
    service = Service(eks(), failing_versions=["1.3.0"], skipped_nodes=0)
    service.call(
        "UpdateClusterSoftware",
        ClusterName="eks-ml",
        InstanceGroups=[
            {"InstanceGroupName": "system", "ImageReleaseVersion": "1.1.0"},
            {"InstanceGroupName": "workers", "ImageReleaseVersion": "1.3.0"},
        ],
    )
    service.finish()
    system = service.group("system", cluster="eks-ml")
    workers = service.group("workers", cluster="eks-ml")
    assert system["SoftwareUpdateStatus"] == "Succeeded"
    assert workers["SoftwareUpdateStatus"] == "Failed"
    assert (system["CurrentImageReleaseVersion"], workers["CurrentImageReleaseVersion"]) == (
        "1.1.0",
        "1.2.0",
    )


def test_an_alarm_rolls_all_groups_back() -> None:
    rings = {"now": False}
    service = Service(alarms=lambda names: rings["now"] and "too-hot" in names)
    service.patch(
        RollingUpdatePolicy=batches(8),
        WaitIntervalInSeconds=3600,
        AutoRollbackConfiguration=[{"AlarmName": "too-hot"}],
    )
    service.at(200)
    rings["now"] = True
    service.finish()
    groups = service.call("DescribeCluster", ClusterName="ml")["InstanceGroups"]
    assert {g["SoftwareUpdateStatus"] for g in groups} == {"RollbackComplete"}
    assert {g["CurrentImageId"] for g in groups} == {OLD}
    assert service.replaced() == {"controller": 2, "login": 2, "workers": 16}


def test_alarms_are_watched_after_the_last_batch_too() -> None:
    rings = {"now": False}
    service = Service(alarms=lambda _names: rings["now"])
    service.patch(
        "workers", WaitIntervalInSeconds=600, AutoRollbackConfiguration=[{"AlarmName": "a"}]
    )
    service.at(400)
    assert service.group()["SoftwareUpdateStatus"] == "InProgress"
    rings["now"] = True
    service.finish()
    assert service.group()["SoftwareUpdateStatus"] == "RollbackComplete"


def test_an_alarm_can_be_brought_about_by_setting() -> None:
    service = Service(alarm_after_batch=2)
    service.patch("workers", RollingUpdatePolicy=batches(4))
    service.finish()
    assert service.group()["SoftwareUpdateStatus"] == "RollbackComplete"
    assert service.replaced()["workers"] == 16


def test_a_rollback_has_batches_of_its_own() -> None:
    service = Service(alarm_after_batch=2)
    size = {"Type": "INSTANCE_COUNT", "Value": 1}
    policy = {**batches(4), "RollbackMaximumBatchSize": size}
    service.patch("workers", RollingUpdatePolicy=policy)
    assert service.trace("TargetStateCount") == [16, 0, 4, *range(8, 17)]


def test_a_rollback_that_fails_leaves_the_group_degraded() -> None:
    service = Service(**FAILING, rollback_fails=True)
    service.patch("workers", RollingUpdatePolicy=batches(4))
    service.finish()
    group = service.group()
    assert (group["SoftwareUpdateStatus"], group["Status"]) == ("Failed", "Degraded")
    assert sum(n["InstanceStatus"]["Status"] == "Failure" for n in service.nodes()) == 4


def test_a_group_succeeds_although_nodes_were_skipped() -> None:
    service = Service(skipped_nodes=3)
    service.patch("workers")
    service.finish()
    group = service.group()
    assert group["SoftwareUpdateStatus"] == "Succeeded"
    assert (group["TargetStateCount"], group["CurrentCount"]) == (13, 16)
    untouched = [n for n in service.nodes() if n["LastSoftwareUpdateTime"] == n["LaunchTime"]]
    assert len(untouched) == 3


def test_what_runs_the_wanted_software_already_is_not_touched() -> None:
    service = Service()
    service.patch("workers", image=OLD)
    service.finish()
    assert service.replaced()["workers"] == 0
    assert service.hyperpod.calls[0].nodes == 0


def test_a_patch_of_nothing_can_leave_no_trace_at_all() -> None:
    service = Service(noop_shows="Unchanged")
    before = service.group()
    service.patch("workers", image=OLD)
    assert service.trace("SoftwareUpdateStatus") == ["Succeeded"]
    assert service.group() == before


def test_only_nodes_that_were_skipped_are_left_for_the_next_patch() -> None:
    service = Service(skipped_nodes=3)
    service.patch("workers")
    service.finish()
    service.hyperpod.set_faults({"skipped_nodes": 0}, now=START + service.now)
    service.patch("workers")
    service.finish()
    assert service.replaced()["workers"] == 16
    assert set(service.hyperpod.replacements("ml")["workers"].values()) == {1}


def test_the_service_may_replace_what_is_current_already() -> None:
    service = Service(repatch_current=True)
    service.patch("workers", image=OLD)
    service.finish()
    assert service.replaced()["workers"] == 16


def with_patches(**faults: Any) -> Service:
    """An EKS cluster on 1.2.0, of whose line there are newer patches."""
    service = Service(eks(), **faults)
    service.hyperpod.releases = ("1.2.0", "1.2.9", "1.2.10", "1.3.0")
    return service


def call_for(service: Service, release: str) -> None:
    entry = {"InstanceGroupName": "workers", "ImageReleaseVersion": release}
    service.call("UpdateClusterSoftware", ClusterName="eks-ml", InstanceGroups=[entry])


def releases(service: Service) -> list[str]:
    nodes = service.nodes(cluster="eks-ml")
    return sorted(node["CurrentImageReleaseVersion"] for node in nodes)


def test_of_a_named_release_only_nodes_that_are_not_on_it_are_touched() -> None:
    service = with_patches(repatch_current=True, skipped_nodes=3)
    call_for(service, "1.2.9")
    service.finish()
    service.hyperpod.set_faults({"skipped_nodes": 0}, now=START + service.now)
    call_for(service, "1.2.9")
    service.finish()
    assert set(service.hyperpod.replacements("eks-ml")["workers"].values()) == {1}
    assert releases(service) == ["1.2.9"] * 8


def test_automatic_patching_moves_nodes_to_the_newest_patch_of_their_line() -> None:
    service = with_patches()
    service.hyperpod.patch_automatically("eks-ml", "workers", 3, now=START)
    assert releases(service) == ["1.2.0"] * 5 + ["1.2.10"] * 3
    group = service.group(cluster="eks-ml")
    shown = ("CurrentImageReleaseVersion", "DesiredImageReleaseVersion", "TargetStateCount")
    assert [group[name] for name in shown] == ["1.2.0", "1.2.10", 3]
    service.hyperpod.patch_automatically("eks-ml", "workers", 8, now=START)
    group = service.group(cluster="eks-ml")
    assert [group[name] for name in shown] == ["1.2.10", "1.2.10", 8]


def test_automatic_patching_can_come_in_the_middle_of_a_patch() -> None:
    service = with_patches()
    call_for(service, "1.2.9")
    service.at(15)
    service.hyperpod.patch_automatically("eks-ml", "workers", 2, now=START + 15)
    service.finish()
    assert releases(service) == ["1.2.10"] * 2 + ["1.2.9"] * 6
    assert service.group(cluster="eks-ml")["SoftwareUpdateStatus"] == "Succeeded"
    assert set(service.hyperpod.replacements("eks-ml")["workers"].values()) == {1}


@pytest.mark.parametrize("busy_at", [0, 15, 50])
def test_a_busy_cluster_conflicts(busy_at: float) -> None:
    service = Service()
    service.patch("workers")
    service.at(busy_at)
    with refused("ConflictException"):
        service.patch("login")
    with refused("ConflictException"):
        service.call("DeleteCluster", ClusterName="ml")
    service.finish()
    service.patch("login")


def test_a_group_that_wants_capacity_shows_it_and_is_patched_all_the_same() -> None:
    service = Service(capacity_after=200_000.0)
    service.hyperpod.scale("ml", "workers", 18, now=START)
    group = service.group()
    assert group["ActiveOperations"] == {"Scaling": 1}
    assert (group["CurrentCount"], group["TargetCount"]) == (16, 18)
    assert group["Status"] == "InService"
    service.patch("workers")
    service.at(150_000)
    assert service.group()["SoftwareUpdateStatus"] == "Succeeded"
    assert service.group()["ActiveOperations"] == {"Scaling": 1}
    service.finish()
    assert service.group()["CurrentCount"] == service.group()["TargetStateCount"] == 18
    assert "ActiveOperations" not in service.group()


def test_in_the_older_mode_scaling_and_patching_exclude_each_other() -> None:
    service = Service(older())
    service.hyperpod.scale("older", "workers", 18, now=START)
    assert service.call("DescribeCluster", ClusterName="older")["ClusterStatus"] == "Updating"
    with refused("ConflictException"):
        service.patch("workers", cluster="older", image="default")
    service.finish()
    service.patch("workers", cluster="older", image="default")
    with refused("ConflictException"):
        service.hyperpod.scale("older", "workers", 2, now=START + service.now)


@pytest.mark.parametrize(("wanting", "shown"), [("Pending", {"Pending"}),
                                                ("Failure", {"Pending", "Failure"})])  # fmt: skip
def test_nodes_that_cannot_be_had_come_and_go_and_no_patch_takes_them(
    wanting: str, shown: set[str]
) -> None:
    service = Service(wanting=wanting, capacity_after=3600.0, repatch_current=True)
    service.hyperpod.scale("ml", "workers", 18, now=START)
    service.patch("workers")
    service.at(1)
    assert service.hyperpod.calls[0].nodes == 16
    ids, seen = set[str](), set[str]()
    while service.now < 3000:
        service.at(service.now + 100)
        late = service.nodes()[16:]
        ids |= {node["InstanceId"] for node in late}
        seen |= {node["InstanceStatus"]["Status"] for node in late}
    assert seen == shown
    assert (len(ids) > 2) == (wanting == "Failure")
    assert service.group()["TargetStateCount"] == 16
    service.finish()
    assert {node["InstanceStatus"]["Status"] for node in service.nodes()} == {"Running"}


def test_a_node_that_is_moved_keeps_its_id_and_changes_the_counts_of_both_groups() -> None:
    service = Service()
    moved = service.nodes("workers")[0]["InstanceId"]
    service.patch("workers")
    service.hyperpod.move("ml", "workers", "login", now=START)

    def where() -> list[tuple[str, str]]:
        return [(node["InstanceGroupName"], node["InstanceStatus"]["Status"])
                for node in service.nodes("o") if node["InstanceId"] == moved]  # fmt: skip

    assert where() == [("workers", "DetachInProgress")]
    service.at(181)
    assert where() == [("login", "AttachInProgress")]
    service.finish()
    assert where() == [("login", "Running")]
    assert [service.group(name)["CurrentCount"] for name in ("login", "workers")] == [2, 15]
    assert service.replaced() == {"controller": 0, "login": 0, "workers": 15}


def test_a_node_can_fail_as_the_patch_succeeds_and_come_back() -> None:
    service = Service(nodes_fail_late=1)
    service.patch("workers")
    service.at(200)
    assert service.group()["SoftwareUpdateStatus"] == "Succeeded"
    assert service.group()["TargetStateCount"] == 15
    service.finish()
    assert service.group()["TargetStateCount"] == 16


def test_nodes_that_join_midway_run_the_wanted_software() -> None:
    service = Service(scale_seconds=5.0)
    service.patch("workers", RollingUpdatePolicy=batches(4))
    service.at(60)
    service.hyperpod.scale("ml", "workers", 20, now=START + 60)
    service.finish()
    assert service.group()["TargetStateCount"] == 20
    assert service.replaced()["workers"] == 16


def test_nodes_that_leave_midway_are_not_waited_for() -> None:
    service = Service(scale_seconds=5.0)
    service.patch("workers", RollingUpdatePolicy=batches(4))
    service.at(60)
    service.hyperpod.scale("ml", "workers", 2, now=START + 60)
    service.finish()
    assert service.group()["SoftwareUpdateStatus"] == "Succeeded"
    assert service.group()["CurrentCount"] == 2


def test_the_continuous_mode_stays_in_service_while_groups_change() -> None:
    service = Service()
    service.patch("workers")
    service.at(50)
    answer = service.call("DescribeCluster", ClusterName="ml")
    assert answer["ClusterStatus"] == "InService"
    assert service.group()["Status"] == "Updating"


def test_the_older_mode_shows_the_cluster_busy_and_neither_images_nor_update_statuses() -> None:
    service = Service(older())
    service.patch("workers", cluster="older", image="default")
    service.at(50)
    answer = service.call("DescribeCluster", ClusterName="older")
    assert answer["ClusterStatus"] == "SystemUpdating"
    for group in answer["InstanceGroups"]:
        assert "ImageVersionStatus" in group
        assert not [
            name
            for name in group
            if name.startswith(("Current", "Desired", "Software")) and name != "CurrentCount"
        ]
    service.finish()
    assert service.call("DescribeCluster", ClusterName="older")["ClusterStatus"] == "InService"


def test_the_older_mode_shows_a_rollback_in_the_clusters_status() -> None:
    service = Service(older(), alarm_after_batch=1)
    service.patch("workers", cluster="older", image="default", RollingUpdatePolicy=batches(2))
    service.at(130)
    answer = service.call("DescribeCluster", ClusterName="older")
    assert answer["ClusterStatus"] == "RollingBack"


def test_a_managed_image_is_shown_as_the_word_default() -> None:
    service = Service(slurm(image=None))
    assert service.group()["CurrentImageId"] == "default"
    assert "CurrentImageReleaseVersion" not in service.group()
    assert service.group()["ImageVersionStatus"] == "UpdateAvailable"


def test_eks_shows_release_versions_and_how_old_they_are() -> None:
    service = Service(eks(release="1.1.0"))
    group = service.group(cluster="eks-ml")
    assert group["CurrentImageReleaseVersion"] == "1.1.0"
    assert group["ImageVersionStatus"] == "SecurityUpdateRequired"


def test_default_takes_a_group_to_the_newest_release() -> None:
    service = Service(eks())
    service.patch("workers", cluster="eks-ml", image="default")
    service.finish()
    group = service.group(cluster="eks-ml")
    assert group["CurrentImageReleaseVersion"] == "1.3.0"
    assert group["ImageVersionStatus"] == "UpToDate"


def test_an_older_release_can_be_gone_back_to() -> None:
    service = Service(eks())
    wanted = [{"InstanceGroupName": "workers", "ImageReleaseVersion": "1.0.0"}]
    service.call("UpdateClusterSoftware", ClusterName="eks-ml", InstanceGroups=wanted)
    service.finish()
    assert service.group(cluster="eks-ml")["CurrentImageReleaseVersion"] == "1.0.0"


def test_slurm_does_not_go_from_the_default_image_to_a_custom_one() -> None:
    service = Service(slurm(image=None))
    with refused("ValidationException"):
        service.patch("workers")


def test_a_group_on_a_custom_image_has_to_be_told_its_image() -> None:
    service = Service()
    with refused("ValidationException"):
        service.patch("workers", image=None)
    service.patch("workers", image="default")


def test_release_versions_are_for_eks_clusters_that_are_not_too_old() -> None:
    service = Service(slurm(image=None))
    aged = eks()
    aged["CreationTime"] = aged["CreationTime"].replace(year=2025)
    service.add(aged)
    for cluster in ("ml", "eks-ml"):
        wanted = [{"InstanceGroupName": "workers", "ImageReleaseVersion": "1.3.0"}]
        with refused("ValidationException"):
            service.call("UpdateClusterSoftware", ClusterName=cluster, InstanceGroups=wanted)


@pytest.mark.parametrize(
    "parameters",
    [
        {"InstanceGroups": [{"InstanceGroupName": "nosuch"}]},
        {"InstanceGroups": [{"InstanceGroupName": "login"}, {"InstanceGroupName": "login"}]},
        {"InstanceGroups": []},
        {"ImageId": "ami-xyz"},
        {"ImageId": NEW, "DeploymentConfig": {"WaitIntervalInSeconds": 3601}},
        {"ImageId": NEW, "DeploymentConfig": {"RollingUpdatePolicy": batches(0)}},
        {"ImageId": NEW, "DeploymentConfig": {"RollingUpdatePolicy": batches(percent=101)}},
        {"ImageId": NEW, "Unknown": 1},
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(parameters: dict[str, object]) -> None:
    service = Service()
    with refused("ValidationException"):
        service.call("UpdateClusterSoftware", ClusterName="ml", **parameters)
    assert service.hyperpod.next_due() is None
    assert service.hyperpod.calls[0].outcome == "ValidationException"


def test_a_cluster_that_is_not_there_is_not_found_by_its_exact_code() -> None:
    with refused("ResourceNotFound"):
        Service().call("DescribeCluster", ClusterName="nosuch")


def test_clusters_are_found_by_name_and_by_arn() -> None:
    service = Service()
    arn = service.call("DescribeCluster", ClusterName="ml")["ClusterArn"]
    assert service.call("DescribeCluster", ClusterName=arn)["ClusterName"] == "ml"


def test_a_cluster_can_vanish_midway_and_its_replacements_are_still_known() -> None:
    service = Service(vanish_after=150.0)
    service.patch("workers")
    service.at(200)
    with refused("ResourceNotFound"):
        service.call("DescribeCluster", ClusterName="ml")
    assert service.replaced()["workers"] == 16


def test_a_cluster_is_created_and_deleted_over_time() -> None:
    service = Service()
    service.call(
        "CreateCluster",
        ClusterName="made",
        InstanceGroups=[TO_CREATE],
        NodeProvisioningMode="Continuous",
    )
    with refused("ResourceInUse"):
        service.call("CreateCluster", ClusterName="made", InstanceGroups=[TO_CREATE])
    with refused("ConflictException"):
        service.patch("g", cluster="made")
    service.finish()
    assert service.group("g", cluster="made")["CurrentImageId"] == NEW
    service.call("DeleteCluster", ClusterName="made")
    service.finish()
    with refused("ResourceNotFound"):
        service.call("DescribeCluster", ClusterName="made")


def test_a_cluster_created_in_the_older_mode_does_not_show_its_custom_image() -> None:
    service = Service()
    service.call("CreateCluster", ClusterName="made", InstanceGroups=[TO_CREATE])
    service.finish()
    assert "CurrentImageId" not in service.group("g", cluster="made")


def test_the_largest_group_goes_through() -> None:
    service = Service(slurm(workers=6758), instance_events=False)
    service.patch("workers", RollingUpdatePolicy=batches(percent=10))
    service.finish()
    assert service.replaced()["workers"] == 6758


def test_the_same_seed_gives_the_same_history() -> None:
    def history() -> list[object]:
        service = Service(jitter=0.5, lost_events=0.3, doubled_events=0.3, throttling=0.1)
        seen: list[object] = []
        for _ in range(20):
            try:
                seen.append(service.group())
            except ServiceError as error:
                seen.append(error.code)
        service.hyperpod.set_faults({"throttling": 0.0}, now=START)
        service.patch("workers")
        service.finish()
        return [*seen, service.now, [event.time for event in service.events]]

    assert history() == history()
