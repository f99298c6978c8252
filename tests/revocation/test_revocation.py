"""Access ends within a second of any reason to, on every process, with all that was open.

One line of REASONS is one reason; what it names makes the reason true and returns when it did.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from gateway.commands import blocking, sessions
from gateway.email import Email
from tests.revocation.three import BOUND, Opened, Person, Three, three_gateways
from tests.revocation.told import logout_token, security_event, tell
from tests.servers.valkey import Valkey
from tests.session.samples import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("revocation")]

# Makes it true that this person's access is to end; `time.monotonic()` of when it did.
End = Callable[[Three, Person], Awaitable[float]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: Valkey
) -> AsyncIterator[Three]:
    valkey_server.command("FLUSHALL")
    async with three_gateways(tmp_path_factory.mktemp("three"), valkey_server) as three:
        yield three


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bystander(three: Three) -> AsyncIterator[Opened]:
    """Somebody whom all this is no business of."""
    async with three.open(await three.sign_in("riley@acme.example")) as opened:
        yield opened


async def signs_out(_three: Three, person: Person) -> float:
    page = await person.browser.open("/sso/logout")
    began = time.monotonic()
    await person.browser.press(page, "Sign out")
    return began


async def signs_out_of_sonar(_three: Three, person: Person) -> float:
    began = time.monotonic()
    await person.browser.request("GET", "/logout")
    return began


async def signs_out_everywhere(three: Three, person: Person) -> float:
    """In another browser."""
    other = await three.sign_in(person.email)
    page = await other.browser.open("/sso/settings")
    began = time.monotonic()
    page = await other.browser.press(page, "Sign out everywhere")
    assert "signed out everywhere" in page.text
    return began


async def is_revoked(three: Three, person: Person) -> float:
    """By an operator, in another process than the gateways: this one."""
    began = time.monotonic()
    email = Email.parse(person.email)
    assert await sessions.revoked(three.config(), sessions.Chosen(email))
    return began


async def is_blocked(three: Three, person: Person) -> float:
    began = time.monotonic()
    await blocking.block(three.config(), Email.parse(person.email))
    return began


async def is_in_a_domain_turned_off(three: Three, _person: Person) -> float:
    file = three.folder / "lied" / "globex.example.yaml"
    text = file.read_text().replace("sso: 'on'", "sso: pilot\npilot_users: [hank@globex.example]")
    began = time.monotonic()
    unfinished = file.with_name(".unfinished")
    unfinished.write_text(text.replace("sso: pilot", "sso: off"))
    unfinished.rename(file)
    return began


def _switch_off(sonars: Path, email: str) -> None:
    query = "SELECT account_id FROM addresses WHERE email = ?"
    with closing(sqlite3.connect(sonars, timeout=30)) as sonar, sonar:
        # A transaction that reads first is refused at once, without waiting, when Sonar writes.
        sonar.execute("BEGIN IMMEDIATE")
        sonar.execute(f"UPDATE accounts SET active = 0 WHERE id IN ({query})", (email,))  # noqa: S608 - ours


async def is_switched_off_in_sonar(three: Three, person: Person) -> float:
    """Nobody tells the gateways, so one of them asks: from when it has found out."""
    # Not on the loop: Sonar is in this process, and may have to go on before it lets the file go.
    await asyncio.to_thread(_switch_off, three.folder / "var" / "sonar.db", person.email)

    def found_out() -> list[float]:
        said = (line for world in three.worlds for line in world.said().splitlines())
        lines = (json.loads(line) for line in said if line.startswith("{"))
        return [
            datetime.fromisoformat(line["timestamp"]).timestamp()
            for line in lines
            if line["event"] == "session_ended" and line.get("email") == person.email
        ]

    await until(found_out)
    return time.monotonic() - (time.time() - min(found_out()))


async def unlinks(_three: Three, person: Person) -> float:
    page = await person.browser.open("/sso/settings")
    began = time.monotonic()
    await person.browser.press(page, "Remove")
    return began


# To another gateway each than the browser's.


async def is_signed_out_by_the_providers_server(three: Three, person: Person) -> float:
    began = time.monotonic()
    form = {"logout_token": logout_token(three.realm, sid=person.sid)}
    assert await tell(three, 2, "backchannel/google", form) == (200, "")
    return began


async def is_signed_out_in_the_providers_page(three: Three, person: Person) -> float:
    began = time.monotonic()
    query = urlencode({"iss": three.realm.issuer, "sid": person.sid})
    status, _ = await tell(three, 3, f"frontchannel/google?{query}")
    assert status == 200
    return began


async def is_in_trouble_at_google(three: Three, person: Person) -> float:
    began = time.monotonic()
    event = security_event(three.realm, person).encode()
    assert await tell(three, 2, "risc/google", event) == (202, "")
    return began


# Who ends it, and for whom: each for somebody of their own, as some lose their access for good.
REASONS: dict[str, tuple[End, str]] = {
    "sign-out": (signs_out, "jo@acme.example"),
    "sign-out at Sonar": (signs_out_of_sonar, "jo@acme.example"),
    "sign-out everywhere": (signs_out_everywhere, "jo@acme.example"),
    "unlink": (unlinks, "alex@acme.ca"),
    "operator's revoke": (is_revoked, "jo@acme.example"),
    "account disabled": (is_switched_off_in_sonar, "kim.okafor@gmail.com"),
    "pilot off": (is_in_a_domain_turned_off, "hank@globex.example"),
    "back-channel logout": (is_signed_out_by_the_providers_server, "jo@acme.example"),
    "front-channel logout": (is_signed_out_in_the_providers_page, "jo@acme.example"),
    "security event": (is_in_trouble_at_google, "jo@acme.example"),
    "block": (is_blocked, "mara@acme.example"),
}


@pytest.mark.parametrize("reason", REASONS)
async def test_access_ends_everywhere_within_a_second(
    reason: str, three: Three, bystander: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    end, email = REASONS[reason]
    person = await three.sign_in(email)
    async with three.open(person) as opened:
        watches = [world.stopwatch() for world in three.worlds]
        took = await opened.ended(await end(three, person))
        withheld = max(watch.withheld() for watch in watches)
    worst = max(took, key=lambda what: took[what])
    with capsys.disabled():
        print(f"\n{reason:<28} {took[worst]:6.3f} s  (last: {worst[1]} at gateway {worst[0]})")
    assert took[worst] - withheld < BOUND, {what: round(at, 3) for what, at in took.items()}
    assert bystander.all_last()


async def test_a_logout_works_once_at_all_gateways_together(three: Three) -> None:
    """Replayed at another process, it must not end what began since."""
    person = await three.sign_in()
    form = {"logout_token": logout_token(three.realm, sub=person.claims["sub"])}
    assert (await tell(three, 2, "backchannel/google", form))[0] == 200
    assert (await person.browser.request("GET", "/sso/me"))[0] == 401

    again = await three.sign_in()
    for number in (1, 2, 3):
        status, text = await tell(three, number, "backchannel/google", form)
        assert (status, json.loads(text)["error_description"]) == (400, "token_replayed")

    assert (await again.browser.request("GET", "/sso/me"))[0] == 200
