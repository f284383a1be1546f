"""What is delivered can be read: no file and no function is long."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [*ROOT.glob("app*.py"), *ROOT.glob("constructs/**/*.py"), *ROOT.glob("lambda/**/*.py")]
)
LONGEST_FILE = 300
LONGEST_FUNCTION = 40


def path(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_all_that_is_delivered_is_measured() -> None:
    measured = {path(file) for file in FILES}

    assert measured >= {
        "app.py",
        "constructs/hyperpod_patching/__init__.py",
        "lambda/hyperpod_software/handler.py",
        "lambda/hyperpod_software/adapters/properties.py",
    }


@pytest.mark.parametrize("file", FILES, ids=path)
def test_no_file_and_no_function_is_long(file: Path) -> None:
    text = file.read_text("utf-8")
    functions = [
        (each.name, (each.end_lineno or 0) - each.lineno + 1)
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert len(text.splitlines()) <= LONGEST_FILE
    assert [(name, lines) for name, lines in functions if lines > LONGEST_FUNCTION] == []
