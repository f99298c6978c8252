"""A provider that answers nonsense, or what an attacker would."""

import gzip

import pytest

from demo.providers.faults import TokenReply
from gateway.reasons import Reason
from tests.attacks.liar import Lie, content
from tests.attacks.lied_to import NEXT, LiedTo, shown
from tests.attacks.nonsense import (
    DOCUMENTS,
    ENTRA_DOCUMENTS,
    NO_ANSWER,
    NO_KEYS,
    RIGHT_KEY,
    WRONG_KEY,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("lies")]

R = Reason


# What the token endpoint says.


def answers(value: object, status: int = 200) -> Lie:
    return Lie(reply=content(value, status))


TOO_LARGE = b'{"id_token":"' + b"x" * 600_000 + b'"}'
REPLIES: list[tuple[Lie, Reason, int]] = [
    (answers({}), R.TOKEN_MALFORMED, 403),
    (answers({"access_token": "x", "token_type": "Bearer"}), R.TOKEN_MALFORMED, 403),
    (answers({"id_token": None}), R.TOKEN_MALFORMED, 403),
    (answers({"id_token": ["x"]}), R.TOKEN_MALFORMED, 403),
    (answers({"id_token": {"payload": "x", "signatures": []}}), R.TOKEN_MALFORMED, 403),
    (answers({"error": "invalid_grant"}, 400), R.CODE_REFUSED, 403),
    (answers({"error": "invalid_client"}, 401), R.PROVIDER_ERROR, 403),
    (answers({"error": "<script>hostile()</script>\nsign_in"}, 400), R.PROVIDER_ERROR, 403),
    (answers({"error": ["invalid_grant"]}, 400), R.PROVIDER_ERROR, 403),
    (
        answers({"error": "invalid_request", "error_description": "hostile\n<b>hostile</b>"}, 400),
        R.PROVIDER_ERROR,
        403,
    ),
    (answers({"id_token": "hostile"}, 201), R.PROVIDER_ERROR, 403),
    (answers({"id_token": "hostile"}, 500), R.PROVIDER_UNAVAILABLE, 503),
    (answers({}, 429), R.PROVIDER_UNAVAILABLE, 503),
    (answers([]), R.PROVIDER_UNAVAILABLE, 503),
    (answers("hostile"), R.PROVIDER_UNAVAILABLE, 503),
    (Lie(reply=TokenReply(body=b"{")), R.PROVIDER_UNAVAILABLE, 503),
    (Lie(reply=TokenReply(body=b"[" * 100_000)), R.PROVIDER_UNAVAILABLE, 503),
    (Lie(reply=TokenReply(body=TOO_LARGE)), R.PROVIDER_UNAVAILABLE, 503),
    (
        Lie(reply=TokenReply(body=gzip.compress(TOO_LARGE), headers={"Content-Encoding": "gzip"})),
        R.PROVIDER_UNAVAILABLE,
        503,
    ),
    (
        Lie(reply=TokenReply(content_type="text/html", body=b"hostile")),
        R.PROVIDER_UNAVAILABLE,
        503,
    ),
    (Lie(reply=TokenReply(302, headers={"Location": "brought"})), R.PROVIDER_UNAVAILABLE, 503),
    (Lie(reply=TokenReply(307, headers={"Location": "brought"})), R.PROVIDER_UNAVAILABLE, 503),
]


@pytest.mark.parametrize(("lie", "reason", "status"), REPLIES)
async def test_a_lie_instead_of_a_token(
    lied: LiedTo, lie: Lie, reason: Reason, status: int
) -> None:
    google = lied.liar["google"]
    await lied.is_refused(google, lie, reason, status)
    assert google.asked["brought"] == 0, "the client secret goes nowhere else"


@pytest.mark.parametrize(
    "name", [*(f"document-{name}" for name in NO_ANSWER), *DOCUMENTS, *ENTRA_DOCUMENTS]
)
async def test_a_document_that_is_not_believed(lied: LiedTo, name: str) -> None:
    """Nobody is sent anywhere, nothing else there is asked, and the password is offered."""
    realm = lied.liar[name]
    async with lied.world.browser() as browser:
        page = await lied.arrive(realm, browser)
        assert (page.status, shown(page)) == (503, R.PROVIDER_UNAVAILABLE)
        assert page.url.startswith(f"{lied.world.origin}/sso/login/{name}?next=")
        assert page.link("Try again") == page.url
        assert page.link("Sonar password").startswith(f"{lied.world.origin}/login?return_to=")
        assert browser.cookies() == {}
    assert set(realm.asked) == {"discovery"}


@pytest.mark.parametrize("name", [*(f"keys-{name}" for name in NO_ANSWER), *NO_KEYS])
async def test_a_key_set_that_is_none(lied: LiedTo, name: str) -> None:
    realm = lied.liar[name]
    await lied.is_refused(realm, Lie(), R.PROVIDER_UNAVAILABLE, 503)
    assert realm.asked["brought"] == 0


@pytest.mark.parametrize("name", WRONG_KEY)
async def test_a_key_set_without_the_tokens_key(lied: LiedTo, name: str) -> None:
    await lied.is_refused(lied.liar[name], Lie(), R.TOKEN_KEY_UNKNOWN)


@pytest.mark.parametrize("name", RIGHT_KEY)
async def test_a_key_set_with_the_right_key_among_junk(lied: LiedTo, name: str) -> None:
    await lied.is_let_in(lied.liar[name], Lie(), "jmarch")


async def test_an_outage_of_one_provider_is_no_outage_of_the_others(lied: LiedTo) -> None:
    async with lied.world.browser() as browser:
        await lied.arrive(lied.liar["document-broken"], browser, NEXT)
    await lied.is_let_in(lied.liar["google"], Lie(), "jmarch")
