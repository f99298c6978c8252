"""What `check` says: one line for each thing tried; and how commands show what others chose."""

import json
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
    return tuple(f"{line.state:<5} {line.part:<{width}}  {plain(line.detail)}" for line in lines)


def plain(text: str) -> str:
    """A sentence with words in it that others chose: they must not write the operator's terminal,
    or lines of their own."""
    return text if text.isprintable() else json.dumps(text)


def shown(value: object) -> str:
    """The same of what others chose alone, which is one word among several."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)
