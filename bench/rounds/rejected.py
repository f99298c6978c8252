"""A rejected request beside a served one, with a store that counts what it is asked.

The store is a real Valkey, and upstream counts too. What comes again is known to the gateway, so
that each kind is also sent with something else in it each time; beside it stands a served request
that has something else in its head each time. What is malformed ends its connection: like for
like it stands beside a served request that has a connection of its own, too (`Connection: close`).
How each stands beside the usual one, which is known and keeps its connection, is told as well.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench.load import CONNECTIONS, OTHER_EACH_TIME, Round, ask, drive
from bench.process import CannotMeasure
from bench.proxies import Proxy, gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.requests import page_request
from bench.rounds import Effort
from bench.stage import Stage
from bench.valkey import Valkey, running_valkey

_GOAL = "cheaper than a served one, no store touched"
_SERVED, _OTHER = "served", "served, another head each time"
_COOKIE = "served, another cookie each time"
_OWN, _OWN_OTHER = "served, own connection", "served, own connection, another head each time"
_ONE = "served, own connection, another head each time, one at a time"

# That somebody was served is written to the store within half a second, and later than that when it
# was written within the last minute: a question in that many requests is of somebody served before.
_WRITTEN_AFTER = 0.7
_REQUESTS_TO_A_QUESTION = 1000


@dataclass(frozen=True, slots=True)
class _Kind:
    """`beside`: the kind it must be cheaper than; `None` for what is served. `also`: kinds it is
    compared with for information."""

    name: str
    request: bytes
    status: int
    beside: str | None = None
    also: tuple[str, ...] = ()
    connections: int = CONNECTIONS


@dataclass(frozen=True, slots=True)
class _Found:
    """`questions` the store was asked during all `requests`."""

    cpu: float
    rate: float
    requests: int
    questions: int

    @property
    def touches_the_store(self) -> bool:
        return self.questions * _REQUESTS_TO_A_QUESTION > self.requests


def measure(stage: Stage, effort: Effort) -> Outcome:
    with running_valkey() as valkey:
        proxy = gateway.start(stage, stage.pages, Variant(store=valkey.url))
        try:
            kinds = kinds_of(proxy)
            found = _measured(stage, proxy, valkey, kinds, effort)
        finally:
            stage.stop(proxy.program)
    return Outcome(
        title=f"Rejected and served, medians of {effort.rounds} rounds",
        heads=("", "status", "CPU µs/request", "requests/s", "store asked"),
        rows=tuple(
            (
                kind.name,
                str(kind.status),
                f"{found[kind.name].cpu:.1f}",
                f"{found[kind.name].rate:,.0f}",
                f"{found[kind.name].questions} times",
            )
            for kind in kinds
        ),
        lines=tuple(line for kind in kinds for line in _lines(kind, found)),
    )


def kinds_of(proxy: Proxy) -> tuple[_Kind, ...]:
    """What is served first: the store hears of it a moment later."""
    port, cookie = proxy.port, proxy.cookie
    mark = OTHER_EACH_TIME.decode()
    other = f'If-None-Match: "{mark}"'
    once = page_request(port, cookie, connection="close")
    once_other = page_request(port, cookie, other, connection="close")
    another = _malformed(once, f"{mark}.example")
    anybody, forged = page_request(port, ""), page_request(port, _forged(cookie, "0" * len(mark)))
    forged_anew = page_request(port, _forged(cookie, mark))
    return (
        _Kind(_SERVED, proxy.request, 200),
        _Kind(_OTHER, page_request(port, cookie, other), 200),
        _Kind(_COOKIE, page_request(port, f"{cookie}; page={mark}"), 200),
        _Kind(_OWN, once, 200),
        _Kind(_OWN_OTHER, once_other, 200),
        _Kind(_ONE, once_other, 200, connections=1),
        _Kind("no session, navigation", anybody, 302, _SERVED),
        _Kind("no session, fetch", _as_fetch(anybody), 401, _SERVED),
        _Kind("forged cookie", forged, 302, _SERVED),
        _Kind("forged cookie, another each time", forged_anew, 302, _OTHER, (_COOKIE, _SERVED)),
        _Kind("malformed head", _malformed(once, "other.example"), 400, _OWN, (_SERVED,)),
        _Kind("malformed head, another each time", another, 400, _OWN_OTHER, (_OWN, _SERVED)),
        _Kind("malformed head, another each time, one at a time", another, 400, _ONE,
              connections=1),
    )  # fmt: skip


def _malformed(request: bytes, host: str) -> bytes:
    """Two hosts (RFC 9112 section 3.2); wrk sends nothing that its own parser does not know."""
    return request.replace(b"Host:", b"Host: %b\r\nHost:" % host.encode())


def _forged(cookie: str, other: str) -> str:
    """Another MAC, of the right form: `other` takes the place of its first characters."""
    session, _, rest = cookie.partition(";")
    signed, _, mac = session.rpartition(".")
    return f"{signed}.{other}{mac[len(other) :]};{rest}"


def _as_fetch(request: bytes) -> bytes:
    return request.replace(b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Mode: cors").replace(
        b"Sec-Fetch-Dest: document", b"Sec-Fetch-Dest: empty"
    )


def _measured(
    stage: Stage, proxy: Proxy, valkey: Valkey, kinds: tuple[_Kind, ...], effort: Effort
) -> dict[str, _Found]:
    rounds: dict[str, list[Round]] = {kind.name: [] for kind in kinds}
    asked = dict.fromkeys(rounds, 0)
    before = valkey.questions()
    for kind in kinds:
        check(proxy, kind)
    if valkey.questions() == before:
        raise CannotMeasure("the store was not asked for a session nobody knew: it counts wrongly")
    for _ in range(effort.rounds):
        for kind in kinds:
            before = valkey.questions()
            done = drive(stage, proxy, kind.request, effort.seconds, kind.connections)
            if kind.beside is None:
                time.sleep(_WRITTEN_AFTER)
            elif done.upstream:
                raise CannotMeasure(f"{kind.name}: upstream was asked {done.upstream} times")
            asked[kind.name] += valkey.questions() - before
            rounds[kind.name].append(done)
    return {
        name: _Found(
            median(each.cpu for each in done),
            median(each.rate for each in done),
            sum(each.requests for each in done),
            asked[name],
        )
        for name, done in rounds.items()
    }


def check(proxy: Proxy, kind: _Kind) -> None:
    reply = ask(proxy, kind.request)
    if not reply.startswith(b"HTTP/1.1 %d " % kind.status):
        raise CannotMeasure(f"{kind.name}: not {kind.status}: {reply[:200]!r}")


def _lines(kind: _Kind, found: dict[str, _Found]) -> Iterator[Line]:
    ours, work = found[kind.name], f"rejected: {kind.name}"
    if kind.beside is not None:
        ratio = ours.cpu / found[kind.beside].cpu
        yield Line(
            work,
            _GOAL,
            f"{ratio:.2f} x {kind.beside}; store asked {ours.questions} times "
            f"in {ours.requests:,} requests",
            ratio < 1.0 and not ours.touches_the_store,
        )
    for other in kind.also:
        yield Line(work, "", f"{ours.cpu / found[other].cpu:.2f} x {other}", None)
