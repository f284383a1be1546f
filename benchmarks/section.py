"""What a benchmark has to say: a table, and what must be known to read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import fill


@dataclass(frozen=True)
class Section:
    """One question and its answer."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default_factory=tuple[str, ...])

    def markdown(self) -> str:
        """As a page of the documentation has it, and readable as it is in a terminal."""
        table = [list(self.header), *(list(row) for row in self.rows)]
        widths = [max(len(row[column]) for row in table) for column in range(len(self.header))]

        def line(cells: Sequence[str]) -> str:
            padded = (
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
            )
            return f"| {' | '.join(padded)} |"

        rule = [
            "-" * width if index == 0 else f"{'-' * (width - 1)}:"
            for index, width in enumerate(widths)
        ]
        parts = [f"## {self.title}", ""]
        parts += [line(table[0]), line(rule), *map(line, table[1:])]
        if self.notes:
            parts += ["", *(wrapped(f"- {note}", indent="  ") for note in self.notes)]
        return "\n".join(parts) + "\n"


def wrapped(text: str, indent: str = "") -> str:
    """A paragraph in lines that fit an editor."""
    return fill(text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def count(number: float) -> str:
    """A count, with as many decimals as it needs to be told from its neighbours."""
    if number >= 100 or abs(number - round(number)) < 0.05:
        return f"{number:,.0f}"
    return f"{number:.1f}"


def times(value: float, ours: float) -> str:
    """How often a value holds ours."""
    if not ours:
        return "–"
    ratio = value / ours
    return f"{ratio:,.1f}×" if ratio >= 0.95 else f"{ratio:.2f}×"
