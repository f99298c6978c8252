"""What an event says of whom, flat."""

from gateway.email import Email
from gateway.identity.model import GoogleVoucher, Identity, IdentityKey
from gateway.operate.audit import Event, EventKind
from gateway.reasons import Reason

KEY = IdentityKey("https://accounts.google.com", "jo-1")
JO = Identity(
    KEY, "google", Email.parse("jo@acme.example"), GoogleVoucher(True, "acme.example"), "Jo", 1.0
)


def test_of_a_whole_identity_the_event_says_all_that_names_it() -> None:
    event = Event(
        EventKind.SIGN_IN, Reason.MATCHED, JO, account="7", address="192.0.2.7", session="ab"
    )
    assert event.facts() == {
        "reason": "matched",
        "provider": "google",
        "issuer": "https://accounts.google.com",
        "subject": "jo-1",
        "email": "jo@acme.example",
        "domain": "acme.example",
        "account": "7",
        "address": "192.0.2.7",
        "request_id": None,
        "session": "ab",
    }


def test_of_a_key_alone_it_says_what_it_was_told_beside_it() -> None:
    event = Event(EventKind.LINK_REMOVED, identity=KEY, provider="google", email="jo@acme.example")
    facts = event.facts()
    assert (facts["subject"], facts["provider"]) == ("jo-1", "google")
    assert (facts["email"], facts["domain"]) == ("jo@acme.example", None)
