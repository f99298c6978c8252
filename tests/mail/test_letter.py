"""What a letter says, and that nobody else writes in it."""

import email
from dataclasses import replace
from email.policy import default

import pytest

from gateway.account.model import Letter
from gateway.email import Email
from gateway.mail.letter import compose

LETTER = Letter(
    id="abc-1",
    recipient="nora@home.example",
    username="nlindqvist",
    provider="google",
    email="nora@acme.example",
    address="192.0.2.7",
    created=1_772_719_500.0,
    tries=1,
)
SENDER = Email.parse("sonar@acme.example")
URL = "https://sonar.acme.example"


def sent(letter: Letter, provider: str = "Google") -> tuple[dict[str, str], str]:
    """The headers and the text, as whoever gets the bytes reads them."""
    raw = compose(letter, provider, SENDER, URL).as_bytes()
    message = email.message_from_bytes(raw, policy=default)
    return dict(message.items()), message.get_content()


def test_it_says_who_when_from_where_and_how_to_undo_it() -> None:
    headers, text = sent(LETTER)
    assert headers["Subject"] == "A new way to sign in to your Sonar account"
    assert headers["From"] == "Sonar <sonar@acme.example>"
    assert headers["To"] == "nora@home.example"
    assert headers["Message-ID"] == "<abc-1@acme.example>"
    assert headers["Auto-Submitted"] == "auto-generated"
    for told in (
        "nlindqvist",
        "Google, as nora@acme.example",
        "5 March 2026, 14:05 UTC",
        "192.0.2.7",
        f"{URL}/sso/login",
        "Change it in Sonar",
    ):
        assert told in text


@pytest.mark.parametrize(
    "crafted",
    [
        "jo\r\nBcc: victim@evil.example",
        "jo\nBcc: victim@evil.example\n\nBuy now",
        "jo\r\n.\r\nMAIL FROM:<x@evil.example>",
        "jo\x00\x07\x1b[31m",
        "jo\u2028\u2029\x85Bcc: x",
        "jo\u202e\u200b" + "x" * 1000,
        "=?utf-8?q?jo=0D=0ABcc=3A?=",
        "{url} {0.__class__}",
        "%s %(url)s",
        "😀 Ďuro 鈴木",
        "",
    ],
)
def test_nothing_that_people_choose_becomes_a_header_or_a_line(crafted: str) -> None:
    plain, clean = sent(LETTER)
    letter = replace(LETTER, username=crafted, email=crafted, address=crafted)
    headers, text = sent(letter, crafted)
    assert headers.keys() == plain.keys()
    same = headers.keys() - {"Content-Transfer-Encoding"}
    assert {name: headers[name] for name in same} == {name: plain[name] for name in same}
    assert len(text.splitlines()) == len(clean.splitlines())
    assert all(len(line) < 500 for line in text.splitlines())
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "recipient", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nBcc: c@d.example"]
)
def test_a_recipient_that_is_no_address_is_refused(recipient: str) -> None:
    with pytest.raises(ValueError, match=r"linefeed|carriage"):
        compose(replace(LETTER, recipient=recipient), "Google", SENDER, URL)
