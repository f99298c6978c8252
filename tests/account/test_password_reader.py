"""What a browser keeps of a password typed on Sonar's own page."""

from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from gateway.account.model import Reader
from gateway.account.password_reader import LIFETIME, PasswordReader, PasswordReaders
from gateway.session.cookie import CookieNames
from gateway.session.seal import Sealer
from tests.session.samples import new_keys

NOW = 1_700_000_000.0
READER = PasswordReader("b" * 22, "1001", NOW)


@pytest.fixture
def readers(tmp_path: Path) -> PasswordReaders:
    return PasswordReaders(Sealer(new_keys(tmp_path)), CookieNames(secure=True))


def value_of(set_cookie: str) -> str:
    ((_, morsel),) = SimpleCookie(set_cookie).items()
    return morsel.value


def test_it_comes_back_as_it_was(readers: PasswordReaders) -> None:
    kept = readers.keep(READER)
    assert readers.known(value_of(kept)) == READER
    assert readers.browser(value_of(kept)) == READER.browser
    assert kept.startswith("__Host-sonar_tx_reader=")
    for attribute in ("; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age="):
        assert attribute in kept
    assert "1001" not in kept
    assert READER.browser not in kept


@pytest.mark.parametrize("cookie", [None, "", "x", "1001", "{}"])
def test_nobody_else_makes_one(readers: PasswordReaders, cookie: str | None) -> None:
    assert readers.known(cookie) is None
    assert readers.browser(cookie) != readers.browser(cookie), "a new one each time"


def test_of_another_gateway_it_is_none(readers: PasswordReaders, tmp_path: Path) -> None:
    other = PasswordReaders(Sealer(new_keys(tmp_path / "other")), CookieNames(secure=True))
    assert other.known(value_of(readers.keep(READER))) is None


def test_it_counts_for_ten_minutes() -> None:
    assert READER.counts(NOW)
    assert READER.counts(NOW + LIFETIME - 1)
    assert not READER.counts(NOW + LIFETIME)
    assert READER.counts(NOW - 30), "another machine's clock"
    assert not READER.counts(NOW - 3600)


def test_who_reads_is_the_browser() -> None:
    assert READER.reader == Reader.of_browser(READER.browser)
    assert PasswordReader("c" * 22, "1001", NOW).reader != READER.reader
