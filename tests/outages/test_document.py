"""docs/failures.md: no row without its test, no test without its row."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
DOCUMENT = (ROOT / "docs" / "failures.md").read_text()
TEXT = DOCUMENT.partition("## What ends")[0]


def rows(text: str) -> list[list[str]]:
    return [
        line.strip("| ").split(" | ")
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith(("| what happens", "| ---"))
    ]


ROWS = rows(TEXT)
OF_SONAR = rows(TEXT.partition("## Sonar itself\n")[2].partition("\n## ")[0])


def outages() -> Iterator[str]:
    """Each test of an outage by name, with its parameters."""
    for path in HERE.glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
                ways = [
                    name.id
                    for decorator in node.decorator_list
                    if isinstance(decorator, ast.Call) and isinstance(decorator.args[1], ast.List)
                    for name in decorator.args[1].elts
                    if isinstance(name, ast.Name)
                ]
                yield from (f"{node.name}[{way}]" for way in ways) if ways else (node.name,)


def test_each_row_has_its_test_and_each_test_its_row() -> None:
    told = [re.fullmatch(r"`([^`]+)`", row[-1]) for row in ROWS]
    assert None not in told
    names = [found[1] for found in told if found is not None]
    assert len(names) == len(set(names)) >= 27
    assert set(names) == {name for name in outages() if not name.startswith("test_a_herd")}


def test_each_row_says_what_all_three_see() -> None:
    assert {len(row) for row in ROWS} == {5}
    assert all(all(row) for row in ROWS)


def test_only_without_sonar_password_users_see_anything() -> None:
    assert len(OF_SONAR) >= 3
    assert all((row[1] == "nothing") is (row not in OF_SONAR) for row in ROWS)


def test_what_counts_the_questions_exists() -> None:
    told = DOCUMENT.partition("## When it is back")[2].partition("\n## ")[0]
    names = set(re.findall(r"`(test_\w+)`", told))
    assert {name for name in outages() if name.startswith("test_a_herd")} < names
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in names if f"def {name}(" not in code] == []
