"""What the pages tell the audit: everything that lets somebody in or does not, and no secret."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from structlog.testing import capture_logs

from gateway.operate.audit.chain import Chain
from gateway.operate.audit.verify import verify
from tests.journeys.browser import Browser, Page
from tests.portal.world import PASSWORDS, World, a_world
from tests.session.samples import ring_in

NORA = {"username": "nlindqvist", "password": PASSWORDS["nlindqvist"]}
GUESS = "guess-1234-5678"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, audited=True) as world:
        yield world


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, audited=True, audit_required=True) as world:
        yield world


class Watched(Browser):
    """Remembers every secret that went through it: cookies, queries of redirects, form tokens."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.secrets: set[str] = set()

    async def _go(self, *request: object) -> Page:
        self.secrets |= set(self.cookies().values())
        page = await super()._go(*request)  # type: ignore[arg-type]
        self.secrets |= set(self.cookies().values())
        for _, url in page.hops:
            query = dict(parse_qsl(urlsplit(url).query))
            names = ("code", "state", "nonce", "code_challenge")
            self.secrets |= {query[name] for name in names if name in query}
        for form in page._read().forms:
            self.secrets |= {value for name, value in form.fields.items() if name == "token"}
        return page


async def a_life(world: World, browser: Browser) -> None:
    """Somebody is refused, links with the password after a slip, is switched, removes it all."""
    await world.arrive(browser, "google", "blake")
    page = await world.arrive(browser, "google", "nora", "/calls")
    page = await browser.press(page, "Link and sign in", username="nlindqvist", password=GUESS)
    page = await browser.press(page, "Link and sign in", **NORA)
    assert page.text == "Sonar /calls"
    settings = await browser.open("/sso/settings")
    form = settings.form("Remove")
    headers = {"Origin": world.origin, "X-Forwarded-For": "192.0.2.7", "X-Request-ID": "r-9"}
    await browser.request(
        "POST", form.action, data={**form.fields, "token": "forged"}, headers=headers
    )
    await browser.request(
        "POST", form.action, data={**form.fields, "account": "1001"}, headers=headers
    )
    await browser.press(settings, "Remove")
    await world.arrive(browser, "google", "jo")
    await browser.press(await browser.open("/sso/logout"), "Sign out")


async def test_each_thing_that_happens_is_one_record(world: World, browser: Browser) -> None:
    await a_life(world, browser)
    records = await world.records(9)
    assert [(record.event, record.reason) for record in records] == [
        ("sign_in_refused", "blocked_user"),
        ("password_refused", "password_wrong"),
        ("link_added", None),
        ("sign_in", "proved"),
        ("form_refused", "form_forged"),
        ("choice_refused", "account_not_offered"),
        ("link_removed", None),
        ("sign_in", "matched"),
        ("signed_out", None),
    ]
    refused, wrong, linked, signed_in, forged, foreign, removed, matched, out = records
    assert (refused.email, refused.domain) == ("blake@acme.example", "acme.example")
    assert "blocked_user" in str(json.loads(refused.detail or "")["trail"])
    for record in (wrong, linked, signed_in, removed):
        assert record.account == "1005"
        assert record.subject == linked.subject
    assert linked.email == "nora@acme.example"
    assert signed_in.session == removed.session
    assert (forged.address, forged.request_id) == ("192.0.2.7", "r-9")
    assert foreign.email == "nora@acme.example"
    assert json.loads(removed.detail or "") == {"sessions_ended": 1}
    assert (matched.account, matched.session) == (out.account, out.session)
    assert (await verify(world.trail, Chain(ring_in(world.config.keys.folder)))).misfit is None


async def test_no_secret_is_in_any_record_or_line(world: World, tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with Watched(world.origin) as browser:
            await a_life(world, browser)
            await browser.open("/sso/callback/google?code=stolen-code-1&state=stolen-state-1")
            keys = {session.key for session in await world.store.all()}
            await world.records(10)
    with closing(sqlite3.connect(tmp_path / "links.db")) as database:
        kept = str(database.execute("SELECT * FROM audit").fetchall())
    secrets = browser.secrets | keys | {GUESS, "stolen-code-1", "stolen-state-1"}
    secrets |= {*PASSWORDS.values(), "google-secret", "microsoft-secret"}
    assert len(secrets) > 20
    for written in (kept, str(logs)):
        assert "nora@acme.example" in written
        assert not [secret for secret in secrets if len(secret) > 3 and secret in written]
        # No token of a provider's: each begins so.
        assert "eyJ" not in written


async def test_what_cannot_be_recorded_does_not_happen_where_it_must_be(
    strict: World, tmp_path: Path
) -> None:
    async with Browser(strict.origin) as browser:
        page = await browser.open("/sso/login/google?next=/calls")
        await strict.change_own("links.db", "ALTER TABLE audit RENAME TO gone")
        page = await strict.pick(browser, page, "jo")
        assert page.status == 503
        assert "audit_unavailable" in page.text
        assert page.link("Sonar password").endswith("/login?return_to=%2Fcalls")
        assert await strict.live() == {}
        assert "sonar_sso" not in browser.cookies()
        await strict.change_own("links.db", "ALTER TABLE gone RENAME TO audit")
        assert (await strict.arrive(browser, "google", "jo")).text == "Sonar /"
        records = await strict.records(2)
    assert [(record.event, record.reason) for record in records] == [
        ("sign_in_refused", "audit_unavailable"),
        ("sign_in", "matched"),
    ]


async def test_nor_is_an_account_linked(strict: World) -> None:
    async with Browser(strict.origin) as browser:
        page = await strict.arrive(browser, "google", "nora")
        await strict.change_own("links.db", "ALTER TABLE audit RENAME TO gone")
        page = await browser.press(page, "Link and sign in", **NORA)
        assert page.status == 503
        await strict.change_own("links.db", "ALTER TABLE gone RENAME TO audit")
        refused = (await strict.records(1))[-1]
        assert refused.reason == "audit_unavailable"
    with closing(sqlite3.connect(strict.sonar.parent / "links.db")) as database:
        assert database.execute("SELECT count(*) FROM links").fetchone() == (0,)


async def test_signing_out_never_waits_for_the_audit(strict: World) -> None:
    async with Browser(strict.origin) as browser:
        await strict.arrive(browser, "google", "jo")
        await strict.change_own("links.db", "ALTER TABLE audit RENAME TO gone")
        await browser.press(await browser.open("/sso/logout"), "Sign out")
        assert await strict.live() == {}
        await strict.change_own("links.db", "ALTER TABLE gone RENAME TO audit")
        assert [record.event for record in await strict.records(2)] == ["sign_in", "signed_out"]


async def test_where_it_need_not_be_a_sign_in_goes_on(world: World, browser: Browser) -> None:
    await world.change_own("links.db", "ALTER TABLE audit RENAME TO gone")
    assert (await world.arrive(browser, "google", "jo")).text == "Sonar /"
    assert list(await world.live()) == ["1001"]
    await world.change_own("links.db", "ALTER TABLE gone RENAME TO audit")
    assert [record.event for record in await world.records(1)] == ["sign_in"]
