"""`/sso/auth`, as a proxy in front asks it for a signed-in browser, beside the proxied request."""

from statistics import median

from bench.load import drive, drive_served
from bench.process import CannotMeasure
from bench.proxies import Proxy, gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.requests import PAGE, page_request
from bench.rounds import Effort
from bench.stage import Stage, get

_PATH = "/sso/auth"
_WORK = "/sso/auth forward-auth answer, signed in"
_GOAL = 1.5
# Only a proxy we know is believed what it says of the request it asks for.
_BEHIND_A_PROXY = Variant(server=(("trusted_proxies", ["127.0.0.1/32"]),))


def measure(stage: Stage, effort: Effort) -> Outcome:
    proxy = gateway.start(stage, stage.pages, _BEHIND_A_PROXY)
    try:
        return _measured(stage, proxy, effort)
    finally:
        stage.stop(proxy.program)


def _measured(stage: Stage, proxy: Proxy, effort: Effort) -> Outcome:
    asked = {
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": f"localhost:{proxy.port}",
        "X-Forwarded-Uri": PAGE,
        "X-Forwarded-For": "192.0.2.7",
    }
    status, _ = get(
        proxy.port, _PATH, {**asked, "Host": f"localhost:{proxy.port}", "Cookie": proxy.cookie}
    )
    if status != 200:
        return _not_there(f"not there: {_PATH} answers {status}")
    lines = (f"{name}: {value}" for name, value in asked.items())
    request = page_request(proxy.port, proxy.cookie, *lines, path=_PATH)
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
    ratio = median(rates[_PATH]) / median(rates["proxied"])
    return Outcome(
        title="Forward-auth beside the proxied request, medians",
        heads=("", "requests/s", "CPU µs/request"),
        rows=tuple(
            (name, f"{median(rates[name]):.0f}", f"{median(cpu[name]):.1f}") for name in rates
        ),
        lines=(_line(f"{ratio:.2f} x", ratio >= _GOAL),),
    )


def _not_there(why: str) -> Outcome:
    return Outcome("Forward-auth", ("", ""), ((_PATH, why),), (_line(why, None),))


def _line(measured: str, met: bool | None) -> Line:
    return Line(_WORK, f"at least {_GOAL:g} x the proxied request rate", measured, met)
