"""What an account says about its addresses, and who reads notices of it."""

import re

import pytest

from gateway.account.model import Account, Address, Reader, folded
from gateway.email import Email
from gateway.identity.model import IdentityKey


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


def test_readers_are_told_apart_and_say_nothing() -> None:
    names = {
        Reader.of_identity(IdentityKey("https://idp.example", "12")).name,
        Reader.of_identity(IdentityKey("https://idp.example1", "2")).name,
        Reader.of_identity(IdentityKey("https://idp.example", "1")).name,
        Reader.of_browser("https://idp.example\0001").name,
        Reader.of_browser("1").name,
    }
    assert len(names) == 5
    assert all(re.fullmatch("[0-9a-f]{64}", name) for name in names)


@pytest.mark.parametrize(
    ("one", "other"),
    [("jo", "JO"), ("jo", " jo\t"), ("Jö", "Jo\u0308"), ("straße", "STRASSE"), ("Ａ", "a")],
)
def test_spellings_of_one_username(one: str, other: str) -> None:
    assert folded(one) == folded(other) == folded(folded(other))
    assert folded(one) != folded(f"{one}1")
