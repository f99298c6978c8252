"""One process: what stops its start, what does not, and that nothing stays open."""

import asyncio
import os
import socket
import ssl
import stat
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.account.migrations import migrate
from gateway.config import Config, config_from
from gateway.errors import CannotStart, SchemaOutdated
from gateway.service import Service
from tests.certificates import make_pair
from tests.session.samples import until

# Nobody listens on the port of the discard service: every neighbour is down.
NOBODY = "http://127.0.0.1:9"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def a_config(folder: Path, **server: Any) -> Config:
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "accounts.yaml").write_text("accounts: []\n")
    provider = {"client_id": "sonar", "client_secret": "made-up"}
    return config_from(
        {
            "server": {
                "listen": "127.0.0.1:0",
                "management": f"127.0.0.1:{free_port()}",
                **server,
            },
            "upstream": {"url": NOBODY},
            "providers": {
                "google": provider | {"discovery_url": f"{NOBODY}/.well-known/openid-configuration"}
            },
            "directory": {"kind": "file", "path": "accounts.yaml"},
            "log": {"access": "access.log"},
        },
        folder,
    )


def still_open() -> set[str]:
    """What a part that was not closed leaves behind: its task or its thread."""
    tasks = {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}
    names = ("access-log", "password", "sessions")
    return tasks | {t.name for t in threading.enumerate() if t.name.startswith(names)}


async def readyz(config: Config) -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://{config.server.management}/readyz") as reply,
    ):
        return reply.status


async def test_serves_password_users_though_no_neighbour_answers(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    await migrate(config.links.database)
    service = Service(config)

    await service.start()
    assert await readyz(config) == 200
    await service.stop()

    with pytest.raises(aiohttp.ClientConnectorError):
        await readyz(config)
    assert still_open() == set()


async def test_asked_to_reload_it_reads_the_certificate_and_opens_the_log(tmp_path: Path) -> None:
    """What SIGHUP does, in the process that serves."""
    (tmp_path / "tls").mkdir()
    first, second = make_pair("localhost"), make_pair("localhost")
    tls = first.write(tmp_path / "tls")
    config = a_config(
        tmp_path, tls=tls, public_url="https://localhost", listen=f"127.0.0.1:{free_port()}"
    )
    await migrate(config.links.database)
    service = Service(config)
    await service.start()

    def shown() -> bytes:
        shown = ssl.get_server_certificate(
            (config.server.listen.host, config.server.listen.port), timeout=5
        )
        return ssl.PEM_cert_to_DER_cert(shown)

    assert await asyncio.to_thread(shown) == ssl.PEM_cert_to_DER_cert(first.certificate.decode())
    second.write(tmp_path / "tls")
    (tmp_path / "access.log").rename(tmp_path / "access.log.1")
    service.reload()
    expected = ssl.PEM_cert_to_DER_cert(second.certificate.decode())
    async with asyncio.timeout(5):
        while await asyncio.to_thread(shown) != expected:
            pass
    await until((tmp_path / "access.log").exists)
    await service.stop()
    assert still_open() == set()


async def test_no_start_with_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    tls = make_pair().write(tmp_path)
    (tmp_path / "tls.key").write_bytes(make_pair().key)
    config = a_config(tmp_path, tls=tls, public_url="https://localhost")
    await migrate(config.links.database)
    with pytest.raises(CannotStart, match="no pair"):
        await Service(config).start()
    assert still_open() == set()


async def test_readiness_fails_before_anybody_is_turned_away(tmp_path: Path) -> None:
    port = free_port()
    config = a_config(tmp_path, listen=f"127.0.0.1:{port}", drain_delay="1s", drain="0s")
    await migrate(config.links.database)
    service = Service(config)
    await service.start()
    began = time.monotonic()
    stopping = asyncio.create_task(service.stop())
    async with aiohttp.ClientSession() as http:
        while await readyz(config) == 200:
            assert not stopping.done()
        async with http.get(f"http://127.0.0.1:{port}/", allow_redirects=False) as reply:
            assert reply.status == 401
            assert reply.headers["Connection"] == "close"
    assert not stopping.done()
    await stopping
    assert time.monotonic() - began >= 1.0
    assert still_open() == set()


@pytest.mark.parametrize("key", ["listen", "management"])
async def test_a_taken_port_is_named_and_nothing_stays_open(tmp_path: Path, key: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = a_config(tmp_path, **{key: f"127.0.0.1:{taken.getsockname()[1]}"})
        await migrate(config.links.database)
        with pytest.raises(CannotStart, match=f"server.{key}: cannot listen on 127.0.0.1:"):
            await Service(config).start()
    assert still_open() == set()


async def test_an_access_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "access.log").mkdir()
    with pytest.raises(CannotStart, match=r"log.access: .*access.log cannot be opened"):
        await Service(a_config(tmp_path)).start()
    assert still_open() == set()


async def test_an_old_schema_stops_the_start_and_nothing_stays_open(tmp_path: Path) -> None:
    with pytest.raises(SchemaOutdated, match="the command `migrate`"):
        await Service(a_config(tmp_path)).start()
    assert still_open() == set()


async def test_ready_before_what_only_sign_ins_need_is_there(tmp_path: Path) -> None:
    """Who comes to the portal meanwhile waits for it, and gets its page."""
    port = free_port()
    config = a_config(tmp_path, listen=f"127.0.0.1:{port}")
    await migrate(config.links.database)
    service = Service(config)
    starting = asyncio.create_task(service.start())
    async with aiohttp.ClientSession() as http:
        await until(lambda: service.is_ready)
        assert not starting.done()
        async with http.get(f"http://127.0.0.1:{port}/sso/login") as reply:
            assert reply.status == 200
            assert "Google" in await reply.text()
    await starting
    await service.stop()
    assert still_open() == set()


async def test_nobody_else_reaches_the_portal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It believes whoever does, about who the client is; even where files are made open to all."""
    config = a_config(tmp_path)
    await migrate(config.links.database)
    with tempfile.TemporaryDirectory() as place:
        monkeypatch.setattr(tempfile, "tempdir", place)
        service = Service(config)
        before = os.umask(0)
        try:
            await service.start()
        finally:
            os.umask(before)
        (folder,) = os.listdir(place)
        status = os.stat(f"{place}/{folder}")
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, os.getuid())
        assert os.listdir(f"{place}/{folder}") == ["portal.sock"]
        await service.stop()
        assert os.listdir(place) == []


async def test_what_is_wrong_with_sign_ins_stops_a_start_before_it_listens(tmp_path: Path) -> None:
    config = a_config(tmp_path, listen=f"127.0.0.1:{free_port()}")
    service = Service(config)
    with pytest.raises(SchemaOutdated):
        await service.start()
    assert not service.is_ready
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(config.server.listen.host, config.server.listen.port)
