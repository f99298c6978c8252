"""Sonar as its users meet it: pages, calls, voicemail, and the tables behind them."""

import asyncio
import gzip
import io
import sqlite3
from collections.abc import Callable
from pathlib import Path

import aiohttp
import brotli
import pytest
from aiohttp import WSCloseCode
from aiohttp.test_utils import TestServer

from demo.sonar.passwords import Scheme, scheme_of
from demo.sonar.seed import ACCOUNTS
from tests.demo.browsing import sign_in

SOON = 5


class TestPages:
    @pytest.mark.parametrize(
        ("coding", "unpack"), [("br", brotli.decompress), ("gzip", gzip.decompress)]
    )
    @pytest.mark.parametrize("path", ["/login", "/profile"])
    async def test_are_compressed_when_the_browser_takes_it(
        self, sonar_url: str, coding: str, unpack: Callable[[bytes], bytes], path: str
    ) -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(
            sonar_url, cookie_jar=jar, auto_decompress=False
        ) as browser:
            if path != "/login":
                await sign_in(browser)
            answer = await browser.get(path, headers={"Accept-Encoding": f"x, {coding};q=0.8"})
            assert answer.headers["Content-Encoding"] == coding
            assert "</html>" in unpack(await answer.read()).decode("iso-8859-1")

    async def test_are_plain_for_who_refuses(self, browser: aiohttp.ClientSession) -> None:
        refusing = {"Accept-Encoding": "br;q=0, gzip; q=0"}
        answer = await browser.get("/login", headers=refusing)
        assert "Content-Encoding" not in answer.headers

    async def test_profile_has_the_security_section(self, browser: aiohttp.ClientSession) -> None:
        await sign_in(browser)
        page = await (await browser.get("/profile")).text()
        assert 'id="change-account-security"' in page
        assert "jo@acme.example" in page
        assert "jo.march@home.example" in page

    async def test_dashboard_names_the_person(self, browser: aiohttp.ClientSession) -> None:
        await sign_in(browser)
        page = await (await browser.get("/")).text()
        assert "Welcome, Jo March" in page

    async def test_signed_in_people_do_not_see_the_form(
        self, browser: aiohttp.ClientSession
    ) -> None:
        await sign_in(browser)
        answer = await browser.get("/login?return_to=/calls", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (302, "/calls")


class TestCalls:
    async def test_are_listed(self, browser: aiohttp.ClientSession) -> None:
        await sign_in(browser)
        listed = (await (await browser.get("/api/v1/calls")).json())["calls"]
        assert len(listed) == 8
        assert listed == sorted(listed, key=lambda call: -call["started"])

    async def test_happen_before_ones_eyes(self, browser: aiohttp.ClientSession) -> None:
        await sign_in(browser)
        async with asyncio.timeout(SOON), browser.ws_connect("/calls/live") as socket:
            first = await socket.receive_json()
            second = await socket.receive_json()
        assert first["state"] == "ringing"
        assert second["id"] == first["id"]
        assert second["state"] in ("talking", "missed")
        listed = (await (await browser.get("/api/v1/calls")).json())["calls"]
        assert listed[0]["id"] >= first["id"]

    async def test_who_watches_does_not_keep_sonar_from_stopping(
        self, browser: aiohttp.ClientSession, sonar: TestServer
    ) -> None:
        await sign_in(browser)
        async with asyncio.timeout(SOON), browser.ws_connect("/calls/live") as socket:
            closing = asyncio.create_task(sonar.close())
            async for _ in socket:
                pass
            await closing
        assert socket.close_code == WSCloseCode.GOING_AWAY


class TestVoicemail:
    async def first(self, browser: aiohttp.ClientSession) -> str:
        await sign_in(browser)
        page = await (await browser.get("/voicemail")).text()
        return page.partition('href="/voicemail/')[2].partition("/audio")[0]

    async def test_downloads(self, browser: aiohttp.ClientSession) -> None:
        url = f"/voicemail/{await self.first(browser)}/audio"
        answer = await browser.get(url)
        audio = await answer.read()
        assert answer.content_type == "audio/wav"
        assert audio.startswith(b"RIFF")
        assert len(audio) > 40_000

        part = await browser.get(url, headers={"Range": "bytes=100-199"})
        assert part.status == 206
        assert part.headers["Content-Range"] == f"bytes 100-199/{len(audio)}"
        assert await part.read() == audio[100:200]

        beyond = await browser.get(url, headers={"Range": f"bytes={len(audio)}-"})
        assert beyond.status == 416

    async def test_somebody_elses_is_not_there(self, browser: aiohttp.ClientSession) -> None:
        mine = await self.first(browser)
        await sign_in(browser, "grossi", "rosso-77")
        assert (await browser.get(f"/voicemail/{mine}/audio")).status == 404

    async def test_uploads_and_gives_the_same_bytes_back(
        self, browser: aiohttp.ClientSession
    ) -> None:
        await sign_in(browser)
        audio = bytes(range(256)) * 8192
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("recording", io.BytesIO(audio), filename="Grüße & more.MP3")
        page = await (await browser.post("/voicemail", data=form)).text()
        assert "Grüße &amp; more" in page
        newest = page.partition('href="/voicemail/')[2].partition("/audio")[0]
        answer = await browser.get(f"/voicemail/{newest}/audio")
        assert answer.content_type == "audio/mpeg"
        assert await answer.read() == audio

    @pytest.mark.parametrize(
        ("field", "filename", "said"),
        [
            ("recording", "page.html", "A recording is one of"),
            ("recording", "", "Please choose a file."),
            ("else", "a.wav", "Please choose a file."),
        ],
    )
    async def test_refuses_what_is_no_recording(
        self, browser: aiohttp.ClientSession, field: str, filename: str, said: str
    ) -> None:
        await sign_in(browser)
        form = aiohttp.FormData()
        form.add_field(field, b"x", filename=filename, content_type="audio/wav")
        answer = await browser.post("/voicemail", data=form)
        assert answer.status == 400
        assert said in await answer.text()


def test_accounts_are_the_tables_the_gateway_expects(sonar_database: Path) -> None:
    database = sqlite3.connect(sonar_database)
    columns = "id, username, display_name, organisation, active, password_hash"
    rows = database.execute(f"SELECT {columns} FROM accounts").fetchall()  # noqa: S608
    addresses = database.execute("SELECT account_id, email, purpose FROM addresses").fetchall()
    database.close()
    assert {row[0] for row in rows} == {account.id for account in ACCOUNTS}
    assert {scheme_of(row[5]) for row in rows} == set(Scheme)
    assert {purpose for _, _, purpose in addresses} == {"contact", "voicemail"}
