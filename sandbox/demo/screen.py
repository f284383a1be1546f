"""Text for a terminal or a file: it fits the width, and is redrawn in place only where that works."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sandbox.progress import GroupProgress, group_progress

_WIDEST = 100
"""Prose wider than this is hard to read, however wide the terminal."""
_MARGIN = "   "
_ASCII = str.maketrans(
    {"█": "#", "░": ".", "·": ".", "→": ">", "…": "...", "–": "-", "×": "x", "✓": "+", "✗": "!"}
    | {"├": "|", "└": "`", "─": "-", "│": "|", "’": "'"}
)


class Screen:
    """Where the demo writes: lines that stay, and a block that is redrawn where that works."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._block: Live | None = None

    @property
    def live(self) -> bool:
        """Whether lines can be redrawn in place."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    @property
    def width(self) -> int:
        """Characters of a line. The last column stays free: some terminals wrap there."""
        return max(40, self._console.width) - 1

    # Lines that stay

    def line(self, text: str = "", style: str = "") -> None:
        """One line as it is."""
        self._console.print(self._text(text.rstrip(), style), soft_wrap=True)

    def say(self, text: str, style: str = "", first: str = _MARGIN, rest: str = _MARGIN) -> None:
        """A paragraph; `first` and `rest` stand before its lines."""
        for line in wrapped(text, min(self.width, _WIDEST), first, rest):
            self.line(line, style)

    def verbatim(self, text: str, style: str = "") -> None:
        """A line of somebody else's output; where it is too long, the rest is set in."""
        indent = _MARGIN + text[: len(text) - len(text.lstrip())]
        self.say(text.strip(), style, indent, indent + "    ")

    def quote(self, text: str) -> None:
        """A paragraph in somebody else's words; set out, so that a log group's name has room."""
        self.say(text, "red", "│ ", "│ ")

    def item(self, text: str, *, good: bool) -> None:
        """A paragraph with a mark before it."""
        mark, style = ("✓", "") if good else ("✗", "red")
        self.say(text, style, f"{_MARGIN}{mark} ", _MARGIN + "  ")

    def heading(self, text: str) -> None:
        self.line()
        self.line(text, "bold")

    def command(self, words: Sequence[str]) -> None:
        """A command line that can be copied: broken where a shell lets it be."""
        for line in command_lines(words, self.width):
            self.line(line, "cyan")

    # Lines that change

    def draw(self, *lines: tuple[str, str]) -> None:
        """Put these lines, each with its style, where the last ones drawn are, if that works."""
        if not self.live:
            return
        if self._block is None:
            self._block = Live(console=self._console, auto_refresh=False)
            self._block.start()
        drawn = (self._text(text[: self.width], style) for text, style in lines)
        self._block.update(Text("\n").join(drawn), refresh=True)

    def settle(self, *, erase: bool = False) -> None:
        """Let what was drawn stay, or take it away; what comes next goes below it."""
        if self._block is not None:
            self._block.transient = erase
            self._block.stop()
            self._block = None

    def _text(self, text: str, style: str) -> Text:
        plain = self._console.options.ascii_only
        styled = Text(text.translate(_ASCII) if plain else text, style)
        styled.highlight_words(["✓"], "green")
        return styled


def wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    """A paragraph in lines of at most `width`; identifiers and paths stay whole."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def command_lines(words: Sequence[str], width: int) -> list[str]:
    """`$ word word …`, continued with backslashes between words that may be parted."""
    lines = [f"{_MARGIN}$ {words[0]}"]
    for word in _kept_together(words[1:]):
        if len(lines[-1]) + 1 + len(word) + 2 <= width:
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(f"{_MARGIN}    {word}")
    return lines


def _kept_together(words: Sequence[str]) -> list[str]:
    """An option and its value are one piece."""
    pieces: list[str] = []
    for word in words:
        if pieces and pieces[-1] == "-c":
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    return pieces


# --- How far a cluster is -----------------------------------------------------------------------

_COLOURS = {"Succeeded": "green", "Failed": "red", "RollbackInProgress": "yellow"}
_FIXED = 57
"""Characters of a group's line besides name and bar."""


def group_line(group: GroupProgress, name_width: int, width: int) -> str:
    """One group: name, bar, nodes, status and AMI, as far as `width` has room."""
    done = "?" if group.done is None else str(group.done)
    bar = group.bar(min(24, max(8, width - name_width - _FIXED)))
    count = f"{done}/{group.nodes}"
    line = f"{_MARGIN}{group.name:<{name_width}}  {bar}  {count:>5}  {group.status:<18}"
    software = f"  → {group.desired}" if group.moving else f"    {group.current}"
    return line + software if len(line + software) <= width else line.rstrip()


class Display:
    """Follows a cluster and a stack through one command.

    In place where the screen is live; elsewhere a line for each change and no more.
    `groups` is whether the groups are shown at all where nothing changes in them.
    """

    def __init__(self, screen: Screen, stack: str, *, groups: bool) -> None:
        self._screen = screen
        self._stack = stack
        self._groups = groups
        self._seen: dict[str, tuple[str, int | None]] = {}
        self._stage = ""

    def show(self, description: Mapping[str, Any], stage: str, seconds: float) -> None:
        """Show how it stands: the answer of DescribeCluster, and what the stack is doing."""
        groups = [group_progress(group) for group in description["InstanceGroups"]]
        if self._screen.live:
            self._screen.draw(*self._block(groups, stage, seconds))
        elif self._groups:
            self._report(groups, stage)

    def end(self) -> None:
        """Leave the last state standing, or nothing where there was nothing to see."""
        self._screen.settle(erase=not self._groups)

    def _block(
        self, groups: Sequence[GroupProgress], stage: str, seconds: float
    ) -> list[tuple[str, str]]:
        stack = (f"{_MARGIN}stack {self._stack}: {stage}, {seconds:.0f} s", "dim")
        if not self._groups:
            return [stack]
        width = self._screen.width
        names = max(len(group.name) for group in groups)
        lines = [(group_line(g, names, width), _COLOURS.get(g.status, "")) for g in groups]
        return [*lines, stack]

    def _report(self, groups: Sequence[GroupProgress], stage: str) -> None:
        names = max(len(group.name) for group in groups)
        for group in groups:
            state = (group.status, group.done)
            if self._seen.setdefault(group.name, state) != state:
                self._seen[group.name] = state
                self._screen.line(group_line(group, names, self._screen.width))
        # Only what CloudFormation says is worth a line: it shouts.
        if stage != self._stage and stage.isupper():
            self._stage = stage
            self._screen.line(f"{_MARGIN}stack {self._stack}: {stage}")
