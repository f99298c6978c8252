"""What proxies ask at /sso/auth: who may ask, in which way, about what, and what they are told."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.decision import (
    As,
    Decision,
    Portal,
    Refuse,
    SignIn,
    Unavailable,
    Vouch,
    decide,
)
from gateway.edge.inbound import Inbound, RawHead, Refusal
from gateway.edge.peer import Peer, peer_of
from gateway.edge.question import Questions, vouching_reply
from gateway.edge.rules import Rules
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.reasons import Reason
from gateway.session.cookie import SEALED_PREFIX
from gateway.session.entry import Live
from gateway.session.seal import Sealer
from tests.edge.samples import BROWSER, fields, lines_of, rules
from tests.session.samples import a_session, an_account, lines_for, new_keys

NOW = 1000.0
PROXIES = ("nginx", "traefik", "caddy", "envoy")
POLICY = Policy(domain="acme.example", sso=Sso.ON, providers={"google": ProviderRule()})
ALLOWED, BLOCKED = Policies({"acme.example": POLICY}), Policies({})
SESSION = a_session(NOW)
COOKIE = "Cookie: __Host-sonar_sso=abc"
LEGACY = "Cookie: SONARSESSID=xyz"
SEALED = f"Cookie: SONARSESSID={SEALED_PREFIX}xyz"
NAVIGATION = "Sec-Fetch-Mode: navigate"
WEBSOCKET = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

BEHIND = {
    name: rules(server={"trusted_proxies": ["10.0.0.0/8"], "forward_auth": name})
    for name in PROXIES
}
PROXY = peer_of("10.0.0.1", BEHIND["nginx"].trusted)


def inbound(
    target: str, *lines: str, method: str = "GET", peer: Peer = PROXY, rules: Rules
) -> Inbound:
    """A request as the edge begins with it."""
    given = fields("Host: sonar.example", *lines, rules=rules, trusted=peer.trusted)
    raw = RawHead(method, target.encode("latin-1"), 1, given)
    made = Questions().read(raw, peer, "https", "new-id-0001", rules)
    assert isinstance(made, Inbound), made
    return made


def question(proxy: str, uri: str, *lines: str, method: str = "GET", **settings: Any) -> Inbound:
    """What `proxy` sends when its client sent `method`, `uri` and `lines`."""
    target, asked_with = "/sso/auth", method
    if proxy == "nginx":
        lines = (f"X-Original-URI: {uri}", f"X-Original-Method: {method}", *lines)
        asked_with = "GET"
    elif proxy == "envoy":
        target += uri
    else:
        lines = (f"X-Forwarded-Uri: {uri}", f"X-Forwarded-Method: {method}", *lines)
        asked_with = "GET"
    return inbound(target, *lines, method=asked_with, rules=BEHIND[proxy], **settings)


def told(
    proxy: str,
    uri: str,
    *lines: str,
    session: Any = None,
    policies: Policies = ALLOWED,
    **settings: Any,
) -> Decision:
    return decide(question(proxy, uri, *lines, **settings), session, policies, BEHIND[proxy], NOW)


def refused(asked: Inbound) -> tuple[int, Reason]:
    assert isinstance(asked.asked, Refusal), asked.asked
    return asked.asked.status, asked.asked.reason


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"])
def test_each_asks_in_its_own_way(proxy: str, method: str) -> None:
    asked = question(proxy, "/calls/7?page=2&x=%2F", method=method).asked
    assert isinstance(asked, Inbound)
    assert (asked.method, asked.path, asked.query) == (method, "/calls/7", "?page=2&x=%2F")
    assert not asked.for_portal


@pytest.mark.parametrize("proxy", PROXIES)
def test_from_anybody_else_it_is_refused(proxy: str) -> None:
    asked = question(proxy, "/", COOKIE, peer=BROWSER)
    assert refused(asked) == (403, Reason.PEER_UNTRUSTED)
    assert decide(asked, SESSION, ALLOWED, BEHIND[proxy], NOW) == Refuse(403, Reason.PEER_UNTRUSTED)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    "lines",
    [
        ("X-Original-URI: /static/a",),
        ("X-Original-Method: GET",),
        ("X-Forwarded-Uri: /static/a",),
        ("X-Forwarded-Method: GET",),
        ("x-original-uri: /static/a", "x-forwarded-uri: /static/a"),
        # the same as the proxy says, and still the client's word
        ("X-Original-URI: /calls", "X-Original-Method: GET", "X-Forwarded-Uri: /calls"),
    ],
)
def test_in_two_ways_at_once_it_is_refused(proxy: str, lines: tuple[str, ...]) -> None:
    """Whatever the proxy does not write, its client may have written (authentik GHSA-5wcc): in the
    other way it is a conflict; in the same way it stands twice, and is no path any more."""
    assert refused(question(proxy, "/calls", *lines))[0] in {400, 405}


@pytest.mark.parametrize("rules", [*BEHIND.values(), rules()])
@pytest.mark.parametrize(
    "target",
    ["/sso/login", "/sso", "/sso/authentic", "/sso/login?/sso/auth", "/sso/%61uth",
     "/sso/auth.json", "/sso/%61uth/calls", "/sso/autH", "//sso/auth"],
)  # fmt: skip
def test_elsewhere_nobody_asks(rules: Rules, target: str) -> None:
    lines = ("X-Original-URI: /", "X-Original-Method: GET", "X-Forwarded-Uri: /")
    assert inbound(target, *lines, rules=rules, peer=PROXY).asked is None


def test_a_query_of_the_question_means_nothing() -> None:
    lines = ("X-Forwarded-Uri: /calls?page=2", "X-Forwarded-Method: GET")
    asked = inbound("/sso/auth?/static/a.css", *lines, rules=BEHIND["caddy"]).asked
    assert isinstance(asked, Inbound)
    assert (asked.path, asked.query) == ("/calls", "?page=2")


def test_only_the_proxy_that_is_configured_may_ask() -> None:
    for proxy in ("nginx", "traefik", "caddy"):
        assert inbound("/sso/auth/static/a", rules=BEHIND[proxy]).asked is None
    assert inbound("/sso/auth", rules=BEHIND["envoy"]).asked is None
    without = rules(server={"trusted_proxies": ["10.0.0.0/8"]})
    asked = inbound("/sso/auth", "X-Original-URI: /", "X-Original-Method: GET", rules=without)
    assert asked.asked is None
    assert decide(asked, None, ALLOWED, without, NOW) == Portal()


@pytest.mark.parametrize(
    ("proxy", "lines"),
    [
        ("nginx", ()),
        ("nginx", ("X-Original-URI: /",)),
        ("nginx", ("X-Original-Method: GET",)),
        ("nginx", ("X_Original_URI: /", "X_Original_Method: GET")),
        ("caddy", ()),
        ("caddy", ("X-Forwarded-Uri: /",)),
        ("traefik", ("X-Forwarded-Method: GET",)),
        ("traefik", ("X-Forwarded-Uri: /", "X-Forwarded-Method: get")),
        ("caddy", ("X-Forwarded-Uri: http://sonar.example/", "X-Forwarded-Method: GET")),
        ("caddy", ("X-Forwarded-Uri: *", "X-Forwarded-Method: OPTIONS")),
        ("caddy", ("X-Forwarded-Uri: sonar.example:443", "X-Forwarded-Method: CONNECT")),
        ("nginx", ("X-Original-URI: ", "X-Original-Method: GET")),
    ],
)
def test_half_a_question_is_none(proxy: str, lines: tuple[str, ...]) -> None:
    assert refused(inbound("/sso/auth", *lines, rules=BEHIND[proxy]))[0] in {400, 405}


@pytest.mark.parametrize("proxy", ["nginx", "traefik", "caddy"])
@pytest.mark.parametrize(
    "uri",
    [
        "/static/../admin",
        "/static/%2e%2e/admin",
        "/static/..;/admin",
        "/static%2f..%2fadmin",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/static/a#/../admin",
        "/a b",
        "/%zz",
        "/a?b#c",
        "/static/\xe4",
        "/static/%c0%ae%c0%ae/admin",
        "/static/%252e%252e/admin",
        # public here, and forwarded by the proxy as it is
        "/%73tatic/a.css",
        "/st%61tic/a.css",
        "/favicon%2Eico",
    ],
)
def test_a_path_with_two_readings_is_refused(proxy: str, uri: str) -> None:
    assert refused(question(proxy, uri)) == (400, Reason.REQUEST_MALFORMED)


@pytest.mark.parametrize("uri", ["/st%61tic/a.css", "/favicon%2Eico"])
def test_public_in_another_spelling_only_behind_envoy(uri: str) -> None:
    """What is refused in any request line (`..`, `%2f`, `#`) head.py refuses for Envoy as well."""
    assert refused(question("envoy", uri)) == (400, Reason.REQUEST_MALFORMED)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("uri", ["//static/a", "/static;x/a", "/static/a;b", "/STATIC/a", "/%7Ejo"])
def test_nearly_public_is_private(proxy: str, uri: str) -> None:
    assert told(proxy, uri) == SignIn(Reason.NOT_SIGNED_IN, None)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("uri", ["/static/%C3%A9.png", "/static/%c3%a9.png", "/static/a?x=/../b"])
def test_public_files_have_all_kinds_of_names(proxy: str, uri: str) -> None:
    decision = told(proxy, uri)
    assert isinstance(decision, Vouch)
    assert decision.to is As.PUBLIC


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    "line",
    [
        "X-Sonar-Username: evil",
        "X-Sonar-Assertion: evil",
        "X-Sonar-Anything: evil",
        "X_Sonar_Username: evil",
        "x.sonar.username: evil",
        "X_Original_URI: /static/a",
        "X-Original-URL: /admin",
        "X_Original_URL: /admin",
        "X-Rewrite-URL: /admin",
        "Proxy: http://evil.example",
        "Content_Length: 7",
        "Transfer_Encoding: chunked",
        "X_Forwarded_For: 127.0.0.1",
        "X_Forwarded_Uri: /static/a",
        "X_Request_ID: abcdefgh",
    ],
)
def test_a_header_that_would_pass_us_by_is_refused(proxy: str, line: str) -> None:
    """The proxy hands its client's headers to Sonar itself, on public paths too."""
    for uri in ("/calls", "/static/a.css"):
        assert refused(question(proxy, uri, COOKIE, line)) == (400, Reason.REQUEST_MALFORMED)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    "line",
    ["TE: trailers", "Keep-Alive: 5", "X-Original-Host: sonar.example", "Proxy-Connection: close",
     "X-Forwarded-Port: 443", "Forwarded: for=192.0.2.7", "X-Real-IP: 192.0.2.7", "X_Other: 1",
     "Connection: Upgrade, X-Request-ID", "Expect: 100-continue"],
)  # fmt: skip
def test_what_proxies_add_harms_nothing(proxy: str, line: str) -> None:
    assert isinstance(question(proxy, "/calls", line).asked, Inbound)


IDENTITY = (COOKIE, SESSION)
EVERYBODY = [
    # path, headers, session, what is allowed or why not
    ("/calls", (COOKIE,), SESSION, As.IDENTITY),
    ("/static/a", (COOKIE,), SESSION, As.IDENTITY),
    ("/login", (COOKIE,), SESSION, As.IDENTITY),
    ("/calls", (COOKIE, WEBSOCKET, "Origin: https://sonar.example"), SESSION, As.IDENTITY),
    ("/calls", (COOKIE, WEBSOCKET), SESSION, As.IDENTITY),
    ("/calls", (COOKIE, "Origin: https://evil.example"), SESSION, As.IDENTITY),
    ("/calls", (LEGACY,), None, As.PASSWORD),
    ("/calls", (LEGACY, WEBSOCKET, "Origin: https://evil.example"), None, As.PASSWORD),
    ("/static/a", (), None, As.PUBLIC),
    ("/login?return_to=/x", (), None, As.PUBLIC),
    ("/static/a", (SEALED,), None, As.PUBLIC),
]


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(("uri", "lines", "session", "somebody"), EVERYBODY)
def test_who_may_pass(
    proxy: str, uri: str, lines: tuple[str, ...], session: Any, somebody: As
) -> None:
    decision = told(proxy, uri, *lines, session=session)
    assert isinstance(decision, Vouch)
    assert decision.to is somebody
    assert decision.asked.path + decision.asked.query == uri


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    ("uri", "lines", "session", "reason"),
    [
        ("/calls", (), None, Reason.NOT_SIGNED_IN),
        ("/calls", (SEALED,), None, Reason.NOT_SIGNED_IN),
        ("/calls", (COOKIE,), None, Reason.SESSION_EXPIRED),
        ("/calls?path=/static/a", (), None, Reason.NOT_SIGNED_IN),
        ("/calls?/login", (), None, Reason.NOT_SIGNED_IN),
        ("/calls", ("Accept: application/json",), None, Reason.NOT_SIGNED_IN),
        ("/calls", ("X-Requested-With: XMLHttpRequest", "Accept: text/html"), None,
         Reason.NOT_SIGNED_IN),
        ("/calls", ("Sec-Fetch-Mode: cors", "Accept: text/html"), None, Reason.NOT_SIGNED_IN),
        ("/calls", (WEBSOCKET, NAVIGATION), None, Reason.NOT_SIGNED_IN),
        ("/calls", ("Connection: Upgrade", "Upgrade: websocket", NAVIGATION), None,
         Reason.NOT_SIGNED_IN),
    ],
)  # fmt: skip
def test_programs_get_401_and_no_redirect(
    proxy: str, uri: str, lines: tuple[str, ...], session: Any, reason: Reason
) -> None:
    assert told(proxy, uri, *lines, session=session) == SignIn(reason, None)


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_preflight_gets_401(proxy: str) -> None:
    lines = ("Origin: https://x.example", "Access-Control-Request-Method: PUT", "Accept: text/html")
    assert told(proxy, "/calls", *lines, method="OPTIONS") == SignIn(Reason.NOT_SIGNED_IN, None)


@pytest.mark.parametrize(
    ("method", "uri", "way_back"),
    [
        ("GET", "/calls?page=2&x=%20", "/calls?page=2&x=%20"),
        ("HEAD", "/calls", "/calls"),
        ("GET", "/%63alls", "/calls"),
        ("POST", "/calls/7/delete", "/"),
    ],
)
def test_a_navigation_is_led_to_the_sign_in_page(method: str, uri: str, way_back: str) -> None:
    for proxy in ("traefik", "caddy", "envoy"):
        made = told(proxy, uri, NAVIGATION, method=method)
        assert made == SignIn(Reason.NOT_SIGNED_IN, way_back, form=method == "POST")
    # nginx takes no redirect from `auth_request`.
    made = told("nginx", uri, NAVIGATION, method=method)
    assert made == SignIn(Reason.NOT_SIGNED_IN, None)


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_policy_that_does_not_allow_it(proxy: str) -> None:
    made = told(proxy, "/calls", COOKIE, session=SESSION, policies=BLOCKED)
    assert made == SignIn(Reason.NO_POLICY, None)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    ("uri", "lines", "session", "status", "reason"),
    [
        ("/calls", (COOKIE,), Unavailable(Reason.SESSIONS_UNAVAILABLE), 503,
         Reason.SESSIONS_UNAVAILABLE),
        ("/calls", (COOKIE, WEBSOCKET, "Origin: https://evil.example"), SESSION, 403,
         Reason.ORIGIN_FOREIGN),
        ("/sso/login", (COOKIE,), SESSION, 403, Reason.NOT_FOUND),
        ("/sso/auth", (COOKIE,), SESSION, 403, Reason.NOT_FOUND),
        ("/calls", ("X-Sonar-Email: evil",), None, 400, Reason.REQUEST_MALFORMED),
    ],
)  # fmt: skip
def test_refusals(
    proxy: str, uri: str, lines: tuple[str, ...], session: Any, status: int, reason: Reason
) -> None:
    """nginx would make an error of its own out of anything but 401 and 403."""
    expected = 403 if proxy == "nginx" else status
    assert told(proxy, uri, *lines, session=session) == Refuse(expected, reason)


@pytest.fixture
def live(tmp_path: Path) -> Live:
    keys = new_keys(tmp_path)
    return Live(a_session(NOW), lines_for(keys), Sealer(keys))


def answer(proxy: str, live: Live | None, *lines: str) -> list[str]:
    """The head of the answer when the request of `lines` may pass."""
    asked = question(proxy, "/calls", *lines).asked
    assert isinstance(asked, Inbound)
    return lines_of(vouching_reply(asked, live, NOW, "new-id-0001", BEHIND[proxy]) + b"\r\n")


# The same for everybody: for nobody to keep, with an id to find it in the log.
SAID = ["HTTP/1.1 200 OK", "Content-Length: 0", "Cache-Control: no-store",
        "X-Request-ID: new-id-0001"]  # fmt: skip
REMOVED = "X-Envoy-Auth-Headers-To-Remove: "
NAMES = "X-Sonar-Account-Id,X-Sonar-Username,X-Sonar-Email,X-Sonar-Provider,X-Sonar-Assertion"


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_is_told_who_it_is(proxy: str, live: Live) -> None:
    """The same headers as upstream gets from us, and Cookie, opened and without ours."""
    sealed = live.seal("SONARSESSID", "1")
    cookie = f"Cookie: a=b; __Host-sonar_sso=x; SONARSESSID={sealed}; __Host-sonar_tx_1=t"
    told = answer(proxy, live, cookie)
    assert told[:4] == SAID
    identity = live.identity_headers(NOW).decode().split("\r\n")[:-1]
    assert len(identity) == 5
    assert told[4:] == [*identity, "Cookie: a=b; SONARSESSID=1"]


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_bare_legacy_cookie_beside_an_identity_is_not_for_sonar(proxy: str, live: Live) -> None:
    assert "SONARSESSID" not in "".join(answer(proxy, live, LEGACY))


@pytest.mark.parametrize(
    ("cookie", "for_sonar"),
    [
        ("a=b; SONARSESSID=1; __Host-sonar_sso=x", ["Cookie: a=b; SONARSESSID=1"]),
        (f"SONARSESSID={SEALED_PREFIX}xyz; __Host-sonar_sso=x", []),
        ("__Host-sonar_tx_1=t", []),
    ],
)
def test_a_proxy_is_told_of_nobody(cookie: str, for_sonar: list[str]) -> None:
    for proxy in ("nginx", "traefik", "caddy"):
        assert answer(proxy, None, f"Cookie: {cookie}") == SAID + for_sonar
    removed = NAMES if for_sonar else f"{NAMES},Cookie"
    told = answer("envoy", None, f"Cookie: {cookie}")
    assert told == [*SAID, *for_sonar, REMOVED + removed]


def test_envoy_is_told_what_an_identity_lacks(tmp_path: Path) -> None:
    keys = new_keys(tmp_path)
    session = a_session(NOW, account=an_account(email=None))
    live = Live(session, lines_for(keys), Sealer(keys))
    assert answer("envoy", live)[-1] == f"{REMOVED}X-Sonar-Email,Cookie"
    assert answer("envoy", live, "Cookie: a=b")[-1] == f"{REMOVED}X-Sonar-Email"


def test_the_same_question_is_read_once() -> None:
    rules, questions = BEHIND["nginx"], Questions()
    lines = ("X-Original-URI: /calls", "X-Original-Method: GET", "Host: sonar.example")
    given = fields(*lines, rules=rules, trusted=True)

    def ask(target: bytes = b"/sso/auth", peer: Peer = PROXY, proto: str = "https") -> Inbound:
        made = questions.read(RawHead("GET", target, 1, given), peer, proto, "new-id-0002", rules)
        assert isinstance(made, Inbound)
        return made

    assert ask() is ask()
    # No id of a request is ever another's.
    assert ask().request_id == ""
    # Whatever else it depends on makes it another.
    other = peer_of("10.0.0.2", rules.trusted)
    assert ask(peer=other).client == "10.0.0.2"
    assert ask(proto="http").proto == "http"
    assert ask(peer=BROWSER).asked == Refusal(
        403, Reason.PEER_UNTRUSTED, "192.0.2.1 is not in server.trusted_proxies"
    )
    page = ask(b"/sso/authentic")
    assert (page.asked, page.request_id) == (None, "new-id-0002")
    assert ask() is not ask(b"/sso/auth?x")


@pytest.mark.parametrize("said", ["/calls", "/" + "x" * 3000])
def test_remembering_questions_is_bounded(said: str) -> None:
    rules, questions = BEHIND["nginx"], Questions()
    tracemalloc.start()
    try:
        for number in range(20_000 if len(said) < 10 else 2000):
            lines = (f"X-Original-URI: {said}?{number}", "X-Original-Method: GET", "Host: a")
            raw = RawHead("GET", b"/sso/auth", 1, fields(*lines, rules=rules, trusted=True))
            questions.read(raw, PROXY, "https", "new-id-0002", rules)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 20 * 1024 * 1024


def test_a_long_question_is_not_remembered() -> None:
    rules, questions = BEHIND["nginx"], Questions()
    lines = ("X-Original-URI: /" + "x" * 5000, "X-Original-Method: GET", "Host: a")
    raw = RawHead("GET", b"/sso/auth", 1, fields(*lines, rules=rules, trusted=True))
    once, again = (questions.read(raw, PROXY, "https", "new-id-0002", rules) for _ in range(2))
    assert isinstance(once, Inbound)
    assert once is not again


def test_an_id_that_the_proxy_says_is_taken() -> None:
    assert question("nginx", "/", "X-Request-ID: from-the-proxy").request_id == "from-the-proxy"


def test_what_changes_is_told_at_once(live: Live) -> None:
    """What was told is kept with the session, as long as its identity is the same."""
    asked = question("nginx", "/calls", COOKIE).asked
    assert isinstance(asked, Inbound)

    def told() -> bytes:
        return vouching_reply(asked, live, NOW, "id", BEHIND["nginx"])

    assert told() == told()
    live.confirm(replace(live.session, account=an_account("kim")))
    assert b"X-Sonar-Username: kim\r\n" in told()
