"""A provider that signs anything it is told: whole sign-ins through a real gateway, one lie each.

Every lie is refused for its own reason, with a page that starts over, and leaves nothing: no
session, no link, no pin, no preference, no cookie. `test_the_truth_is_let_in` is the same way with
nothing wrong, so that it is the lie that was refused.
"""

import time
from collections.abc import Callable

import pytest

from demo.people import CONSUMER_TENANT, GLOBEX_TENANT, STRANGER_TENANT
from demo.providers.faults import ABSENT
from gateway.reasons import Reason
from tests.attacks.liar import CLIENT, OBJECT, Lie, Realm
from tests.attacks.lied_to import LiedTo

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("lies")]

R = Reason
DAY = 86400


# Lies about claims, which any kind of provider may tell.
CLAIMS: list[tuple[dict[str, object], Reason]] = [
    # whose token
    ({"iss": "https://evil.example"}, R.TOKEN_ISSUER),
    ({"iss": ABSENT}, R.TOKEN_ISSUER),
    ({"iss": None}, R.TOKEN_ISSUER),
    ({"iss": lambda realm: f"{realm.issuer}/"}, R.TOKEN_ISSUER),
    ({"iss": lambda realm: f"{realm.issuer}.evil.example"}, R.TOKEN_ISSUER),
    ({"iss": lambda realm: realm.issuer.upper()}, R.TOKEN_ISSUER),
    ({"iss": "https://accounts.google.com"}, R.TOKEN_ISSUER),
    ({"iss": "accounts.google.com"}, R.TOKEN_ISSUER),
    ({"iss": lambda realm: [realm.issuer]}, R.TOKEN_MALFORMED),
    # for whom
    ({"aud": "another application"}, R.TOKEN_AUDIENCE),
    ({"aud": ABSENT}, R.TOKEN_AUDIENCE),
    ({"aud": []}, R.TOKEN_AUDIENCE),
    ({"aud": f"{CLIENT} "}, R.TOKEN_AUDIENCE),
    ({"aud": [CLIENT, "another"], "azp": ABSENT}, R.TOKEN_AUTHORIZED_PARTY),
    ({"aud": [CLIENT, "another"], "azp": "another"}, R.TOKEN_AUTHORIZED_PARTY),
    ({"azp": "another"}, R.TOKEN_AUTHORIZED_PARTY),
    # for another purpose, by the same keys
    ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, R.TOKEN_MALFORMED),
    ({"events": None}, R.TOKEN_MALFORMED),
    # for which sign-in
    ({"nonce": ABSENT}, R.TOKEN_NONCE),
    ({"nonce": None}, R.TOKEN_NONCE),
    ({"nonce": ""}, R.TOKEN_NONCE),
    ({"nonce": "another sign-in's"}, R.TOKEN_NONCE),
    ({"nonce": 0}, R.TOKEN_MALFORMED),
    # when
    ({"exp": ABSENT}, R.TOKEN_EXPIRED),
    ({"exp": 1}, R.TOKEN_EXPIRED),
    ({"exp": float("nan")}, R.TOKEN_MALFORMED),
    ({"exp": float("inf")}, R.TOKEN_MALFORMED),
    ({"exp": 10**400}, R.TOKEN_MALFORMED),
    ({"exp": "9999999999"}, R.TOKEN_MALFORMED),
    ({"exp": True}, R.TOKEN_MALFORMED),
    ({"iat": ABSENT}, R.TOKEN_ISSUED_AT),
    ({"iat": 1}, R.TOKEN_ISSUED_AT),
    ({"iat": 9999999999}, R.TOKEN_ISSUED_AT),
    ({"nbf": 9999999999}, R.TOKEN_ISSUED_AT),
    ({"auth_time": 9999999999}, R.TOKEN_ISSUED_AT),
    # who
    ({"sub": ABSENT}, R.TOKEN_SUBJECT),
    ({"sub": ""}, R.TOKEN_SUBJECT),
    ({"sub": "x" * 256}, R.TOKEN_SUBJECT),
    ({"sub": "x\n"}, R.TOKEN_SUBJECT),
    ({"sub": "\u0131\u0307"}, R.TOKEN_SUBJECT),
    ({"sub": 100000000000000000001}, R.TOKEN_MALFORMED),
    ({"sid": "x" * 256}, R.TOKEN_MALFORMED),
    ({"sid": ["x"]}, R.TOKEN_MALFORMED),
    # with which address
    ({"email": "jo@evil.example@acme.example"}, R.TOKEN_EMAIL),
    ({"email": "jo@acme.example@evil.example"}, R.TOKEN_EMAIL),
    ({"email": "jo@acme.example\n"}, R.TOKEN_EMAIL),
    ({"email": "jo@acme.example\u0000.evil.example"}, R.TOKEN_EMAIL),
    ({"email": "jo@acme.example,eve@evil.example"}, R.TOKEN_EMAIL),
    ({"email": "Jo <jo@acme.example>"}, R.TOKEN_EMAIL),
    ({"email": '"jo@acme.example"@evil.example'}, R.TOKEN_EMAIL),
    ({"email": "jo(x)@acme.example"}, R.TOKEN_EMAIL),
    ({"email": "jo@[127.0.0.1]"}, R.TOKEN_EMAIL),
    ({"email": "jo@acme.example."}, R.TOKEN_EMAIL),
    ({"email": "jo@\uff41cme.example"}, R.TOKEN_EMAIL),
    ({"email": "jo@acme\u3002example"}, R.TOKEN_EMAIL),
    ({"email": "\u212aim@acme.example"}, R.TOKEN_EMAIL),
    ({"email": "x" * 65 + "@acme.example"}, R.TOKEN_EMAIL),
    ({"email": ["jo@acme.example"]}, R.TOKEN_MALFORMED),
    ({"email": ABSENT}, R.EMAIL_MISSING),
    ({"email": ""}, R.EMAIL_MISSING),
    # which no policy covers: a domain is compared whole (CVE-2021-21291)
    ({"email": "jo@evilacme.example"}, R.NO_POLICY),
    ({"email": "jo@sub.acme.example"}, R.NO_POLICY),
    ({"email": "jo@acme.example.evil.example"}, R.NO_POLICY),
    ({"email": "jo@acme-example"}, R.TOKEN_EMAIL),
    ({"email": "jo@xn--acme-example.example"}, R.NO_POLICY),
]


@pytest.mark.parametrize("name", ["google", "microsoft", "corp"])
@pytest.mark.parametrize(("claims", "reason"), CLAIMS)
async def test_a_lie_about_a_claim(
    lied: LiedTo, name: str, claims: dict[str, object], reason: Reason
) -> None:
    await lied.is_refused(lied.liar[name], Lie(claims=claims), reason)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"tid": ABSENT}, R.TOKEN_TENANT),
        ({"tid": "acme.example"}, R.TOKEN_TENANT),
        ({"tid": "{tenantid}"}, R.TOKEN_TENANT),
        ({"tid": lambda realm: str(realm.claims("")["tid"]).upper()}, R.TOKEN_TENANT),
        ({"tid": GLOBEX_TENANT}, R.TOKEN_ISSUER),
        ({"iss": lambda realm: f"{realm.url}/{GLOBEX_TENANT}/v2.0"}, R.TOKEN_ISSUER),
        ({"iss": lambda realm: realm.issuer}, R.TOKEN_ISSUER),
        ({"iss": lambda realm: str(realm.claims("")["iss"]).replace("v2", "v1")}, R.TOKEN_ISSUER),
        (
            {
                "tid": CONSUMER_TENANT,
                "iss": lambda realm: f"{realm.url}/{CONSUMER_TENANT}/v2.0",
            },
            R.TOKEN_TENANT,
        ),
        ({"oid": ABSENT}, R.TOKEN_SUBJECT),
        ({"oid": "admin"}, R.TOKEN_SUBJECT),
        ({"oid": f"{OBJECT}.{OBJECT}"}, R.TOKEN_SUBJECT),
        ({"oid": [OBJECT]}, R.TOKEN_MALFORMED),
        ({"email": ABSENT, "preferred_username": "mara@acme.example"}, R.EMAIL_MISSING),
        ({"email": ABSENT, "upn": "mara@acme.example"}, R.EMAIL_MISSING),
        ({"email": ABSENT, "unique_name": "mara@acme.example"}, R.EMAIL_MISSING),
    ],
)
async def test_a_lie_of_a_tenant(lied: LiedTo, claims: dict[str, object], reason: Reason) -> None:
    await lied.is_refused(lied.liar["microsoft"], Lie(claims=claims), reason)


@pytest.mark.parametrize(
    "key",
    ["of nobody", "of the consumers", "of another tenant", "of another host", "of any path"],
)
async def test_a_key_of_another_issuer_speaks_for_its_own_only(lied: LiedTo, key: str) -> None:
    await lied.is_refused(lied.liar["microsoft"], Lie(key=key), R.TOKEN_KEY_ISSUER)


async def test_a_key_of_one_tenant_opens_that_tenant(lied: LiedTo) -> None:
    own = lied.liar["microsoft"]
    gina = {
        "tid": GLOBEX_TENANT,
        "iss": f"{own.url}/{GLOBEX_TENANT}/v2.0",
        "email": "gina@globex.example",
        "xms_edov": True,
    }
    await lied.is_let_in(own, Lie(gina, key="of another tenant"), "grossi")


async def test_one_tenants_provider_takes_no_other_tenant(lied: LiedTo) -> None:
    own = lied.liar["one-tenant"]
    stranger = {"tid": STRANGER_TENANT, "iss": f"{own.url}/{STRANGER_TENANT}/v2.0"}
    await lied.is_refused(own, Lie(stranger), R.TOKEN_ISSUER)
    await lied.is_refused(own, Lie({"tid": STRANGER_TENANT}), R.TOKEN_TENANT)


@pytest.mark.parametrize("hosted", [["acme.example"], True, {"x": 1}, "\uff41cme.example"])
async def test_a_hosted_domain_that_is_none(lied: LiedTo, hosted: object) -> None:
    await lied.is_refused(lied.liar["google"], Lie({"hd": hosted}), R.TOKEN_MALFORMED)


def off(seconds: int) -> Callable[[Realm], int]:
    """A time so far from now."""
    return lambda realm: int(time.time()) + seconds


@pytest.mark.parametrize("name", ["google", "microsoft"])
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": off(-40)}, None),
        ({"exp": off(-90)}, R.TOKEN_EXPIRED),
        ({"iat": off(40), "nbf": off(40)}, None),
        ({"iat": off(90)}, R.TOKEN_ISSUED_AT),
        ({"nbf": off(90)}, R.TOKEN_ISSUED_AT),
        ({"iat": off(-600)}, None),
        ({"iat": off(-700)}, R.TOKEN_ISSUED_AT),
        ({"auth_time": off(-DAY)}, None),
        ({"auth_time": off(90)}, R.TOKEN_ISSUED_AT),
    ],
)
async def test_a_clock_is_forgiven_a_minute(
    lied: LiedTo, name: str, claims: dict[str, object], reason: Reason | None
) -> None:
    """`clock_skew` as it is unless configured; libraries forgive two minutes."""
    realm = lied.liar[name]
    if reason is None:
        await lied.is_let_in(realm, Lie(claims), "mjensen" if name == "microsoft" else "jmarch")
    else:
        await lied.is_refused(realm, Lie(claims), reason)


@pytest.mark.parametrize(
    ("name", "account"),
    [("google", "jmarch"), ("microsoft", "mjensen"), ("common", "mjensen"), ("corp", "jmarch")],
)
async def test_the_truth_is_let_in(lied: LiedTo, name: str, account: str) -> None:
    await lied.is_let_in(lied.liar[name], Lie(), account)
