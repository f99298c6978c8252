"""The listener with TLS, over real sockets."""

import asyncio
import hashlib
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway.edge import certificate as module
from gateway.edge.client import Client
from gateway.edge.sockets import unsent
from gateway.reasons import Reason
from tests.attacks.siege import Handshake
from tests.certificates import Pair, make_pair
from tests.edge.conftest import MakeWorld
from tests.edge.world import OK, PATIENCE, Browser, Call, World, get, held
from tests.servers.node import NODE
from tests.session.samples import until

LEGACY = "Cookie: SONARSESSID=1"
PAIR = make_pair("localhost")


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """What `server.tls` says."""
    return PAIR.write(tmp_path)


async def https(make_world: MakeWorld, certificate: dict[str, str], **settings: Any) -> World:
    server = {"public_url": "https://localhost", "tls": certificate}
    return await make_world(server={**server, **settings.pop("server", {})}, **settings)


@pytest.fixture
async def secure(make_world: MakeWorld, certificate: dict[str, str]) -> World:
    return await https(make_world, certificate)


def trusting(pair: Pair = PAIR, **options: Any) -> ssl.SSLContext:
    context = pair.trusted()
    for name, value in options.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_requests_over_tls(secure: World, version: ssl.TLSVersion) -> None:
    browser = await secure.browser(trusting(minimum_version=version, maximum_version=version))
    for number in range(3):
        await browser.say(get(f"/{number}", LEGACY, "X-Forwarded-Proto: http"))
        assert (await browser.reply()).body == b"ok"
    assert b"X-Forwarded-Proto: https\r\n" in secure.sonar.heads[0]
    session = browser.writer.get_extra_info("ssl_object")
    assert session.selected_alpn_protocol() == "http/1.1"
    assert session.cipher()[0].startswith(("TLS_", "ECDHE-"))


async def test_ciphers_that_forget_their_keys_only(secure: World) -> None:
    """Recorded traffic stays secret when the key is lost (RFC 9325 section 4.1)."""
    context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE+AES128:!AESGCM:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
        await secure.browser(context)
    await until(lambda: secure.counters.tls_failed == 1)
    context.set_ciphers("ECDHE+AES128:@SECLEVEL=0")
    await secure.browser(context)


async def test_old_versions_are_refused(secure: World) -> None:
    old = trusting()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        await secure.browser(old)
    await until(lambda: secure.edge._shared.admission.inside == 0)


async def test_a_browser_that_wants_http_2_only_gets_http_1(secure: World) -> None:
    context = trusting()
    context.set_alpn_protocols(["h2"])
    browser = await secure.browser(context)
    assert browser.writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
    await browser.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert (await browser.reply()).status == 400


# Python has no way to ask for it. Says how it ended.
RENEGOTIATING = """
const [port, ca] = process.argv.slice(1);
const options = {port, ca: require("fs").readFileSync(ca), servername: "localhost",
                 host: "127.0.0.1", maxVersion: "TLSv1.2"};
const socket = require("tls").connect(options, () => {
  socket.renegotiate({}, (error) => console.log(error ? "refused" : "done"));
  socket.on("error", (error) => console.log(error.code));
});
"""


async def test_a_second_handshake_on_a_connection_is_refused(
    secure: World, certificate: dict[str, str]
) -> None:
    """It costs the gateway far more than who asks, who could ask again and again."""
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), "-e", RENEGOTIATING, str(secure.edge_port), certificate["certificate"]),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(4 * PATIENCE):
            assert await process.stdout.read() == b"ERR_SSL_NO_RENEGOTIATION\n"
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    await until(lambda: secure.edge._shared.admission.inside == 0)
    assert (secure.counters.tls_failed, secure.sonar.heads) == (0, [])


# A record that is no handshake message, and what RFC 8446 section 6 has for it: fatal, unexpected.
NO_HELLO, UNEXPECTED = b"\x16\x03\x01\x00\x05hello", b"\x15\x03\x03\x00\x02\x02\x0a"


@pytest.mark.parametrize(
    ("said", "answer"), [(NO_HELLO, UNEXPECTED), (b"\0" * 500, b""), (b"SSH-2.0-x\r\n", b"")]
)
async def test_who_speaks_no_tls(secure: World, said: bytes, answer: bytes) -> None:
    browser = await secure.browser()
    await browser.say(said)
    assert await browser.eof() == answer
    assert secure.sonar.heads == []
    await until(lambda: secure.edge._shared.admission.inside == 0)
    assert secure.counters.tls_failed == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
async def test_plain_http_is_told_where_to_go(secure: World, method: str) -> None:
    browser = await secure.browser()
    await browser.say(get("/x", LEGACY, "X: " + "x" * 20_000).replace(b"GET", method.encode()))
    reply = await browser.reply()
    assert (reply.status, reply.headers["connection"]) == (400, "close")
    assert b'href="https://localhost/"' in reply.body
    assert b"plain_http" in reply.body
    assert await browser.eof() == b""
    assert secure.sonar.heads == []
    assert secure.counters.rejected[Reason.PLAIN_HTTP] == secure.counters.tls_failed == 1
    await until(lambda: secure.edge._shared.admission.inside == 0)


async def test_a_failed_handshake_leaves_no_descriptor(secure: World) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for said in (NO_HELLO, get("/"), b"\0" * 500):
        browser = await secure.browser()
        await browser.say(said)
        await browser.eof()
        browser.close()
    await secure.browser(trusting())
    await until(lambda: secure.counters.connections_open == 1)
    # both ends of the one that is open
    await until(lambda: len(os.listdir("/proc/self/fd")) == before + 2)


async def _ended(reader: asyncio.StreamReader) -> None:
    """Until the gateway closes, politely or not."""
    async with asyncio.timeout(PATIENCE):
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass


async def test_a_handshake_that_does_not_come(
    make_world: MakeWorld, certificate: dict[str, str]
) -> None:
    world = await https(make_world, certificate, limits={"head_timeout": "1s"})
    silent, slow = await world.browser(), await world.browser()
    await slow.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await _ended(silent.reader)
    await _ended(slow.reader)
    await until(lambda: world.edge._shared.admission.inside == 0)
    assert world.edge._shared.admission._by_address == {}
    assert world.counters.connections_open == 0


async def test_handshakes_count_as_connections(
    make_world: MakeWorld, certificate: dict[str, str]
) -> None:
    """Who never finishes one cannot have more than its share."""
    world = await https(make_world, certificate, limits={"connections_per_address": 2})
    silent = [await world.browser() for _ in range(2)]
    await until(lambda: world.edge._shared.admission.inside == 2)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await world.browser(trusting())
    silent[0].writer.transport.abort()
    await until(lambda: world.edge._shared.admission.inside == 1)
    browser = await world.browser(trusting())
    await browser.say(get("/", LEGACY))
    assert (await browser.reply()).status == 200


async def test_bodies_both_ways(secure: World) -> None:
    size = 20_000_000
    body = bytes(range(256)) * (size // 256)

    async def script(call: Call) -> None:
        await call.head()
        got = await call.body(len(body))
        assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got))
        await call.say(got)

    secure.sonar.script = script
    browser = await secure.browser(trusting())
    head = f"POST / HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\nContent-Length: {len(body)}\r\n\r\n"
    browser.writer.write(head.encode() + body)
    async with asyncio.timeout(4 * PATIENCE):
        await browser.head()
        assert await browser.reader.readexactly(len(body)) == body


async def test_the_reply_is_read_although_much_was_still_coming(secure: World) -> None:
    browser = await secure.browser(trusting())
    browser.writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
    reply = await browser.reply()
    assert (reply.status, reply.headers["connection"]) == (401, "close")
    browser.writer.write(b"x" * 1_000_000)
    await _ended(browser.reader)
    await until(lambda: secure.counters.connections_open == 0)


async def test_connection_close_says_goodbye(secure: World) -> None:
    """Without TLS's goodbye a reply could be cut off unseen (RFC 9112 section 9.8)."""
    browser = await secure.browser(trusting())
    await browser.say(get("/", LEGACY, "Connection: close"))
    assert (await browser.reply()).status == 200
    assert await browser.eof() == b""
    await until(lambda: secure.counters.connections_open == 0)


# Less than the gateway waits with, far more than the kernel takes below.
ON_ITS_WAY = 60_000


async def a_last_reply(world: World, tls: Handshake | None) -> tuple[Browser, Client]:
    """A reply of which the browser takes nothing, most of it still in the gateway's hands, which
    has closed the connection after it. `tls`: to be done first."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ON_ITS_WAY)
        await call.say(b"x" * ON_ITS_WAY)

    world.sonar.script = script
    listener = world.edge._listener
    assert listener is not None
    # Whoever is accepted inherits it.
    listener.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", world.edge_port))
    browser = Browser(*await asyncio.open_connection(sock=sock))
    asked = get("/", LEGACY, "Connection: close")
    if tls is not None:
        await browser.say(tls.step())
        await browser.say(tls.step(await browser.reader.read(65536)))
        asked = tls.sealed(asked)
    browser.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await browser.say(asked)
    await until(lambda: world.edge._shared.clients)
    (client,) = world.edge._shared.clients
    await until(lambda: client._closing)
    assert unsent(client.transport) > 0
    return browser, client


@pytest.mark.parametrize("tls", [None, Handshake(trusting())], ids=["plain", "tls"])
async def test_a_last_reply_may_be_taken_slowly(
    make_world: MakeWorld, certificate: dict[str, str], tls: Handshake | None
) -> None:
    """Nothing of it is lost when the gateway looks whether the browser has left."""
    world = await (https(make_world, certificate) if tls else make_world())
    browser, client = await a_last_reply(world, tls)
    await until(lambda: client._left > 0)
    browser.writer.transport.resume_reading()  # type: ignore[attr-defined]
    said = await browser.eof()
    assert len((tls.opened(said) if tls else said).partition(b"\r\n\r\n")[2]) == ON_ITS_WAY
    browser.close()
    await until(lambda: world.counters.connections_open == 0)


@pytest.mark.parametrize("tls", [None, Handshake(trusting())], ids=["plain", "tls"])
async def test_a_last_reply_that_nobody_takes(
    make_world: MakeWorld, certificate: dict[str, str], tls: Handshake | None
) -> None:
    limits = {"send_timeout": "1s"}
    world = await (
        https(make_world, certificate, limits=limits) if tls else make_world(limits=limits)
    )
    browser, _ = await a_last_reply(world, tls)
    await until(lambda: world.counters.connections_open == 0, within=2 * PATIENCE)
    browser.close()


async def test_who_never_says_goodbye_is_let_go(secure: World) -> None:
    """It has its reply, whole, and neither answers TLS's goodbye nor closes."""
    browser, handshake = await secure.browser(), Handshake(trusting())
    await browser.say(handshake.step())
    await browser.say(handshake.step(await browser.reader.read(65536)))
    await browser.say(handshake.sealed(get("/", LEGACY, "Connection: close")))
    await until(lambda: secure.sonar.heads)
    await until(lambda: secure.counters.connections_open == 0)


async def test_a_reply_that_breaks_off_has_no_goodbye(secure: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        call.cut()

    secure.sonar.script = script
    browser = await secure.browser(trusting())
    await browser.say(get("/", LEGACY))
    await browser.head()
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await browser.exactly(100)


async def test_websockets(secure: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        await call.say(await call.body(5))

    secure.sonar.script = script
    browser = await secure.browser(trusting())
    await browser.say(get("/", LEGACY, "Connection: Upgrade", "Upgrade: websocket"))
    await browser.head()
    await browser.say(b"hello")
    assert await browser.exactly(5) == b"hello"
    browser.close()
    await until(lambda: secure.counters.tunnels_open == 0)
    await until(lambda: secure.edge._shared.admission.inside == 0)


async def test_cookies_and_origin_are_those_of_https(secure: World) -> None:
    cookie, _ = await secure.sign_in()
    assert cookie.startswith("__Host-")
    browser = await secure.browser(trusting())
    await browser.say(get("/", f"Cookie: {cookie}"))
    assert (await browser.reply()).status == 200
    assert b"X-Sonar-Username: " in secure.sonar.heads[0]


async def test_a_new_certificate_drops_no_connection(
    make_world: MakeWorld,
    certificate: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)
    world = await https(make_world, certificate)
    go = asyncio.Event()

    async def script(call: Call) -> None:
        while True:
            head = await call.head()
            if head.startswith(b"GET /slow"):
                await go.wait()
            await call.say(OK)

    world.sonar.script = script
    idle, busy = await world.browser(trusting()), await world.browser(trusting())
    await idle.say(get("/", LEGACY))
    await idle.reply()
    await busy.say(get("/slow", LEGACY))
    await until(lambda: len(world.sonar.heads) == 2)
    new = make_pair("localhost")
    new.write(tmp_path)
    await until(lambda: world.counters.certificate_reloads_ok == 2)
    with pytest.raises(ssl.SSLCertVerificationError):
        await world.browser(trusting())
    fresh = await world.browser(trusting(new))
    go.set()
    for browser in (idle, fresh):
        await browser.say(get("/", LEGACY))
    for browser in (idle, busy, fresh):
        assert (await browser.reply()).status == 200
    # a bad one keeps the one in force
    Pair(new.certificate, PAIR.key).write(tmp_path)
    await until(lambda: world.counters.certificate_reloads_failed == 1)
    again = await world.browser(trusting(new))
    await again.say(get("/", LEGACY))
    assert (await again.reply()).status == 200


async def test_read_again_when_asked(
    make_world: MakeWorld, certificate: dict[str, str], tmp_path: Path
) -> None:
    world = await https(make_world, certificate)
    new = make_pair("localhost")
    new.write(tmp_path)
    world.edge.reload()
    await until(lambda: world.counters.certificate_reloads_ok == 2)
    browser = await world.browser(trusting(new))
    await browser.say(get("/", LEGACY))
    assert (await browser.reply()).status == 200


async def test_draining_over_tls(secure: World) -> None:
    go = asyncio.Event()

    secure.sonar.script = held(go)
    busy, idle = await secure.browser(trusting()), await secure.browser(trusting())
    await busy.say(get("/", LEGACY))
    await until(lambda: secure.sonar.heads)
    draining = asyncio.create_task(secure.edge.drain())
    assert await idle.eof() == b""
    go.set()
    reply = await busy.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    async with asyncio.timeout(PATIENCE):
        await draining
