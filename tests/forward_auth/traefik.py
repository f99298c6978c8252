"""What Traefik's ForwardAuth does on the wire, told from its source.

There is no Traefik to run here. `Traefik` sends what `writeHeader` in
https://github.com/traefik/traefik/blob/v3.6/pkg/middlewares/auth/forward.go sends, does with the
answer what `ServeHTTP` there does, and before and after that what the `headers` middlewares of
docs/forward-auth/traefik.yaml say.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import yaml

from tests.edge.world import Reply, World
from tests.journeys.world import ROOT

FILE = ROOT / "docs" / "forward-auth" / "traefik.yaml"
# Removed from the question: `hopHeaders`, and whatever Connection names.
_HOP_BY_HOP = {"Connection", "Keep-Alive", "Te", "Trailers", "Transfer-Encoding", "Upgrade"}
_SAID = {"X-Forwarded-For", "X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host",
         "X-Forwarded-Uri", "X-Forwarded-Port"}  # fmt: skip


def canonical(name: str) -> str:
    """Go's `http.CanonicalHeaderKey`, for tokens: `x-sonar_id` -> `X-Sonar_id`."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


@dataclass
class Outcome:
    """`reply`: for the browser, when the request may not pass; else `upstream`, the headers that
    go to Sonar."""

    answer: Reply
    reply: Reply | None = None
    upstream: dict[str, str] | None = None


class Traefik:
    """The router `sonar` of traefik.yaml in front of `world`."""

    def __init__(self, world: World) -> None:
        self._world = world
        http = yaml.safe_load(FILE.read_text())["http"]
        middlewares = [
            http["middlewares"][name] for name in http["routers"]["sonar"]["middlewares"]
        ]
        self.asks: dict[str, Any] = next(
            m["forwardAuth"] for m in middlewares if "forwardAuth" in m
        )
        self._made_up = {
            canonical(name)
            for made in middlewares
            for name in made.get("headers", {}).get("customRequestHeaders", {})
        }

    async def handle(self, method: str, uri: str, headers: dict[str, str]) -> Outcome:
        """One request of a browser at 192.0.2.7. An entry point trusts no X-Forwarded-* of it."""
        request = {canonical(name): value for name, value in headers.items()}
        host = request.pop("Host", "sonar.test")
        request = {n: v for n, v in request.items() if n not in self._made_up | _SAID}
        question = self._question(method, uri, host, request)
        lines = [f"{name}: {value}" for name, value in question.items()]
        head = (f"GET {self._path} HTTP/1.1", "Host: 127.0.0.1:8080", *lines, "", "")
        answer = await self._world.ask("\r\n".join(head).encode("latin-1"))
        if not 200 <= answer.status < 300:
            if "location" in answer.headers:
                # `http.Response.Location`: against the address that was asked.
                address = self.asks["address"]
                answer.headers["location"] = urljoin(address, answer.headers["location"])
            return Outcome(answer, reply=answer)
        for name in self.asks["authResponseHeaders"]:
            request.pop(canonical(name), None)
            if name.lower() in answer.headers:
                request[canonical(name)] = answer.headers[name.lower()]
        return Outcome(answer, upstream=request)

    @property
    def _path(self) -> str:
        return "/" + str(self.asks["address"]).split("/", 3)[3]

    def _question(
        self, method: str, uri: str, host: str, request: dict[str, str]
    ) -> dict[str, str]:
        named = {canonical(name.strip()) for name in request.get("Connection", "").split(",")}
        question = {n: v for n, v in request.items() if n not in _HOP_BY_HOP | named}
        question |= {
            "X-Forwarded-For": "192.0.2.7",
            "X-Forwarded-Method": method,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": host,
            "X-Forwarded-Uri": uri,
            "Accept-Encoding": "gzip",
        }
        return question
