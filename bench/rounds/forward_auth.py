"""`/sso/auth`, as a proxy in front asks it for a signed-in browser, beside the proxied request."""

from statistics import median

from bench.load import ask, drive, drive_served
from bench.process import CannotMeasure
from bench.proxies import gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.requests import PAGE, page_request
from bench.rounds import Effort
from bench.stage import Stage

_PATH = "/sso/auth"
_GOAL = 1.5
_ASKED_BY_NGINX = Variant(
    server=(("trusted_proxies", ["127.0.0.1/32"]), ("forward_auth", "nginx")),
)


def measure(stage: Stage, effort: Effort) -> Outcome:
    """The questions are those of docs/forward-auth/nginx.conf, and the gateway is the same."""
    proxy = gateway.start(stage, stage.pages, _ASKED_BY_NGINX)
    request = page_request(
        proxy.port,
        proxy.cookie,
        f"X-Original-URI: {PAGE}",
        "X-Original-Method: GET",
        "X-Forwarded-For: 192.0.2.7",
        "X-Forwarded-Proto: http",
        f"X-Forwarded-Host: localhost:{proxy.port}",
        "X-Request-ID: 8a1c0e6ffb1d4bd0a3c5e9d27f604b1c",
        path=_PATH,
    )
    answer = ask(proxy, request)
    if not answer.startswith(b"HTTP/1.1 200") or b"\r\nX-Sonar-Username: jo\r\n" not in answer:
        raise CannotMeasure(f"{_PATH}: not who is signed in: {answer[:300]!r}")
    rates: dict[str, list[float]] = {_PATH: [], "proxied": []}
    cpu: dict[str, list[float]] = {_PATH: [], "proxied": []}
    for _ in range(effort.rounds):
        answered = drive(stage, proxy, request, effort.seconds)
        if answered.bad or answered.upstream:
            raise CannotMeasure(f"{_PATH}: not every answer is a good one: {answered}")
        served = drive_served(stage, proxy, effort.seconds)
        for name, done in ((_PATH, answered), ("proxied", served)):
            rates[name].append(done.rate)
            cpu[name].append(done.cpu)
    stage.stop(proxy.program)
    ratio = median(rates[_PATH]) / median(rates["proxied"])
    return Outcome(
        title=f"Forward-auth beside the proxied request, medians of {effort.rounds} rounds",
        heads=("", "requests/s", "CPU µs/request"),
        rows=tuple(
            (name, f"{median(rates[name]):,.0f}", f"{median(cpu[name]):.1f}") for name in rates
        ),
        lines=(
            Line(
                f"{_PATH} forward-auth answer, signed in",
                f"at least {_GOAL:g} x the proxied request rate",
                f"{ratio:.2f} x",
                ratio >= _GOAL,
            ),
        ),
    )
