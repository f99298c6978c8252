"""A logout token's claims: the one that is right, and one fault at a time."""

from typing import Any

import pytest

from gateway.identity.entra import CONSUMER_TENANT
from gateway.identity.logout_token import OLDEST, verify_logout_token
from gateway.identity.model import IdentityKey, Refused, UnverifiedClaims
from gateway.identity.provenance import Recipient
from gateway.identity.recall import LOGOUT_EVENT, Recall
from gateway.reasons import Reason

NOW = 1_800_000_000.0
SKEW = 60.0
ISSUER = "https://id.corp.example"
TENANT = "8f2c0000-0000-4000-8000-000000000001"
ENTRA = "https://login.example/{tenantid}/v2.0"
OURS = Recipient("oidc", ISSUER, "sonar", SKEW)
MICROSOFT = Recipient("microsoft", ENTRA, "sonar", SKEW)

ABSENT = object()
RIGHT: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "sonar",
    "iat": NOW,
    "exp": NOW + 120,
    "jti": "one",
    "sub": "jo",
    "sid": "the-session-of-jo",
    "events": {LOGOUT_EVENT: {}},
}


def verify(
    *, key_issuer: str | None = None, recipient: Recipient = OURS, now: float = NOW, **changes: Any
) -> Recall | Refused:
    claims = {name: value for name, value in (RIGHT | changes).items() if value is not ABSENT}
    return verify_logout_token(UnverifiedClaims(claims, key_issuer), recipient, now)


def reason(outcome: Recall | Refused) -> Reason | None:
    return outcome.reason if isinstance(outcome, Refused) else None


def test_a_right_one_names_session_and_person() -> None:
    assert verify() == Recall(
        IdentityKey(ISSUER, "jo"), "the-session-of-jo", ("logout",), "one", NOW + 120 + SKEW
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"sid": ABSENT},
        {"sub": ABSENT},
        {"aud": ["sonar"]},
        {"azp": "sonar"},
        {"nbf": NOW},
        {"events": {LOGOUT_EVENT: {"reason": "idle"}, "https://other.example": {}}},
        {"claims": "of others"},
        {"iat": NOW + SKEW},
        {"iat": NOW - OLDEST},
        {"exp": NOW - SKEW + 1},
    ],
)
def test_what_else_is_right(changes: dict[str, Any]) -> None:
    assert reason(verify(**changes)) is None


FAULTS: list[tuple[dict[str, Any], Reason]] = [
    # another issuer's
    ({"iss": ABSENT}, Reason.TOKEN_ISSUER),
    ({"iss": "https://id.evil.example"}, Reason.TOKEN_ISSUER),
    ({"iss": f"{ISSUER}/"}, Reason.TOKEN_ISSUER),
    ({"iss": ISSUER.upper()}, Reason.TOKEN_ISSUER),
    ({"iss": [ISSUER]}, Reason.TOKEN_MALFORMED),
    # for another client, or for others as well
    ({"aud": ABSENT}, Reason.TOKEN_AUDIENCE),
    ({"aud": "another"}, Reason.TOKEN_AUDIENCE),
    ({"aud": "sonar "}, Reason.TOKEN_AUDIENCE),
    ({"aud": []}, Reason.TOKEN_AUDIENCE),
    ({"aud": ["another"]}, Reason.TOKEN_AUDIENCE),
    ({"aud": ["sonar", "another"]}, Reason.TOKEN_AUDIENCE),
    ({"aud": ["sonar", "sonar"]}, Reason.TOKEN_AUDIENCE),
    ({"aud": {"sonar": 1}}, Reason.TOKEN_MALFORMED),
    ({"azp": "another"}, Reason.TOKEN_AUTHORIZED_PARTY),
    # at another time
    ({"exp": ABSENT}, Reason.TOKEN_EXPIRED),
    ({"exp": NOW - SKEW}, Reason.TOKEN_EXPIRED),
    ({"exp": str(NOW + 120)}, Reason.TOKEN_MALFORMED),
    ({"exp": float("inf")}, Reason.TOKEN_MALFORMED),
    ({"exp": True}, Reason.TOKEN_MALFORMED),
    ({"iat": ABSENT}, Reason.TOKEN_ISSUED_AT),
    ({"iat": NOW + SKEW + 0.5}, Reason.TOKEN_ISSUED_AT),
    ({"iat": NOW - OLDEST - SKEW}, Reason.TOKEN_ISSUED_AT),
    ({"nbf": NOW + SKEW + 0.5}, Reason.TOKEN_ISSUED_AT),
    # without a name it could be sent again
    ({"jti": ABSENT}, Reason.TOKEN_MALFORMED),
    ({"jti": ""}, Reason.TOKEN_MALFORMED),
    ({"jti": 7}, Reason.TOKEN_MALFORMED),
    ({"jti": "x" * 256}, Reason.TOKEN_MALFORMED),
    # not a logout token: an ID token, a security event, something made to look like both
    ({"nonce": "n"}, Reason.TOKEN_NONCE),
    ({"nonce": None}, Reason.TOKEN_NONCE),
    ({"events": ABSENT}, Reason.TOKEN_EVENT),
    ({"events": {}}, Reason.TOKEN_EVENT),
    ({"events": {f"{LOGOUT_EVENT}/": {}}}, Reason.TOKEN_EVENT),
    ({"events": {"https://schemas.openid.net/secevent/x": {}}}, Reason.TOKEN_EVENT),
    ({"events": {LOGOUT_EVENT: True}}, Reason.TOKEN_MALFORMED),
    ({"events": {LOGOUT_EVENT: None}}, Reason.TOKEN_MALFORMED),
    ({"events": [LOGOUT_EVENT]}, Reason.TOKEN_MALFORMED),
    ({"events": LOGOUT_EVENT}, Reason.TOKEN_MALFORMED),
    # nobody, or nobody that could be
    ({"sub": ABSENT, "sid": ABSENT}, Reason.TOKEN_SUBJECT),
    ({"sub": ""}, Reason.TOKEN_SUBJECT),
    ({"sub": "jo\n"}, Reason.TOKEN_SUBJECT),
    ({"sub": "x" * 256}, Reason.TOKEN_SUBJECT),
    ({"sub": 7}, Reason.TOKEN_MALFORMED),
    ({"sid": ""}, Reason.TOKEN_SUBJECT),
    ({"sid": "x" * 256}, Reason.TOKEN_SUBJECT),
    ({"sid": ["the-session-of-jo"]}, Reason.TOKEN_MALFORMED),
]


@pytest.mark.parametrize(("changes", "expected"), FAULTS)
def test_one_fault(changes: dict[str, Any], expected: Reason) -> None:
    assert reason(verify(**changes)) is expected


def test_a_key_that_is_another_issuers() -> None:
    assert reason(verify(key_issuer=ISSUER)) is None
    assert reason(verify(key_issuer="https://id.evil.example")) is Reason.TOKEN_KEY_ISSUER


def test_it_is_remembered_as_long_as_it_would_be_believed() -> None:
    """A token that says it is good for a year is not: it is too old after ten minutes."""
    recall = verify(exp=NOW + 365 * 86400)

    assert isinstance(recall, Recall)
    assert recall.until == NOW + OLDEST + SKEW
    assert reason(verify(exp=NOW + 365 * 86400, now=recall.until - 0.001)) is None
    assert reason(verify(exp=NOW + 365 * 86400, now=recall.until)) is Reason.TOKEN_ISSUED_AT


def entra(tenant: str = TENANT, key: str | None = ENTRA, **changes: Any) -> Recall | Refused:
    issuer = ENTRA.replace("{tenantid}", tenant)
    return verify(recipient=MICROSOFT, key_issuer=key, iss=issuer, **changes)


def test_microsofts_session_is_named_by_sid_alone() -> None:
    """Its `sub` is made for each application, and no key of ours."""
    recall = entra()

    assert isinstance(recall, Recall)
    assert (recall.key, recall.sid) == (None, "the-session-of-jo")
    assert reason(entra(sid=ABSENT)) is Reason.TOKEN_SUBJECT


@pytest.mark.parametrize(
    ("tenant", "key", "expected"),
    [
        (TENANT, ENTRA.replace("{tenantid}", TENANT), None),
        ("{tenantid}", ENTRA, Reason.TOKEN_ISSUER),
        ("acme.example", ENTRA, Reason.TOKEN_ISSUER),
        (f"x/{TENANT}", ENTRA, Reason.TOKEN_ISSUER),
        (TENANT, None, Reason.TOKEN_KEY_ISSUER),
        (TENANT, ENTRA.replace("{tenantid}", CONSUMER_TENANT), Reason.TOKEN_KEY_ISSUER),
        (TENANT, "https://login.evil.example/{tenantid}/v2.0", Reason.TOKEN_KEY_ISSUER),
    ],
)
def test_a_tenant_speaks_for_itself_only(
    tenant: str, key: str | None, expected: Reason | None
) -> None:
    assert reason(entra(tenant, key)) is expected
