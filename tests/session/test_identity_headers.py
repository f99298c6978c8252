"""The lines upstream gets, and the values that must never become one."""

from base64 import urlsafe_b64decode
from dataclasses import replace

import pytest

from gateway.config import IdentityHeaders
from gateway.errors import DirectoryUnavailable
from gateway.session.assertion import AssertionMinter
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys import KeyRing
from gateway.session.model import Grant
from tests.session.samples import a_session, an_account, lines_for

NOW = 1_800_000_000.0


def headers_in(lines: bytes) -> dict[str, str]:
    assert lines.endswith(b"\r\n")
    return dict(line.split(": ", 1) for line in lines.decode().split("\r\n") if line)


def test_lines(keys: KeyRing) -> None:
    headers = headers_in(lines_for(keys).build(a_session(NOW), NOW))
    assertion = headers.pop("X-Sonar-Assertion")
    assert assertion.count(".") == 2
    assert headers == {
        "X-Sonar-Account-Id": "id-jo",
        "X-Sonar-Username": "jo",
        "X-Sonar-Email": "jo@acme.example",
        "X-Sonar-Provider": "google",
    }


def test_what_the_provider_gave_goes_no_further(keys: KeyRing) -> None:
    """A refresh token, even sealed, and the key of the session are nobody's but the gateway's."""
    session = replace(a_session(NOW), grant=Grant("sealed-refresh-token", asked=NOW))
    lines = lines_for(keys).build(session, NOW)
    _, claims, _ = headers_in(lines)["X-Sonar-Assertion"].split(".")
    said = lines + urlsafe_b64decode(claims + "==")
    assert b"id-jo" in said
    for kept in ("refresh", session.key):
        assert kept.encode() not in said


def test_configured_names(keys: KeyRing) -> None:
    names = IdentityHeaders(username="X-Remote-User", assertion="X-Proof")
    minter = AssertionMinter(keys, issuer="i", audience="a", lifetime=300)
    headers = headers_in(IdentityLines(names, minter).build(a_session(NOW), NOW))
    assert headers["X-Remote-User"] == "jo"
    assert "X-Proof" in headers
    assert "X-Sonar-Username" not in headers


def test_no_email_line_without_an_email(keys: KeyRing) -> None:
    session = a_session(NOW, account=an_account(email=None))
    assert "X-Sonar-Email" not in headers_in(lines_for(keys).build(session, NOW))


def test_other_scripts_are_utf_8(keys: KeyRing) -> None:
    session = a_session(NOW, account=an_account("Ďuro Ωmega"))
    assert "X-Sonar-Username: Ďuro Ωmega\r\n".encode() in lines_for(keys).build(session, NOW)


@pytest.mark.parametrize(
    "username",
    [
        "jo\r\nX-Sonar-Account-Id: 1",
        "jo\n",
        "jo\rx",
        "jo\x00",
        "jo\tx",
        "jo\x1f",
        "jo\x7f",
        "jo\x85x",
        " jo",
        "jo ",
        "",
        "jo\udcff",
    ],
)
def test_what_upstream_could_read_otherwise_is_refused(username: str, keys: KeyRing) -> None:
    account = an_account()
    lines = lines_for(keys)
    for broken in (replace(account, username=username), replace(account, id=username)):
        with pytest.raises(DirectoryUnavailable):
            lines.build(a_session(NOW, account=broken), NOW)


@pytest.mark.parametrize(("lifetime", "after"), [(300.0, 240.0), (60.0, 30.0), (100.0, 50.0)])
def test_is_made_anew_well_before_the_assertion_ends(
    lifetime: float, after: float, keys: KeyRing
) -> None:
    assert lines_for(keys, lifetime).renewed_after == after
