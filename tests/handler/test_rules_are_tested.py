"""The table of rules in the documentation is true: every rule has tests by its number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "lifecycle.md").read_text()
NUMBERS = [int(number) for number in re.findall(r"^\| (\d+) \|", TABLE, re.MULTILINE)]
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def test_the_table_numbers_its_rules_without_a_gap() -> None:
    assert list(range(1, len(NUMBERS) + 1)) == NUMBERS
    assert len(NUMBERS) >= 19


@pytest.mark.parametrize("number", NUMBERS)
def test_every_rule_has_a_test_by_its_number(number: int) -> None:
    assert f"def test_rule_{number:02}_" in TESTS


@pytest.mark.parametrize(
    "place", sorted(set(re.findall(r"`((?:(?:edges|rules|words)/)?\w+\.py)`", TABLE)))
)
def test_every_place_the_table_names_exists(place: str) -> None:
    assert (ROOT / "lambda" / "hyperpod_software" / place).is_file()
