"""A security event token's claims: the ones that are right, and one fault at a time."""

from typing import Any

import pytest

from gateway.identity.model import IdentityKey, Refused, UnverifiedClaims
from gateway.identity.provenance import Recipient
from gateway.identity.recall import LOGOUT_EVENT, Recall
from gateway.identity.security_event import ENDING, OLDEST, OTHERS, verify_security_event
from gateway.reasons import Reason

NOW = 1_800_000_000.0
SKEW = 60.0
GOOGLE = "https://accounts.google.com"
OURS = Recipient("google", GOOGLE, "sonar", SKEW)
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
REVOKED = f"{RISC}sessions-revoked"

ABSENT = object()
SUBJECT = {"subject_type": "iss-sub", "iss": f"{GOOGLE}/", "sub": "7375626A656374"}
RIGHT: dict[str, Any] = {
    "iss": f"{GOOGLE}/",
    "aud": "sonar",
    "iat": NOW,
    "jti": "one",
    "events": {REVOKED: {"subject": SUBJECT}},
}


def verify(*, key_issuer: str | None = None, now: float = NOW, **changes: Any) -> Recall | Refused:
    claims = {name: value for name, value in (RIGHT | changes).items() if value is not ABSENT}
    return verify_security_event(UnverifiedClaims(claims, key_issuer), OURS, now)


def about(event: str = REVOKED, **changes: Any) -> dict[str, Any]:
    """`events` with one event about the right account, `changes` applied to how it is named."""
    subject = {name: value for name, value in (SUBJECT | changes).items() if value is not ABSENT}
    return {event: {"subject": subject}}


def reason(outcome: Recall | Refused) -> Reason | None:
    return outcome.reason if isinstance(outcome, Refused) else None


@pytest.mark.parametrize("event", ENDING)
def test_an_event_that_ends_sessions(event: str) -> None:
    assert verify(events=about(event)) == Recall(
        IdentityKey(GOOGLE, "7375626A656374"), None, (ENDING[event],), "one", NOW + OLDEST + SKEW
    )


@pytest.mark.parametrize("event", OTHERS)
def test_an_event_that_ends_nothing(event: str) -> None:
    recall = verify(events={event: {"state": "hello"}})

    assert isinstance(recall, Recall)
    assert (recall.key, recall.sid, recall.what) == (None, None, (OTHERS[event],))


def test_an_event_that_nobody_knows_ends_nothing() -> None:
    recall = verify(events={f"{RISC}account-painted-blue": {"subject": SUBJECT}})

    assert isinstance(recall, Recall)
    assert (recall.key, recall.what) == (None, ("unknown",))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": GOOGLE},
        {"aud": ["another-of-our-project", "sonar"]},
        {"exp": NOW - 86400},
        {"iat": NOW - OLDEST},
        {"events": about(iss=GOOGLE)},
        {"events": about(iss=ABSENT, subject_type="id_token_claims", email="jo@acme.example")},
        {"events": about() | {f"{RISC}verification": {"state": "x"}}},
        {"events": about() | about(f"{RISC}account-disabled")},
    ],
)
def test_what_else_is_right(changes: dict[str, Any]) -> None:
    recall = verify(**changes)

    assert isinstance(recall, Recall)
    assert recall.key == IdentityKey(GOOGLE, "7375626A656374")


FAULTS: list[tuple[dict[str, Any], Reason]] = [
    ({"iss": ABSENT}, Reason.TOKEN_ISSUER),
    ({"iss": "https://accounts.evil.example"}, Reason.TOKEN_ISSUER),
    ({"iss": f"{GOOGLE}//"}, Reason.TOKEN_ISSUER),
    ({"iss": 7}, Reason.TOKEN_MALFORMED),
    ({"aud": ABSENT}, Reason.TOKEN_AUDIENCE),
    ({"aud": "another"}, Reason.TOKEN_AUDIENCE),
    ({"aud": []}, Reason.TOKEN_AUDIENCE),
    ({"aud": ["another", "third"]}, Reason.TOKEN_AUDIENCE),
    ({"iat": ABSENT}, Reason.TOKEN_ISSUED_AT),
    ({"iat": NOW + SKEW + 0.5}, Reason.TOKEN_ISSUED_AT),
    ({"iat": NOW - OLDEST - SKEW}, Reason.TOKEN_ISSUED_AT),
    ({"iat": "now"}, Reason.TOKEN_MALFORMED),
    ({"jti": ABSENT}, Reason.TOKEN_MALFORMED),
    ({"jti": "x" * 256}, Reason.TOKEN_MALFORMED),
    # an ID token, a logout token
    ({"events": ABSENT}, Reason.TOKEN_EVENT),
    ({"events": {}}, Reason.TOKEN_EVENT),
    ({"events": {LOGOUT_EVENT: {}}}, Reason.TOKEN_EVENT),
    ({"events": about() | {LOGOUT_EVENT: {}}}, Reason.TOKEN_EVENT),
    ({"events": REVOKED}, Reason.TOKEN_MALFORMED),
    ({"events": {REVOKED: "jo"}}, Reason.TOKEN_MALFORMED),
    # nobody, somebody elsewhere, several
    ({"events": {REVOKED: {}}}, Reason.TOKEN_SUBJECT),
    ({"events": {REVOKED: {"subject": "jo"}}}, Reason.TOKEN_SUBJECT),
    ({"events": about(sub=ABSENT)}, Reason.TOKEN_SUBJECT),
    ({"events": about(sub="")}, Reason.TOKEN_SUBJECT),
    ({"events": about(sub=7)}, Reason.TOKEN_SUBJECT),
    ({"events": about(sub="x" * 256)}, Reason.TOKEN_SUBJECT),
    ({"events": about(iss="https://id.evil.example")}, Reason.TOKEN_SUBJECT),
    ({"events": about(iss=[GOOGLE])}, Reason.TOKEN_SUBJECT),
    ({"events": about() | about(f"{RISC}account-disabled", sub="mara")}, Reason.TOKEN_SUBJECT),
]


@pytest.mark.parametrize(("changes", "expected"), FAULTS)
def test_one_fault(changes: dict[str, Any], expected: Reason) -> None:
    assert reason(verify(**changes)) is expected


def test_a_key_that_is_another_issuers() -> None:
    assert reason(verify(key_issuer=GOOGLE)) is None
    assert reason(verify(key_issuer="https://id.evil.example")) is Reason.TOKEN_KEY_ISSUER


def test_it_is_remembered_as_long_as_it_would_be_believed() -> None:
    recall = verify()

    assert isinstance(recall, Recall)
    assert reason(verify(now=recall.until - 0.001)) is None
    assert reason(verify(now=recall.until)) is Reason.TOKEN_ISSUED_AT
