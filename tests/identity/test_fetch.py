"""What counts as a provider's answer, over real sockets; everything foreign becomes one error."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web

from gateway.errors import ProviderUnavailable
from gateway.identity.fetch import TIMEOUT, Reply, get_json, get_page, open_http, post_form

BOMB = gzip.compress(b'{"a":"' + b"x" * 5_000_000 + b'"}')


JSON = "application/json"
MADE = {
    "fine": lambda: web.json_response({"a": 1}),
    "jwks": lambda: web.Response(body=b'{"keys":[]}', content_type="application/jwk-set+json"),
    "refused": lambda: web.json_response({"error": "invalid_grant"}, status=400),
    "redirect": lambda: web.Response(status=302, headers={"Location": "/fine"}),
    "moved": lambda: web.Response(status=307, headers={"Location": "/echo"}),
    "error": lambda: web.json_response({"a": 1}, status=500),
    "busy": lambda: web.json_response({"a": 1}, status=429),
    "html": lambda: web.Response(text="<p>", content_type="text/html"),
    "text": lambda: web.Response(text='{"a": 1}'),
    "broken": lambda: web.Response(body=b'{"a"', content_type=JSON),
    "latin": lambda: web.Response(body=b'{"a":"\xff"}', content_type=JSON),
    "deep": lambda: web.Response(body=b"[" * 100_000, content_type=JSON),
    "array": lambda: web.json_response([1]),
    "empty": lambda: web.Response(content_type=JSON),
    "large": lambda: web.json_response({"a": "x" * 600_000}),
    "bomb": lambda: web.Response(
        body=BOMB, headers={"Content-Encoding": "gzip", "Content-Type": JSON}
    ),
    "cookie": lambda: web.json_response({"a": 1}, headers={"Set-Cookie": "who=jo; Path=/"}),
    "missing": lambda: web.Response(status=404),
}


async def answer(request: web.Request) -> web.StreamResponse:
    what = request.match_info["what"]
    if what == "echo":
        return web.json_response({"body": await request.text(), **request.headers})
    return MADE[what]()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_http() as session:
        yield session


@pytest.fixture
async def base() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{what}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("what", "reply"),
    [
        ("fine", Reply(200, {"a": 1})),
        ("jwks", Reply(200, {"keys": []})),
        ("refused", Reply(400, {"error": "invalid_grant"})),
    ],
)
async def test_answers(http: aiohttp.ClientSession, base: str, what: str, reply: Reply) -> None:
    assert await get_json(http, f"{base}/{what}") == reply


@pytest.mark.parametrize(
    "what",
    [
        "redirect", "moved", "error", "busy", "html", "text", "broken", "latin", "deep", "array",
        "empty", "large", "bomb", "missing",
    ],
)  # fmt: skip
async def test_no_answers(http: aiohttp.ClientSession, base: str, what: str) -> None:
    with pytest.raises(ProviderUnavailable, match=f"127.0.0.1/{what}"):
        await get_json(http, f"{base}/{what}")
    with pytest.raises(ProviderUnavailable):
        await post_form(http, f"{base}/{what}", {}, "client_secret=s3cret")


async def test_a_form_is_a_form(http: aiohttp.ClientSession, base: str) -> None:
    reply = await post_form(http, f"{base}/echo", {"Authorization": "Basic x"}, "a=b&c=d")
    assert reply.content["body"] == "a=b&c=d"
    assert reply.content["Content-Type"] == "application/x-www-form-urlencoded"
    assert reply.content["Authorization"] == "Basic x"


async def test_nobodys_cookies_are_kept(http: aiohttp.ClientSession, base: str) -> None:
    await get_json(http, f"{base}/cookie")
    assert "Cookie" not in (await get_json(http, f"{base}/echo")).content


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "https://user:pass@127.0.0.1/x",
        "file:///etc/passwd",
        "https://[bad/x",
        "",
    ],
)
async def test_urls_that_are_not_asked(http: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        await get_json(http, url)
    assert "pass" not in str(caught.value).replace("/etc/passwd", "")


async def test_nobody_there(http: aiohttp.ClientSession) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"http://127.0.0.1:{port}/x"
        with pytest.raises(ProviderUnavailable, match=f"ClientConnectorError.*:{port}.*Connect"):
            await get_json(http, f"{url}?secret=s3cret")
        with pytest.raises(ProviderUnavailable) as caught:
            await get_json(http, f"{url}?secret=s3cret")
        assert "s3cret" not in str(caught.value)
        with pytest.raises(ProviderUnavailable):
            await get_page(http, url)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00\x00\x00", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"],
)
async def test_something_else_is_there(http: aiohttp.ClientSession, garbage: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(garbage)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        with pytest.raises(ProviderUnavailable):
            await get_json(http, url)


async def test_a_provider_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        async with open_http(aiohttp.ClientTimeout(total=0.2)) as impatient:
            with pytest.raises(ProviderUnavailable, match="TimeoutError"):
                await get_json(impatient, url)


async def test_a_provider_that_answers_a_byte_at_a_time() -> None:
    """Each byte is a sign of life; the whole is still bounded."""
    hung_up = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b" " * 999:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.005)
        writer.close()
        hung_up.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        async with open_http(aiohttp.ClientTimeout(total=0.3)) as impatient:
            with pytest.raises(ProviderUnavailable, match="TimeoutError"):
                await get_json(impatient, url)
        await asyncio.wait_for(hung_up.wait(), 5)


async def test_everybody_is_bounded(http: aiohttp.ClientSession) -> None:
    assert http.timeout == TIMEOUT
    assert TIMEOUT.total is not None


async def test_an_error_never_tells_the_query(http: aiohttp.ClientSession, base: str) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        await get_json(http, f"{base}/error?code=s3cret")
    assert "s3cret" not in str(caught.value)


async def test_a_page(http: aiohttp.ClientSession, base: str) -> None:
    assert await get_page(http, f"{base}/redirect") == (302, "/fine", "")
    status, location, page = await get_page(http, f"{base}/html")
    assert (status, location, page) == (200, "", "<p>")
    assert json.loads((await get_page(http, f"{base}/fine"))[2]) == {"a": 1}
