"""The ways to Sonar: Unix socket, several addresses, TLS with certificates on both sides."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority, Files
from tests.edge.conftest import MakeWorld
from tests.edge.test_asking import LEGACY, saying
from tests.edge.world import OK, PATIENCE, Call, Sonar, deaf_port, get
from tests.session.samples import until


def serving(files: Files, ca: Path | None = None) -> ssl.SSLContext:
    """Sonar's side of TLS; with `ca` it asks for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)
    return context


async def saying_at_once(call: Call) -> None:
    await call.say(OK)


StartSonar = Callable[..., Any]


@pytest.fixture
async def start_sonar() -> AsyncIterator[StartSonar]:
    """Start one more Sonar."""
    async with AsyncExitStack() as running:

        async def start(**how: Any) -> Sonar:
            sonar = Sonar()
            await sonar.start(**how)
            running.push_async_callback(sonar.stop)
            return sonar

        yield start


async def a_sonar_that_asks_who_we_are(
    start_sonar: StartSonar, authority: Authority, name: str, *, ours: str
) -> tuple[Sonar, dict[str, Any]]:
    """Sonar with a certificate for `name`, and the section `upstream` to reach it with one of our
    own, for `ours`, in the file `gateway`."""
    files = authority.issue(ours, file="gateway")
    sonar = await start_sonar(tls=serving(authority.issue(name), ca=authority.file))
    tls = {
        "ca": str(authority.file),
        "certificate": str(files.certificate),
        "key": str(files.key),
        "server_name": name,
    }
    return sonar, {"url": f"https://127.0.0.1:{sonar.port}", "tls": tls}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def deaf() -> Iterator[int]:
    with deaf_port() as port:
        yield port


async def test_who_does_not_accept_in_time_is_waited_for_once(
    make_world: MakeWorld, deaf: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """`connect_timeout` is how long the first waits; then the address is down, and nobody does."""
    world = await make_world(upstream={"url": f"http://127.0.0.1:{deaf}", "connect_timeout": "1s"})
    began = time.monotonic()
    first = await world.ask(get("/", LEGACY))
    assert 1.0 <= time.monotonic() - began < 2.0
    assert (first.status, first.json["error"]) == (504, "upstream_timeout")
    began = time.monotonic()
    for _ in range(5):
        reply = await world.ask(get("/", LEGACY))
        assert (reply.status, reply.json["error"]) == (502, "upstream_unavailable")
    assert time.monotonic() - began < 0.5
    assert "no connection within 1 s" in capfd.readouterr().out


async def test_who_does_not_accept_in_time_is_passed_over(
    make_world: MakeWorld, start_sonar: StartSonar, deaf: int
) -> None:
    other = await start_sonar()
    addresses = [f"127.0.0.1:{deaf}", f"127.0.0.1:{other.port}"]
    world = await make_world(
        upstream={"url": "http://sonar.test", "addresses": addresses, "connect_timeout": "1s"}
    )
    for _ in range(3):
        assert (await world.ask(get("/", LEGACY))).status == 200
    assert len(other.heads) == 3


async def test_a_unix_socket(
    make_world: MakeWorld, start_sonar: StartSonar, tmp_path: Path
) -> None:
    sonar = await start_sonar(path=tmp_path / "sonar.sock")
    sonar.script = saying(
        b"HTTP/1.1 302 Found\r\nLocation: http://sonar.test:8081/x\r\nContent-Length: 0\r\n\r\n"
    )
    world = await make_world(
        upstream={
            "url": "http://sonar.test:8081",
            "addresses": [f"unix:{tmp_path}/sonar.sock"],
        }
    )
    reply = await world.ask(get("/", LEGACY, host="sonar.example"))
    assert reply.headers["location"] == "http://localhost:8080/x"
    assert b"\r\nHost: sonar.example\r\n" in sonar.heads[0]


async def test_what_an_address_calls_itself_is_public_too(
    make_world: MakeWorld, start_sonar: StartSonar
) -> None:
    sonar = await start_sonar()
    at = f"127.0.0.1:{sonar.port}"
    sonar.script = saying(
        f"HTTP/1.1 302 Found\r\nLocation: http://{at}/x\r\nContent-Length: 0\r\n\r\n".encode()
    )
    world = await make_world(upstream={"url": "http://sonar.test:8081", "addresses": [at]})
    reply = await world.ask(get("/", LEGACY))
    assert reply.headers["location"] == "http://localhost:8080/x"


async def test_tls_with_certificates_on_both_sides(
    make_world: MakeWorld, start_sonar: StartSonar, authority: Authority
) -> None:
    sonar, upstream = await a_sonar_that_asks_who_we_are(
        start_sonar, authority, "sonar.test", ours="gateway"
    )
    world = await make_world(upstream=upstream)
    assert (await world.ask(get("/", LEGACY))).body == b"ok"
    peer = sonar.calls[0].writer.get_extra_info("peercert")
    assert peer["subject"] == ((("commonName", "gateway"),),)


async def test_tls_through_a_unix_socket(
    make_world: MakeWorld, start_sonar: StartSonar, authority: Authority, tmp_path: Path
) -> None:
    await start_sonar(path=tmp_path / "sonar.sock", tls=serving(authority.issue("sonar.test")))
    world = await make_world(
        upstream={
            "url": "https://sonar.test",
            "addresses": [f"unix:{tmp_path}/sonar.sock"],
            "tls": {"ca": str(authority.file)},
        }
    )
    assert (await world.ask(get("/", LEGACY))).body == b"ok"


@pytest.mark.parametrize("wrong", ["authority", "name", "no certificate of ours", "no TLS"])
async def test_who_does_not_prove_to_be_sonar_is_told_nothing(
    make_world: MakeWorld, start_sonar: StartSonar, authority: Authority, tmp_path: Path, wrong: str
) -> None:
    asks = authority.file if wrong == "no certificate of ours" else None
    tls = None if wrong == "no TLS" else serving(authority.issue("sonar.test"), ca=asks)
    sonar = await start_sonar(tls=tls)
    if tls is None:
        sonar.script = saying_at_once
    trusted = Authority(tmp_path, "other") if wrong == "authority" else authority
    world = await make_world(
        upstream={
            "url": f"https://127.0.0.1:{sonar.port}",
            "tls": {
                "ca": str(trusted.file),
                "server_name": "other.test" if wrong == "name" else "sonar.test",
            },
        }
    )
    cookie, _ = await world.sign_in()
    reply = await world.ask(get("/", f"Cookie: {cookie}"))
    assert (reply.status, reply.json["error"]) == (502, "upstream_unavailable")
    assert sonar.heads == []


async def test_a_renewed_certificate_is_used_and_no_connection_dropped(
    make_world: MakeWorld, start_sonar: StartSonar, authority: Authority
) -> None:
    sonar, upstream = await a_sonar_that_asks_who_we_are(
        start_sonar, authority, "127.0.0.1", ours="before"
    )
    world = await make_world(upstream=upstream)
    stays = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        if call.number == 1:
            await stays.wait()
        await call.say(OK)
        await call.eof()

    sonar.script = script
    first = await world.browser()
    await first.say(get("/1", LEGACY))
    await until(lambda: sonar.heads)
    authority.issue("after", file="gateway")

    async def renewed() -> bool:
        assert (await world.ask(get("/2", LEGACY, "Connection: close"))).status == 200
        for connection in tuple(world.edge._shared.sonar.pools[0]._idle):
            connection.close()
        last = sonar.calls[-1].writer.get_extra_info("peercert")
        return bool(last["subject"] == ((("commonName", "after"),),))

    async with asyncio.timeout(PATIENCE):
        while not await renewed():
            pass
    stays.set()
    assert (await first.reply()).body == b"ok"


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("cut", [True, False])
async def test_over_tls_only_sonar_ends_a_reply_without_length(
    make_world: MakeWorld, start_sonar: StartSonar, authority: Authority, cut: bool, minor: int
) -> None:
    """A FIN can be made by anybody on the way, close_notify only by Sonar (RFC 9110 section
    9.6 and RFC 9112 section 9.8)."""
    sonar = await start_sonar(tls=serving(authority.issue("127.0.0.1")))

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\n\r\nhello")
        if cut:
            # A plain FIN, under the TLS.
            sock = call.writer.get_extra_info("socket")
            with socket.socket(fileno=os.dup(sock.fileno())) as under:
                under.shutdown(socket.SHUT_WR)
            await call.eof()

    sonar.script = script
    world = await make_world(
        upstream={
            "url": f"https://127.0.0.1:{sonar.port}",
            "tls": {"ca": str(authority.file)},
        }
    )
    browser = await world.browser()
    browser.writer.write(
        f"GET / HTTP/1.{minor}\r\nHost: a\r\nConnection: close\r\n{LEGACY}\r\n\r\n".encode()
    )
    if cut:
        with pytest.raises(ConnectionResetError):
            await browser.eof()
    else:
        assert (await browser.eof()).endswith((b"\r\n0\r\n\r\n", b"\r\n\r\nhello"))
