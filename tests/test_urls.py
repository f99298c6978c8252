"""Addresses with one reading are taken, all others refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import urls


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://sonar.example", "https://sonar.example"),
        ("https://sonar.example/", "https://sonar.example"),
        ("https://Sonar.Example:443/", "https://sonar.example"),
        ("HTTPS://sonar.example:8443", "https://sonar.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://localhost:80", "http://localhost"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[0:0::1]:8080", "http://[::1]:8080"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("https://xn--caf-dma.example", "https://xn--caf-dma.example"),
    ],
)
def test_public_urls(text: str, origin: str) -> None:
    assert urls.public_url(text) == origin
    assert urls.public_url(origin) == origin


@pytest.mark.parametrize(
    "text",
    [
        "http://sonar.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        # Looks like loopback, and is somebody's domain.
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://[::ffff:10.0.0.1]",
    ],
)
def test_plain_http_is_for_loopback_only(text: str) -> None:
    with pytest.raises(ValueError, match="must be https"):
        urls.public_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "sonar.example", "//sonar.example", "https:", "https://", "https:///x",
        "https:sonar.example", "ftp://sonar.example", "javascript://sonar.example",
        "https://sonar.example/sub", "https://sonar.example?", "https://sonar.example?x=1",
        "https://sonar.example#", "https://sonar.example/#x", "https://user@sonar.example",
        "https://user:hunter2@sonar.example", "https://@sonar.example", "https://sonar.example:",
        "https://sonar.example:0", "https://sonar.example:65536", "https://sonar.example:x",
        "https://sonar.example\\@evil.example", "https://sonar .example", " https://sonar.example",
        "https://sonar.example\n", "https://sonar\t.example", "https://sonar..example",
        "https://.sonar.example", "https://-sonar.example", "https://sonar.example.",
        "https://*.sonar.example", "https://sonar%2eexample", "https://café.example",
        # Browsers read these as IPv4 addresses.
        "http://127.1", "http://2130706433", "http://0x7f000001", "http://0x7f.1",
        "http://0177.0.0.1", "http://127.0.0.0x1", "http://1.2.3.4.5", "http://sonar.7",
        "http://[::1", "http://::1", "http://[::1%25eth0]", "http://[localhost]",
    ],
)  # fmt: skip
def test_not_origins(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|must not|has a"):
        urls.parse_origin(text)


def test_origin_parts() -> None:
    assert urls.parse_origin("http://[::1]") == urls.Origin("http", "::1", 80)
    assert urls.parse_origin("https://a.example").port == 443
    assert urls.parse_origin("http://[::1]").loopback
    assert not urls.parse_origin("https://a.example").loopback


@given(st.text(max_size=60))
def test_any_text_is_an_origin_or_refused(text: str) -> None:
    try:
        origin = urls.parse_origin("https://" + text)
    except ValueError:
        return
    assert urls.parse_origin(str(origin)) == origin


GOOGLE = "https://accounts.google.com/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (GOOGLE, GOOGLE),
        (GOOGLE.replace(".com", ".com:443"), GOOGLE),
        (GOOGLE + "?appid=x", GOOGLE + "?appid=x"),
        (
            "http://localhost:8082/google/.well-known/openid-configuration",
            "http://localhost:8082/google/.well-known/openid-configuration",
        ),
    ],
)
def test_discovery_urls(text: str, url: str) -> None:
    assert urls.discovery_url(text) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOGLE.replace("https", "http"), "must be https"),
        (GOOGLE + "#x", "fragment"),
        ("https://accounts.google.com", "must end in"),
        ("https://accounts.google.com/.well-known/openid-configuration/x", "must end in"),
        (GOOGLE.replace("//", "//a:b@"), "must not hold"),
    ],
)
def test_not_discovery_urls(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        urls.discovery_url(text)


@pytest.mark.parametrize("path", ["/", "/login", "/a/b/", "/a.php", "/ssox", "/a;b=c", "/~jo/@x"])
def test_url_paths(path: str) -> None:
    assert urls.url_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "login", "//login", "/a//b", "/a/../b", "/..", "/./a", "/a/.", "/a?b", "/a#b", "/a?",
        "/a\\b", "/a b", "/a%62", "/a%2fb", "/é", "/a\n", "/*", "/a*", "/sso", "/sso/",
        "/sso/login", "http://sonar.example/login",
    ],
)  # fmt: skip
def test_not_url_paths(path: str) -> None:
    with pytest.raises(ValueError, match=r".{10}"):
        urls.url_path(path)


@pytest.mark.parametrize(
    "pattern",
    ["/favicon.ico", "/static/**", "/static/*", "/api/*/health", "/a/*/b/**", "/", "/a/"],
)
def test_public_patterns(pattern: str) -> None:
    assert urls.public_pattern(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("/**", "everything"),
        ("/*", "everything"),
        ("/*/**", "everything"),
        ("/*/x", "everything"),
        ("/s*/**", "everything"),
        ("**", "start with /"),
        ("*", "start with /"),
        ("", "start with /"),
        ("static/**", "start with /"),
        ("/**/static", "everything"),
        ("/a/**/b", "only at the end"),
        ("/a/*.png", "whole segment"),
        ("/a/b**", "whole segment"),
        ("/a/***", "whole segment"),
        ("/a/../**", "segments"),
        ("/a//**", "segments"),
        ("/a?x=**", "path only"),
        ("/a;x/**", "may not have ;"),
        ("/a%2f**", "may have letters"),
        ("/sso/**", "gateway's own"),
    ],
)
def test_not_public_patterns(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        urls.public_pattern(pattern)


@pytest.mark.parametrize(
    ("domain", "host", "covered"),
    [
        ("sonar.example", "sonar.example", True),
        ("sonar.example", "www.sonar.example", True),
        ("example", "sonar.example", True),
        ("nar.example", "sonar.example", False),
        ("www.sonar.example", "sonar.example", False),
        ("localhost", "localhost", True),
        ("192.0.2.1", "192.0.2.1", True),
        ("2.1", "192.0.2.1", False),
    ],
)
def test_which_hosts_may_set_a_cookie_for_a_domain(domain: str, host: str, covered: bool) -> None:
    assert urls.covers(domain, host) is covered


def test_a_cookies_domain() -> None:
    assert urls.cookie_domain(".Sonar.example") == "sonar.example"
    for wrong in ("", ".", "..sonar.example", "sonar.example;", "sonar.example\r\n", "a b"):
        with pytest.raises(ValueError, match=r"host|ASCII|name"):
            urls.cookie_domain(wrong)
