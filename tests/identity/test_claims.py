"""Every check of an ID token's claims, each with claims that fail only that check."""

from dataclasses import replace

import pytest

from gateway.email import Email
from gateway.identity.claims import OLDEST, Expected, verify_claims
from gateway.identity.entra import CONSUMER_TENANT
from gateway.identity.model import (
    GoogleVoucher,
    Identity,
    IdentityKey,
    MicrosoftVoucher,
    Refused,
    StandardVoucher,
    UnverifiedClaims,
)
from gateway.reasons import Reason

NOW = 1_800_000_000.0
TENANT = "0a4c11e5-7a3e-4c6b-9f0e-5d1f3c2b7a10"
OTHER_TENANT = "7f8b6c1d-2e94-4b57-8a63-c0d9e1f2a345"
OBJECT = "20000000-0000-4000-8000-000000000001"
TEMPLATE = "https://login.microsoftonline.com/{tenantid}/v2.0"

SKEW = 60.0

GOOGLE = Expected("google", "https://accounts.google.com", "us", SKEW, "google", "the-nonce")
MICROSOFT = Expected("microsoft", TEMPLATE, "us", SKEW, "microsoft", "the-nonce", "organizations")
STANDARD = Expected("oidc", "https://id.corp.example", "us", SKEW, "corp", "the-nonce")

COMMON: dict[str, object] = {
    "aud": "us",
    "nonce": "the-nonce",
    "exp": NOW + 3600,
    "iat": NOW,
    "sub": "1234567890",
    "email": "jo@acme.example",
    "name": "Jo March",
}
CLAIMS: dict[str, dict[str, object]] = {
    "google": COMMON
    | {"iss": "https://accounts.google.com", "email_verified": True, "hd": "acme.example"},
    "microsoft": COMMON | {"iss": TEMPLATE.format(tenantid=TENANT), "tid": TENANT, "oid": OBJECT},
    "oidc": COMMON | {"iss": "https://id.corp.example", "email_verified": True},
}
EXPECTED = {"google": GOOGLE, "microsoft": MICROSOFT, "oidc": STANDARD}
KEY_ISSUER = {"google": None, "microsoft": TEMPLATE, "oidc": None}

ABSENT = object()
MALFORMED = Reason.TOKEN_MALFORMED


def verify(
    kind: str, changes: dict[str, object], *, key_issuer: str | object | None = ABSENT
) -> Identity | Refused:
    claims = {k: v for k, v in (CLAIMS[kind] | changes).items() if v is not ABSENT}
    signed_by = KEY_ISSUER[kind] if key_issuer is ABSENT else key_issuer
    assert signed_by is None or isinstance(signed_by, str)
    return verify_claims(UnverifiedClaims(claims, signed_by), EXPECTED[kind], NOW)


def reason(outcome: Identity | Refused) -> Reason | None:
    return outcome.reason if isinstance(outcome, Refused) else None


def test_google_identity() -> None:
    assert verify("google", {}) == Identity(
        IdentityKey("https://accounts.google.com", "1234567890"),
        "google",
        Email("jo", "acme.example"),
        GoogleVoucher(email_verified=True, hosted_domain="acme.example"),
        "Jo March",
        None,
    )


def test_microsoft_identity_is_tenant_and_object_not_sub() -> None:
    assert verify("microsoft", {}) == Identity(
        IdentityKey(TEMPLATE.format(tenantid=TENANT), f"{TENANT}.{OBJECT}"),
        "microsoft",
        Email("jo", "acme.example"),
        MicrosoftVoucher(TENANT, domain_owner_verified=False),
        "Jo March",
        None,
    )


def test_standard_identity() -> None:
    assert verify("oidc", {}) == Identity(
        IdentityKey("https://id.corp.example", "1234567890"),
        "corp",
        Email("jo", "acme.example"),
        StandardVoucher(email_verified=True),
        "Jo March",
        None,
    )


@pytest.mark.parametrize("kind", ["google", "microsoft", "oidc"])
@pytest.mark.parametrize(
    ("sid", "kept"),
    [("5c8f-a session", "5c8f-a session"), ("s" * 255, "s" * 255), ("", None), (None, None)],
)
def test_what_the_provider_calls_its_session_is_kept(
    kind: str, sid: str | None, kept: str | None
) -> None:
    identity = verify(kind, {"sid": sid})
    assert isinstance(identity, Identity)
    assert identity.sid == kept


def test_googles_old_issuer_is_the_same_person() -> None:
    assert verify("google", {"iss": "accounts.google.com"}) == verify("google", {})


@pytest.mark.parametrize("kind", ["google", "microsoft", "oidc"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # sid
        ({"sid": 7}, Reason.TOKEN_MALFORMED),
        ({"sid": ["a"]}, Reason.TOKEN_MALFORMED),
        ({"sid": "s" * 256}, Reason.TOKEN_MALFORMED),
        # iss
        ({"iss": ABSENT}, Reason.TOKEN_ISSUER),
        ({"iss": None}, Reason.TOKEN_ISSUER),
        ({"iss": ""}, Reason.TOKEN_ISSUER),
        ({"iss": "https://evil.example"}, Reason.TOKEN_ISSUER),
        ({"iss": "https://accounts.google.com/"}, Reason.TOKEN_ISSUER),
        ({"iss": "https://accounts.google.com.evil.example"}, Reason.TOKEN_ISSUER),
        ({"iss": "http://accounts.google.com"}, Reason.TOKEN_ISSUER),
        ({"iss": "HTTPS://ID.CORP.EXAMPLE"}, Reason.TOKEN_ISSUER),
        ({"iss": "id.corp.example"}, Reason.TOKEN_ISSUER),
        ({"iss": TEMPLATE}, Reason.TOKEN_ISSUER),
        ({"iss": ["https://accounts.google.com"]}, Reason.TOKEN_MALFORMED),
        # aud
        ({"aud": ABSENT}, Reason.TOKEN_AUDIENCE),
        ({"aud": None}, Reason.TOKEN_AUDIENCE),
        ({"aud": "them"}, Reason.TOKEN_AUDIENCE),
        ({"aud": "us "}, Reason.TOKEN_AUDIENCE),
        ({"aud": "us,them"}, Reason.TOKEN_AUDIENCE),
        ({"aud": []}, Reason.TOKEN_AUDIENCE),
        ({"aud": ["them"]}, Reason.TOKEN_AUDIENCE),
        ({"aud": ["them"], "azp": "us"}, Reason.TOKEN_AUDIENCE),
        ({"aud": 5}, Reason.TOKEN_MALFORMED),
        ({"aud": {"us": 1}}, Reason.TOKEN_MALFORMED),
        ({"aud": ["us", 5]}, Reason.TOKEN_MALFORMED),
        # azp
        ({"aud": ["us", "them"]}, Reason.TOKEN_AUTHORIZED_PARTY),
        ({"aud": ["us", "us"]}, Reason.TOKEN_AUTHORIZED_PARTY),
        ({"aud": ["us", "them"], "azp": "them"}, Reason.TOKEN_AUTHORIZED_PARTY),
        ({"azp": "them"}, Reason.TOKEN_AUTHORIZED_PARTY),
        ({"azp": ""}, Reason.TOKEN_AUTHORIZED_PARTY),
        ({"azp": ["us"]}, Reason.TOKEN_MALFORMED),
        # nonce
        ({"nonce": ABSENT}, Reason.TOKEN_NONCE),
        ({"nonce": None}, Reason.TOKEN_NONCE),
        ({"nonce": ""}, Reason.TOKEN_NONCE),
        ({"nonce": "another"}, Reason.TOKEN_NONCE),
        ({"nonce": "the-nonce "}, Reason.TOKEN_NONCE),
        ({"nonce": "thé-nonce"}, Reason.TOKEN_NONCE),
        ({"nonce": "\ud800"}, Reason.TOKEN_NONCE),
        ({"nonce": ["the-nonce"]}, Reason.TOKEN_MALFORMED),
        # exp
        ({"exp": ABSENT}, Reason.TOKEN_EXPIRED),
        ({"exp": None}, Reason.TOKEN_EXPIRED),
        ({"exp": 0}, Reason.TOKEN_EXPIRED),
        ({"exp": -1}, Reason.TOKEN_EXPIRED),
        ({"exp": NOW - SKEW}, Reason.TOKEN_EXPIRED),
        ({"exp": float("nan")}, Reason.TOKEN_MALFORMED),
        ({"exp": float("inf")}, Reason.TOKEN_MALFORMED),
        ({"exp": 10**400}, Reason.TOKEN_MALFORMED),
        ({"exp": str(NOW + 3600)}, Reason.TOKEN_MALFORMED),
        ({"exp": True}, Reason.TOKEN_MALFORMED),
        # iat, nbf, auth_time
        ({"iat": ABSENT}, Reason.TOKEN_ISSUED_AT),
        ({"iat": None}, Reason.TOKEN_ISSUED_AT),
        ({"iat": NOW + SKEW + 1}, Reason.TOKEN_ISSUED_AT),
        ({"iat": NOW - OLDEST - SKEW}, Reason.TOKEN_ISSUED_AT),
        ({"iat": "now"}, Reason.TOKEN_MALFORMED),
        ({"iat": float("nan")}, Reason.TOKEN_MALFORMED),
        ({"nbf": NOW + SKEW + 1}, Reason.TOKEN_ISSUED_AT),
        ({"nbf": [NOW]}, Reason.TOKEN_MALFORMED),
        ({"auth_time": NOW + SKEW + 1}, Reason.TOKEN_ISSUED_AT),
        ({"auth_time": "now"}, Reason.TOKEN_MALFORMED),
        # sub
        ({"sub": ABSENT}, Reason.TOKEN_SUBJECT),
        ({"sub": None}, Reason.TOKEN_SUBJECT),
        ({"sub": ""}, Reason.TOKEN_SUBJECT),
        ({"sub": "a b"}, Reason.TOKEN_SUBJECT),
        ({"sub": "a\n"}, Reason.TOKEN_SUBJECT),
        ({"sub": "é"}, Reason.TOKEN_SUBJECT),
        ({"sub": "x" * 256}, Reason.TOKEN_SUBJECT),
        ({"sub": 1234567890}, Reason.TOKEN_MALFORMED),
        ({"sub": ["1234567890"]}, Reason.TOKEN_MALFORMED),
        # email
        ({"email": "jo"}, Reason.TOKEN_EMAIL),
        ({"email": "jo@"}, Reason.TOKEN_EMAIL),
        ({"email": "jo@evil.example@acme.example"}, Reason.TOKEN_EMAIL),
        ({"email": "jo@acme.example\n"}, Reason.TOKEN_EMAIL),
        ({"email": "jo@acme.example\x00"}, Reason.TOKEN_EMAIL),
        ({"email": '"jo"@acme.example'}, Reason.TOKEN_EMAIL),
        ({"email": "Jo <jo@acme.example>"}, Reason.TOKEN_EMAIL),
        ({"email": "jo@acme.example,eve@evil.example"}, Reason.TOKEN_EMAIL),
        ({"email": "jo@faß.example"}, Reason.TOKEN_EMAIL),
        ({"email": "jo@\uff41cme.example"}, Reason.TOKEN_EMAIL),
        ({"email": "jö@acme.example"}, Reason.TOKEN_EMAIL),
        ({"email": "j" * 65 + "@acme.example"}, Reason.TOKEN_EMAIL),
        ({"email": ["jo@acme.example"]}, Reason.TOKEN_MALFORMED),
        ({"email": {"value": "jo@acme.example"}}, Reason.TOKEN_MALFORMED),
        # name
        ({"name": ["Jo"]}, Reason.TOKEN_MALFORMED),
        # a token for another purpose
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, MALFORMED),
        ({"events": {}}, MALFORMED),
    ],
)
def test_each_check_refuses(kind: str, changes: dict[str, object], expected: Reason) -> None:
    assert reason(verify(kind, changes)) == expected


@pytest.mark.parametrize("kind", ["google", "microsoft", "oidc"])
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["us"]},
        {"aud": ["us"], "azp": "us"},
        {"aud": ["us", "them"], "azp": "us"},
        {"azp": "us"},
        {"exp": NOW - SKEW + 1},
        {"exp": NOW + 0.5},
        {"iat": NOW + SKEW},
        {"iat": NOW - OLDEST},
        {"nbf": NOW - 300},
        {"sub": "x" * 255},
        {"unknown": {"what": "ever"}},
        {"name": None},
    ],
)
def test_each_check_accepts_its_edge(kind: str, changes: dict[str, object]) -> None:
    assert reason(verify(kind, changes)) is None


@pytest.mark.parametrize(
    ("changes", "key_issuer", "expected"),
    [
        ({"tid": ABSENT}, TEMPLATE, Reason.TOKEN_TENANT),
        ({"tid": ""}, TEMPLATE, Reason.TOKEN_TENANT),
        ({"tid": "acme.example"}, TEMPLATE, Reason.TOKEN_TENANT),
        ({"tid": "{tenantid}"}, TEMPLATE, Reason.TOKEN_TENANT),
        ({"tid": TENANT.upper()}, TEMPLATE, Reason.TOKEN_TENANT),
        ({"tid": TENANT + "\n"}, TEMPLATE, Reason.TOKEN_TENANT),
        ({"tid": f"{TENANT}/../{TENANT}"}, TEMPLATE, Reason.TOKEN_TENANT),
        ({"tid": [TENANT]}, TEMPLATE, Reason.TOKEN_MALFORMED),
        ({"tid": OTHER_TENANT}, TEMPLATE, Reason.TOKEN_ISSUER),
        ({"iss": TEMPLATE.format(tenantid=OTHER_TENANT)}, TEMPLATE, Reason.TOKEN_ISSUER),
        (
            {"iss": f"https://evil.example/{TENANT}/v2.0"},
            TEMPLATE,
            Reason.TOKEN_ISSUER,
        ),
        (
            {"tid": CONSUMER_TENANT, "iss": TEMPLATE.format(tenantid=CONSUMER_TENANT)},
            TEMPLATE,
            Reason.TOKEN_TENANT,
        ),
        ({"oid": ABSENT}, TEMPLATE, Reason.TOKEN_SUBJECT),
        ({"oid": ""}, TEMPLATE, Reason.TOKEN_SUBJECT),
        ({"oid": "admin"}, TEMPLATE, Reason.TOKEN_SUBJECT),
        ({"oid": OBJECT + "." + OBJECT}, TEMPLATE, Reason.TOKEN_SUBJECT),
        ({"oid": [OBJECT]}, TEMPLATE, Reason.TOKEN_MALFORMED),
        # the signing key's own issuer
        ({}, None, Reason.TOKEN_KEY_ISSUER),
        ({}, "", Reason.TOKEN_KEY_ISSUER),
        ({}, TEMPLATE.format(tenantid=CONSUMER_TENANT), Reason.TOKEN_KEY_ISSUER),
        ({}, TEMPLATE.format(tenantid=OTHER_TENANT), Reason.TOKEN_KEY_ISSUER),
        ({}, "https://evil.example/{tenantid}/v2.0", Reason.TOKEN_KEY_ISSUER),
    ],
)
def test_microsofts_own_checks_refuse(
    changes: dict[str, object], key_issuer: str | None, expected: Reason
) -> None:
    assert reason(verify("microsoft", changes, key_issuer=key_issuer)) == expected


def test_a_key_of_the_tokens_own_tenant_is_accepted() -> None:
    concrete = TEMPLATE.format(tenantid=TENANT)
    assert reason(verify("microsoft", {}, key_issuer=concrete)) is None


def concrete(tenant: str) -> Expected:
    return replace(MICROSOFT, issuer=TEMPLATE.format(tenantid=tenant), tenant=tenant)


def claims_of(tenant: str, issuer_tenant: str) -> UnverifiedClaims:
    issuer = TEMPLATE.format(tenantid=issuer_tenant)
    return UnverifiedClaims(CLAIMS["microsoft"] | {"tid": tenant, "iss": issuer}, None)


def test_one_tenants_discovery_accepts_that_tenant_only() -> None:
    own = verify_claims(claims_of(TENANT, TENANT), concrete(TENANT), NOW)
    assert reason(own) is None
    other = verify_claims(claims_of(OTHER_TENANT, OTHER_TENANT), concrete(TENANT), NOW)
    assert reason(other) == Reason.TOKEN_ISSUER
    mixed = verify_claims(claims_of(OTHER_TENANT, TENANT), concrete(TENANT), NOW)
    assert reason(mixed) == Reason.TOKEN_TENANT


def test_a_personal_account_may_where_anybody_may() -> None:
    outcome = verify_claims(
        UnverifiedClaims(claims_of(CONSUMER_TENANT, CONSUMER_TENANT).claims, TEMPLATE),
        replace(MICROSOFT, tenant="common"),
        NOW,
    )
    assert reason(outcome) is None


def test_another_issuers_key_is_refused_for_the_others_too() -> None:
    outcome = verify("oidc", {}, key_issuer="https://evil.example")
    assert reason(outcome) == Reason.TOKEN_KEY_ISSUER


@pytest.mark.parametrize(
    ("value", "verified"),
    [
        (True, True),
        ("true", True),
        (False, False),
        ("false", False),
        ("True", False),
        ("yes", False),
        (1, False),
        (1.0, False),
        ("1", False),
        ([True], False),
        ({}, False),
        (None, False),
        (ABSENT, False),
    ],
)
def test_email_verified(value: object, verified: bool) -> None:
    google = verify("google", {"email_verified": value})
    assert isinstance(google, Identity)
    assert google.voucher == GoogleVoucher(verified, "acme.example")
    standard = verify("oidc", {"email_verified": value})
    assert isinstance(standard, Identity)
    assert standard.voucher == StandardVoucher(verified)


@pytest.mark.parametrize(
    ("value", "verified"),
    [
        (True, True),
        (1, True),
        ("1", True),
        ("true", True),
        (False, False),
        (0, False),
        ("0", False),
        ("false", False),
        (2, False),
        (1.0, False),
        ("yes", False),
        ([True], False),
        (["1"], False),
        (None, False),
        (ABSENT, False),
    ],
)
def test_xms_edov(value: object, verified: bool) -> None:
    identity = verify("microsoft", {"xms_edov": value, "email_verified": True})
    assert isinstance(identity, Identity)
    assert identity.voucher == MicrosoftVoucher(TENANT, verified)


@pytest.mark.parametrize(
    ("value", "hosted"),
    [("acme.example", "acme.example"), ("ACME.example", "acme.example"), (ABSENT, None)],
)
def test_hosted_domain(value: object, hosted: str | None) -> None:
    identity = verify("google", {"hd": value})
    assert isinstance(identity, Identity)
    assert identity.voucher == GoogleVoucher(True, hosted)


@pytest.mark.parametrize("value", [["acme.example"], True, "faß.example", "\uff41cme.example"])
def test_strange_hosted_domain(value: object) -> None:
    assert reason(verify("google", {"hd": value})) == Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("value", [ABSENT, None, ""])
def test_no_email_is_an_identity_without_one(value: object) -> None:
    identity = verify("microsoft", {"email": value, "preferred_username": "jo@acme.example"})
    assert isinstance(identity, Identity)
    assert identity.email is None


def test_auth_time_is_what_the_provider_says_and_never_made_up() -> None:
    unsaid = verify("google", {"auth_time": ABSENT})
    assert isinstance(unsaid, Identity)
    assert unsaid.auth_time is None
    identity = verify("google", {"auth_time": NOW - 86400})
    assert isinstance(identity, Identity)
    assert identity.auth_time == NOW - 86400


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Jo\u202eMarch\n", "JoMarch"),
        ("", "jo@acme.example"),
        (ABSENT, "jo@acme.example"),
        ("x" * 500, "x" * 200),
    ],
)
def test_names_are_made_fit_to_show(name: object, shown: str) -> None:
    identity = verify("google", {"name": name})
    assert isinstance(identity, Identity)
    assert identity.name == shown


def test_details_never_repeat_what_the_token_says() -> None:
    secret = "s3cret-of-the-token"
    for name in ("iss", "aud", "azp", "nonce", "sub", "email", "tid", "oid"):
        for value in (secret, [secret], {secret: secret}):
            for kind in EXPECTED:
                outcome = verify(kind, {name: value})
                assert secret not in str(getattr(outcome, "detail", ""))
