"""Documents as their readers see them: tables, headings, links, code, and what is quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")


def prose(path: Path) -> str:
    """The document without its blocks of code."""
    return _FENCE.sub("", path.read_text())


def blocks(path: Path, language: str) -> list[str]:
    """Its blocks of code in that language."""
    return [code for _, found, code in _FENCE.findall(path.read_text()) if found == language]


def links(path: Path) -> list[str]:
    return _LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """What GitHub makes of its headings; one that stands twice gets a number."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(path)):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        assert anchor not in found, f"{path.name} has two headings {heading}"
        found.add(anchor)
    return found


def tables(path: Path, heading: str) -> list[dict[str, str]]:
    """The rows of every table right below a heading, by the names of their columns."""
    match = re.search(
        rf"^#+ +{re.escape(heading)}\n(.*?)(?=^#|\Z)", prose(path), re.MULTILINE | re.DOTALL
    )
    assert match is not None, heading
    rows: list[dict[str, str]] = []
    columns: list[str] = []
    for line in match[1].splitlines():
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = _cells(line)
        elif not set(line) <= set("|- "):
            cells = _cells(line)
            assert len(cells) == len(columns), line
            rows.append(dict(zip(columns, cells, strict=True)))
    return rows


def named(path: Path, heading: str, column: str) -> list[str]:
    """All that stands as code in a column of the tables below a heading."""
    cells = (row[column] for row in tables(path, heading) if column in row)
    return [name for cell in cells for name in _CODE.findall(cell)]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def sentences_in(text: str) -> Iterator[str]:
    """The sentences of a message: each begins with a capital letter after a full stop or a colon."""
    for part in re.split(r"(?<=[.:]) (?=[A-Z])", " ".join(text.split())):
        yield part.rstrip(".:")
