"""What of Config a request meets."""

import pytest

from gateway.edge.rules import compile_paths
from tests.edge.samples import RULES, rules


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("/login", True),
        ("/login/", False),
        ("/login;jsessionid=1", False),
        ("/static/", True),
        ("/static/a/b.css", True),
        ("/static", False),
        ("/staticx", False),
        ("/Static/a", False),
        ("/x/static/a", False),
        ("//static/a", False),
        ("/favicon.ico", True),
        ("/favicon_ico", False),
        ("/favicon.ico/x", False),
        ("/api/v1/health", True),
        ("/api//health", False),
        ("/api/v1/x/health", False),
        ("/api/v1/healthy", False),
        # one path here and another to a servlet container
        ("/static/a;x/b", False),
        ("/static/..;/admin", False),
        ("/", False),
        ("*", False),
    ],
)
def test_public_paths(path: str, public: bool) -> None:
    assert RULES.is_public(path) is public


def test_only_the_sign_in_page_is_public_by_itself() -> None:
    bare = rules(public_paths=[])
    assert compile_paths(()) is None
    assert bare.is_public("/login")
    assert not bare.is_public("/static/a")


def test_a_pattern_is_no_regular_expression() -> None:
    pattern = compile_paths(("/a.b/**", "/c+/x"))
    assert pattern is not None
    assert pattern.fullmatch("/a.b/c")
    assert not pattern.fullmatch("/axb/c")
    assert not pattern.fullmatch("/cc/x")


def test_cookies_expired_at_sign_out() -> None:
    assert RULES.expired_cookies == (
        b"Set-Cookie: __Host-sonar_sso=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure\r\n"
        b"Set-Cookie: SONARSESSID=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure\r\n"
    )


def test_each_cookie_is_expired_in_the_form_it_was_set() -> None:
    """A browser forgets one only when told in the same name, path and domain."""
    named = rules(
        session_cookies=[
            "SONARSESSID",
            {"name": "SONARSESSID", "path": "/app", "domain": ".Sonar.example"},
            {"name": "REMEMBER", "path": "/app/"},
        ]
    )
    assert named.expired_cookies.decode().splitlines()[1:] == [
        f"Set-Cookie: {cookie}; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        for cookie in (
            "SONARSESSID=; Path=/",
            "SONARSESSID=; Path=/app; Domain=sonar.example",
            "REMEMBER=; Path=/app/",
        )
    ]
    assert named.cookies.legacy == {b"SONARSESSID", b"REMEMBER"}
