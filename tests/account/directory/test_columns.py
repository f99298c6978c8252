"""Rows of somebody else's schema, read with doubt."""

import pytest

from gateway.account.directory.columns import means, read_active, read_address, spellings
from gateway.account.model import Address
from gateway.config import SqlDirectory
from gateway.email import Email

DEFAULT = frozenset(SqlDirectory.model_fields["active_values"].default)


@pytest.mark.parametrize(
    "value", [True, 1, "1", "true", "TRUE", "t", "Y", "yes", " Active ", "enabled", b"\x01"]
)
def test_active(value: object) -> None:
    assert read_active(value, DEFAULT)


@pytest.mark.parametrize(
    "value",
    [
        False, 0, None, 2, -1, 1.5, "", " ", "0", "no", "n", "f", "false", "inactive", "disabled",
        "locked", "deleted", "not active", "2024-01-01", "None", "null", b"\x00", b"\x01\x00", b"",
        b"yes", [], object(),
    ],
)  # fmt: skip
def test_not_active(value: object) -> None:
    assert not read_active(value, DEFAULT)


def test_active_is_what_the_config_says() -> None:
    assert read_active("A", frozenset({"a"}))
    assert not read_active(True, frozenset({"a"}))


JO = Email.parse("jo@acme.example")


@pytest.mark.parametrize(
    ("email", "purpose", "read"),
    [
        ("Jo@ACME.example", "contact", Address(JO, "contact")),
        (" jo@acme.example ", " Voicemail ", Address(JO, "voicemail")),
        ("jo@acme.example", None, Address(JO, "")),
        ("jo@acme.example", "", Address(JO, "")),
        ("jo@acme.example", 1, Address(JO, "1")),
        ("jo@evil@acme.example", "contact", None),
        ("jo@acme.example\n", "contact", None),
        ("jo@acme.example\0", "contact", None),
        ("Jo <jo@acme.example>", "contact", None),
        ("jo", "contact", None),
        ("", "contact", None),
        (None, "contact", None),
        (7, "contact", None),
        (b"jo@acme.example", "contact", None),
    ],
)
def test_an_address(email: object, purpose: object, read: Address | None) -> None:
    assert read_address(email, purpose) == read


def test_spellings() -> None:
    assert spellings(JO) == ("jo@acme.example",)
    assert spellings(Email.parse("jo@Bücher.example")) == (
        "jo@xn--bcher-kva.example",
        "jo@bücher.example",
    )
    # What says it is IDNA and is not.
    assert spellings(Email.parse("jo@xn--a.example"))[0] == "jo@xn--a.example"


@pytest.mark.parametrize(
    ("typed", "usernames", "meant"),
    [
        ("jo", ["jo"], "jo"),
        ("JO", ["jo"], "jo"),
        ("jo", ["jo", "Jo"], "jo"),
        ("JO", ["jo", "Jo"], None),
        ("jo", ["jo        "], "jo        "),
        ("jo", ["jo", "jo "], "jo"),
        ("jo ", ["jo"], None),
        ("jo", [], None),
        ("jo", ["joe"], None),
        ("jo", ["jó"], None),
    ],
)
def test_means(typed: str, usernames: list[str], meant: str | None) -> None:
    assert means(typed, usernames) == meant
