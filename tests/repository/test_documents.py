"""The documents are true: links lead somewhere, examples run, and what is quoted is what is said."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

import aws_cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

import hyperpod_patching
from tests.repository.documents import DOCUMENTS, ROOT, anchors, blocks, links, prose, sentences_in

README = ROOT / "README.md"
GUIDE = ROOT / "docs/guide.md"
OPERATIONS = ROOT / "docs/operations.md"
HANDLER = ROOT / "lambda/hyperpod_software"
BY_NAME = {path.name: path for path in DOCUMENTS}


# --- Links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_NAME)
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    page = BY_NAME[name]
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_leads_to_every_page() -> None:
    led = {(README.parent / link.partition("#")[0]).resolve() for link in links(README)}

    assert {path for path in DOCUMENTS if path != README} <= led


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", [GUIDE, ROOT / "docs/reference.md"], ids=lambda page: page.name)
def test_every_section_is_in_the_table_of_contents(page: Path) -> None:
    sections = set(re.findall(r"^## (.+)$", prose(page), re.MULTILINE))

    assert sections == {
        section
        for section in sections
        if re.search(rf"\[{re.escape(section)}\]\(#", prose(page), re.IGNORECASE)
    }


# --- Examples -------------------------------------------------------------------------------------


def usage(name: str) -> str:
    """The example in the docstring of a public class."""
    text = textwrap.dedent(f"    {getattr(hyperpod_patching, name).__doc__}")
    match = re.search(r"^\*\*Usage\*\*::\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    assert match is not None, f"{name} shows no usage"
    return textwrap.dedent(match[1])


SHOWN = ("BatchSize", "ClusterSoftware", "HyperPodCluster", "RollingUpdate", "SoftwareImage")
EXAMPLES = {
    **{name: usage(name) for name in SHOWN},
    "README": blocks(README, "python")[0],
    "the guide": blocks(GUIDE, "python")[0],
}


@pytest.mark.parametrize("where", EXAMPLES)
def test_every_example_runs(where: str) -> None:
    stack = aws_cdk.Stack(aws_cdk.App(), "Training")
    names: dict[str, Any] = {
        **vars(aws_cdk),
        **vars(hyperpod_patching),
        "self": stack,
        "alarm": cloudwatch.Alarm.from_alarm_name(stack, "Alarm", "gpu-errors"),
    }

    exec(EXAMPLES[where], names)


@pytest.mark.parametrize("code", blocks(GUIDE, "python"))
def test_every_fragment_in_the_guide_is_python(code: str) -> None:
    ast.parse(code)


# --- Quotations -----------------------------------------------------------------------------------

HOLE = "…"
_LEAST = 10
"""Letters without which a sentence of the handler tells nothing from anything."""


def handler_texts() -> set[str]:
    """Every text in the handler's code, with a hole for each value that is put in."""
    found: set[str] = set()
    for module in HANDLER.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.JoinedStr():
                    parts = (
                        part.value if isinstance(part, ast.Constant) else HOLE
                        for part in node.values
                    )
                    found.add("".join(map(str, parts)))
                case ast.Constant(value=str(text)):
                    found.add(text)
                case _:
                    pass
    return found


TEXTS = handler_texts()


def is_said(sentence: str) -> bool:
    """The handler says this sentence, with some values in it."""
    for text in TEXTS:
        for own in sentences_in(text):
            pattern = ".+".join(re.escape(part) for part in own.split(HOLE))
            if sum(map(str.isalpha, own)) >= _LEAST and re.fullmatch(pattern, sentence):
                return True
    return False


def shown_failure() -> str:
    (message,) = [code for code in blocks(README, "text") if "Log group:" in code]
    return " ".join(message.split())


def test_the_failure_in_the_readme_is_in_the_words_of_the_handler() -> None:
    said, _, log_group = shown_failure().partition("Log group: ")
    assert any(text.endswith(f"Log group: {HOLE}") for text in TEXTS)
    assert "LogGroup" in log_group
    own, _, services = said.partition("HyperPod's own reason: ")
    assert services
    assert [sentence for sentence in sentences_in(own.strip()) if not is_said(sentence)] == []


def test_an_invented_sentence_is_noticed() -> None:
    assert not is_said("The patch of cluster ml was a great success")


QUOTED = sorted(set(re.findall(r'\*\*"([^"]+)"\*\*', prose(OPERATIONS))))


def test_the_page_for_operators_quotes_reasons() -> None:
    assert len(QUOTED) > 20


@pytest.mark.parametrize("quoted", QUOTED)
def test_every_quoted_reason_is_in_the_words_of_the_handler(quoted: str) -> None:
    assert any(quoted in text for text in TEXTS)


# --- Words ----------------------------------------------------------------------------------------

PRIVATE = (
    "took the call",
    "made anew",
    "set in",
    "beyond the hour",
    "tells the truth",
    "parted by",
)
"""What a reader who did not write it has to read twice."""


@pytest.mark.parametrize("page", ["README.md", "guide.md", "reference.md", "operations.md"])
def test_the_pages_for_users_speak_plainly(page: str) -> None:
    text = " ".join(BY_NAME[page].read_text().lower().split())

    assert [word for word in PRIVATE if re.search(rf"\b{word}\b", text)] == []
