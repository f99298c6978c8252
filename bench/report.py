"""What a measurement found, and how it is printed and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what must be reached. `met`: `None` where nothing must be."""

    work: str
    goal: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return "for information" if self.met is None else "met" if self.met else "NOT met"


@dataclass(frozen=True, slots=True)
class Run:
    """One call of the command: when it `began` (UTC), on what machine."""

    began: str
    machine: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A table, the lines it decides, and the `figures` that the chart draws: by what was measured
    and the name of who was. `run`: of which it is."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...] = ()
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    run: Run | None = None


def show(outcome: Outcome) -> str:
    return f"\n### {outcome.title}\n\n{table(outcome.heads, outcome.rows)}"


def verdicts(lines: Sequence[Line]) -> str:
    """Every line with what it must reach, what it did, and whether it is met."""
    return table(
        ("work", "must reach", "measured", ""),
        [(line.work, line.goal, line.measured, line.verdict) for line in lines],
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, the columns padded so that it reads well in a terminal too."""
    everything = [heads, *rows]
    widths = [max(len(row[column]) for row in everything) for column in range(len(heads))]
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in everything
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([shown[0], rule, *shown[1:]])
