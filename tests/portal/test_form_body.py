"""What is kept of a form is what a browser makes of it again, byte by byte."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.form_body import FormBody, Lost, read_body, written


@pytest.mark.parametrize(
    ("body", "fields", "charset"),
    [
        (b"", (), "UTF-8"),
        (b"a=1&b=", (("a", "1"), ("b", "")), "UTF-8"),
        (b"a=1&a=2", (("a", "1"), ("a", "2")), "UTF-8"),
        (b"name=J%C3%BCrgen+M%C3%A4rz", (("name", "Jürgen März"),), "UTF-8"),
        (b"name=J%FCrgen+%80", (("name", "Jürgen €"),), "windows-1252"),
        (b"x=%81%8D%8F%90%9D%FF", (("x", "\x81\x8d\x8f\x90\x9dÿ"),), "windows-1252"),
        (b"x=%F0%9F%98%80*-._%7E", (("x", "😀*-._~"),), "UTF-8"),
        (b"text=one%0D%0Atwo", (("text", "one\r\ntwo"),), "UTF-8"),
        (b"a%5B%5D=%26%3D%2B%25", (("a[]", "&=+%"),), "UTF-8"),
        (b"_charset_=UTF-8&a=1", (("_charset_", "UTF-8"), ("a", "1")), "UTF-8"),
        (b"passenger=1", (("passenger", "1"),), "UTF-8"),
    ],
)
def test_a_form_that_browsers_send(
    body: bytes, fields: tuple[tuple[str, str], ...], charset: str
) -> None:
    assert read_body(body) == FormBody(fields, charset)


@pytest.mark.parametrize(
    "body",
    [
        b"a",  # no browser leaves out the equals sign
        b"a=1&",
        b"&a=1",
        b"=1",
        b"a=b=c",
        b"a=%c3%a9",  # nor writes small letters
        b"a=%2",
        b"a=%zz",
        b"a=b%20c",
        b"a=~",
        b"a=%41",
        b"a=%00",
        b"a=one%0Atwo",
        b"a=one%0Dtwo",
        b"_charset_=windows-1252&a=1",
        b"a=\xe9",
        b"a=1;b=2",
        b"&".join(b"a=%d" % number for number in range(1001)),
        b'{"json": true}',
        b"--boundary\r\n",
    ],
)
def test_what_a_browser_would_not_make_again_is_not_kept(body: bytes) -> None:
    assert read_body(body) is Lost.SHAPE


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "passwd", "new_password", "user[password]", "pwd", "oldPwd", "pass",
        "pass1", "passphrase", "passcode", "kennwort", "secret", "client-secret", "pin", "sim_pin",
        "cvv", "cvc2", "otp", "motdepasse",
    ],
)  # fmt: skip
def test_a_password_is_not_kept(name: str) -> None:
    assert read_body(urlencode({"user": "jo", name: ""}).encode()) is Lost.PASSWORD


@pytest.mark.parametrize(
    "name", ["pinned", "opinion", "topic", "passenger", "passport", "optional"]
)
def test_other_names_are_no_passwords(name: str) -> None:
    assert isinstance(read_body(f"{name}=1".encode()), FormBody)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=20)), max_size=8))
def test_what_is_kept_is_written_as_it_came(fields: list[tuple[str, str]]) -> None:
    try:
        body = written(FormBody(tuple(fields), "UTF-8"))
    except UnicodeEncodeError:
        return
    read = read_body(body)
    assert isinstance(read, Lost) or (read.fields, written(read)) == (tuple(fields), body)


@given(st.binary(max_size=60))
def test_nothing_crafted_breaks_it(body: bytes) -> None:
    read = read_body(body)
    assert isinstance(read, Lost) or written(read) == body
