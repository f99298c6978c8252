"""An aiohttp server with an aiohttp client as a proxy: what one writes in an afternoon.

python -m bench.proxies.aiohttp_proxy PORT UPSTREAM_PORT
"""

import asyncio
import sys
from collections.abc import Mapping

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict

from bench.process import python
from bench.proxies import Proxy
from bench.stage import Stage, free_port

NAME = "aiohttp"

# RFC 9110 section 7.6.1. aiohttp frames both messages itself.
_HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Trailer", "Upgrade")


def start(stage: Stage, upstream: int) -> Proxy:
    port = free_port()
    program = stage.run(NAME, python(__name__, str(port), str(upstream)), port=port)
    return Proxy(NAME, port, program, aiohttp.__version__)


async def _forward(
    request: web.BaseRequest, http: aiohttp.ClientSession, origin: str
) -> web.Response:
    headers = _end_to_end(request.headers)
    async with http.request(
        request.method,
        origin + request.raw_path,
        headers=headers,
        data=request.content if request.can_read_body else None,
        allow_redirects=False,
    ) as reply:
        return web.Response(
            status=reply.status, headers=_end_to_end(reply.headers), body=await reply.read()
        )


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in _HOP_BY_HOP:
        kept.popall(name, None)
    return kept


async def _serve(port: int, upstream: int) -> None:
    origin = f"http://127.0.0.1:{upstream}"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        server = web.Server(lambda request: _forward(request, http, origin))
        runner = web.ServerRunner(server, access_log=None, keepalive_timeout=3600)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
