"""The chart is well-formed, true to the figures, and legible in light and dark."""

import re
from xml.etree import ElementTree

from bench.chart import draw
from bench.report import Outcome

SVG = "{http://www.w3.org/2000/svg}"


def outcome(**figures: dict[str, float]) -> Outcome:
    return Outcome("", ("",), (), figures=figures)


def bars(svg: str) -> list[tuple[str, float]]:
    """(class, width) of each bar, top to bottom."""
    drawing = ElementTree.fromstring(svg)  # noqa: S314 - our own
    return [
        (each.attrib["class"], float(each.attrib["width"]))
        for each in drawing.iter(f"{SVG}rect")
        if each.attrib["class"] != "paper"
    ]


def test_bars_are_as_long_as_their_figures_and_the_best_comes_first() -> None:
    less, more = {"gateway": 30.0, "A & B": 60.0, "C": 15.0}, {"gateway": 10.0, "C": 40.0}
    drawn = bars(draw({"one": outcome(cpu=less), "two": outcome(rate=more)}))
    widths = [width for _, width in drawn]
    assert [kind for kind, _ in drawn] == ["bar", "our-bar", "bar", "bar", "our-bar"]
    assert widths[1] / widths[0] == 2.0
    assert widths[2] / widths[0] == 4.0
    assert widths[3] / widths[4] == 4.0
    assert widths[2] == widths[3]


def test_every_class_that_is_drawn_has_a_colour_in_light_and_in_dark() -> None:
    svg = draw({"one": outcome(cpu={"gateway": 30.0, "C": 15.0})})
    light, dark = svg.split("@media (prefers-color-scheme: dark)")
    for name in set(re.findall(r'class="([\w-]+)"', svg)):
        assert re.search(rf"\.{name}\b[^{{}}]*{{ fill", light), name
        assert re.search(rf"\.{name}\b[^{{}}]*{{ fill", dark), name


def test_what_was_not_measured_is_left_out() -> None:
    assert bars(draw({})) == []
    assert len(bars(draw({"one": outcome(connection={"gateway": 2.4}, other={"x": 1.0})}))) == 1
