"""A record that is not exactly a session is no session, and says so without quoting anybody."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.identity.model import GoogleVoucher, MicrosoftVoucher, StandardVoucher, Voucher
from gateway.session.store.codec import Stored, decode, encode
from tests.session.samples import a_session, an_account, an_identity

NOW = 1_800_000_000.25


@pytest.mark.parametrize(
    "voucher",
    [
        GoogleVoucher(True, "acme.example"),
        GoogleVoucher(False, None),
        MicrosoftVoucher("8f2c", True),
        MicrosoftVoucher("8f2c", False),
        StandardVoucher(True),
    ],
)
@pytest.mark.parametrize("email", ["jo@acme.example", None])
def test_there_and_back(voucher: Voucher, email: str | None) -> None:
    session = a_session(
        NOW, identity=an_identity(email, voucher=voucher), account=an_account(email=email)
    )
    back = decode(Stored(encode(session), NOW), session.key)
    assert back == session
    assert back is not None
    assert type(back.identity.voucher) is type(voucher)


def test_later_activity_counts() -> None:
    session = a_session(NOW)
    back = decode(Stored(encode(session), NOW + 10), session.key)
    assert back is not None
    assert back.seen == NOW + 10


def test_earlier_activity_does_not() -> None:
    session = a_session(NOW)
    back = decode(Stored(encode(session), NOW - 10), session.key)
    assert back is not None
    assert back.seen == NOW


CHANGES: dict[str, tuple[tuple[str, ...], Any]] = {
    "a later version": (("version",), 2),
    "an unknown key": (("extra",), 1),
    "an unknown key inside": (("session", "extra"), 1),
    "an unknown key further inside": (("session", "account", "admin"), True),
    "a number as text": (("session", "started"), "1"),
    "text as a number": (("session", "account", "id"), 7),
    "active as text": (("session", "account", "active"), "true"),
    "active as number": (("session", "account", "active"), 1),
    "verified as text": (("session", "identity", "voucher", "email_verified"), "true"),
    "a voucher of no kind": (("session", "identity", "voucher", "kind"), "facebook"),
    "a voucher of another kind": (("session", "identity", "voucher", "kind"), "microsoft"),
    "no identity": (("session", "identity"), None),
    "no key": (("session", "identity", "key", "subject"), None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_exactly_a_session_is_none(change: str) -> None:
    session = a_session(NOW)
    record = json.loads(encode(session))
    path, value = CHANGES[change]
    inner = record
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with capture_logs() as logs:
        assert decode(Stored(json.dumps(record).encode(), NOW), session.key) is None
    assert [log["event"] for log in logs] == ["session_record_unreadable"]
    assert "acme" not in str(logs)
    assert session.key not in str(logs)


@pytest.mark.parametrize("record", [b"", b"{}", b"null", b"[]", b"\xff", b"{", b"0" * 100_000])
def test_what_is_no_record_is_none(record: bytes) -> None:
    assert decode(Stored(record, NOW), "0" * 64) is None


@pytest.mark.parametrize("missing", ["key", "identity", "account", "started", "idle", "lifetime"])
def test_nothing_is_made_up(missing: str) -> None:
    session = a_session(NOW)
    record = json.loads(encode(session))
    del record["session"][missing]
    assert decode(Stored(json.dumps(record).encode(), NOW), session.key) is None


def test_another_s_record_is_none() -> None:
    """Under the wrong key it would sign one person in as another."""
    assert decode(Stored(encode(a_session(NOW)), NOW), "0" * 64) is None
