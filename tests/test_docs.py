"""The pages tell the truth: what they link to and what they name is there."""

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
