"""Which emails count, and for whom: signed by the provider, right in every claim, and yet no proof.

An email that does not count opens nothing and claims nothing: the Sonar password is asked, and
neither session, link, pin nor preference is there afterwards.
"""

import json

import pytest

from demo.people import ACME_TENANT, CONSUMER_TENANT, GLOBEX_TENANT, STRANGER_TENANT
from demo.providers.faults import ABSENT
from gateway.reasons import Reason
from tests.attacks.liar import OBJECT, Lie, Realm
from tests.attacks.lied_to import SESSION, LiedTo

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("lies")]

UNTRUSTED, CHANGED = Reason.EMAIL_UNTRUSTED, Reason.SUBJECT_CHANGED

# Everything but what the providers send for yes.
NO = [ABSENT, None, False, 0, 1.0, 2, -1, "", "0", "01", "1 ", "True", "TRUE", "yes", [True], {}]


@pytest.mark.parametrize("name", ["google", "corp"])
@pytest.mark.parametrize("verified", [*NO, 1, "1", "false"])
async def test_an_email_that_is_not_verified(lied: LiedTo, name: str, verified: object) -> None:
    await lied.must_prove(lied.liar[name], Lie({"email_verified": verified}), UNTRUSTED)


@pytest.mark.parametrize(
    "hosted",
    [
        ABSENT,
        None,
        "",
        "evil.example",
        "globex.example",
        "gmail.com",
        "sub.acme.example",
        "evilacme.example",
        "acme.example.evil.example",
        "acme.example.",
        " acme.example",
        "acme.example,evil.example",
    ],
)
async def test_google_vouches_for_its_own_workspaces_only(lied: LiedTo, hosted: object) -> None:
    """`email_verified` without `hd` says that somebody read the mailbox once."""
    await lied.must_prove(lied.liar["google"], Lie({"hd": hosted}), UNTRUSTED)


@pytest.mark.parametrize(
    ("claims", "account"),
    [
        ({"hd": "ACME.example"}, "jmarch"),
        ({"hd": "acme.ca"}, "jmarch"),
        ({"email_verified": "true"}, "jmarch"),
        ({"email": "JO@Acme.Example"}, "jmarch"),
        ({"sub": "alex", "email": "alex@acme.ca", "hd": "acme.example"}, "adubois"),
        ({"sub": "kim", "email": "kim.okafor@gmail.com", "hd": ABSENT}, "kokafor"),
    ],
)
async def test_what_google_vouches_for(
    lied: LiedTo, claims: dict[str, object], account: str
) -> None:
    await lied.is_let_in(lied.liar["google"], Lie(claims), account)
    assert lied.stored()["links"] == set(), "a match is worked out anew each time"


async def test_gmail_is_googles_only_when_verified(lied: LiedTo) -> None:
    claims = {"sub": "kim", "email": "kim.okafor@gmail.com", "hd": ABSENT, "email_verified": False}
    await lied.must_prove(lied.liar["google"], Lie(claims), UNTRUSTED)
    # Any other provider's word on somebody's Gmail is worth what it is worth for everybody.
    await lied.must_prove(lied.liar["corp"], Lie(claims), UNTRUSTED)


def of_tenant(realm: Realm, tenant: str, email: str, **claims: object) -> Lie:
    """What any tenant's administrator can have signed: their own tenant, any address (nOAuth)."""
    return Lie({"tid": tenant, "iss": f"{realm.url}/{tenant}/v2.0", "email": email, **claims})


@pytest.mark.parametrize("verified", [*NO, "false"])
@pytest.mark.parametrize("email", ["mara@acme.example", "gina@globex.example"])
async def test_entras_email_is_what_an_administrator_typed(
    lied: LiedTo, email: str, verified: object
) -> None:
    own = lied.liar["microsoft"]
    lie = of_tenant(own, STRANGER_TENANT, email, xms_edov=verified)
    await lied.must_prove(own, lie, UNTRUSTED)


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": True},
        {"verified_primary_email": ["gina@globex.example"]},
        {"verified_secondary_email": ["gina@globex.example"]},
        {"xms_pdl": "globex.example"},
        {"XMS_EDOV": True},
        {"xms_edov ": True},
        {"hd": "globex.example", "email_verified": True},
        {"preferred_username": "gina@globex.example", "upn": "gina@globex.example"},
    ],
)
async def test_nothing_else_vouches_for_entras_email(
    lied: LiedTo, claims: dict[str, object]
) -> None:
    own = lied.liar["microsoft"]
    lie = of_tenant(own, STRANGER_TENANT, "gina@globex.example", **claims)
    await lied.must_prove(own, lie, UNTRUSTED)


@pytest.mark.parametrize("verified", [True, "true", 1, "1"])
async def test_entra_vouches_with_xms_edov_in_every_spelling(
    lied: LiedTo, verified: object
) -> None:
    own = lied.liar["microsoft"]
    lie = of_tenant(own, GLOBEX_TENANT, "gina@globex.example", xms_edov=verified)
    await lied.is_let_in(own, lie, "grossi")


async def test_a_listed_tenant_is_believed_for_its_own_domain_only(lied: LiedTo) -> None:
    own = lied.liar["microsoft"]
    await lied.must_prove(own, of_tenant(own, ACME_TENANT, "gina@globex.example"), UNTRUSTED)
    await lied.must_prove(own, of_tenant(own, GLOBEX_TENANT, "mara@acme.example"), UNTRUSTED)


@pytest.mark.parametrize("verified", [ABSENT, True, 1, "1", "true"])
async def test_a_personal_microsoft_account_vouches_for_no_company(
    lied: LiedTo, verified: object
) -> None:
    own = lied.liar["common"]
    lie = of_tenant(own, CONSUMER_TENANT, "cora@acme.example", xms_edov=verified)
    await lied.must_prove(own, lie, UNTRUSTED)


def at_home(realm: Realm, tenant: str) -> list[object]:
    """How Entra says that a tenant itself has let its person in."""
    return [ABSENT, None, f"{realm.url}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"]


@pytest.mark.parametrize(
    "idp",
    [
        "live.com",
        "google.com",
        "mail",
        "",
        f"https://sts.windows.net/{STRANGER_TENANT}/",
        f"https://sts.windows.net/{CONSUMER_TENANT}/",
        f"https://evil.example/{ACME_TENANT}/",
        7,
        ["live.com"],
    ],
)
async def test_a_guest_has_nobodys_word(lied: LiedTo, idp: object) -> None:
    """Whoever has a tenant invites whom they like, with whatever address let them read a letter
    once: somebody who left the company, with a personal account of then."""
    own = lied.liar["microsoft"]
    guest = of_tenant(own, ACME_TENANT, "cora@acme.example", idp=idp, xms_edov=True)
    await lied.must_prove(own, guest, UNTRUSTED)
    guest = of_tenant(own, GLOBEX_TENANT, "gina@globex.example", idp=idp, xms_edov=True)
    await lied.must_prove(own, guest, UNTRUSTED)


async def test_who_is_at_home_in_the_tenant_is_no_guest(lied: LiedTo) -> None:
    own = lied.liar["common"]
    for idp in at_home(own, ACME_TENANT):
        await lied.is_let_in(own, Lie({"idp": idp}), "mjensen")


# Whoever had the address first.


def riley(**claims: object) -> Lie:
    return Lie({"email": "riley@acme.example", **claims})


@pytest.mark.parametrize("email", ["riley@acme.example", "RILEY@Acme.Example"])
async def test_a_recycled_mailbox_opens_nothing(lied: LiedTo, email: str) -> None:
    """Or a re-bought domain: the same email and `hd` come back under another `sub`."""
    google = lied.liar["google"]
    await lied.is_let_in(google, riley(sub="first"), "rstone")
    await lied.must_prove(google, riley(sub="second", email=email), CHANGED)
    await lied.must_prove(google, riley(sub="FIRST", email=email), CHANGED)
    await lied.is_let_in(google, riley(sub="first"), "rstone")


async def test_subjects_are_compared_whole(lied: LiedTo) -> None:
    """CVE-2026-57580: two people whose identifiers are cut off are one."""
    corp = lied.liar["corp"]
    await lied.is_let_in(corp, riley(sub="x" * 254 + "a"), "rstone")
    await lied.must_prove(corp, riley(sub="x" * 254 + "b"), CHANGED)
    await lied.must_prove(corp, riley(sub="x" * 254), CHANGED)


async def test_entras_person_is_tenant_and_object(lied: LiedTo) -> None:
    """`sub` differs from application to application; the same `oid` elsewhere is somebody else."""
    own, other = lied.liar["common"], OBJECT.replace("1", "2")
    await lied.is_let_in(own, Lie(), "mjensen")
    await lied.is_let_in(own, Lie({"sub": "of-another-application"}), "mjensen")
    await lied.must_prove(own, Lie({"oid": other}), CHANGED)
    lie = of_tenant(own, STRANGER_TENANT, "mara@acme.example", xms_edov=True)
    await lied.must_prove(own, lie, CHANGED)


async def test_who_is_not_believed_claims_no_address(lied: LiedTo) -> None:
    """Else a stranger could come first, and shut the owner out."""
    own = lied.liar["microsoft"]
    stranger = of_tenant(own, STRANGER_TENANT, "cora@acme.example")
    await lied.must_prove(own, stranger, UNTRUSTED)
    await lied.is_let_in(own, Lie({"email": "cora@acme.example"}), "clang")
    await lied.must_prove(own, stranger, UNTRUSTED)


async def test_a_new_sign_in_forgets_what_was_said_before(lied: LiedTo) -> None:
    """CVE-2021-41230: the claims of the sign-in before, in the session of this one."""
    corp = lied.liar["corp"]
    async with lied.world.browser() as browser:
        for person, username in (("ada", "abyrne"), ("uri", "ulevi"), ("ada", "abyrne")):
            before = browser.cookies().get(SESSION, "")
            corp.lie = Lie({"sub": "one-person", "email": f"{person}@acme.example"})
            await lied.arrive(corp, browser)
            me = json.loads((await browser.request("GET", "/sso/me"))[2])
            assert (me["account"]["username"], me["email"]) == (
                username,
                f"{person}@acme.example",
            )
            async with lied.world.browser() as other:
                status, _, _ = await other.request("GET", "/sso/me", cookies={SESSION: before})
                assert status == 401
        corp.lie = Lie()
