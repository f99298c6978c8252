"""What is done with a request: the order of the questions."""

from typing import Any

import pytest

from gateway.edge.decision import (
    As,
    Decision,
    Forward,
    Portal,
    Refuse,
    SignIn,
    Unavailable,
    decide,
)
from gateway.email import Email
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.reasons import Reason
from gateway.session.cookie import SEALED_PREFIX
from tests.edge.samples import RULES, inbound
from tests.session.samples import a_session, an_identity

NOW = 1000.0
UNAVAILABLE = Unavailable(Reason.SESSIONS_UNAVAILABLE)
COOKIE = "__Host-sonar_sso=abc"
LEGACY = "SONARSESSID=xyz"
SEALED = f"SONARSESSID={SEALED_PREFIX}xyz"
NAVIGATION = ("Sec-Fetch-Mode: navigate",)

IDENTITY, PASSWORD, PUBLIC = Forward(As.IDENTITY), Forward(As.PASSWORD), Forward(As.PUBLIC)
SESSION = a_session(NOW)


def policies(**changes: Any) -> Policies:
    settings: dict[str, Any] = {"sso": Sso.ON, "providers": {"google": ProviderRule()}, **changes}
    return Policies({"acme.example": Policy(domain="acme.example", **settings)})


ALLOWED = policies()


def decided(
    target: str = "/",
    *lines: str,
    cookie: str = "",
    session: Any = None,
    rules_in_force: Policies = ALLOWED,
    now: float = NOW,
    method: str = "GET",
) -> Decision:
    given = (*lines, f"Cookie: {cookie}") if cookie else lines
    return decide(inbound(target, *given, method=method), session, rules_in_force, RULES, now)


@pytest.mark.parametrize(
    ("target", "cookie", "session", "decision"),
    [
        # 3: the portal, whoever asks
        ("/sso/login", "", None, Portal()),
        ("/sso", COOKIE, SESSION, Portal()),
        ("/sso/login", LEGACY, None, Portal()),
        ("/sso/login", COOKIE, UNAVAILABLE, Portal()),
        # 4: a live session comes before everything else
        ("/", COOKIE, SESSION, IDENTITY),
        ("/static/a.css", COOKIE, SESSION, IDENTITY),
        ("/login", COOKIE, SESSION, IDENTITY),
        ("/", f"{COOKIE}; {LEGACY}", SESSION, IDENTITY),
        # 5: a password user
        ("/", LEGACY, None, PASSWORD),
        ("/static/a.css", LEGACY, None, PASSWORD),
        ("/", f"{COOKIE}; {LEGACY}", None, PASSWORD),
        ("/", f"{COOKIE}; {LEGACY}", UNAVAILABLE, PASSWORD),
        # 6: public
        ("/static/a.css", "", None, PUBLIC),
        ("/login", "", None, PUBLIC),
        ("/login?return_to=/x", "", None, PUBLIC),
        ("/static/a.css", SEALED, None, PUBLIC),
        ("/static/a.css", COOKIE, UNAVAILABLE, PUBLIC),
        # 7: not signed in
        ("/", "", None, SignIn(Reason.NOT_SIGNED_IN, None)),
        ("/", SEALED, None, SignIn(Reason.NOT_SIGNED_IN, None)),
        ("/", COOKIE, None, SignIn(Reason.SESSION_EXPIRED, None)),
        ("/", f"{COOKIE}; {SEALED}", None, SignIn(Reason.SESSION_EXPIRED, None)),
        ("/x?path=/static/a.css", "", None, SignIn(Reason.NOT_SIGNED_IN, None)),
        ("/x?/login", "", None, SignIn(Reason.NOT_SIGNED_IN, None)),
        # the store cannot say
        ("/", COOKIE, UNAVAILABLE, Refuse(503, Reason.SESSIONS_UNAVAILABLE)),
        ("/", f"{COOKIE}; {SEALED}", UNAVAILABLE, Refuse(503, Reason.SESSIONS_UNAVAILABLE)),
    ],
)
def test_order(target: str, cookie: str, session: Any, decision: Decision) -> None:
    assert decided(target, cookie=cookie, session=session) == decision


@pytest.mark.parametrize(
    ("in_force", "reason"),
    [
        (Policies({}), Reason.NO_POLICY),
        (policies(sso=Sso.OFF), Reason.DOMAIN_OFF),
        (policies(blocked_users=frozenset({Email.parse("jo@acme.example")})), Reason.BLOCKED_USER),
        (policies(sso=Sso.PILOT), Reason.NOT_PILOT_USER),
        (policies(providers={"microsoft": ProviderRule()}), Reason.PROVIDER_NOT_ALLOWED),
    ],
)
def test_a_session_that_its_policy_no_longer_allows(in_force: Policies, reason: Reason) -> None:
    assert decided(cookie=COOKIE, session=SESSION, rules_in_force=in_force) == SignIn(reason, None)
    assert decided("/static/a", cookie=COOKIE, session=SESSION, rules_in_force=in_force) == PUBLIC


def test_a_session_past_its_time_is_none() -> None:
    late = decided(cookie=COOKIE, session=SESSION, now=NOW + 4000.0)
    assert late == SignIn(Reason.SESSION_EXPIRED, None)


def test_a_session_without_an_email_is_none() -> None:
    session = a_session(NOW, identity=an_identity(None))
    assert decided(cookie=COOKIE, session=session) == SignIn(Reason.EMAIL_MISSING, None)


@pytest.mark.parametrize(
    ("target", "method", "way_back"),
    [
        ("/", "GET", "/"),
        ("/voicemail/7?play=1&x=%20", "GET", "/voicemail/7?play=1&x=%20"),
        ("/%61", "GET", "/a"),
        ("/a", "HEAD", "/a"),
    ],
)
def test_a_navigation_comes_back(target: str, method: str, way_back: str) -> None:
    made = decided(target, *NAVIGATION, method=method)
    assert made == SignIn(Reason.NOT_SIGNED_IN, way_back)


@pytest.mark.parametrize(
    ("cookie", "reason"), [("", Reason.NOT_SIGNED_IN), (COOKIE, Reason.SESSION_EXPIRED)]
)
def test_a_form_is_one_and_does_not_come_back_by_itself(cookie: str, reason: Reason) -> None:
    made = decided("/calls/7/delete", *NAVIGATION, method="POST", cookie=cookie)
    assert made == SignIn(reason, "/", form=True)


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("GET", ("Accept: application/json",)),
        ("GET", ("X-Requested-With: XMLHttpRequest", "Accept: text/html")),
        ("GET", ("Sec-Fetch-Mode: cors", "Accept: text/html")),
        ("GET", ("Accept: text/event-stream",)),
        ("GET", ("Connection: Upgrade", "Upgrade: websocket", "Accept: text/html")),
        ("OPTIONS", ("Origin: https://x.example", "Access-Control-Request-Method: PUT")),
        ("POST", ("Content-Type: application/json",)),
        ("GET", ()),
    ],
)
def test_everything_else_gets_no_redirect(method: str, lines: tuple[str, ...]) -> None:
    assert decided("/", *lines, method=method) == SignIn(Reason.NOT_SIGNED_IN, None)


def test_a_health_check_is_no_pass() -> None:
    """CVE-2026-34457."""
    assert decided("/", "User-Agent: kube-probe/1.0") == SignIn(Reason.NOT_SIGNED_IN, None)


@pytest.mark.parametrize(
    "target",
    ["/calls?/static/a.css", "/calls?x=/static/a.css", "/calls?/login", "/calls?a=1&/static/"],
)
def test_a_public_path_in_the_query_opens_nothing(target: str) -> None:
    """CVE-2025-54576: the rule was tried on the whole of what was asked for."""
    assert decided("/static/a.css?x=/calls") == Forward(As.PUBLIC)
    assert decided(target) == SignIn(Reason.NOT_SIGNED_IN, None)
