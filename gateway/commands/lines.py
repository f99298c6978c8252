"""What `check` says: one line for each thing tried."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Line:
    """One thing tried. `state`: `ok`, `warn` (works, but look at it) or `FAIL`."""

    state: Literal["ok", "warn", "FAIL"]
    part: str
    detail: str


Lines = tuple[Line, ...]


def as_text(lines: Lines) -> tuple[str, ...]:
    """What a person reads, in three columns."""
    width = max((len(line.part) for line in lines), default=0)
    return tuple(f"{line.state:<5} {line.part:<{width}}  {line.detail}" for line in lines)
