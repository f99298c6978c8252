"""Whose cookie is whose."""

from pathlib import Path

import pytest

from gateway.edge.cookies import (
    NO_COOKIES,
    CookieRules,
    Cookies,
    Place,
    passing_set_cookie,
    read_cookies,
)
from gateway.session.cookie import SEALED_PREFIX
from gateway.session.entry import Live
from gateway.session.seal import Sealer
from tests.session.samples import a_session, lines_for, new_keys

RULES = CookieRules(
    b"__Host-sonar_sso",
    b"__Host-sonar_tx_",
    frozenset({b"SONARSESSID", b"SID2"}),
    frozenset(
        {
            Place("SONARSESSID", "/", ""),
            Place("SONARSESSID", "/app", "sonar.example"),
            Place("SID2", "/app/", ""),
        }
    ),
    "www.sonar.example",
)


def read(header: str) -> Cookies:
    return read_cookies(header.encode("latin-1"), RULES)


def passing(value: bytes, live: Live | None) -> bytes:
    """As the browser gets it."""
    cookie = passing_set_cookie(value, live, "/", RULES)
    assert cookie is not None
    return cookie.value


@pytest.fixture
def live(tmp_path: Path) -> Live:
    keys = new_keys(tmp_path)
    return Live(a_session(1000.0), lines_for(keys), Sealer(keys))


@pytest.fixture
def other(tmp_path: Path) -> Live:
    """Somebody else, with the same keys."""
    keys = new_keys(tmp_path)
    return Live(a_session(1000.0), lines_for(keys), Sealer(keys))


@pytest.mark.parametrize(
    ("header", "session"),
    [
        ("__Host-sonar_sso=abc", "abc"),
        ("a=b; __Host-sonar_sso=abc; c=d", "abc"),
        ("a=b;__Host-sonar_sso=abc;c=d", "abc"),
        ("__Host-sonar_sso = abc", " abc"),
        ("__Host-sonar_sso=abc; __Host-sonar_sso=abc", "abc"),
        ("__Host-sonar_sso=", ""),
        ("__host-sonar_sso=abc", None),
        ("x__Host-sonar_sso=abc", None),
        ("", None),
        (";;;", None),
        # cookie tossing: two that differ are none
        ("__Host-sonar_sso=abc; __Host-sonar_sso=abd", None),
        ("__Host-sonar_sso=abd; a=b; __Host-sonar_sso=abc; __Host-sonar_sso=abc", None),
        ("__Host-sonar_sso=abc; __Host-sonar_sso=", None),
    ],
)
def test_our_session(header: str, session: str | None) -> None:
    assert read(header).session == session


@pytest.mark.parametrize(
    ("header", "upstream"),
    [
        ("a=b", "a=b"),
        ("a=b; c=d", "a=b; c=d"),
        ("a=b;c=d;", "a=b; c=d"),
        ("__Host-sonar_sso=abc", ""),
        ("__Host-sonar_tx_1=abc; a=b; __Host-sonar_tx_2=x", "a=b"),
        ("a=b; __Host-sonar_sso=x; __Host-sonar_sso=y; c=d", "a=b; c=d"),
        ('a="b c"; d', 'a="b c"; d'),
        ("a==b=c", "a==b=c"),
        ("=x", "=x"),
        ("caf\xe9=\xff", "caf\xe9=\xff"),
        ("SONARSESSID=1; a=b", "SONARSESSID=1; a=b"),
        ("sonarsessid=1", "sonarsessid=1"),
    ],
)
def test_upstream_gets_every_cookie_but_ours(header: str, upstream: str) -> None:
    assert read(header).upstream(None) == upstream.encode("latin-1")


@pytest.mark.parametrize(
    ("header", "password_user"),
    [
        ("SONARSESSID=1", True),
        ("a=b; SID2=x", True),
        ("SONARSESSID=", False),
        ("SONARSESSID", False),
        ("sonarsessid=1", False),
        ("a=SONARSESSID=1", False),
        (f"SONARSESSID={SEALED_PREFIX}x", False),
        (f"SONARSESSID={SEALED_PREFIX}x; SID2=1", True),
        (f"SONARSESSID={SEALED_PREFIX}x; SONARSESSID=1", True),
        ("", False),
    ],
)
def test_who_is_a_password_user(header: str, password_user: bool) -> None:
    assert read(header).password_user is password_user


def test_a_sealed_cookie_is_opened_for_its_session_only(live: Live, other: Live) -> None:
    sealed = live.seal("SONARSESSID", "s3cret")
    cookies = read(f"a=b; SONARSESSID={sealed}; c=d")
    assert cookies.upstream(live) == b"a=b; SONARSESSID=s3cret; c=d"
    assert cookies.upstream(other) == b"a=b; c=d"
    assert cookies.upstream(None) == b"a=b; c=d"


def test_a_sealed_cookie_is_bound_to_its_name(live: Live) -> None:
    sealed = live.seal("SONARSESSID", "s3cret")
    assert read(f"SID2={sealed}").upstream(live) == b""


def test_a_bare_legacy_cookie_does_not_mix_with_a_session(live: Live) -> None:
    sealed = live.seal("SONARSESSID", "mine")
    cookies = read(f"SONARSESSID=somebody-else; SONARSESSID={sealed}; SID2=bare")
    assert cookies.upstream(live) == b"SONARSESSID=mine"


@pytest.mark.parametrize(
    ("pair", "hides"),
    [
        ("theme=a SONARSESSID=bare", True),
        ("theme=a\tSID2=bare", True),
        ("theme=a,SONARSESSID=bare", True),
        ("theme=a, SONARSESSID =bare", True),
        ('theme="a"SONARSESSID=bare', True),
        ("theme SONARSESSID=bare", True),
        ("theme=aSONARSESSID=bare", False),
        ("xSONARSESSID=bare", False),
        ("last=SONARSESSID=bare", False),
        ("why=no SONARSESSID", False),
    ],
)
def test_nor_does_one_within_another_cookie(live: Live, pair: str, hides: bool) -> None:
    """A sibling host may set a cookie of any name; a blank or a comma in it ends a cookie to some
    programs, of which Sonar may be one."""
    sealed = live.seal("SONARSESSID", "mine")
    cookies = read(f"a=b; {pair}; SONARSESSID={sealed}")
    rest = "" if hides else f"{pair}; "
    assert cookies.upstream(live) == f"a=b; {rest}SONARSESSID=mine".encode()
    # Beside no session it is nobody's but the browser's.
    assert cookies.upstream(None) == f"a=b; {pair}".encode()
    assert not cookies.password_user


def test_a_tampered_seal_opens_nothing(live: Live) -> None:
    sealed = live.seal("SONARSESSID", "s3cret")
    changed = sealed[:-1] + ("A" if sealed[-1] != "A" else "B")
    assert read(f"SONARSESSID={changed}").upstream(live) == b""


@pytest.mark.parametrize(
    ("value", "attributes"),
    [
        (b"SONARSESSID=abc", b""),
        (b"SONARSESSID=abc; Path=/; HttpOnly", b"; Path=/; HttpOnly"),
        (b"SID2 = abc ;Secure", b";Secure"),
        (b"SONARSESSID=deleted; Max-Age=0", b"; Max-Age=0"),
    ],
)
def test_session_cookies_of_sonar_are_sealed(live: Live, value: bytes, attributes: bytes) -> None:
    sealed = passing(value, live)
    pair = sealed.removesuffix(attributes)
    name, _, content = pair.partition(b"=")
    assert content.startswith(SEALED_PREFIX.encode())
    opened = live.open(name.decode(), content.decode())
    assert opened in {"abc", "deleted"}


@pytest.mark.parametrize(
    "value", [b"a=b; Path=/", b"lang=fr", b"SONARSESSID", b"", b"=x", b"sonarsessid=1", b";"]
)
def test_every_other_cookie_stays(live: Live, value: bytes) -> None:
    assert passing(value, live) == value


def test_round_trip_keeps_odd_bytes(live: Live) -> None:
    value = "caf\xe9%20\xff+/=".encode("latin-1")
    sealed = passing(b"SONARSESSID=" + value, live)
    assert read(sealed.decode("latin-1")).upstream(live) == b"SONARSESSID=" + value


def test_no_cookies() -> None:
    assert NO_COOKIES.upstream(None) == b""
    assert NO_COOKIES.session is None


def test_a_huge_header_is_read_at_once() -> None:
    cookies = read("; ".join(f"c{number}=v" for number in range(4000)))
    assert len(cookies.pairs) == 4000


@pytest.mark.parametrize(
    ("value", "path", "place"),
    [
        ("SONARSESSID=x; Path=/", "/calls", None),
        ("SONARSESSID=x; path=/; Domain=", "/calls", None),
        ("SONARSESSID=x", "/calls", None),
        ("SONARSESSID=x; Path=relative", "/calls", None),
        ("SONARSESSID=x; Path=/app; Domain=.Sonar.example", "/", None),
        ("SID2=x; Path=/app/; HttpOnly", "/", None),
        ("other=x; Path=/app", "/", None),
        # each differs in one from a place that is named
        ("SONARSESSID=x; Path=/app", "/", ("SONARSESSID", "/app", "")),
        ("SID2=x; Path=/app", "/", ("SID2", "/app", "")),
        ("SID2=x; Path=/", "/", ("SID2", "/", "")),
        ("SONARSESSID=x; Path=/; Domain=sonar.example", "/", ("SONARSESSID", "/", "sonar.example")),
        (
            "SONARSESSID=x;Path=/;Domain=www.sonar.example",
            "/",
            ("SONARSESSID", "/", "www.sonar.example"),
        ),
        # without a path, in the folder of the page (RFC 6265 section 5.1.4)
        ("SONARSESSID=x", "/app/calls", ("SONARSESSID", "/app", "")),
        ("SONARSESSID=x; Path=", "/app/calls/", ("SONARSESSID", "/app/calls", "")),
        # of several the last one counts
        ("SONARSESSID=x; Path=/; Path=/app", "/", ("SONARSESSID", "/app", "")),
        ("SONARSESSID=x; Path=/app; Path=/", "/", None),
        # longer than a browser reads
        (f"SONARSESSID=x; Path=/{'a' * 1024}", "/", None),
        # no browser lets this host set it
        ("SONARSESSID=x; Path=/app; Domain=sonar.internal", "/", None),
        ("SONARSESSID=x; Path=/app; Domain=nar.example", "/", None),
        # it goes, and does not stay
        ("SONARSESSID=; Path=/app", "/", None),
        ("SONARSESSID=deleted; Path=/app; Max-Age=0", "/", None),
        ("SONARSESSID=deleted; Path=/app; Max-Age=-1", "/", None),
        ("SONARSESSID=x; Path=/app; Expires=Thu, 01-Jan-1970 00:00:01 GMT", "/", None),
        ("SONARSESSID=x; Path=/app; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/", None),
        ("SONARSESSID=x; Path=/app; Max-Age=10", "/", ("SONARSESSID", "/app", "")),
        (
            "SONARSESSID=x; Path=/app; Expires=Wed, 19 Jan 2033 19:19:19 GMT",
            "/",
            ("SONARSESSID", "/app", ""),
        ),
    ],
)
def test_where_a_session_cookie_is_that_config_does_not_name(
    value: str, path: str, place: tuple[str, str, str] | None
) -> None:
    cookie = passing_set_cookie(value.encode("latin-1"), None, path, RULES)
    assert cookie is not None
    assert cookie.unnamed == place
