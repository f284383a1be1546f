"""Text for a terminal or a file: it fits the width, and is redrawn in place only where that works."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

from sandbox.progress import GroupProgress, group_progress

_WIDEST = 100
"""Prose wider than this is hard to read, however wide the terminal."""
_MARGIN = "   "
_ASCII = str.maketrans(
    {"█": "#", "░": ".", "·": ".", "→": ">", "…": "...", "–": "-", "×": "x", "✓": "+", "✗": "!"}
    | {"├": "|", "└": "`", "─": "-", "│": "|", "’": "'"}
)
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE_LINE, _ERASE_BELOW = "\x1b[K", "\x1b[J"

Line = tuple[str, str]
"""A line, and the name of its style (empty: none)."""


class Screen:
    """Where the demo writes. `live`: lines can be redrawn in place. `colours`: styles are shown."""

    def __init__(
        self, out: TextIO, *, live: bool, colours: bool, columns: Callable[[], int]
    ) -> None:
        self.live = live
        self._out = out
        self._colours = colours
        self._columns = columns
        self._drawn: list[str] = []
        self._plain = not _can_write("█→✓", out)

    @classmethod
    def on(cls, out: TextIO, environment: Mapping[str, str] = os.environ) -> Screen:
        """A screen that does what `out` can, and what NO_COLOR and TERM ask for."""
        live = out.isatty() and environment.get("TERM", "dumb") != "dumb"
        colours = live and not environment.get("NO_COLOR")
        return cls(
            out, live=live, colours=colours, columns=lambda: shutil.get_terminal_size().columns
        )

    @property
    def width(self) -> int:
        """Characters of a line. The last column stays free: some terminals wrap there."""
        return max(40, self._columns()) - 1

    # Lines that stay

    def line(self, text: str = "", style: str = "") -> None:
        """One line as it is."""
        self._write(self._styled(text, style).rstrip() + "\n")

    def verbatim(self, text: str, style: str = "") -> None:
        """A line of somebody else's output; where it is too long, the rest is set in."""
        indent = text[: len(text) - len(text.lstrip())]
        first, rest = _MARGIN + indent, _MARGIN + indent + "    "
        self.lines(_broken(text.strip(), self.width, first, rest), style)

    def say(self, text: str, style: str = "") -> None:
        """A paragraph."""
        self.lines(wrapped(text, min(self.width, _WIDEST)), style)

    def lines(self, lines: Iterable[str], style: str = "") -> None:
        for line in lines:
            self.line(line, style)

    def quote(self, text: str) -> None:
        """A paragraph in somebody else's words; set out, so that a log group's name has room."""
        bar = "│ "
        self.lines(wrapped(text, min(self.width, _WIDEST), indent=bar), "red")

    def item(self, text: str, mark: str, style: str) -> None:
        """A paragraph with a mark before it."""
        first, *rest = wrapped(text, min(self.width, _WIDEST), indent=_MARGIN + "  ")
        self.line(_MARGIN + self._styled(mark, style) + first[len(_MARGIN) + 1 :])
        self.lines(rest)

    def heading(self, text: str) -> None:
        self.line()
        self.line(text, "bold")

    def command(self, words: Sequence[str]) -> None:
        """A command line that can be copied: broken where a shell lets it be."""
        self.lines(command_lines(words, self.width), "cyan")

    # Lines that change

    def draw(self, lines: Sequence[Line]) -> None:
        """Put these lines where the last ones drawn are. Nothing where that does not work."""
        if not self.live:
            return
        width = self.width
        drawn = [self._styled(text[:width], style) for text, style in lines]
        if drawn == self._drawn:
            return
        up = f"\x1b[{len(self._drawn)}A" if self._drawn else _HIDE_CURSOR
        # In one piece, each line erased only behind its text: so it does not flicker.
        text = "".join(f"\r{line}{_ERASE_LINE}\n" for line in drawn)
        self._write(up + text + _ERASE_BELOW)
        self._drawn = drawn

    def settle(self, *, erase: bool = False) -> None:
        """Let what was drawn stay, or take it away; what comes next goes below it."""
        if not self._drawn:
            return
        gone = f"\x1b[{len(self._drawn)}A\r{_ERASE_BELOW}" if erase else ""
        self._drawn = []
        self._write(gone + _SHOW_CURSOR)

    def _styled(self, text: str, style: str) -> str:
        if not (style and text and self._colours):
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        self._out.write(text.translate(_ASCII) if self._plain else text)
        self._out.flush()


def _can_write(text: str, out: TextIO) -> bool:
    try:
        text.encode(getattr(out, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def wrapped(text: str, width: int, indent: str = _MARGIN) -> list[str]:
    """A paragraph in lines of at most `width`; identifiers and paths stay whole."""
    return _broken(text, width, indent, indent)


def _broken(text: str, width: int, first: str, rest: str) -> list[str]:
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
            self._screen.draw(self._block(groups, stage, seconds))
        elif self._groups:
            self._report(groups, stage)

    def end(self) -> None:
        """Leave the last state standing, or nothing where there was nothing to see."""
        self._screen.settle(erase=not self._groups)

    def _block(self, groups: Sequence[GroupProgress], stage: str, seconds: float) -> list[Line]:
        stack: Line = (f"{_MARGIN}stack {self._stack}: {stage}, {seconds:.0f} s", "dim")
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
