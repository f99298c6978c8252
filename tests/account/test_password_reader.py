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
COOKIES = "a=b; SONARSESSID=1; theme=dark"


@pytest.fixture
def readers(tmp_path: Path) -> PasswordReaders:
    return PasswordReaders(Sealer(new_keys(tmp_path)), CookieNames(secure=True), ["SONARSESSID"])


@pytest.fixture
def reader(readers: PasswordReaders) -> PasswordReader:
    return PasswordReader("b" * 22, "1001", NOW, readers.sonar(COOKIES))


def value_of(set_cookie: str) -> str:
    ((_, morsel),) = SimpleCookie(set_cookie).items()
    return morsel.value


def test_it_comes_back_as_it_was(readers: PasswordReaders, reader: PasswordReader) -> None:
    kept = readers.keep(reader)
    assert readers.known(value_of(kept)) == reader
    assert readers.browser(value_of(kept)) == reader.browser
    assert kept.startswith("__Host-sonar_tx_reader=")
    for attribute in ("; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age="):
        assert attribute in kept
    assert "1001" not in kept
    assert reader.browser not in kept


@pytest.mark.parametrize("cookie", [None, "", "x", "1001", "{}"])
def test_nobody_else_makes_one(readers: PasswordReaders, cookie: str | None) -> None:
    assert readers.known(cookie) is None
    assert readers.browser(cookie) != readers.browser(cookie), "a new one each time"


def test_of_another_gateway_it_is_none(
    readers: PasswordReaders, reader: PasswordReader, tmp_path: Path
) -> None:
    other = PasswordReaders(Sealer(new_keys(tmp_path / "other")), CookieNames(secure=True), [])
    assert other.known(value_of(readers.keep(reader))) is None


def test_it_counts_for_ten_minutes(readers: PasswordReaders, reader: PasswordReader) -> None:
    sonar = readers.sonar(COOKIES)
    assert reader.counts(NOW, sonar)
    assert reader.counts(NOW + LIFETIME - 1, sonar)
    assert not reader.counts(NOW + LIFETIME, sonar)
    assert reader.counts(NOW - 30, sonar), "another machine's clock"
    assert not reader.counts(NOW - 3600, sonar)


@pytest.mark.parametrize(
    ("cookies", "counts"),
    [
        ("SONARSESSID=1", True),
        ("theme=light;SONARSESSID=1;x", True),
        ("SONARSESSID=2", False),
        ("SONARSESSID=1; SONARSESSID=2", False),
        ("theme=dark", False),
        ("SONARSESSID=", False),
        ("SONARSESSID=~sonar~1", False),
        ("XSONARSESSID=1", False),
    ],
)
def test_it_counts_with_the_session_that_sonar_gave_for_it(
    readers: PasswordReaders, reader: PasswordReader, cookies: str, counts: bool
) -> None:
    assert reader.counts(NOW, readers.sonar(cookies)) is counts


def test_one_that_does_not_say_which_session_counts_with_none(readers: PasswordReaders) -> None:
    assert not PasswordReader("b" * 22, "1001", NOW).counts(NOW, readers.sonar(COOKIES))
    assert not PasswordReader("b" * 22, "1001", NOW).counts(NOW, ())


def test_who_reads_is_the_browser(reader: PasswordReader) -> None:
    assert reader.reader == Reader.of_browser(reader.browser)
    assert PasswordReader("c" * 22, "1001", NOW).reader != reader.reader
