"""The repository keeps its own promises: its layout, its pins, its targets."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(name: str) -> dict[str, list[Version]]:
    """Every package a requirements file pins; more than one version where Pythons differ."""
    found: dict[str, list[Version]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(line)
            (exact,) = requirement.specifier
            assert exact.operator == "==", line
            versions = found.setdefault(canonicalize_name(requirement.name), [])
            versions.append(Version(exact.version))
    return found


def needed_by_users() -> dict[str, Requirement]:
    wanted = map(Requirement, PROJECT["project"]["dependencies"])
    return {canonicalize_name(each.name): each for each in wanted}


# --- Layout ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["constructs", "lambda"])
def test_source_roots_are_not_packages(root: str) -> None:
    assert not (ROOT / root / "__init__.py").exists()


def test_constructs_is_the_package_from_pypi() -> None:
    spec = importlib.util.find_spec("constructs")

    assert spec is not None
    assert spec.origin is not None
    assert ROOT / "constructs" not in Path(spec.origin).parents


PACKAGES = ("constructs/hyperpod_patching", "lambda/hyperpod_software")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_wheel_holds_the_library_and_the_handler_as_packages_of_their_own() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert tuple(wheel["only-include"]) == PACKAGES
    assert wheel["sources"] == [str(Path(package).parent) for package in PACKAGES]


# --- Pins -----------------------------------------------------------------------------------------


def test_requirements_pin_just_what_the_wheel_needs() -> None:
    needed = needed_by_users()

    assert pins("requirements.txt").keys() == needed.keys()
    for name, (version,) in pins("requirements.txt").items():
        assert version in needed[name].specifier


def test_the_tests_run_with_the_versions_users_are_told_to_take() -> None:
    locked = pins("requirements-dev.txt")

    assert {name: locked[name] for name in needed_by_users()} == pins("requirements.txt")


def test_the_lock_holds_everything_the_dev_group_asks_for() -> None:
    locked = pins("requirements-dev.txt")

    for asked in map(Requirement, PROJECT["dependency-groups"]["dev"]):
        assert [str(version) for version in locked[canonicalize_name(asked.name)]] == [
            str(asked.specifier).removeprefix("==")
        ]


def test_boto3_stands_where_ministack_pins_botocore() -> None:
    locked = pins("requirements-dev.txt")

    assert locked["boto3"] == locked["botocore"]


def test_the_npm_lock_holds_exactly_what_package_json_asks_for() -> None:
    asked = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert locked[""]["devDependencies"] == asked
    for name, version in asked.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in entry for name, entry in locked.items() if name)


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt", "package-lock.json"])
def test_no_lock_file_names_a_registry_host(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert "resolved" not in text


def test_one_python_floor_everywhere() -> None:
    floor = PROJECT["project"]["requires-python"].removeprefix(">=")
    oldest = re.search(r"^OLDEST_PYTHON = \((\d+), (\d+)\)", prepare(), re.MULTILINE)

    assert oldest is not None
    assert ".".join(oldest.groups()) == floor
    assert PROJECT["tool"]["mypy"]["python_version"] == floor
    assert PROJECT["tool"]["pyright"]["pythonVersion"] == floor
    assert f"--python-version {floor} " in makefile()


# --- Targets --------------------------------------------------------------------------------------


def prepare() -> str:
    return (ROOT / "tools/prepare.py").read_text()


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("place", [".venv", "node_modules"])
def test_set_up_empties_nothing_that_a_link_points_to(place: str, tmp_path: Path) -> None:
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    (elsewhere / "kept").mkdir(parents=True)
    (checkout / "tools").mkdir(parents=True)
    for name in ("tools/prepare.py", "requirements-dev.txt", "pyproject.toml", "package.json",
                 "package-lock.json"):  # fmt: skip
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    (checkout / place).symlink_to(elsewhere)

    done = subprocess.run(
        [sys.executable, checkout / "tools/prepare.py"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == (
        f"error: {place} is a link, and set-up would empty {elsewhere}; remove the link.\n"
    )
    assert (elsewhere / "kept").is_dir()


def test_the_page_on_emulators_names_only_what_is_there() -> None:
    page = (ROOT / "docs/aws-and-emulators.md").read_text()
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []
    modules = set(re.findall(r"`inside/(\w+\.py)`", page))
    assert modules <= {path.name for path in ROOT.glob("sandbox/aws/inside/*.py")}


def test_make_help_lists_every_target() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile(), re.MULTILINE))
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    # `ready` is what the others stand on.
    assert {line.split()[1] for line in listed.splitlines()} == targets - {"ready"}


def test_every_target_is_phony() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile(), re.MULTILINE)

    assert set(phony.split()) == set(re.findall(r"^([a-z][a-z-]*):", makefile(), re.MULTILINE))


def test_continuous_integration_can_be_run() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert ".ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_continuous_integration_synthesizes_with_the_oldest_and_the_newest_cdk() -> None:
    assert os.access(ROOT / ".ci/bounds", os.X_OK)
    assert ".ci/bounds" in (ROOT / ".github/workflows/ci.yml").read_text()
    assert '"aws-cdk-lib>=2.270.0,<3"' in (ROOT / "pyproject.toml").read_text()
