"""A cookie we did not make is nothing, whatever it looks like."""

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.edge.cookies import CookieRules, read_cookies
from gateway.session.cookie import (
    MOST_REMOVED,
    CookieNames,
    cookie_pairs,
    cookies_in,
    expire_cookie,
    mint,
    set_cookie,
    unfinished_cookies,
    verify,
)
from gateway.session.keys import KeyRing
from tests.session.samples import new_keys

fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def test_names() -> None:
    secure, plain = CookieNames(secure=True), CookieNames(secure=False)
    assert (secure.session, secure.transaction_prefix) == ("__Host-sonar_sso", "__Host-sonar_tx_")
    assert (plain.session, plain.transaction_prefix) == ("sonar_sso", "sonar_tx_")


@pytest.mark.parametrize(
    ("secure", "max_age", "expected"),
    [
        (True, None, "n=v; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (False, None, "n=v; Path=/; HttpOnly; SameSite=Lax"),
        (True, 600, "n=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"),
        (False, 0, "n=v; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    ],
)
def test_set_cookie(secure: bool, max_age: int | None, expected: str) -> None:
    assert set_cookie("n", "v", secure=secure, max_age=max_age) == expected


def test_expire_cookie() -> None:
    assert expire_cookie("n", secure=True) == (
        "n=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
    )


def test_what_is_half_signed_in_is_forgotten_and_nothing_else() -> None:
    names = CookieNames(secure=True)
    begun, forms = "__Host-sonar_tx_AbCdEfGh-_012345", "__Host-sonar_tx_forms"
    others = (
        "__Host-sonar_sso",
        "__Host-sonar_tx_",
        "__Host-sonar_tx_AbCdEfGh-_012345x",
        "__Host-sonar_tx_AbCdEfGh\r\n012345",
        "sonar_tx_AbCdEfGh-_012345",
        "AbCdEfGh-_012345",
        "theme",
    )
    assert unfinished_cookies(names, (begun, *others, forms, begun)) == (
        expire_cookie(begun, secure=True),
        expire_cookie(forms, secure=True),
    )
    made_up = [f"__Host-sonar_tx_{number:016}" for number in range(100)]
    assert len(unfinished_cookies(names, made_up)) == MOST_REMOVED


def test_what_was_minted_is_verified(keys: KeyRing) -> None:
    cookie = mint(keys)
    assert verify(keys, cookie.value) == cookie.key
    assert len(cookie.value) == 43 + 1 + 16 + 1 + 43


def test_the_store_never_sees_the_id(keys: KeyRing) -> None:
    cookie = mint(keys)
    session_id = cookie.value.split(".")[0]
    assert cookie.key == hashlib.sha256(session_id.encode()).hexdigest()
    assert session_id not in cookie.key


def test_no_two_are_alike(keys: KeyRing) -> None:
    assert len({mint(keys).value for _ in range(1000)}) == 1000


def test_another_gateway_s_cookie_is_nothing(keys: KeyRing, tmp_path: Path) -> None:
    assert verify(keys, mint(new_keys(tmp_path / "other")).value) is None


def test_the_mac_of_another_id_is_nothing(keys: KeyRing) -> None:
    one, other = mint(keys).value.split("."), mint(keys).value.split(".")
    assert verify(keys, ".".join((one[0], one[1], other[2]))) is None


def test_a_mac_made_for_something_else_is_nothing(keys: KeyRing) -> None:
    session_id, key_id, _ = mint(keys).value.split(".")
    key = keys.subkey(key_id, "something else")
    assert key is not None
    mac = base64.urlsafe_b64encode(hmac.digest(key, session_id.encode(), "sha256")).decode()
    assert verify(keys, f"{session_id}.{key_id}.{mac.rstrip('=')}") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda value: "",
        lambda value: value[:-1],
        lambda value: value + "A",
        lambda value: value + "=",
        lambda value: value + "\n",
        lambda value: " " + value,
        lambda value: f'"{value}"',
        lambda value: value.replace(".", ""),
        lambda value: value.replace(".", ".."),
        lambda value: value.swapcase(),
        lambda value: value + "." + value,
        lambda value: value * 1000,
        lambda value: "٠" * 43 + value[43:],
        lambda value: value[:44] + "0" * 16 + value[60:],
        lambda value: value[:61] + "A" * 43,
        lambda value: value[:61],
    ],
)
def test_what_is_not_exactly_it_is_nothing(change: "object", keys: KeyRing) -> None:
    assert callable(change)
    assert verify(keys, change(mint(keys).value)) is None


@fuzz
@given(data=st.data())
def test_any_one_character_changed_is_nothing(keys: KeyRing, data: st.DataObject) -> None:
    value = mint(keys).value
    at = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters().filter(lambda character: character != value[at]))
    assert verify(keys, value[:at] + other + value[at + 1 :]) is None


@fuzz
@given(text=st.text() | st.from_regex(r"[A-Za-z0-9_-]{43}\.[0-9a-z]{16}\.[A-Za-z0-9_-]{43}"))
def test_no_text_is_a_cookie_by_chance(keys: KeyRing, text: str) -> None:
    assert verify(keys, text) is None


def test_expired_is_the_cookie_of_one_path_and_domain() -> None:
    assert expire_cookie("n", secure=False, path="/app", domain="sonar.example") == (
        "n=; Path=/app; Domain=sonar.example; Max-Age=0; HttpOnly; SameSite=Lax"
    )


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", None),
        ("__Host-sonar_sso=a", "a"),
        ("x=1; __Host-sonar_sso=a=b; y", "a=b"),
        ("x=1;\t__Host-sonar_sso =a ", "a"),
        ("__Host-sonar_sso=a; __Host-sonar_sso=a", "a"),
        ("__Host-sonar_sso=a; __Host-sonar_sso=b", None),
        ("__Host-sonar_sso=a; __Host-sonar_sso", None),
        # A cookie of another name, whatever is in it.
        ("x=1 __Host-sonar_sso=a", None),
        ("x=1,__Host-sonar_sso=a", None),
        ("x __Host-sonar_sso=a", None),
        ("x=\x0b__Host-sonar_sso=a", None),
        # Quotes hold nothing together, and are part of the value.
        ('x="; __Host-sonar_sso=a; y="', "a"),
        ('__Host-sonar_sso="a"', '"a"'),
    ],
)
def test_nothing_but_a_semicolon_ends_a_cookie(header: str, found: str | None) -> None:
    assert cookies_in(header).get("__Host-sonar_sso") == found


@given(st.lists(st.sampled_from(["sid", "x", "=", ";", " ", "\t", ",", '"', "\\", "a", "b"])))
def test_the_portal_reads_a_cookie_header_as_the_edge_does(pieces: list[str]) -> None:
    header = "".join(pieces)
    rules = CookieRules(b"sid", b"tx_", frozenset(), frozenset(), "sonar.example")
    edge = read_cookies(header.encode(), rules)
    assert cookies_in(header).get("sid") == edge.session
    others = [(name, value) for name, value in cookie_pairs(header) if name not in {"sid", ""}]
    read = [pair.decode().partition("=") for pair in edge.pairs]
    assert others == [(name.rstrip(" \t"), value) for name, _, value in read if name]
