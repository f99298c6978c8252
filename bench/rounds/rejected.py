"""A rejected request beside a served one, with a store that counts what it is asked.

The store is a real Valkey, and upstream counts too. What is malformed ends its connection, so it is
compared with a served request that has a connection of its own.
"""

from dataclasses import dataclass
from statistics import median

from bench.load import Round, ask, drive
from bench.process import CannotMeasure
from bench.proxies import Proxy, gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.requests import page_request
from bench.rounds import Effort
from bench.stage import Stage
from bench.valkey import Valkey, running_valkey

_WORK = "a rejected request (no session, bad cookie MAC, malformed head)"
_GOAL = "cheaper than a served one, no store touched"


@dataclass(frozen=True, slots=True)
class _Kind:
    """`beside`: the kind it must be cheaper than; `None` for what is served."""

    name: str
    request: bytes
    status: int
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """`questions` the store was asked for each 1,000 requests."""

    cpu: float
    rate: float
    questions: float


def measure(stage: Stage, effort: Effort) -> Outcome:
    with running_valkey() as valkey:
        proxy = gateway.start(stage, stage.pages, Variant(store=valkey.url))
        try:
            kinds = _kinds(proxy)
            found = _measured(stage, proxy, valkey, kinds, effort)
        finally:
            stage.stop(proxy.program)
    return Outcome(
        title="Rejected and served, medians",
        heads=("", "status", "CPU µs/request", "requests/s", "store asked"),
        rows=tuple(
            (
                kind.name,
                str(kind.status),
                f"{found[kind.name].cpu:.1f}",
                f"{found[kind.name].rate:.0f}",
                f"{found[kind.name].questions:.0f} times",
            )
            for kind in kinds
        ),
        lines=(_line(kinds, found),),
    )


def _kinds(proxy: Proxy) -> tuple[_Kind, ...]:
    port, cookie = proxy.port, proxy.cookie
    once = page_request(port, cookie, connection="close")
    served, served_once = "served", "served, own connection"
    return (
        _Kind(served, proxy.request, 200),
        _Kind("no session, navigation", page_request(port, ""), 302, served),
        _Kind("no session, fetch", _as_fetch(page_request(port, "")), 401, served),
        _Kind("bad cookie MAC", page_request(port, _forged(cookie)), 302, served),
        _Kind(served_once, once, 200),
        _Kind("malformed head, own connection", _malformed(once), 400, served_once),
    )


def _malformed(request: bytes) -> bytes:
    """Two hosts (RFC 9112 section 3.2); wrk sends nothing that its own parser does not know."""
    return request.replace(b"Host:", b"Host: other.example\r\nHost:")


def _forged(cookie: str) -> str:
    """Another MAC, of the right form: the last but one character changes, as the last one does
    not carry six bits."""
    session, _, rest = cookie.partition(";")
    other = "B" if session[-2] == "A" else "A"
    return f"{session[:-2]}{other}{session[-1]};{rest}"


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
        _check(proxy, kind)
    if valkey.questions() == before:
        raise CannotMeasure("the store was not asked for a session nobody knew: it counts wrongly")
    for _ in range(effort.rounds):
        for kind in kinds:
            before = valkey.questions()
            done = drive(stage, proxy, kind.request, effort.seconds)
            asked[kind.name] += valkey.questions() - before
            if kind.beside is not None and done.upstream:
                raise CannotMeasure(f"{kind.name}: upstream was asked {done.upstream} times")
            rounds[kind.name].append(done)
    return {
        name: _Found(
            median(each.cpu for each in done), median(each.rate for each in done), asked[name]
        )
        for name, done in rounds.items()
    }


def _check(proxy: Proxy, kind: _Kind) -> None:
    reply = ask(proxy, kind.request)
    if not reply.startswith(b"HTTP/1.1 %d " % kind.status):
        raise CannotMeasure(f"{kind.name}: not {kind.status}: {reply[:200]!r}")


def _line(kinds: tuple[_Kind, ...], found: dict[str, _Found]) -> Line:
    rejected = [(kind, kind.beside) for kind in kinds if kind.beside is not None]
    ratios = {kind.name: found[kind.name].cpu / found[beside].cpu for kind, beside in rejected}
    asked = sum(found[kind.name].questions for kind, _ in rejected)
    shown = ", ".join(f"{name} {ratio:.2f} x" for name, ratio in ratios.items())
    return Line(
        _WORK,
        _GOAL,
        f"{shown}; store asked {asked:.0f} times",
        all(ratio < 1.0 for ratio in ratios.values()) and asked == 0,
    )
