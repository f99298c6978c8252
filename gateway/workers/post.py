"""A worker's place among the others."""

from pathlib import Path
from typing import NamedTuple

from gateway.workers.line import Line


class Post(NamedTuple):
    """`number`: from 1; `line`: to the supervisor; `folder`: for what only this process uses,
    removed when it has ended, however it did."""

    number: int
    line: Line
    folder: Path
