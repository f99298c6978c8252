"""No key, and nothing derived from one, is in what anybody reads: logs, tracebacks, pages, errors.

Whatever line of the code that handles keys breaks, as if by a bug of ours there, what comes of it
is looked through for every key that was around, in hex, base64 and base64url.
"""

import asyncio
import io
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from pydantic import ValidationError

from gateway.account.migrations import migrate
from gateway.config import Keys, config_from
from gateway.errors import ConfigError, LinksUnavailable
from gateway.operate.log import configure_logging
from gateway.secret import Secret
from gateway.session.assertion import AssertionMinter
from gateway.session.cookie import mint, verify
from gateway.session.keys import KeyRing
from gateway.session.keys.database import DatabaseKeys
from gateway.session.keys.environment import keys_in, spelled
from gateway.session.keys.files import FileKeys
from gateway.session.keys.model import Key, new_key
from gateway.session.keys.rotation import complete, rotate
from gateway.session.keys.watch import KeyWatch
from gateway.session.seal import Sealer
from tests.account.conftest import Sql, sql
from tests.journeys.browser import Browser
from tests.portal.world import a_world
from tests.session.keys.test_files import put
from tests.session.samples import a_session, keys_of
from tests.spellings import spellings

__all__ = ["sql"]

GATEWAY = Path(__file__).parents[3] / "gateway"
# Where keys are in the hands of our code.
HANDLED = frozenset(
    str(path)
    for path in (
        *(GATEWAY / "session" / "keys").glob("*.py"),
        *(GATEWAY / "session" / f"{name}.py" for name in ("aead", "assertion", "cookie", "seal")),
        GATEWAY / "base64url.py",
        GATEWAY / "private.py",
    )
)
SECRET = Secret("5f" * 32)

Line = tuple[str, int]


class Broken(Exception):
    """What a bug of ours might raise."""


class Fault:
    """Breaks the code at `line` when it gets there; `passed` are the lines it got to, `secrets`
    every key and every derived key that a function had in its hands."""

    def __init__(self, line: Line | None = None) -> None:
        self.line = line
        self.passed: dict[Line, None] = {}
        self.secrets: set[bytes] = set()

    def __enter__(self) -> "Fault":
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, _event: str, _arg: object) -> Any:
        return self._stepped if frame.f_code.co_filename in HANDLED else None

    def _stepped(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "return":
            if isinstance(arg, Key):
                self.secrets.add(arg.material)
            elif isinstance(arg, bytes) and frame.f_code.co_name in {"subkey", "bound_key"}:
                self.secrets.add(arg)
        here = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line":
            self.passed[here] = None
            if here == self.line:
                raise Broken("here")
        return self._stepped

    def seen_in(self, text: str) -> list[str]:
        return [part for secret in self.secrets for part in spellings(secret) if part in text]


@contextmanager
def everything_logged(form: str) -> Iterator[io.StringIO]:
    """What the gateway's log has at its most talkative."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    said = io.StringIO()
    configure_logging("debug", "json" if form == "json" else "console", said)
    structlog.configure(cache_logger_on_first_use=False)
    try:
        yield said
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        for name in ("aiosqlite", "sqlalchemy", "watchfiles"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger("aiohttp.access").disabled = False


def everything_of(error: BaseException) -> str:
    """All that an exception and those behind it could show of themselves."""
    told = ["".join(traceback.format_exception(error))]
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None:
            told += [repr(one), str(one), repr(one.args), repr(getattr(one, "__dict__", ""))]
            todo += [one.__cause__, one.__context__]
    return "\n".join(told)


def signs_and_seals(folder: Path) -> None:
    """What a process does with its keys, at start and after."""
    ring = KeyRing(keys_of(folder), lives={"root": 86400.0, "es256": 300.0})
    sealer = Sealer(ring)
    assert verify(ring, mint(ring).value) is not None
    assert sealer.open("p", "b", sealer.seal("p", "b", b"text")) == b"text"
    assert sealer.open("p", "c", sealer.seal("p", "b", b"text")) is None
    minter = AssertionMinter(ring, issuer="https://i", audience="a", lifetime=300)
    minter.mint(a_session(time.time()), time.time())
    assert minter.jwks()["keys"]
    ring.renew([*ring.keys, new_key("root", time.time() + 60)])
    ring.settle()
    assert keys_in(spelled(ring.keys), "there").keys == ring.keys


def rotates(folder: Path) -> None:
    """What a watch sees of a rotation, and what a damaged file does to it."""

    async def run() -> None:
        source, ring = FileKeys(folder), KeyRing()
        watch = KeyWatch(source, ring, 60.0)
        await watch.start()
        done = await rotate(source, overlap=60.0, lives={"root": 86400.0, "es256": 300.0})
        put(folder, "260101000000aaaa.root.key", b"11" * 12)
        await watch.look()
        await source.remove([*done.added, "260101000000aaaa.root"])
        await watch.stop()

    asyncio.run(run())


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("work", [signs_and_seals, rotates])
def test_whatever_line_breaks_no_key_is_in_the_traceback(
    work: Callable[[Path], None], form: str, tmp_path: Path
) -> None:
    keys_of(tmp_path / "keys")
    with Fault() as whole:
        work(tmp_path / "keys")
    assert len(whole.passed) > 60
    broken = 0
    with everything_logged(form) as said:
        for line in whole.passed:
            fault = Fault(line)
            try:
                with fault:
                    work(tmp_path / "keys")
            except Exception as error:
                structlog.get_logger().exception("broke")
                told = everything_of(error)
                broken += isinstance(error, Broken)
                assert fault.seen_in(told) == [], line
            assert fault.seen_in(said.getvalue()) == [], line
            said.seek(0)
            said.truncate()
    # Lines run in a thread, or under something that must go on, break there.
    assert broken > len(whole.passed) / 3


async def test_what_is_damaged_is_not_quoted(tmp_path: Path) -> None:
    """The exceptions of those who read hex, base64 and PEM have what they read among their
    arguments."""
    root, signing = new_key("root", 1_700_000_000), new_key("es256", 1_700_000_000)
    text = root.material.hex()
    damages = {
        "root.key": [f"{text}zz", f"{text}ä", f"{text}\x00", f"{text[:-2]}", f"{text}{text}"],
        "es256.pem": [signing.pem.decode()[:-40], text + signing.pem.decode(), "-----BEGIN" + text],
    }
    for suffix, contents in damages.items():
        for content in contents:
            path = put(tmp_path, f"250101000000aaaa.{suffix}", content.encode("latin-1"))
            with pytest.raises(ConfigError) as raised:
                await complete(FileKeys(tmp_path))
            told = everything_of(raised.value)
            for part in (*spellings(root.material), *spellings(signing.material), text[:16]):
                assert part not in told
            assert signing.pem.decode().splitlines()[1] not in told
            path.unlink()
    for entry in (f"x{spelled([root])}", f"{spelled([signing])}ä", f"{spelled([root])}x"):
        kept = keys_in(entry, "there")
        assert len(kept.problems) == 1
        assert not [part for part in spellings(root.material) if part in repr(kept)]


@pytest.mark.parametrize("echo", [False, True])
async def test_a_database_that_logs_everything_logs_no_key(echo: bool, sql: Sql) -> None:
    """`log.level: debug`, and SQLAlchemy's echo and the driver at their most talkative, which only
    a change of the code could bring about."""
    await migrate(sql.url)
    key = new_key("root", 1_700_000_000)
    talkative = [logging.getLogger(name) for name in ("sqlalchemy", "aiosqlite")]
    with everything_logged("json") as said:
        for logger in talkative if echo else ():
            logger.setLevel(logging.DEBUG)
        try:
            source = DatabaseKeys(sql.url, SECRET, None)
            await source.open()
            assert await source.add(key, None)
            assert (await source.read()).keys == {key}
            sealed = (await source._rows())[0][1]
            await sql.execute("ALTER TABLE keys RENAME TO gone")
            with pytest.raises(LinksUnavailable) as raised:
                await source.add(new_key("root", 1_700_000_001), key.name)
            await source.close()
        finally:
            for logger in talkative:
                logger.setLevel(logging.NOTSET)
        told = said.getvalue() + everything_of(raised.value)
    assert ("SELECT keys.name" in said.getvalue()) is echo
    assert not [part for part in spellings(key.material) if part in told]
    assert SECRET.reveal() not in told
    # Nor what is stored, though it is worth nothing without the secret.
    assert echo or sealed not in told


@pytest.mark.parametrize("key", ["secret", "old_secret", "source", "unknown"])
def test_a_key_in_the_wrong_place_of_the_config_is_not_quoted(key: str, tmp_path: Path) -> None:
    root, signing = new_key("root", 1_700_000_000), new_key("es256", 1_700_000_000)
    for text in (
        root.material.hex(),
        f"env:{root.material.hex()}",
        f"env:{spelled([root])}",
        spelled([root, signing]),
        signing.pem.decode(),
    ):
        given = {"source": "database", "secret": "file:there", key: text}
        content = {
            "upstream": {"url": "http://127.0.0.1:9"},
            "directory": {"kind": "file", "path": "accounts.yaml"},
            "keys": given,
        }
        with pytest.raises(ConfigError, match="keys") as raised:
            config_from(content, tmp_path)
        with pytest.raises(ValidationError) as refused:
            Keys.model_validate(given)
        told = everything_of(raised.value) + everything_of(refused.value)
        for part in (*spellings(root.material), *spellings(signing.material)):
            assert part not in told


def test_no_object_that_holds_keys_shows_them(tmp_path: Path) -> None:
    ring = KeyRing(keys_of(tmp_path))
    Sealer(ring).seal("p", "b", b"text")
    subkey = ring.subkey(ring.root_id, "seal p")
    assert subkey is not None
    shown = f"{ring!r} {ring._now!r} {ring.keys!r} {ring.signing_key!r} {DatabaseKeys!r}"
    shown += repr(DatabaseKeys(Secret("sqlite:///x"), SECRET, SECRET).__dict__)
    shown += json.dumps(sorted(ring.keys, key=lambda key: key.name), default=repr)
    for material in (*(key.material for key in ring.keys), subkey):
        assert not [part for part in spellings(material) if part in shown]
    assert SECRET.reveal() not in shown


async def test_no_key_is_on_the_page_of_an_error(tmp_path: Path) -> None:
    """Each line of sealing and opening breaks once, while somebody begins to sign in and comes
    back from the provider."""

    async def asks(browser: Browser) -> list[tuple[int, str]]:
        status, headers, text = await browser.request("GET", "/sso/login/google")
        way = parse_qs(urlsplit(headers.get("Location", "")).query)
        answer = f"state={way.get('state', ['A' * 16 + '.x'])[0]}&code=made-up"
        back = await browser.request("GET", f"/sso/callback/google?{answer}")
        return [(status, text), (back[0], back[2])]

    async with a_world(tmp_path) as world, Browser(world.origin) as browser:
        secrets = {key.material for key in keys_of(world.config.keys.folder)}
        with Fault() as whole:
            assert 500 not in [status for status, _ in await asks(browser)]
        sealing = ("/seal.py", "/aead.py", "/base64url.py")
        lines = [line for line in whole.passed if line[0].endswith(sealing)]
        assert len(lines) > 15
        failed = 0
        with everything_logged("json") as said:
            for line in lines:
                with Fault(line) as fault:
                    pages = await asks(browser)
                fault.secrets |= secrets
                failed += 500 in [status for status, _ in pages]
                text = "".join(text for _, text in pages)
                assert fault.seen_in(text + said.getvalue()) == [], line
            assert failed == len(lines)
            assert said.getvalue().count("portal_failed") >= failed
