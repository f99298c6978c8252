"""Where a sign-in may lead: every way out of our origin that browsers and proxies ever offered."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.next_path import safe_next

ORIGIN = "https://sonar.example"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/", "/"),
        ("/voicemail", "/voicemail"),
        ("/voicemail/", "/voicemail/"),
        ("/voicemail?box=7&unheard=1", "/voicemail?box=7&unheard=1"),
        ("/calls?from=a%20b+c", "/calls?from=a%20b+c"),
        ("/calls?to=https://other.example/x", "/calls?to=https://other.example/x"),
        ("/calls?a=//x", "/calls?a=//x"),
        ("/calls?a=../x", "/calls?a=../x"),
        ("/calls?", "/calls?"),
        ("/?a=b", "/?a=b"),
        ("/a;v=1/b,c", "/a;v=1/b,c"),
        ("/~jo/@home:x", "/~jo/@home:x"),
        ("/files/a%2Fb", "/files/a%2Fb"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/café?x=é", "/caf%C3%A9?x=%C3%A9"),
        ("/a b?c d", "/a%20b?c%20d"),
        ('/a"<script>', "/a%22%3Cscript%3E"),
        ("/...", "/..."),
        ("/.well-known/x", "/.well-known/x"),
        # fragments never reach a server
        ("/calls#row-7", "/calls"),
        ("/calls?a=b#//evil.example", "/calls?a=b"),
        ("/#/evil", "/"),
        ("/calls#\\evil", "/calls"),
        # in a query nothing leads anywhere, and a search for C:\temp is one
        ("/calls?a=\\", "/calls?a=%5C"),
        ("/files?in=C:\\temp\\x", "/files?in=C:%5Ctemp%5Cx"),
        ("/calls?to=//evil.example/\\..", "/calls?to=//evil.example/%5C.."),
        ("/calls?a=%2F%2Fevil.example&b=%0d%0a", "/calls?a=%2F%2Fevil.example&b=%0d%0a"),
        ("/calls?a={b}|c^d`", "/calls?a=%7Bb%7D%7Cc%5Ed%60"),
        ("/calls?off=100%&a=%zz", "/calls?off=100%&a=%zz"),
        ("/calls??a=b?c", "/calls??a=b?c"),
        # letters that look like a slash, a dot, a colon are letters
        ("/／evil.example", "/%EF%BC%8Fevil.example"),
        ("/。。/evil", "/%E3%80%82%E3%80%82/evil"),
        ("/\u2028evil", "/%E2%80%A8evil"),
        ("/\u202e/evil", "/%E2%80%AE/evil"),
        ("/\ufeff/evil", "/%EF%BB%BF/evil"),
        # absolute, our own
        (ORIGIN, "/"),
        (f"{ORIGIN}/", "/"),
        (f"{ORIGIN}/calls?a=b#c", "/calls?a=b"),
        (f"{ORIGIN}?a=b", "/?a=b"),
        (f"{ORIGIN}#x", "/"),
        # our own pages are fine, but for the loops
        ("/sso/settings", "/sso/settings"),
        ("/sso/accounts?x=1", "/sso/accounts?x=1"),
        ("/sso/login-help", "/sso/login-help"),
        ("/ssologin", "/ssologin"),
    ],
)
def test_places_of_ours(text: str, target: str) -> None:
    assert safe_next(text, ORIGIN) == target


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "calls",
        "?a=b",
        "#x",
        # another host
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "/\\/evil.example",
        "//evil.example\\@sonar.example",
        "/calls\\..\\..\\evil",
        "/calls\\?a=b",
        # browsers drop these before they parse
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "\t//evil.example",
        "/\t\\evil.example",
        " //evil.example",
        " /calls",
        "\x00/calls",
        "/calls\x00",
        "/calls\r\nSet-Cookie: a=b",
        "/calls\x7f",
        "/calls\x85",
        "h\tttps://evil.example",
        # encoded once, twice, in mixed case
        "/%2Fevil.example",
        "/%2fevil.example",
        "%2F%2Fevil.example",
        "/%5Cevil.example",
        "/%5cevil.example",
        "/%252Fevil.example",
        "/%25252Fevil.example",
        "/%2525252Fevil.example",
        "/%09/evil.example",
        "/%0a/evil.example",
        "/%0D%0ASet-Cookie:a=b",
        "/%00",
        "/a%2F%2Fb",
        # dot segments lead elsewhere than they say
        "/.//evil.example",
        "/..//evil.example",
        "/./calls",
        "/a/../b",
        "/..",
        "/.",
        "/a/..",
        "/%2e%2e//evil.example",
        "/%2E%2E/x",
        "/.%2e/x",
        "/calls//evil.example",
        "/calls/%2e%2e/sso/logout",
        # schemes, user info, hosts that begin like ours
        "https://evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt://sonar.example/%0aalert(1)",
        "data:text/html,x",
        "blob:https://sonar.example/x",
        "ftp://sonar.example/",
        "http://sonar.example/calls",
        "https://sonar.example@evil.example/",
        "https://sonar.example:password@evil.example/",
        "https://sonar.example.evil.example/",
        "https://sonar.example:8443/",
        "https://sonar.examples/",
        "https://sonar.example%2eevil.example/",
        "https://sonar.example\\@evil.example/",
        "https://sonar.example\t.evil.example",
        "https://jo@sonar.example/calls",
        "https://sonar.example:443/calls",
        "HTTPS://SONAR.EXAMPLE/calls",
        "https://sonar.example./calls",
        "https://ｓonar.example/calls",
        "https://sonar.example／evil.example",
        "https://sonar.example。evil.example",
        "https://xn--sonar-kva.example/",
        "https://sönar.example/",
        "http://[::1]/",
        "https://2130706433/",
        "///sonar.example/calls",
        "/////evil.example/..",
        "/;//evil.example",
        "/%5c%5cevil.example",
        "/%255c%255cevil.example",
        "/%u002fevil.example\\",
        "/%c0%af/../evil",
        "https://sonar.example//evil.example",
        "https://sonar.example/\\evil.example",
        "https://sonar.example/%2Fevil.example",
        "//sonar.example/calls",
        "@evil.example",
        ":80",
        ".evil.example",
        # loops
        "/sso/login",
        "/sso/login/google",
        "/sso/login?next=/sso/login",
        "/sso/logout",
        "/sso/logout#x",
        "/sso/logout/backchannel/google",
        "/sso/callback/google?code=x&state=y",
        "/sso/%6cogout",
        "/%73so/logout",
        "/sso%2Flogout",
        f"{ORIGIN}/sso/logout",
        # what no server takes
        "/" + "a" * 2000,
        "/" + "é" * 400,
        "/\ud800",
        "/calls?\ud800",
    ],
)
def test_everything_else_leads_home(text: str | None) -> None:
    """CVE-2020-5233, CVE-2020-4037, CVE-2020-11053: what got past others is among these."""
    assert safe_next(text, ORIGIN) == "/"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/logout", "/"),
        ("/logout?all=1", "/"),
        ("/%6cogout", "/"),
        ("/logout;x=1", "/"),
        (f"{ORIGIN}/logout#x", "/"),
        ("/login?return_to=/calls", "/"),
        ("/logout/", "/logout/"),
        ("/logouts", "/logouts"),
        ("/help/logout", "/help/logout"),
        ("/calls?x=/logout", "/calls?x=/logout"),
    ],
)
def test_who_signs_in_is_not_signed_out_by_it(text: str, target: str) -> None:
    """Whoever pressed "Sign out" when the session was over already wants to be out."""
    assert safe_next(text, ORIGIN, ("/login", "/logout")) == target


_PIECES = [*"/\\@:?#%.\t\n\r 25fFcCeE09a", "evil.example", ORIGIN, "%2f", "%5c", "//"]
_CRAFTED = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)


@given(st.one_of(_CRAFTED, st.text(max_size=40)))
def test_nothing_crafted_leaves_our_origin(text: str) -> None:
    target = safe_next(text, ORIGIN)
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))
    assert target.isascii()
    assert target.isprintable()
    assert " " not in target
    landed = urlsplit(urljoin(f"{ORIGIN}/sso/callback/google", target))
    assert f"{landed.scheme}://{landed.netloc}" == ORIGIN
    assert safe_next(target, ORIGIN) == target
