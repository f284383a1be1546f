"""What runs before a commit, on each change, and for a release, keeps its promises too."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKFLOWS = {file.name: file.read_text() for file in (ROOT / ".github/workflows").iterdir()}


def pythons_of_the_matrix() -> set[str]:
    (row,) = re.findall(r"^ +python: \[(.*)\]$", WORKFLOWS["ci.yml"], re.MULTILINE)
    return {version.strip(' "') for version in row.split(",")}


def test_every_action_is_pinned_by_its_digest_and_says_its_version() -> None:
    used = [line for text in WORKFLOWS.values() for line in text.splitlines() if "uses:" in line]
    assert used
    pinned = re.compile(r" +(- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in used if not pinned.fullmatch(line)] == []


def test_one_action_has_one_digest_everywhere() -> None:
    used = re.findall(r"uses: (\S+)@(\S+ # \S+)", "".join(WORKFLOWS.values()))
    assert len(set(used)) == len({action for action, _ in used})


def test_the_pythons_that_are_tried_are_those_that_users_are_promised() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert pythons_of_the_matrix() == set(promised)


def test_the_python_of_the_function_is_tried() -> None:
    provider = (ROOT / "constructs/hyperpod_patching/_provider.py").read_text()
    (runtime,) = re.findall(r"Runtime\.PYTHON_(\d+_\d+)", provider)
    assert runtime.replace("_", ".") in pythons_of_the_matrix()


def test_no_workflow_may_write_but_where_a_job_says_so() -> None:
    for text in WORKFLOWS.values():
        everywhere, _, jobs = text.partition("\njobs:")
        assert re.search(r"^permissions:( \{\}|\n  contents: read)$", everywhere, re.MULTILINE)
        assert set(re.findall(r"^ +([\w-]+): write", jobs, re.MULTILINE)) <= {
            "id-token",
            "attestations",
        }


def test_only_the_environment_pypi_publishes() -> None:
    jobs = re.split(r"^  (?=\w+:$)", WORKFLOWS["release.yml"], flags=re.MULTILINE)
    (publishing,) = (job for job in jobs if "gh-action-pypi-publish" in job)
    assert "environment:\n      name: pypi\n" in publishing


def test_hooks_before_a_commit_call_what_set_up_installed() -> None:
    config = (ROOT / ".pre-commit-config.yaml").read_text()
    tools = re.findall(r"entry: (\S+)", config)
    assert tools
    assert len(tools) == config.count("language: system") == config.count("- id: ")
    assert [tool for tool in tools if not (ROOT / tool).is_file()] == []
