"""Tables and verdicts, and what is kept between runs."""

from pathlib import Path

from bench import results
from bench.report import Line, Outcome, table, verdicts


def test_a_table_is_markdown_with_columns_that_stand_one_below_the_other() -> None:
    assert table(("", "µs"), [("gateway", "34"), ("x", "5")]).splitlines() == [
        "|         | µs |",
        "|---------|----|",
        "| gateway | 34 |",
        "| x       | 5  |",
    ]


def test_a_line_says_whether_it_is_met() -> None:
    met, unmet, free = (Line("work", "goal", "measured", each) for each in (True, False, None))
    said = [row.split("|")[-2].strip() for row in verdicts((met, unmet, free)).splitlines()]
    assert said[2:] == ["met", "NOT met", "for information"]


def test_pieces_come_together(tmp_path: Path) -> None:
    file = tmp_path / "var" / "bench.json"
    assert results.load(file) == {}
    first = Outcome(
        "µs", ("a",), (("1",),), (Line("w", "g", "m", None),), {"cpu": {"gateway": 1.5}}, {"x": "1"}
    )
    results.save(file, {"first": first})
    results.save(file, results.load(file) | {"second": Outcome("t", (), ())})
    kept = results.load(file)
    assert kept["first"] == first
    assert list(kept) == ["first", "second"]
