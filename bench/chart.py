"""The figures as bars, in SVG: best first, the gateway in its own colour, light and dark."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from bench.proxies import gateway
from bench.report import Outcome

_WIDTH, _MARGIN, _GAP = 880, 24, 40
_COLUMN = (_WIDTH - 2 * _MARGIN - _GAP) // 2
_HEAD, _ROW, _BAR = 52, 24, 16
# Within a column: where bars begin, and what a number behind the longest needs.
_NAMES, _NUMBERS = 138, 56

_STYLE = """\
svg { color-scheme: light dark; font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; }
.paper { fill: #ffffff; }
.title { fill: #1b1f24; font-weight: 600; font-size: 15px; }
.note, .name, .number { fill: #57606a; }
.ours { fill: #1b1f24; font-weight: 600; }
.bar { fill: #b6c2d1; }
.our-bar { fill: #0b6bcb; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117; }
  .title, .ours { fill: #f0f3f6; }
  .note, .name, .number { fill: #9ea7b3; }
  .bar { fill: #46515e; }
  .our-bar { fill: #58a6ff; }
}"""


@dataclass(frozen=True, slots=True)
class _Panel:
    """`figure`: of which measurement's `figures`."""

    figure: str
    title: str
    note: str
    form: str
    least_first: bool


_FOOT = (
    "gateway, Envoy oauth2 and mod_auth_openidc check a session with each request; "
    "the others only pass it on."
)

_PANELS = (
    _Panel("cpu", "CPU time per request", "µs, 1 KB GET; less is better", "{:.1f}", True),
    _Panel("rate", "Requests per second", "one core, 1 KB GET; more is better", "{:,.0f}", False),
    _Panel("connection", "Memory of an idle connection", "KiB; less is better", "{:.1f}", True),
    _Panel("websocket", "Memory of an open WebSocket", "KiB; less is better", "{:.1f}", True),
)


def draw(results: Mapping[str, Outcome]) -> str:
    """Two columns of panels, those whose figures are there."""
    figures = {key: each for found in results.values() for key, each in found.figures.items()}
    panels = [panel for panel in _PANELS if panel.figure in figures]
    rows = [panels[at : at + 2] for at in range(0, len(panels), 2)]
    drawn: list[str] = []
    top = _MARGIN
    for row in rows:
        for column, panel in enumerate(row):
            left = _MARGIN + column * (_COLUMN + _GAP)
            drawn += _panel(panel, figures[panel.figure], left, top)
        top += _HEAD + _ROW * max(len(figures[panel.figure]) for panel in row) + _MARGIN
    height = top + _MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img" aria-label="Sonar Gateway measured '
            'beside other proxies">',
            f"<style>\n{_STYLE}\n</style>",
            f'<rect class="paper" width="{_WIDTH}" height="{height}" rx="8"/>',
            *drawn,
            _text("note", _MARGIN, top, _FOOT),
            "</svg>\n",
        )
    )


def _panel(panel: _Panel, values: Mapping[str, float], left: int, top: int) -> list[str]:
    ordered = sorted(values.items(), key=lambda item: item[1], reverse=not panel.least_first)
    scale = (_COLUMN - _NAMES - _NUMBERS) / max(values.values())
    drawn = [
        _text("title", left, top + 16, panel.title),
        _text("note", left, top + 34, panel.note),
    ]
    for number, (name, value) in enumerate(ordered):
        ours = name == gateway.NAME
        bar, base = top + _HEAD + number * _ROW, top + _HEAD + number * _ROW + _BAR - 3
        width = max(1.0, value * scale)
        drawn += [
            _text("ours" if ours else "name", left, base, name),
            f'<rect class="{"our-bar" if ours else "bar"}" x="{left + _NAMES}" y="{bar}" '
            f'width="{width:.1f}" height="{_BAR}" rx="2"/>',
            _text(
                "ours" if ours else "number",
                left + _NAMES + width + 6,
                base,
                panel.form.format(value),
            ),
        ]
    return drawn


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'
