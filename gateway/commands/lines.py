"""What `check` says: one line for each thing tried."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Line:
    """One thing tried. `state`: `ok`, `warn` (works, but look at it) or `FAIL`."""

    state: Literal["ok", "warn", "FAIL"]
    part: str
    detail: str

    def __str__(self) -> str:
        return f"{self.state:<5} {self.part:<22} {self.detail}"


Lines = tuple[Line, ...]
