"""May who signed in go on? Asked of npm's oidc-provider, which rotates refresh tokens and ends all
of them when one is used twice: so nothing here may use one twice, or lose one."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from multidict import MultiMapping
from structlog.testing import capture_logs

from gateway.identity.model import Identity, Refused
from gateway.identity.provider import Arrival, Renewal
from gateway.identity.transaction import Transaction
from gateway.reasons import Reason
from gateway.secret import Secret
from gateway.session.grant import Origin
from gateway.session.keys import KeyRing
from gateway.session.model import Grant, provider_label
from tests.servers.node import OidcClient, OidcProvider, google_claims, running_oidc_provider
from tests.servers.valkey import Valkey
from tests.session.refreshing import GRACE, ROOT, Process, a_process, registered
from tests.session.samples import an_account

EVERY = 1800.0
# Only bounds a machine that hangs.
PATIENCE = 10.0


@pytest.fixture
def folder(tmp_path: Path, keys: KeyRing) -> Path:
    """With keys in it."""
    return tmp_path


@pytest.fixture
def client(oidc_provider: OidcProvider) -> OidcClient:
    return registered(oidc_provider)


@pytest.fixture(params=["embedded", "redis"])
def place(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "embedded":
        return str(folder / "sessions.db")
    valkey: Valkey = request.getfixturevalue("valkey")
    return valkey.url.reveal()


@pytest.fixture
async def process(
    place: str, folder: Path, oidc_provider: OidcProvider, client: OidcClient
) -> AsyncIterator[Process]:
    async with a_process(place, folder / "keys", oidc_provider.discovery_url, client) as process:
        yield process


async def granted(process: Process, key: str) -> Grant:
    session = await process.stored(key)
    assert session is not None
    assert session.grant is not None
    return session.grant


async def test_each_answer_brings_the_token_for_the_next_question(process: Process) -> None:
    _, session = await process.sign_in("jo")
    tokens = [(await granted(process, session.key)).sealed]
    for asked in range(3):
        assert await process.renewals.ask(session) is None
        assert process.provider.answers == asked, "it is not time yet"
        process.ahead += EVERY
        assert await process.renewals.ask(session) is None
        assert process.provider.answers == asked + 1
        grant = await granted(process, session.key)
        assert grant.asked == pytest.approx(process.now(), abs=30)
        assert (grant.attempt, grant.failing, grant.unsure) == (None, None, False)
        tokens.append(grant.sealed)
    opened = {process.sessions.grants.open(Grant(sealed, 0.0), session.key) for sealed in tokens}
    assert len(opened) == 4
    assert None not in opened


async def test_whoever_is_switched_off_there_must_go(
    process: Process, oidc_provider: OidcProvider
) -> None:
    oidc_provider.account("leaver", google_claims()["jo"])
    _, session = await process.sign_in("leaver")
    oidc_provider.account("leaver", None)
    process.ahead += EVERY
    assert await process.renewals.ask(session) is Reason.REFRESH_REFUSED


async def test_who_it_says_they_are_now_is_what_counts(
    process: Process, oidc_provider: OidcProvider
) -> None:
    """A new address, another domain: the directory is asked about that one next."""
    oidc_provider.account("bride", google_claims()["jo"])
    _, session = await process.sign_in("bride")
    renamed = google_claims()["jo"] | {"email": "jo.new@acme.example"}
    oidc_provider.account("bride", renamed)
    process.ahead += EVERY
    assert await process.renewals.ask(session) is None
    stored = await process.stored(session.key)
    assert stored is not None
    assert str(stored.identity.email) == "jo.new@acme.example"
    assert stored.identity.auth_time == session.identity.auth_time


@pytest.mark.parametrize("named_later", ["another-session-there", None])
async def test_what_the_provider_calls_its_session_ends_it_also_after_a_refresh(
    process: Process, named_later: str | None
) -> None:
    """Whatever the answer calls it: its logout names what it called it at the sign-in."""
    sid, arrive, refresh = "a-session-there", process.provider.arrive, process.provider.refresh

    async def arrives(
        transaction: Transaction, params: MultiMapping[str], now: float
    ) -> Arrival | Refused:
        arrival = await arrive(transaction, params, now)
        assert isinstance(arrival, Arrival)
        return replace(arrival, identity=replace(arrival.identity, sid=sid))

    async def refreshes(refresh_token: Secret, now: float) -> Renewal | Refused:
        renewal = await refresh(refresh_token, now)
        assert isinstance(renewal, Renewal)
        assert isinstance(renewal.identity, Identity)
        return replace(renewal, identity=replace(renewal.identity, sid=named_later))

    process.provider.arrive = arrives  # type: ignore[method-assign]
    process.provider.refresh = refreshes  # type: ignore[method-assign]
    _, session = await process.sign_in("jo")
    process.ahead += EVERY
    assert await process.renewals.ask(session) is None
    assert process.provider.answers == 1
    assert await process.sessions.end_labelled(provider_label("oidc", sid)) == 1
    assert await process.stored(session.key) is None


async def test_an_outage_ends_nothing_until_it_has_lasted(folder: Path) -> None:
    with running_oidc_provider() as own:
        place, client = str(folder / "sessions.db"), registered(own)
        async with a_process(place, folder / "keys", own.discovery_url, client) as process:
            _, session = await process.sign_in("jo")
            own.stop()
            process.ahead += EVERY
            assert await process.renewals.ask(session) is None
            grant = await granted(process, session.key)
            assert (grant.failing is not None, grant.unsure) == (True, False)
            process.ahead += GRACE - 60
            assert await process.renewals.ask(session) is None
            process.ahead += 61
            assert await process.renewals.ask(session) is Reason.PROVIDER_UNAVAILABLE


async def test_after_an_outage_all_is_well(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, session = await process.sign_in("jo")
    process.ahead += EVERY
    with monkeypatch.context() as broken:
        broken.setattr(process.provider._http, "request", _refuses)
        assert await process.renewals.ask(session) is None
    process.ahead += GRACE - 1
    assert await process.renewals.ask(session) is None
    grant = await granted(process, session.key)
    assert (grant.failing, grant.unsure) == (None, False)
    assert process.provider.answers == 1


async def test_two_sessions_of_one_process_do_not_wait_for_each_other(process: Process) -> None:
    signed_in = [await process.sign_in("jo"), await process.sign_in("jo")]
    process.ahead += EVERY
    asked = await asyncio.gather(*(process.renewals.ask(session) for _, session in signed_in))
    assert asked == [None, None]
    assert process.provider.answers == 2


async def test_one_question_at_a_time(process: Process) -> None:
    _, session = await process.sign_in("jo")
    process.ahead += EVERY
    asked = await asyncio.gather(*(process.renewals.ask(session) for _ in range(20)))
    assert asked == [None] * 20
    assert process.provider.answers == 1
    assert (await granted(process, session.key)).unsure is False


async def test_whoever_was_taken_over_writes_nothing(process: Process) -> None:
    """A process that stood still between the answer and the writing of it (fencing)."""
    _, session = await process.sign_in("jo")
    process.ahead += EVERY
    answered, go_on = asyncio.Event(), asyncio.Event()
    refresh = process.provider.refresh

    async def stands_still(refresh_token: Secret, now: float) -> Renewal | Refused:
        outcome = await refresh(refresh_token, now)
        answered.set()
        await go_on.wait()
        return outcome

    process.provider.refresh = stands_still  # type: ignore[method-assign]
    slow = asyncio.create_task(process.renewals.ask(session))
    async with asyncio.timeout(PATIENCE):
        await answered.wait()
    process.provider.refresh = refresh  # type: ignore[method-assign]
    process.ahead += 61
    with capture_logs() as logs:
        assert await process.renewals.ask(session) is None
    assert "refresh_token_lost" in [line["event"] for line in logs]
    go_on.set()
    assert await slow is None
    stored = await process.stored(session.key)
    assert stored is not None, "nobody was signed out"
    assert stored.grant is None


async def test_whoever_was_taken_over_ends_nothing(process: Process) -> None:
    """A process that stood still before it asked: its token is used up, so the provider says no."""
    _, session = await process.sign_in("jo")
    process.ahead += EVERY
    begun, go_on = asyncio.Event(), asyncio.Event()
    refresh = process.provider.refresh
    answers: list[Renewal | Refused] = []

    async def stands_still(refresh_token: Secret, now: float) -> Renewal | Refused:
        begun.set()
        await go_on.wait()
        answers.append(await refresh(refresh_token, now))
        return answers[0]

    process.provider.refresh = stands_still  # type: ignore[method-assign]
    slow = asyncio.create_task(process.renewals.ask(session))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    process.provider.refresh = refresh  # type: ignore[method-assign]
    process.ahead += 61
    assert await process.renewals.ask(session) is None
    go_on.set()
    assert await slow is None
    assert isinstance(answers[0], Refused)
    assert await process.stored(session.key) is not None, "nobody was signed out"


async def test_three_processes_never_use_a_token_twice(
    valkey: Valkey, folder: Path, oidc_provider: OidcProvider, client: OidcClient
) -> None:
    place, keys = valkey.url.reveal(), folder / "keys"
    async with a_process(place, keys, oidc_provider.discovery_url, client) as here:
        signed_in = [await here.sign_in("jo") for _ in range(4)]
        of = [session.key for _, session in signed_in]
        others = await asyncio.gather(
            *(started(place, keys, oidc_provider, client, "race", of) for _ in range(3))
        )
        told = [json.loads(line) for line in await asyncio.gather(*map(went, others))]

        assert [each["ended"] for each in told] == [{}, {}, {}]
        assert sum(each["answers"] for each in told) > len(of)
        here.ahead = EVERY
        for _, session in signed_in:
            assert await here.renewals.ask(session) is None
            assert (await granted(here, session.key)).unsure is False
        assert here.provider.answers == len(of), "each token is still good"


async def test_a_process_that_dies_with_the_answer_signs_nobody_out(
    place: str, folder: Path, oidc_provider: OidcProvider, client: OidcClient
) -> None:
    """The provider has the next token, and nobody else."""
    keys = folder / "keys"
    async with a_process(place, keys, oidc_provider.discovery_url, client, every=0.0) as here:
        cookie, session = await here.sign_in("jo")
        dying = await started(place, keys, oidc_provider, client, "die", [session.key])
        assert await went(dying) == ""
        assert dying.returncode == -9
        assert (await granted(here, session.key)).attempt is not None
        assert await here.renewals.ask(session) is None
        assert here.provider.answers == 0, "it may still be under way"

        here.ahead += 61
        with capture_logs() as logs:
            assert await here.renewals.ask(session) is None

        (lost,) = [line for line in logs if line["event"] == "refresh_token_lost"]
        assert lost["session"] == session.public_id
        assert await here.sessions.read(cookie, here.now()) is not None
        stored = await here.stored(session.key)
        assert stored is not None
        assert stored.grant is None


async def test_a_lost_answer_signs_nobody_out(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection broke after the provider had made the next token."""
    _, session = await process.sign_in("jo")
    process.ahead += EVERY
    with monkeypatch.context() as broken:
        request = process.provider._http.request
        broken.setattr(process.provider._http, "request", _loses(request))  # type: ignore[no-untyped-call]
        assert await process.renewals.ask(session) is None
    assert (await granted(process, session.key)).unsure is True
    process.ahead += 1
    assert await process.renewals.ask(session) is None
    stored = await process.stored(session.key)
    assert stored is not None
    assert stored.grant is None


async def test_another_account_takes_the_token_along(process: Process) -> None:
    _, before = await process.sign_in("jo")
    _, after = await process.sessions.create(
        before.identity, an_account("jane"), None, process.now(), Origin(continues=before)
    )
    await process.sessions.end(before.key)
    process.ahead += EVERY
    assert await process.renewals.ask(after) is None
    assert process.provider.answers == 1


async def test_no_token_in_any_log(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _, session = await process.sign_in("jo")
    process.ahead += EVERY
    token = process.sessions.grants.open(await granted(process, session.key), session.key)
    assert token is not None
    with capture_logs() as logs:
        assert await process.renewals.ask(session) is None
    told = repr(logs) + caplog.text + repr(await process.stored(session.key))
    assert token.reveal() not in told
    assert (await granted(process, session.key)).sealed not in told


async def started(
    place: str, keys: Path, provider: OidcProvider, client: OidcClient, how: str, of: list[str]
) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.session.refreshing",
        place,
        str(keys),
        provider.discovery_url,
        client.client_id,
        client.client_secret,
        how,
        *of,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"
    return process


async def went(process: asyncio.subprocess.Process) -> str:
    """Let it go; what it says before it ends."""
    said, _ = await asyncio.wait_for(process.communicate(b"go\n"), 60)
    return said.decode()


def _refuses(method: str, url: str, **_: object) -> object:
    nobody = ConnectionKey("127.0.0.1", 1, True, True, None, None, None, None)
    raise aiohttp.ClientConnectorError(nobody, OSError("refused"))


def _loses(request):  # type: ignore[no-untyped-def]
    class Lost:
        """The answer has come as far as the socket, and no further."""

        def __init__(self, *args, **options):  # type: ignore[no-untyped-def]
            self._asked = request(*args, **options)

        async def __aenter__(self):  # type: ignore[no-untyped-def]
            async with self._asked as reply:
                await reply.read()
            raise aiohttp.ServerDisconnectedError

        async def __aexit__(self, *_: object) -> None: ...

    return Lost
