"""A gateway process whose providers are realms of a liar, and what it must not have believed."""

import json
import re
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from demo.people import ACME_TENANT
from gateway.explanations import EXPLANATIONS
from gateway.reasons import Reason
from tests.attacks.liar import SECRET, Liar, Lie, Realm
from tests.journeys.browser import Browser, Page
from tests.journeys.world import World, a_world, serve_at

NEXT = "/calls?from=7&q=a%26b"
SESSION = "sonar_sso"

# Where a refused sign-in may leave something: that its transaction was used, that somebody tried,
# and what the audit has to say.
_MAY_GROW = {"claims", "attempts", "counts", "audit", "audit_head"}
# Whoever was let in before may go at any time.
_MAY_SHRINK = {"sessions", "labels", "unlabelled", "endings"}
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"

Stored = dict[str, set[tuple[Any, ...]]]

# What starting over is called on the page for a reason.
_OVER = {
    Reason.PROVIDER_UNAVAILABLE: "Try again",
    Reason.EMAIL_MISSING: "Back to the sign-in page",
    Reason.NO_POLICY: "Back to the sign-in page",
}


@dataclass
class LiedTo:
    """`world` is the gateway, `liar` its providers."""

    world: World
    liar: Liar

    async def arrive(self, realm: Realm, browser: Browser, next_path: str = NEXT) -> Page:
        """Sign in as far as it goes by itself."""
        return await browser.open(f"/sso/login/{realm.name}?next={quote(next_path, safe='')}")

    def stored(self) -> Stored:
        """Every session, link, removal, preference and pin there is, and what else is kept. Of a
        session its key: when it was last seen is written at any time."""
        rows: Stored = {}
        for file in ("gateway.db", "sessions.db"):
            with closing(sqlite3.connect(self.world.folder / "var" / file)) as database:
                for (table,) in database.execute(_TABLES).fetchall():
                    columns = "key" if table == "sessions" else "*"
                    query = f"SELECT {columns} FROM {table}"  # noqa: S608
                    rows[table] = set(database.execute(query).fetchall())
        assert {"sessions", "links", "removals", "preferences", "pins"} <= rows.keys()
        return rows

    def left_behind(self, before: Stored) -> Stored:
        """What was added since, or changed, or taken from what must stay."""
        differences: Stored = {}
        for table, rows in self.stored().items():
            added, gone = rows - before[table], before[table] - rows
            if table not in _MAY_GROW:
                differences[table] = added if table in _MAY_SHRINK else added | gone
        return {table: rows for table, rows in differences.items() if rows}

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """What was logged after so many characters."""
        lines = self.world.said()[since:].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def is_refused(self, realm: Realm, lie: Lie, reason: Reason, status: int = 403) -> None:
        """One sign-in with this lie: the page says `reason` and starts over, the log says it once,
        and nothing is believed, kept or told on."""
        async with self.world.browser() as browser:
            page = await self._lied_to(realm, lie, browser, reason)
            assert (page.status, shown(page)) == (status, reason), page.text
            assert page.link(_OVER.get(reason, "Start over")).startswith(
                f"{self.world.origin}/sso/login?next={quote(NEXT, safe='')}"
            )
            assert browser.cookies() == {}

    async def must_prove(self, realm: Realm, lie: Lie, reason: Reason) -> None:
        """One sign-in with this lie: the email opens nothing, and the Sonar password is asked."""
        async with self.world.browser() as browser:
            page = await self._lied_to(realm, lie, browser, None)
            assert (page.status, page.path) == (200, "/sso/link"), page.text
            assert EXPLANATIONS[reason].cause in unescape(page.text)
            assert SESSION not in browser.cookies()

    async def _lied_to(
        self, realm: Realm, lie: Lie, browser: Browser, reason: Reason | None
    ) -> Page:
        before, said, given = self.stored(), len(self.world.said()), len(realm.secrets)
        realm.lie = lie
        try:
            page = await self.arrive(realm, browser)
        finally:
            realm.lie = Lie()
        assert (await browser.request("GET", "/sso/me"))[0] == 401
        assert self.left_behind(before) == {}
        logged = self.world.said()[said:]
        told = [one["reason"] for one in self.events(said) if one["event"] == "sign_in_refused"]
        assert told == ([] if reason is None else [reason])
        for secret in (*realm.secrets[given:], page.query.get("state"), SECRET, "Traceback"):
            assert not secret or secret not in logged
        assert "hostile" not in page.text
        return page

    async def is_let_in(self, realm: Realm, lie: Lie, account: str) -> None:
        """The same way, with nothing wrong: so it is the lie that was refused."""
        realm.lie = lie
        async with self.world.browser() as browser:
            page = await self.arrive(realm, browser)
            realm.lie = Lie()
            assert (page.status, page.url) == (200, f"{self.world.origin}{NEXT}"), page.text
            status, _, text = await browser.request("GET", "/sso/me")
            assert (status, json.loads(text)["account"]["username"]) == (200, account)


def shown(page: Page) -> str | None:
    """The reason on a page that says no."""
    found = re.search(r"<code>([a-z_]+)</code>", page.text)
    return found[1] if found else None


@asynccontextmanager
async def a_gateway_lied_to(
    folder: Path, liar: Liar, workers: int = 1, **changes: Any
) -> AsyncIterator[LiedTo]:
    """Start both. Every realm is a provider of each domain; only ACME_TENANT is listed, and only
    for acme.example. `changes` are for `a_world`."""
    async with AsyncExitStack() as ending:
        listening = socket.create_server(("127.0.0.1", 0))
        app = liar.at(f"http://localhost:{listening.getsockname()[1]}")
        await serve_at(ending, app, listening)
        _write_policies(folder / "lied", liar)
        world = await ending.enter_async_context(
            a_world(
                folder,
                None,
                server={"workers": workers},
                providers={name: realm.settings() for name, realm in liar.realms.items()},
                policies="lied/",
                **changes,
            )
        )
        yield LiedTo(world, liar)


def _write_policies(folder: Path, liar: Liar) -> None:
    folder.mkdir()
    listed = {
        name: {"tenants": [ACME_TENANT]} if realm.kind == "microsoft" else {}
        for name, realm in liar.realms.items()
    }
    acme = {"domain": "acme.example", "aliases": ["acme.ca"], "sso": "on", "providers": listed}
    (folder / "acme.example.yaml").write_text(yaml.safe_dump(acme))
    for domain in ("globex.example", "gmail.com"):
        policy: dict[str, object] = {
            "domain": domain,
            "sso": "on",
            "providers": {name: {} for name in liar.realms},
        }
        (folder / f"{domain}.yaml").write_text(yaml.safe_dump(policy))
