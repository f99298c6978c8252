"""One module for each kind of measurement; each has `measure(stage, effort) -> Outcome`."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.proxies import Start, aiohttp_proxy, apache, caddy, envoy, gateway, haproxy, nginx
from bench.report import Outcome
from bench.stage import Stage

EVERYBODY: tuple[Start, ...] = (
    gateway.start,
    haproxy.start,
    nginx.start,
    envoy.start_plain,
    envoy.start_signed_in,
    caddy.start,
    apache.start,
    aiohttp_proxy.start,
)
"""Who is compared in what all of them can do."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: `rounds` of `seconds` each; the median of them counts."""

    rounds: int
    seconds: int


Measure = Callable[[Stage, Effort], Outcome]
