"""The gateway and what a user would pick instead; one module each.

Each has `start(stage, upstream)`: runs it on its core in front of the port `upstream`, ready and,
where it knows sessions, with somebody signed in. Nobody but the gateway writes an access log: that
is the harder comparison. Each gets one worker, and keeps its connections on both sides.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.process import Program
from bench.requests import page_request
from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that runs. `cookie`: what a signed-in browser sends; empty for a plain proxy."""

    name: str
    port: int
    program: Program
    version: str
    cookie: str = ""

    @property
    def request(self) -> bytes:
        """The usual request: a browser asks for a page."""
        return page_request(self.port, self.cookie)


Start = Callable[[Stage, int], Proxy]
