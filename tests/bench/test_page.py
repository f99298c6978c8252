"""The page about speed: its tables and its chart are written from the same results."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import page
from bench.process import CannotMeasure
from bench.report import Line, Outcome, Run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
SVG = "{http://www.w3.org/2000/svg}"
# Which column of the tables a panel of the chart shows.
COLUMNS = {
    "CPU time per request": "CPU µs/request",
    "Requests per second": "requests/s",
    "Memory of an idle connection": "KiB",
    "Memory of an open WebSocket": "KiB resident each",
}
FRAME = f"# Speed\n\nbefore\n\n{page.BEGIN}\nold\n{page.END}\n\nafter\n"
NOON, EVENING = Run("2026-01-01 12:00", "a machine"), Run("2026-01-01 19:00", "another")

Figures = dict[str, dict[str, float]]


def outcome(run: Run | None, cpu: float) -> Outcome:
    return Outcome(
        "Requests",
        ("", COLUMNS["CPU time per request"]),
        (("gateway", f"{cpu:.1f}"), ("C", "15.0")),
        (Line("work", "goal", "measured", True),),
        {"cpu": {"gateway": cpu, "C": 15.0}},
        {"C": "1.2"},
        run,
    )


def drawn(chart: Path) -> Figures:
    """What the chart says: by panel and name."""
    found: Figures = {}
    title = name = ""
    for text in ElementTree.parse(chart).iter(f"{SVG}text"):  # noqa: S314 - our own
        said = text.text or ""
        if text.attrib["class"] == "title":
            title, name = said, ""
            found[title] = {}
        elif text.attrib["class"] != "note":
            if name:
                found[title][name] = number(said)
                name = ""
            else:
                name = said
    return found


def told(text: str) -> Figures:
    """What the tables between the marks say in the columns that are drawn: by panel and name."""
    _, _, rest = text.partition(page.BEGIN)
    content, _, _ = rest.partition(page.END)
    found: Figures = {}
    for table in re.findall(r"(?:^\|.*\n)+", content, re.MULTILINE):
        heads, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
        ]
        for title, column in COLUMNS.items():
            if column in heads and title not in found:
                at = heads.index(column)
                found[title] = {row[0]: number(row[at]) for row in rows}
    return found


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_the_chart_and_the_tables_of_the_page_say_the_same() -> None:
    chart, tables = drawn(PAGE.parent / page.CHART), told(PAGE.read_text())
    assert list(chart) == list(COLUMNS)
    for title, figures in chart.items():
        assert len(figures) >= 5
        # A table may know more than is drawn.
        assert figures.items() <= tables[title].items(), title


def test_the_page_is_as_it_was_around_what_is_written(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(FRAME)
    page.write(file, {"requests": outcome(NOON, 30.0)})
    first = file.read_text()
    assert first.startswith(f"# Speed\n\nbefore\n\n{page.BEGIN}\n")
    assert first.endswith(f"{page.END}\n\nafter\n")
    assert "old" not in first
    assert told(first) == {"CPU time per request": {"gateway": 30.0, "C": 15.0}}
    assert drawn(tmp_path / page.CHART) == told(first)
    assert re.search(r"\| work +\| goal +\| measured +\| met +\|", first)
    assert "Everything in one run, begun on 2026-01-01 12:00 UTC on a machine." in first
    assert "C 1.2." in first
    # Once more, of other results: nothing of the first is left.
    page.write(file, {"requests": outcome(NOON, 40.0)})
    assert file.read_text() == first.replace("30.0", "40.0")


def test_pieces_of_several_runs_say_so() -> None:
    found = {"requests": outcome(NOON, 30.0), "latency": outcome(EVENING, 31.0)}
    assert list(page.runs(found)) == [
        "Not of one run:\n",
        "- requests: begun on 2026-01-01 12:00 UTC on a machine",
        "- latency: begun on 2026-01-01 19:00 UTC on another",
    ]


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    file = Path(shutil.copy(ROOT / "README.md", tmp_path))
    before = file.read_text()
    with pytest.raises(CannotMeasure, match="does not have these two lines"):
        page.write(file, {})
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]
