"""What was measured, written into a page, so that nobody copies numbers by hand.

    python -m bench.page PAGE [--results FILE]      what is kept, without measuring again

Everything between the two marks is written anew, and the chart that it shows beside it: both from
the same results.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import results
from bench.chart import draw
from bench.process import CannotMeasure
from bench.report import show, verdicts

BEGIN = "<!-- What follows, and the chart, is written by `make bench`. -->"
END = "<!-- Here it ends. -->"
CHART = "images/performance.svg"

_SHOWN = f"![CPU time, requests per second and memory beside other proxies]({CHART})"


def write(page: Path, found: results.Results) -> None:
    """Into `page`, and its chart. `CannotMeasure` without the two marks."""
    before, begins, rest = page.read_text().partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not begins or not ends:
        raise CannotMeasure(f"{page} does not have these two lines: {BEGIN} {END}")
    chart = page.parent / CHART
    chart.parent.mkdir(exist_ok=True)
    chart.write_text(draw(found))
    page.write_text(f"{before}{BEGIN}\n\n{_content(found)}\n\n{END}{after}")


def _content(found: results.Results) -> str:
    lines = [line for outcome in found.values() for line in outcome.lines]
    tables = "\n".join(show(outcome) for outcome in found.values())
    told = "\n".join(runs(found))
    return f"{_SHOWN}\n\n{told}\n\n{versions(found)}.\n\n{verdicts(lines)}\n{tables}"


def runs(found: results.Results) -> Iterator[str]:
    """When and where what was measured: a sentence for each run."""
    by_run: dict[str, list[str]] = {}
    for name, outcome in found.items():
        run = outcome.run
        told = f"begun on {run.began} UTC on {run.machine}" if run else "of an unknown day"
        by_run.setdefault(told, []).append(name)
    if len(by_run) == 1:
        yield from (f"Everything in one run, {told}." for told in by_run)
        return
    yield "Not of one run:\n"
    yield from (f"- {', '.join(names)}: {told}" for told, names in by_run.items())


def versions(found: results.Results) -> str:
    """Of everybody that was measured."""
    said = {name: text for each in found.values() for name, text in each.versions.items()}
    return ", ".join(f"{name} {text}" for name, text in said.items())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.page")
    parser.add_argument("page", type=Path)
    parser.add_argument("--results", type=Path, default=results.USUAL)
    options = parser.parse_args()
    try:
        write(options.page, results.load(options.results))
    except CannotMeasure as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
