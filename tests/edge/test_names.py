"""Which headers a client may send to Sonar: nothing that could speak for us."""

import pytest

from gateway.config import IdentityHeaders
from gateway.edge.names import DROPPED, FORGED, PASSES, Fate, HeaderNames, fold, without, written

UNTRUSTED = HeaderNames(IdentityHeaders(username="Remote-User"), trusted=False)
TRUSTED = HeaderNames(IdentityHeaders(username="Remote-User"), trusted=True)


@pytest.mark.parametrize(
    "name",
    [
        b"X-Sonar-Account-Id",
        b"x-sonar-account-id",
        b"X-SONAR-USERNAME",
        b"X_Sonar_Email",
        b"x_sonar-assertion",
        b"X.Sonar.Provider",
        b"X-Sonar-Anything-Else",
        b"X*Sonar*Email",
        b"Remote-User",
        b"REMOTE_USER",
        b"remote.user",
        b"Proxy",
        b"X-Original-URL",
        b"X-Original-URI",
        b"X_Original_URL",
        b"X-Rewrite-URL",
        b"TE",
        b"Trailer",
        b"Keep-Alive",
        b"Keep_Alive",
        b"Proxy-Connection",
        b"Proxy-Authorization",
        b"HTTP2-Settings",
        b"Content_Length",
        b"Transfer_Encoding",
        b"Transfer.Encoding",
        b"X_Forwarded_For",
        b"X_Forwarded-Proto",
        b"X_Request_ID",
        b"X_Real_IP",
        b"X_Forwarded_Prefix",
    ],
)
@pytest.mark.parametrize("names", [UNTRUSTED, TRUSTED])
def test_dropped_from_everybody(name: bytes, names: HeaderNames) -> None:
    assert names.fate(name) == DROPPED


@pytest.mark.parametrize(
    "name",
    [b"X-Real-IP", b"x-real-ip", b"X-Forwarded-Prefix", b"X-Forwarded-Ssl", b"X-Forwarded",
     b"X-Forwarded-Port", b"X-Forwarded-Scheme", b"X-Forwarded-Anything"],
)  # fmt: skip
@pytest.mark.parametrize("names", [UNTRUSTED, TRUSTED])
def test_who_the_client_is_is_told_by_us_alone(name: bytes, names: HeaderNames) -> None:
    """Not even a trusted proxy's word goes on as it came: it may be its client's."""
    assert not names.fate(name).passes


@pytest.mark.parametrize(
    ("name", "noted"),
    [
        (b"Host", "host"),
        (b"CONNECTION", "connection"),
        (b"content-length", "content-length"),
        (b"Transfer-Encoding", "transfer-encoding"),
        (b"Cookie", "cookie"),
        (b"Expect", "expect"),
        (b"Upgrade", "upgrade"),
        (b"Forwarded", "forwarded"),
        (b"X-Forwarded-For", "x-forwarded-for"),
        (b"X-Forwarded-Proto", "x-forwarded-proto"),
        (b"X-Forwarded-Host", "x-forwarded-host"),
        (b"X-Request-Id", "x-request-id"),
    ],
)
def test_read_and_written_anew(name: bytes, noted: str) -> None:
    assert UNTRUSTED.fate(name) == Fate(noted, passes=False)
    assert TRUSTED.fate(name) == Fate(noted, passes=False)


@pytest.mark.parametrize("name", [b"Accept", b"Origin", b"Sec-Fetch-Mode", b"X-Requested-With"])
def test_read_and_passed_on(name: bytes) -> None:
    assert UNTRUSTED.fate(name) == Fate(name.decode().lower(), passes=True)


@pytest.mark.parametrize(
    "name",
    [b"User-Agent", b"Accept-Language", b"Authorization", b"Content-Type", b"If-None-Match",
     b"Range", b"Sec-WebSocket-Key", b"X-CSRF-Token", b"my_header", b"X-Sonarity", b"Proxies",
     b"Referer", b"Via"],
)  # fmt: skip
def test_passes(name: bytes) -> None:
    assert UNTRUSTED.fate(name) == PASSES
    assert UNTRUSTED.fate(name) == PASSES  # remembered


def test_made_up_names_cost_no_memory() -> None:
    names = HeaderNames(IdentityHeaders(), trusted=False)
    for number in range(2000):
        assert names.fate(b"X-%d" % number) == PASSES
        assert names.fate(b"X-Sonar-%d" % number) == DROPPED
    assert len(names._known) <= 512


def test_fold() -> None:
    assert fold("X_Sonar.User*name") == "x-sonar-user-name"


def test_without_and_written() -> None:
    fields = [(b"A", b"1"), (b"If_None-Match", b"2"), (b"B", b"3")]
    kept = without(fields, frozenset({"if-none-match"}))
    assert kept == [(b"A", b"1"), (b"B", b"3")]
    assert written(kept) == b"A: 1\r\nB: 3\r\n"
    assert written([]) == b""


ASKING = HeaderNames(IdentityHeaders(username="Remote-User"), trusted=True, asks=True)


@pytest.mark.parametrize(
    ("name", "fate"),
    [
        (b"X-Original-URI", Fate("x-original-uri", passes=False)),
        (b"x-original-method", Fate("x-original-method", passes=False)),
        (b"X-Forwarded-Uri", Fate("x-forwarded-uri", passes=False)),
        (b"X-Forwarded-Method", Fate("x-forwarded-method", passes=False)),
        (b"Sec-WebSocket-Key", Fate("sec-websocket-key", passes=True)),
        (b"Cookie", Fate("cookie", passes=False)),
        (b"Accept", Fate("accept", passes=True)),
        (b"X-Real-IP", Fate(None, passes=False)),
        (b"User-Agent", PASSES),
        # what a proxy and its hops add
        (b"Keep-Alive", DROPPED),
        (b"TE", DROPPED),
        (b"X-Original-Host", DROPPED),
        # what nobody honest sends, and would reach Sonar by the proxy
        (b"X_Original_URI", Fate(FORGED, passes=False)),
        (b"X_Forwarded_Uri", Fate(FORGED, passes=False)),
        (b"X-Original-URL", Fate(FORGED, passes=False)),
        (b"X_Original_Host", Fate(FORGED, passes=False)),
        (b"X-Rewrite-URL", Fate(FORGED, passes=False)),
        (b"Proxy", Fate(FORGED, passes=False)),
        (b"Remote-User", Fate(FORGED, passes=False)),
        (b"REMOTE_USER", Fate(FORGED, passes=False)),
        (b"X.Sonar.Assertion", Fate(FORGED, passes=False)),
        (b"Content_Length", Fate(FORGED, passes=False)),
        (b"X_Forwarded_For", Fate(FORGED, passes=False)),
    ],
)
def test_when_a_proxy_may_ask(name: bytes, fate: Fate) -> None:
    assert ASKING.fate(name) == fate


@pytest.mark.parametrize("name", [b"X-Original-URI", b"X-Original-Method", b"X_Forwarded_Uri"])
@pytest.mark.parametrize("names", [UNTRUSTED, TRUSTED])
def test_questions_of_nobody(name: bytes, names: HeaderNames) -> None:
    assert names.fate(name) == DROPPED
