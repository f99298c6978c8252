"""A record that is not exactly a session is no session, and says so without quoting anybody."""

import json
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass
from structlog.testing import capture_logs

from gateway.identity.model import GoogleVoucher, MicrosoftVoucher, StandardVoucher, Voucher
from gateway.session.keys import KeyRing
from gateway.session.keys.model import root_key
from gateway.session.model import Session
from gateway.session.store.codec import VERSION, Stored, _mac, decode, encode
from tests.session.samples import a_session, an_account, an_identity, ring_of

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
    "version 0": (("version",), 0),
    "a version as text": (("version",), "2"),
    "a version that is a truth": (("version",), True),
    "read by no version": (("reads",), "2"),
    "the session the provider named is no text": (("session", "identity", "sid"), 7),
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


def test_keeps_what_the_provider_calls_its_session() -> None:
    session = a_session(NOW, identity=an_identity(sid="a-session-there"))
    assert decode(Stored(encode(session), NOW), session.key) == session


KEYS = ring_of({})


def test_with_keys_there_and_back() -> None:
    session = a_session(NOW)
    record = encode(session, KEYS)
    assert decode(Stored(record, NOW), session.key, KEYS) == session
    assert decode(Stored(record, NOW), session.key) == session, "a command has no keys"
    assert json.loads(record)["version"] == VERSION, "it is JSON all the same"


def test_a_record_that_any_one_byte_was_changed_of_is_none() -> None:
    """Whoever may write to the store has no key."""
    session = a_session(NOW)
    record = encode(session, KEYS)
    with capture_logs() as logs:
        for place in range(len(record)):
            changed = record[:place] + bytes([record[place] ^ 1]) + record[place + 1 :]
            assert decode(Stored(changed, NOW), session.key, KEYS) is None, place
    assert {tuple(log["problems"]) for log in logs} == {("mac",)}


@pytest.mark.parametrize("cut", [1, 2, 44, 62, 70, 71])
def test_a_record_without_its_mac_lets_nobody_in(cut: int) -> None:
    session = a_session(NOW)
    with capture_logs() as logs:
        assert decode(Stored(encode(session), NOW), session.key, KEYS) is None
        assert decode(Stored(encode(session, KEYS)[:-cut], NOW), session.key, KEYS) is None
    assert [log["problems"] for log in logs] == [["mac"], ["mac"]]


def test_a_rotation_signs_nobody_out_and_a_revoked_key_vouches_for_nobody() -> None:
    session = a_session(NOW)
    old, new = root_key("0" * 16, bytes(32)), root_key("1" * 16, bytes(range(32)))
    before = encode(session, KeyRing([old]))
    both = KeyRing([old, new])
    assert both.root_id == new.id
    assert decode(Stored(before, NOW), session.key, both) == session
    after = encode(session, both)
    assert decode(Stored(after, NOW), session.key, KeyRing([new])) == session
    with capture_logs():
        assert decode(Stored(before, NOW), session.key, KeyRing([new])) is None


def test_processes_of_version_2_read_what_is_written_now() -> None:
    """As they did: by `reads`, leaving aside what they do not know."""

    @checked_dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
    class Record:
        session: Session
        version: int
        reads: int

    session = a_session(NOW)
    record = encode(session, KEYS)
    known = json.loads(record)
    assert 1 <= known["reads"] <= 2 < known["version"]
    assert TypeAdapter(Record).validate_json(record, extra="ignore").session == session


def test_what_a_later_version_adds_is_vouched_for_too() -> None:
    """By the rule that its MAC comes last."""
    session = a_session(NOW)
    content = later(session, reads=VERSION).record[:-1]
    mac = _mac(KEYS, KEYS.root_id, content)
    assert mac is not None
    record = content + b',"mac":"%b.%b"}' % (KEYS.root_id.encode(), mac)
    assert decode(Stored(record, NOW), session.key, KEYS) == session
    with capture_logs():
        assert decode(Stored(record.replace(b"[1]", b"[2]"), NOW), session.key, KEYS) is None


# Written by the code that wrote version 1, before there was another.
VERSION_1 = (
    b'{"session":{"key":"7e3c6f1d8a5b4029a1b0c9d8e7f60512233445566778899aabbccddeeff00112",'
    b'"public_id":"0f1e2d3c4b5a6978","identity":{"key":{"issuer":"https://accounts.google.com",'
    b'"subject":"110248495921238986420"},"provider":"google","email":{"local":"jo",'
    b'"domain":"acme.example"},"voucher":{"email_verified":true,"hosted_domain":"acme.example",'
    b'"kind":"google"},"name":"Jo","auth_time":1700000000.0},"account":{"id":"id-jo",'
    b'"username":"jo","display_name":"Jo","organisation":"Acme","active":true,"addresses":[]},'
    b'"started":1800000000.25,"seen":1800000000.25,"idle":3600.0,"lifetime":86400.0},"version":1}'
)


def test_a_record_of_version_1_is_still_read() -> None:
    """An upgrade signs nobody out."""
    key = json.loads(VERSION_1)["session"]["key"]
    session = decode(Stored(VERSION_1, NOW + 5), key)
    assert session is not None
    assert (session.account.username, session.identity.sid) == ("jo", None)
    assert session.seen == NOW + 5


def test_a_record_of_version_1_is_read_as_strictly_as_then() -> None:
    record = json.loads(VERSION_1)
    record["session"]["admin"] = True
    with capture_logs():
        assert decode(Stored(json.dumps(record).encode(), NOW), record["session"]["key"]) is None


def later(session: Session, reads: int) -> Stored:
    """What a later version may write: more, everywhere."""
    record = json.loads(encode(session)) | {"version": VERSION + 1, "reads": reads, "more": [1]}
    record["session"]["more"] = {"a": 1}
    record["session"]["identity"]["voucher"]["more"] = None
    return Stored(json.dumps(record).encode(), NOW)


def test_a_later_version_that_may_be_read_is_read_without_what_is_new() -> None:
    session = a_session(NOW)
    assert decode(later(session, reads=VERSION), session.key) == session
    assert decode(later(session, reads=1), session.key) == session


def test_a_later_version_that_must_not_be_read_is_no_session() -> None:
    session = a_session(NOW)
    with capture_logs() as logs:
        assert decode(later(session, reads=VERSION + 1), session.key) is None
    assert [(log["event"], log["problems"]) for log in logs] == [
        ("session_record_unreadable", ["version"])
    ]
