"""One module for each kind of measurement; each has `measure(stage, effort) -> Outcome`."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.report import Outcome
from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: `rounds` of `seconds` each; the median of them counts."""

    rounds: int
    seconds: int


Measure = Callable[[Stage, Effort], Outcome]
