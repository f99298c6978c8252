"""What every kind of token has to show: the same faults, in each of the three."""

from collections.abc import Callable, Mapping

import pytest

from gateway.identity import claims, logout_token, security_event
from gateway.identity.claims import Expected, verify_claims
from gateway.identity.logout_token import verify_logout_token
from gateway.identity.model import Identity, Refused, UnverifiedClaims
from gateway.identity.provenance import Recipient
from gateway.identity.recall import LOGOUT_EVENT, Recall
from gateway.identity.security_event import ENDING, verify_security_event
from gateway.reasons import Reason

NOW = 1_800_000_000.0
SKEW = 60.0
ISSUER = "https://id.corp.example"
TENANT = "8f2c0000-0000-4000-8000-000000000001"
TEMPLATE = "https://login.example/{tenantid}/v2.0"

Verify = Callable[[UnverifiedClaims], Identity | Recall | Refused]

OURS = Recipient("oidc", ISSUER, "sonar", SKEW)
EXPECTED = Expected("oidc", ISSUER, "sonar", SKEW, "corp", "the-nonce")
COMMON: Mapping[str, object] = {
    "iss": ISSUER,
    "aud": "sonar",
    "iat": NOW,
    "exp": NOW + 120,
    "sub": "jo",
}
NAMED = {**COMMON, "jti": "one"}
ABOUT_JO = {"subject": {"iss": ISSUER, "sub": "jo"}}

VERIFY: Mapping[str, Verify] = {
    "id": lambda token: verify_claims(token, EXPECTED, NOW),
    "logout": lambda token: verify_logout_token(token, OURS, NOW),
    "event": lambda token: verify_security_event(token, OURS, NOW),
}
RIGHT: Mapping[str, Mapping[str, object]] = {
    "id": {**COMMON, "nonce": "the-nonce"},
    "logout": {**NAMED, "events": {LOGOUT_EVENT: {}}},
    "event": {**NAMED, "events": {next(iter(ENDING)): ABOUT_JO}},
}
OLDEST = {
    "id": claims.OLDEST,
    "logout": logout_token.OLDEST,
    "event": security_event.OLDEST,
}
ABSENT = object()


def verify(
    kind: str, changes: Mapping[str, object], key_issuer: str | None = None
) -> Reason | None:
    said = {k: v for k, v in {**RIGHT[kind], **changes}.items() if v is not ABSENT}
    outcome = VERIFY[kind](UnverifiedClaims(said, key_issuer))
    return outcome.reason if isinstance(outcome, Refused) else None


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize(
    "changes",
    [{}, {"aud": ["sonar"]}, {"iat": NOW + SKEW}, {"nbf": NOW + SKEW}, {"exp": NOW - SKEW + 1}],
)
def test_right_in_every_kind(kind: str, changes: dict[str, object]) -> None:
    assert verify(kind, changes) is None
    assert verify(kind, changes, ISSUER) is None


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iss": ABSENT}, Reason.TOKEN_ISSUER),
        ({"iss": "https://id.evil.example"}, Reason.TOKEN_ISSUER),
        ({"iss": ISSUER.upper()}, Reason.TOKEN_ISSUER),
        ({"iss": 7}, Reason.TOKEN_MALFORMED),
        ({"aud": ABSENT}, Reason.TOKEN_AUDIENCE),
        ({"aud": "another"}, Reason.TOKEN_AUDIENCE),
        ({"aud": []}, Reason.TOKEN_AUDIENCE),
        ({"aud": ["another"]}, Reason.TOKEN_AUDIENCE),
        ({"aud": {"sonar": 1}}, Reason.TOKEN_MALFORMED),
        ({"azp": 7}, Reason.TOKEN_MALFORMED),
        ({"iat": ABSENT}, Reason.TOKEN_ISSUED_AT),
        ({"iat": NOW + SKEW + 0.5}, Reason.TOKEN_ISSUED_AT),
        ({"iat": float("nan")}, Reason.TOKEN_MALFORMED),
        ({"nbf": NOW + SKEW + 0.5}, Reason.TOKEN_ISSUED_AT),
        ({"nbf": str(NOW)}, Reason.TOKEN_MALFORMED),
    ],
)
def test_wrong_in_every_kind(kind: str, changes: dict[str, object], expected: Reason) -> None:
    assert verify(kind, changes) is expected


@pytest.mark.parametrize("kind", RIGHT)
def test_old_in_every_kind(kind: str) -> None:
    edge = NOW - OLDEST[kind] - SKEW

    assert verify(kind, {"iat": edge + 0.5}) is None
    assert verify(kind, {"iat": edge}) is Reason.TOKEN_ISSUED_AT


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize("key_issuer", ["", "https://id.evil.example", f"{ISSUER}/", TEMPLATE])
def test_another_issuers_key_in_every_kind(kind: str, key_issuer: str) -> None:
    assert verify(kind, {}, key_issuer) is Reason.TOKEN_KEY_ISSUER


@pytest.mark.parametrize(
    ("kind", "among_others", "by_azp", "another_azp"),
    [
        ("id", Reason.TOKEN_AUTHORIZED_PARTY, None, Reason.TOKEN_AUTHORIZED_PARTY),
        ("logout", Reason.TOKEN_AUDIENCE, Reason.TOKEN_AUDIENCE, Reason.TOKEN_AUTHORIZED_PARTY),
        ("event", None, None, None),
    ],
)
def test_for_whom_each_kind_may_be(
    kind: str, among_others: Reason | None, by_azp: Reason | None, another_azp: Reason | None
) -> None:
    several = ["another", "sonar"]

    assert verify(kind, {"aud": several}) is among_others
    assert verify(kind, {"aud": several, "azp": "sonar"}) is by_azp
    assert verify(kind, {"azp": "another"}) is another_azp


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("id", Reason.TOKEN_EXPIRED), ("logout", Reason.TOKEN_EXPIRED), ("event", None)],
)
def test_what_has_to_expire(kind: str, expected: Reason | None) -> None:
    assert verify(kind, {"exp": ABSENT}) is expected
    assert verify(kind, {"exp": NOW - SKEW}) is expected


@pytest.mark.parametrize("published", [TEMPLATE, TEMPLATE.format(tenantid=TENANT)])
@pytest.mark.parametrize("key_issuer", [TEMPLATE, TEMPLATE.format(tenantid=TENANT)])
def test_a_key_of_the_tenant_or_of_all(published: str, key_issuer: str) -> None:
    """Entra's key sets name a key's issuer in either form, whichever discovery document is used."""
    issuer = TEMPLATE.format(tenantid=TENANT)
    of_entra = Recipient("microsoft", published, "sonar", SKEW)
    token = {**RIGHT["logout"], "iss": issuer, "sid": "the-session-of-jo"}
    recall = verify_logout_token(UnverifiedClaims(token, key_issuer), of_entra, NOW)

    assert isinstance(recall, Recall)
