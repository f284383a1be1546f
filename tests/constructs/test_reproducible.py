"""The template is a function of what was declared, and of nothing else."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import pytest
from aws_cdk import App, Duration, Stack

from hyperpod_patching import (
    BatchSize,
    ClusterSoftware,
    RollingUpdate,
    SoftwareImage,
    _asset,
    _provider,
)
from hyperpod_software.contract.properties import SOFTWARE_TYPE
from tests.constructs.declarations import Properties
from tests.constructs.templates import Json, Template, only, template_of

AMI = "ami-0123456789abcdef0"


def synthesize(outdir: Path, **properties: Unpack[Properties]) -> Template:
    app = App(outdir=str(outdir), stack_traces=False)
    stack = Stack(app, "Training")
    given: Properties = {
        "cluster": "ml",
        "image": SoftwareImage.custom_ami(AMI),
        "instance_groups": ["workers"],
        "rolling_update": RollingUpdate(max_batch_size=BatchSize.percent(10)),
        **properties,
    }
    ClusterSoftware(stack, "Software", **given)
    return template_of(app)


def files_in(outdir: Path) -> dict[str, str]:
    return {
        file.relative_to(outdir).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in Path(outdir).rglob("*")
        if file.is_file()
    }


def differences(before: Json, after: Json) -> Iterator[str]:
    """Where two templates differ, as paths."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            for path in differences(before.get(key), after.get(key)):
                yield f"{key}.{path}" if path else key
    elif before != after:
        yield ""


def test_two_synths_are_identical_to_the_byte(tmp_path: Path) -> None:
    synthesize(tmp_path / "one")
    synthesize(tmp_path / "two")
    one, two = files_in(tmp_path / "one"), files_in(tmp_path / "two")
    assert one == two
    assert any(name.endswith(".zip") for name in one)


def test_another_image_changes_the_image_and_nothing_else(tmp_path: Path) -> None:
    before = synthesize(tmp_path / "before")
    after = synthesize(tmp_path / "after", image=SoftwareImage.custom_ami("ami-0fedcba9876543210"))
    assert [path.partition(".")[2] for path in differences(before, after)] == [
        "Software344B41CB.Properties.ImageId"
    ]


@pytest.mark.parametrize(
    ("properties", "changed"),
    [
        (
            {"rolling_update": RollingUpdate(max_batch_size=BatchSize.percent(20))},
            ["DeploymentConfig.RollingUpdatePolicy.MaximumBatchSize.Value"],
        ),
        ({"instance_groups": ["workers", "login"]}, ["InstanceGroups"]),
        ({"timeout": Duration.minutes(20)}, ["ServiceTimeout", "Timeout"]),
    ],
    ids=["a policy", "a group", "a timeout"],
)
def test_what_is_declared_anew_changes_and_nothing_else(
    tmp_path: Path, properties: Properties, changed: list[str]
) -> None:
    before = synthesize(tmp_path / "before")
    after = synthesize(tmp_path / "after", **properties)
    prefix = "Resources.Software344B41CB.Properties."
    assert list(differences(before, after)) == [prefix + one for one in changed]


def test_new_code_of_the_handler_changes_the_function_s_code_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = synthesize(tmp_path / "before")
    copy = tmp_path / "hyperpod_software"
    shutil.copytree(_asset.handler_directory(), copy)
    (copy / "handler.py").write_text("handler = print\n")
    monkeypatch.setattr(_provider, "handler_directory", lambda: copy)
    after = synthesize(tmp_path / "after")
    assert list(differences(before, after)) == [
        "Resources.HyperPodSoftwareProviderFunctionAA157C25.Properties.Code.S3Key"
    ]
    assert only(before, SOFTWARE_TYPE) == only(after, SOFTWARE_TYPE)
