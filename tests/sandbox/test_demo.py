"""What the demo prints, judges and leaves; the whole of it takes longer than a test may."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from sandbox.aws.environment import ROOT
from sandbox.aws.images import CURRENT, FAILING, NEW, NEWER
from sandbox.demo import __main__ as demo
from sandbox.demo.cdk_cli import CommandResult, stage, words
from sandbox.demo.claims import Claim, Observations, Window, claims, common_statuses
from sandbox.demo.ledger import Entry, outdated_nodes, replacements_with_rollback, table
from sandbox.demo.scenario import cluster, declaration
from sandbox.demo.screen import Display, Screen, command_lines, wrapped
from sandbox.waiting import PATIENCE

LOG_GROUP = "HyperPodPatching-HyperPodSoftwareProviderLogGroupF4138949-PEAj1XoIi1Q5"


class Paper(io.StringIO):
    """Something to write on that says what it is."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = False) -> None:
        super().__init__()
        self._encoding = encoding
        self._terminal = terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


def screen(paper: Paper, columns: int = 80, /, **environment: str) -> Screen:
    terminal = {"TERM": "xterm", **environment}
    return Screen(Console(file=paper, width=columns, height=25, _environ=terminal))


def described(workers: str = "Succeeded", done: int = 16, image: str = CURRENT.id) -> Any:
    description = cluster()
    for group in description["InstanceGroups"]:
        group["DesiredImageId"] = group["CurrentImageId"]
        group["TargetStateCount"] = group["CurrentCount"]
        if group["InstanceGroupName"] == "workers":
            group.update(SoftwareUpdateStatus=workers, TargetStateCount=done, DesiredImageId=image)
    return description


# --- The screen ---------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [59, 79, 119])
def test_a_command_is_broken_so_that_it_fits_and_can_still_be_copied(width: int) -> None:
    command = words("deploy", declaration(NEW.id))
    lines = command_lines(command, width)
    assert max(map(len, lines)) <= width
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == ["$", *command]


def test_the_name_of_a_log_group_is_never_broken() -> None:
    paper = Paper()
    screen(paper).quote(f"The patch failed. Log group: {LOG_GROUP}")
    assert LOG_GROUP in paper.getvalue()
    assert max(map(len, paper.getvalue().splitlines())) <= 80


def test_prose_fits_the_width() -> None:
    assert max(map(len, wrapped("word " * 100, 40, " - ", "   "))) <= 40


def test_a_terminal_is_written_on_in_place_unless_it_cannot() -> None:
    assert screen(Paper(terminal=True)).live
    assert not screen(Paper(terminal=True), TERM="dumb").live
    assert not screen(Paper()).live


def test_there_are_no_colours_where_nobody_wants_them() -> None:
    def coloured(paper: Paper, **environment: str) -> bool:
        screen(paper, **environment).line("text", "red")
        return "\x1b" in paper.getvalue()

    assert coloured(Paper(terminal=True))
    assert not coloured(Paper(terminal=True), NO_COLOR="1")
    assert not coloured(Paper())


def test_a_terminal_without_unicode_gets_plain_characters() -> None:
    paper = Paper("ascii")
    on = screen(paper)
    display = Display(on, "Stack", groups=True)
    display.show(described(), "CREATE_IN_PROGRESS", 1)
    display.show(described("InProgress", 8, NEW.id), "CREATE_IN_PROGRESS", 2)
    on.item("done", good=True)
    assert paper.getvalue().isascii()


def test_a_live_display_is_redrawn_in_place_and_gives_the_cursor_back() -> None:
    paper = Paper(terminal=True)
    display = Display(screen(paper), "Stack", groups=True)
    display.show(described(), "CREATE_IN_PROGRESS", 1)
    assert "\x1b[?25l" in paper.getvalue()
    before = len(paper.getvalue())
    display.show(described("InProgress", 8, NEW.id), "CREATE_IN_PROGRESS", 2)
    assert paper.getvalue()[before:].count("\x1b[1A") == 3, "back to the first of four lines"
    display.end()
    assert paper.getvalue().endswith("\x1b[?25h")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_live_display_never_reaches_the_last_column(columns: int) -> None:
    paper = Paper(terminal=True)
    display = Display(screen(paper, columns, NO_COLOR="1"), "Stack", groups=True)
    display.show(described("RollbackInProgress", 8, FAILING.id), "UPDATE_IN_PROGRESS", 100)
    lines = re.sub(r"\x1b\[[?\d;]*\w", "", paper.getvalue()).splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) < columns


def test_elsewhere_there_is_one_line_for_each_change() -> None:
    paper = Paper()
    display = Display(screen(paper), "Stack", groups=True)
    for done in (0, 0, 4, 4, 4):
        display.show(described("InProgress", done, NEW.id), "synthesizing", 1)
    display.show(described("Succeeded", 16), "CREATE_COMPLETE", 2)
    display.show(described("Succeeded", 16), "CREATE_COMPLETE", 3)
    display.end()
    lines = [" ".join(line.split()) for line in paper.getvalue().splitlines()]
    assert lines == [
        f"workers ███░░░░░░░░░░ 4/16 InProgress → {NEW.id}",
        f"workers █████████████ 16/16 Succeeded {CURRENT.id}",
        "stack Stack: CREATE_COMPLETE",
    ]


# --- The command line ---------------------------------------------------------------------------

DEPLOYED = """
HyperPodPatching: creating CloudFormation changeset...
HyperPodPatching: deploying... [1/1]
✅  HyperPodPatching
Outputs:
HyperPodPatching.Outcome = Patched
HyperPodPatching.PatchedInstanceGroups =
Stack ARN:
arn:aws:cloudformation:us-east-1:000000000000:stack/HyperPodPatching/1
"""
COMPARED = f"""
Hold on while we create a read-only change set
Stack HyperPodPatching (aws://000000000000/us-east-1)
Resources
[~] Custom::HyperPodClusterSoftware ClusterSoftware/Resource ClusterSoftwareCE00E3E5 may be replaced
 └─ [~] ImageId (may cause replacement)
     ├─ [-] {CURRENT.id}
     └─ [+] {NEW.id}

✨  Number of stacks with differences: 1
"""
FAILED = """
❌  HyperPodPatching failed to deploy
‣ DeploymentError: Resource updates failed:
HyperPodPatching/ClusterSoftware/Resource/Default  (Custom::HyperPodClusterSoftware X)
  The patch of cluster ml failed: login
  (Failed, 1 node).
Source Location: ...
   Logs from somewhere
"""
WAITED = """
X | 4/18 | 8:30:27 PM | CREATE_IN_PROGRESS   | Custom::HyperPodPatchWaiter     | ClusterSoftware/Waiter2/Default (Id)
X | 5/18 | 8:30:27 PM | UPDATE_COMPLETE      | Custom::HyperPodClusterSoftware | ClusterSoftware/Resource/Default (Id)
X | 6/18 | 8:30:27 PM | CREATE_COMPLETE      | Custom::HyperPodPatchWaiter     | ClusterSoftware/Waiter2/Default (Id)
X | 6/18 | 10:24:27 PM | UPDATE_IN_PROGRESS   | Custom::HyperPodPatchWaiter     | ClusterSoftware/WaiterLast/Default (Id)
"""


def result(text: str, code: int = 0) -> CommandResult:
    return CommandResult(code, text.splitlines())


def test_what_matters_is_taken_out_of_what_the_cli_prints() -> None:
    assert result(DEPLOYED).outputs == {"Outcome": "Patched", "PatchedInstanceGroups": ""}
    assert result(COMPARED).difference[0] == "Resources"
    assert len(result(COMPARED).difference) == 5
    assert result(FAILED, 1).failure == "The patch of cluster ml failed: login (Failed, 1 node)."


def test_the_windows_are_taken_from_what_the_cli_prints_as_it_waits() -> None:
    assert result(WAITED).windows == [
        " 8:30:27 PM  CREATE_IN_PROGRESS  ClusterSoftware/Waiter2",
        "10:24:27 PM  UPDATE_IN_PROGRESS  ClusterSoftware/WaiterLast",
    ]


def test_a_failure_nobody_expected_is_told_in_its_last_words() -> None:
    assert result(FAILED, 1).error_lines == [result(FAILED).failure]
    assert result("\n".join(map(str, range(40))), 1).error_lines[-1] == "39"


def test_the_stage_is_the_clis_until_cloudformation_is_at_work() -> None:
    lines = DEPLOYED.splitlines()
    assert stage("deploy", lines[:1]) == "synthesizing"
    assert stage("deploy", lines[:2]) == "publishing"
    assert stage("deploy", lines[:3]) == ""


# --- The claims ---------------------------------------------------------------------------------


def test_what_is_needed_is_counted_from_the_cluster_itself() -> None:
    groups = ("inference", "workers")
    assert outdated_nodes(described(), groups, CURRENT.id) == {"inference": 4}
    assert outdated_nodes(described(), groups, NEW.id) == {"inference": 4, "workers": 16}
    assert replacements_with_rollback(described(), groups, 25) == {"inference": 2, "workers": 8}


def test_the_table_holds_what_was_done_against_what_was_needed() -> None:
    assert table(
        [Entry("first", 1, 1, {"login": 1, "workers": 3}, {"login": 1, "workers": 2})]
    ) == [
        "       calls       login     workers",
        "first    1/1         1/1         3/2",
    ]


def test_groups_with_different_statuses_have_none_in_common() -> None:
    statuses = {"a": ["Succeeded", "InProgress", "Failed"], "b": ["InProgress", "Failed"]}
    assert common_statuses(statuses, ["a", "b"]) == ["InProgress", "Failed"]
    assert common_statuses({**statuses, "b": ["InProgress"]}, ["a", "b"]) == []


def seen() -> Observations:
    """All as it has to be."""
    description = described()
    for group in description["InstanceGroups"]:
        if group["InstanceGroupName"] != "system":
            group["CurrentImageId"] = group["DesiredImageId"] = NEWER.id
    return Observations(
        "ml",
        ("inference", "workers"),
        entries=[Entry("rolling deploy", 1, 1, {"workers": 16}, {"workers": 16})],
        physical_ids={"ml"},
        stack="deleted",
        difference=result(COMPARED).difference,
        reason=f"{FAILING.id} failed: inference and workers. Lifecycle scripts. Log group: {LOG_GROUP}",
        rollback=["InProgress", "RollbackInProgress", "Failed"],
        events=["UPDATE_ROLLBACK_COMPLETE"],
        repeated="HyperPodPatching (no changes)",
        rebatched="NothingToPatch",
        windows=[
            Window("Custom::HyperPodClusterSoftware", "UPDATE_COMPLETE", 57.0),
            Window("Custom::HyperPodPatchWaiter", "CREATE_COMPLETE", 57.0),
            Window("Custom::HyperPodPatchWaiter", "CREATE_COMPLETE", 12.0),
            Window("Custom::HyperPodPatchWaiter", "CREATE_COMPLETE", 0.0),
        ],
        waited="Patched",
        description=description,
    )


def test_every_claim_holds_where_all_is_as_it_has_to_be() -> None:
    assert [claim.otherwise for claim in claims(seen()) if not claim.holds] == []


WRONG: dict[str, Callable[[Observations], Observations]] = {
    "a call too many": lambda s: replace(
        s, entries=[*s.entries, Entry("same again", 1, 0, {"workers": 0}, {"workers": 0})]
    ),
    "a node too many": lambda s: replace(
        s, entries=[Entry("rolling deploy", 1, 1, {"workers": 17}, {"workers": 16})]
    ),
    "a node too few": lambda s: replace(
        s, entries=[Entry("rolling deploy", 1, 1, {"workers": 15}, {"workers": 16})]
    ),
    "another change in the diff": lambda s: replace(
        s, difference=[*s.difference, " └─ [~] Timeout", "     ├─ [-] 1", "     └─ [+] 2"]
    ),
    "no rollback seen": lambda s: replace(s, rollback=["InProgress", "Failed"]),
    "the stack stuck": lambda s: replace(s, events=["UPDATE_ROLLBACK_FAILED"]),
    "a reason that says nothing": lambda s: replace(s, reason="Internal failure"),
    "a patch for a batch size": lambda s: replace(s, rebatched="Patched"),
    "no window after the first": lambda s: replace(s, windows=s.windows[:1]),
    "a window of more than an hour": lambda s: replace(
        s, windows=[replace(s.windows[0], minutes=61.0), *s.windows[1:]]
    ),
    "a window that failed": lambda s: replace(
        s, windows=[*s.windows[:-1], replace(s.windows[-1], status="CREATE_FAILED")]
    ),
    "a wait behind the end": lambda s: replace(s, windows=[*s.windows, s.windows[0]]),
    "an end nobody waited for": lambda s: replace(s, waited="Patching"),
    "a replacement": lambda s: replace(s, physical_ids={"ml", "ml-2"}),
    "another image at the end": lambda s: replace(s, description=described()),
    "a rule left": lambda s: replace(s, left_behind={"rule x"}),
    "the stack left": lambda s: replace(s, stack="DELETE_FAILED"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_claim_does_not_hold_by_itself(wrong: Callable[[Observations], Observations]) -> None:
    broken = [claim for claim in claims(wrong(seen())) if not claim.holds]
    assert len(broken) == 1
    assert broken[0].otherwise


def test_the_demo_fails_with_one_line_if_a_claim_does_not_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    paper = Paper()
    judged = [Claim("Nothing is left.", holds=False, otherwise="left behind: port 1")]
    assert demo._judge(screen(paper), judged, 1.0) == 1
    assert "✗ Not so: left behind: port 1." in paper.getvalue()
    assert capsys.readouterr().err == "demo: 1 of 1 claims do not hold: left behind: port 1\n"


# --- The program --------------------------------------------------------------------------------


def test_interrupted_it_leaves_nothing_behind() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "FORCE_COLOR"} | {"COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        assert process.stdout
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if "$ cdk deploy" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 130, "\n".join(lines)
    assert lines[-1] == "Interrupted; left behind: nothing."
    assert not any("\x1b" in line or len(line) > 80 for line in lines)
