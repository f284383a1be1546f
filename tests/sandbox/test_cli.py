"""`python -m sandbox` as somebody at a terminal meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws.environment import ROOT, scrubbed
from sandbox.cli import main
from tests.sandbox.test_saved import SAVED


@pytest.fixture
def second_terminal(wire: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", wire.server.url)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return wire


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--cluster", "nosuch.json"],
        ["up", "--faults", "nosuch.json"],
        ["up", "--speed", "0"],
        ["up", "--speed", "-1"],
    ],
)
def test_bad_input_is_one_line_and_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.err.startswith("sandbox: ")
    assert output.err.count("\n") == 1


def test_what_is_no_ami_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["up", "--image", "foo"])
    assert "'foo' is not an AMI id" in capsys.readouterr().err


def test_without_a_sandbox_the_second_terminal_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SAGEMAKER", raising=False)
    assert main(["status"]) == 2
    assert "paste the lines" in capsys.readouterr().err
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:1")
    assert main(["status"]) == 2
    assert "did not answer" in capsys.readouterr().err


def test_settings_are_changed_and_looked_at(
    second_terminal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["set", "--cluster", "ml", "skipped_nodes=2", "noop_shows=Unchanged"]) == 0
    faults = second_terminal.server.hyperpod.faults_of("ml")
    assert (faults.skipped_nodes, faults.noop_shows) == (2, "Unchanged")
    assert main(["set", "skipped_nodes"]) == 2
    assert main(["set", "nosuch=1"]) == 2
    second_terminal.control.patch(ClusterName="ml", ImageId="ami-0123456789abcdef0")
    second_terminal.control.wait_idle()
    capsys.readouterr()
    assert main(["status"]) == 0
    assert "14/16" in capsys.readouterr().out
    assert main(["calls"]) == 0
    assert capsys.readouterr().out.startswith("Accepted  14 nodes")
    assert main(["scale", "ml", "login", "2"]) == 0
    assert main(["image", "ami-00000000"]) == 2  # there is no EC2 behind this one
    assert main(["reset"]) == 0
    assert main(["vanish", "ml"]) == 0
    assert main(["vanish", "ml"]) == 2


def test_up_prints_what_a_second_terminal_needs_and_ends_on_a_signal(tmp_path: Path) -> None:
    saved, faults = tmp_path / "saved.json", tmp_path / "faults.json"
    saved.write_text(json.dumps({**SAVED, "Shiny": 1}))
    faults.write_text(json.dumps({"clusters": {"mine": {"skipped_nodes": 1}}}))
    command = [sys.executable, "-m", "sandbox", "up", "--no-bootstrap"]
    command += ["--cluster", str(saved), "--faults", str(faults), "--image", "ami-0cccccccc"]
    with subprocess.Popen(
        command, cwd=ROOT, env=scrubbed(os.environ), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        exports = dict(
            line.strip().removeprefix("export ").split("=", 1)
            for line in lines
            if line.startswith("  export ")
        )
        environment = {**scrubbed(os.environ), **exports, "PATH": os.environ["PATH"]}
        status = subprocess.run(
            [sys.executable, "-m", "sandbox", "status"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER", "CDK_HOME"} <= exports.keys()
    assert not Path(exports["CDK_HOME"]).exists()
    assert "nothing is left running" in rest
    assert any("left out, unknown here: Shiny" in line for line in lines)
    assert "  mine  (Eks, Continuous)" in lines
    assert {"ami-0aaaaaaaaaaaaaaaa", "ami-0bbbbbbbbbbbbbbbb", "ami-0cccccccc"} <= {
        line.split()[0] for line in lines if line.startswith("  ami-")
    }
    assert "    gpu: 3 × ml.p5.48xlarge, ami-0aaaaaaaaaaaaaaaa" in lines
    assert status.stdout.startswith("mine  InService")
