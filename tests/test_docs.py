"""The pages tell the truth: what they link to and what they name is there."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import main

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def links(page: Path) -> Iterator[tuple[str, str]]:
    """(file, anchor) of each link that is not to another site."""
    for target in _LINK.findall(page.read_text()):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield file, anchor


def anchors(page: Path) -> set[str]:
    """The anchors a forge makes of the headings."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    slugs = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(text))
    return {slug.replace(" ", "-") for slug in slugs}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for file, anchor in links(page):
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(f"{file}#{anchor}")
    assert dead == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        todo += [page.parent / file for file, _ in links(page) if file]
    assert {page.resolve() for page in PAGES} - seen == set()


def test_every_command_is_in_the_operators_page() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    missing = [name for name in main.commands if f"sonar-gateway {name}" not in text]
    assert missing == []


def test_make_targets_named_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named - targets - {"sure", "it"} == set()


def test_what_is_committed_names_no_machine_and_no_index() -> None:
    """Lock files and pages must work on any machine, so they name no index host and no path."""
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    guilty = []
    for name in files:
        if name.endswith((".lock", ".md", "package-lock.json", ".toml", ".yaml", "Makefile")):
            text = (ROOT / name).read_text()
            if re.search(r"(?m)--(?:extra-)?index-url|\"resolved\":|/root/|file:///[a-z]", text):
                guilty.append(name)
    assert guilty == []


def threats() -> Iterator[list[str]]:
    """The cells of each row of the threat model: threat, what stops it, test, what remains."""
    in_table = False
    for line in (ROOT / "docs" / "security.md").read_text().splitlines():
        if line.startswith("| threat |"):
            assert line == "| threat | what stops it | test | what remains |"
            in_table = True
        elif not line.startswith("|"):
            in_table = False
        elif in_table and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


THREATS = list(threats())


def those_of(file: Path) -> Iterator[str]:
    """As pytest names them, without the file."""
    for node in ast.parse(file.read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        above = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for one in inside:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{above}{one.name}"


def test_no_threat_without_a_test_and_a_word_on_what_remains() -> None:
    assert len(THREATS) > 100
    assert [row for row in THREATS if len(row) != 4 or not all(row)] == []
    assert [row for row in THREATS if not re.fullmatch(r"`[^`]+`( `[^`]+`)*", row[2])] == []
    assert [row for row in THREATS if not re.search(r"`[\w/]+(\.py|\.lock|/)`", row[1])] == []
    assert len({row[0] for row in THREATS}) == len(THREATS)


def test_each_test_that_the_threat_model_names_is_there() -> None:
    named = {name for row in THREATS for name in re.findall(r"`([^`]+)`", row[2])}
    files = {name.partition("::")[0] for name in named}
    there = {f"{file}::{test}" for file in files for test in those_of(ROOT / file)}
    assert named - there == set()


def test_each_module_that_the_threat_model_names_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    named = {name.removeprefix("gateway/") for name in re.findall(r"`([a-z_/]+\.py)`", text)}
    assert len(named) > 30
    assert {name for name in named if not (ROOT / "gateway" / name).exists()} == set()


def test_each_published_failure_that_the_code_names_is_in_the_threat_model() -> None:
    known = (ROOT / "docs" / "security.md").read_text()
    sources = [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    sources += (ROOT / "tests" / "strictness" / "corpus").glob("*.yaml")
    published = r"CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4})+"
    named = {name for file in sources for name in re.findall(published, file.read_text())}
    assert len(named) > 15
    assert {name for name in named if name not in known} == set()
