"""PostgreSQL over TLS, as its URL says it: to a real server, whose wheel has no TLS of its own, so
that a small relay ends it in front, as a pooler does."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from gateway.account.database import open_database, working
from gateway.account.postgresql import read_options, told_of_tls
from gateway.errors import ConfigError, LinksUnavailable
from gateway.secret import Secret
from tests.certificates import Authority
from tests.servers.between import Between

# What asks for TLS before anything else: length and code, in the protocol's section "SSL Session
# Encryption".
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def over_tls(authority: Authority, postgres_url: str) -> AsyncIterator[str]:
    """The URL of an empty database, reached over TLS by `localhost` and nothing else."""
    url = make_url(postgres_url)
    files = authority.issue("localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    ports: list[int] = []

    async def listen(meet: Callable[..., Awaitable[None]]) -> asyncio.Server:
        async def meet_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                assert await reader.readexactly(8) == _SSL_REQUEST
                writer.write(b"S")
                await writer.start_tls(context)
            except (OSError, asyncio.IncompleteReadError):
                writer.transport.abort()
                return
            await meet(reader, writer)

        server = await asyncio.start_server(meet_tls, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        return server

    socket = Path(str(url.query["host"])) / ".s.PGSQL.5432"
    between = Between(lambda: asyncio.open_unix_connection(socket), listen)
    await between.open()
    yield f"postgresql://postgres@localhost:{ports[0]}/{url.database}"
    await between.cut()


async def way_to(url: str) -> tuple[bool, str]:
    database = open_database(
        Secret(url), "links.database", use="write", timeout=5.0, unavailable=LinksUnavailable
    )
    try:
        async with working(database) as connection:
            assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
            raw = (await connection.get_raw_connection()).driver_connection
            return told_of_tls(raw, database.engine.url)
    finally:
        await database.engine.dispose()


async def test_verified_by_an_authority_of_ones_own(over_tls: str, authority: Authority) -> None:
    tls = f"?sslmode=verify-full&sslrootcert={authority.file}"
    is_well, told = await way_to(over_tls + tls)
    assert (is_well, told) == (True, "encrypted (TLSv1.3), the certificate verified")


async def test_encrypted_with_whomever(over_tls: str) -> None:
    is_well, told = await way_to(f"{over_tls}?sslmode=require")
    assert not is_well
    assert told.startswith("encrypted (TLSv1.3), but with whom nobody asked")


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
async def test_who_is_not_vouched_for_is_refused(over_tls: str, mode: str) -> None:
    with pytest.raises(LinksUnavailable, match=r"localhost:\d+: .*certificate verify failed"):
        await way_to(f"{over_tls}?sslmode={mode}")


async def test_only_verify_full_looks_at_the_name(over_tls: str, authority: Authority) -> None:
    by_number = over_tls.replace("localhost", "127.0.0.1")
    root = f"&sslrootcert={authority.file}"
    with pytest.raises(LinksUnavailable, match=r"127\.0\.0\.1:\d+: .*certificate"):
        await way_to(f"{by_number}?sslmode=verify-full{root}")
    assert (await way_to(f"{by_number}?sslmode=verify-ca{root}"))[0]


async def test_a_server_without_tls_on_this_machine(postgres_url: str) -> None:
    assert await way_to(postgres_url) == (True, "not encrypted, on this machine")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("sslmod=require", "`sslmod` is unknown, did you mean `sslmode`?"),
        ("zzz=1", "`zzz` is unknown; TLS is said by sslmode, sslrootcert"),
        ("sslmode=verify", "sslmode must be one of disable, allow"),
        ("sslrootcert=/x.pem", "sslrootcert without sslmode=verify-full"),
        ("sslmode=prefer&sslcert=/x.pem", "sslcert without sslmode=verify-full"),
        ("sslmode=require&sslrootcert=/not/there.pem", "sslrootcert cannot be used: No such file"),
    ],
)
def test_an_option_that_cannot_be_is_named(options: str, told: str) -> None:
    """Not a TypeError of the driver's, and never less than was asked for."""
    with pytest.raises(ConfigError) as wrong:
        read_options(make_url(f"postgresql://me:s3cret@db.internal/x?{options}"), "links.database")
    assert told in str(wrong.value)
    assert "s3cret" not in str(wrong.value)
