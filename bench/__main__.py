"""Side by side: the gateway, with everything on, and Caddy's plain `reverse_proxy`.

    python -m bench [--rounds N] [--seconds S]

One core for the proxy under measurement, the other for the load generator and upstream. The rounds
of both are interleaved, so that whatever else the machine does meets both alike; medians count.
CPU time is the proxy process's own, user and system, from /proc.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_PROXY_CORE, _OTHER_CORE = 0, 1
_CONNECTIONS = 32
# The goal of issue 2: requests per second, Caddy = 1.
_GOAL = 3.0

_BROWSER = (
    "Host: localhost:8080",
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
    "Referer: http://localhost:8080/dashboard",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
)


@dataclass
class Proxy:
    """One proxy under measurement, already running."""

    name: str
    port: int
    process: subprocess.Popen[str]
    rates: list[float]
    cpu: list[float]
    p50: list[float]
    p99: list[float]

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _start(name: str, port: int, *command: str) -> Proxy:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # One core, so one Go scheduler thread: more would only fight over it.
        env={**os.environ, "GOMAXPROCS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, {_PROXY_CORE}),
    )
    return Proxy(name, port, process, [], [], [], [])


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _round(proxy: Proxy, request: bytes, seconds: float) -> None:
    before = proxy.cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", str(proxy.port), str(_CONNECTIONS), str(seconds)],
        input=request,
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {_OTHER_CORE}),
    )
    result = json.loads(done.stdout)
    proxy.rates.append(result["requests"] / result["seconds"])
    proxy.cpu.append((proxy.cpu_seconds() - before) / result["requests"] * 1e6)
    proxy.p50.append(result["p50"])
    proxy.p99.append(result["p99"])


def _report(proxies: tuple[Proxy, ...]) -> float:
    """Print the medians; the ratio of the first proxy's rate to the last one's."""
    print(f"{'':10} {'requests/s':>11} {'CPU us/req':>11} {'p50 us':>8} {'p99 us':>8}")
    for proxy in proxies:
        print(
            f"{proxy.name:10} {median(proxy.rates):11.0f} {median(proxy.cpu):11.1f}"
            f" {median(proxy.p50):8.0f} {median(proxy.p99):8.0f}"
        )
    ratio = median(proxies[0].rates) / median(proxies[-1].rates)
    cpu = median(proxies[0].cpu) / median(proxies[-1].cpu)
    print(f"gateway / caddy: {ratio:.2f} x the requests/s, {cpu:.2f} x the CPU time per request")
    return ratio


def main() -> int:
    """0 when the goal is met, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    processes: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            sonar, gateway_port, caddy_port = _free_port(), _free_port(), _free_port()
            upstream = _start("sonar", sonar, sys.executable, "-m", "bench.sonar", str(sonar))
            os.sched_setaffinity(upstream.process.pid, {_OTHER_CORE})
            processes.append(upstream.process)
            _wait_for(sonar)
            gateway = _start(
                "gateway", gateway_port,
                sys.executable, "-m", "bench.gateway", str(gateway_port), str(sonar), folder,
            )  # fmt: skip
            processes.append(gateway.process)
            if gateway.process.stdout is None:
                raise SystemExit("the gateway has no output")
            cookie = gateway.process.stdout.readline().strip()
            caddy = _start(
                "caddy", caddy_port, _caddy(), "reverse-proxy",
                "--from", f":{caddy_port}", "--to", f"127.0.0.1:{sonar}",
            )  # fmt: skip
            processes.append(caddy.process)
            _wait_for(caddy_port)
            request = "\r\n".join(
                ("GET /dashboard HTTP/1.1", *_BROWSER, f"Cookie: {cookie}", "", "")
            ).encode()
            for proxy in (gateway, caddy):
                _round(proxy, request, 1.0)
                proxy.rates, proxy.cpu, proxy.p50, proxy.p99 = [], [], [], []
            for _ in range(options.rounds):
                for proxy in (gateway, caddy):
                    _round(proxy, request, options.seconds)
            ratio = _report((gateway, caddy))
        finally:
            for process in processes:
                process.terminate()
                process.wait()
    print(f"goal: {_GOAL:g} x Caddy's requests/s: {'met' if ratio >= _GOAL else 'NOT met'}")
    return 0 if ratio >= _GOAL else 1


def _caddy() -> str:
    """Caddy's wheel puts it beside the interpreter."""
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    found = shutil.which("caddy", path=beside)
    if found is None:
        raise SystemExit("no caddy: install the development requirements (make bench does)")
    return found


if __name__ == "__main__":
    sys.exit(main())
