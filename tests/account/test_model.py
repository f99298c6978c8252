"""What an account says about its addresses."""

import pytest

from gateway.account.model import Account, Address
from gateway.email import Email


def account(*addresses: tuple[str, str]) -> Account:
    found = tuple(Address(Email.parse(email), purpose) for email, purpose in addresses)
    return Account("1", "jo", "Jo", "Acme", True, found)


@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        ((), None),
        ((("jo@acme.example", "voicemail"),), None),
        ((("jo@acme.example", ""),), None),
        ((("jo@acme.example", "contact"),), "jo@acme.example"),
        (
            (("v@acme.example", "voicemail"), ("a@acme.example", "contact"),
             ("b@acme.example", "contact")),
            "a@acme.example",
        ),
    ],
)  # fmt: skip
def test_sonar_is_told_the_first_contact_address(
    addresses: tuple[tuple[str, str], ...], told: str | None
) -> None:
    email = account(*addresses).email()
    assert (None if email is None else str(email)) == told


@pytest.mark.parametrize(
    ("email", "purposes", "has"),
    [
        ("jo@acme.example", {"contact"}, True),
        ("jo@acme.example", {"voicemail", "contact"}, True),
        ("jo@acme.example", {"voicemail"}, False),
        ("jo@acme.example", set(), False),
        ("jo@acme.ca", {"contact"}, False),
        ("o@acme.example", {"contact"}, False),
        ("v@acme.example", {"contact"}, False),
    ],
)
def test_an_address_counts_for_its_purpose_only(email: str, purposes: set[str], has: bool) -> None:
    jo = account(("jo@acme.example", "contact"), ("v@acme.example", "voicemail"))
    assert jo.has(Email.parse(email), frozenset(purposes)) is has
