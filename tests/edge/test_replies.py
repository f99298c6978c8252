"""What the gateway says itself."""

import json
import re
from base64 import b64encode
from hashlib import sha256

import pytest

from gateway.edge import replies
from gateway.edge.replies import render
from gateway.explanations import EXPLANATIONS
from gateway.reasons import Reason

ID = "id-1"


@pytest.mark.parametrize(
    ("way_back", "location"),
    [
        ("/", "/sso/login?next=/"),
        ("/a/b", "/sso/login?next=/a/b"),
        ("/a?b=c&d=%20#x", "/sso/login?next=/a%3Fb%3Dc%26d%3D%2520%23x"),
        ("//evil.example/", "/sso/login?next=//evil.example/"),
        ("/caf%C3%A9", "/sso/login?next=/caf%25C3%25A9"),
    ],
)
def test_redirect(way_back: str, location: str) -> None:
    reply = replies.redirect_to_sign_in(way_back, ID)
    assert reply.status == 302
    assert f"Location: {location}\r\n" in reply.lines
    assert "no-store" in reply.lines
    assert reply.body == b""


def test_not_signed_in() -> None:
    reply = replies.not_signed_in(Reason.SESSION_EXPIRED, ID)
    assert reply.status == 401
    assert "Location" not in reply.lines
    assert "WWW-Authenticate: SonarSSO " in reply.lines
    told = json.loads(reply.body)
    assert told["error"] == "session_expired"
    assert told["sign_in"] == "/sso/login"
    assert told["request_id"] == ID


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_page_and_json(reason: Reason) -> None:
    page = replies.error(502, reason, ID, html=True)
    text = page.body.decode()
    assert reason in text
    assert ID in text
    assert "<script" not in text
    assert EXPLANATIONS[reason].title.replace("'", "&#x27;") in text
    told = json.loads(replies.error(502, reason, ID, html=False).body)
    assert told["error"] == reason
    assert told["way_out"] == EXPLANATIONS[reason].way_out


def test_the_page_may_load_nothing_and_run_nothing() -> None:
    page = replies.error(400, Reason.REQUEST_MALFORMED, ID, html=True)
    policy = re.search(r"Content-Security-Policy: (.*)\r\n", page.lines)
    assert policy is not None
    style = re.search(r"<style>(.*)</style>", page.body.decode())
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert policy[1] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def test_a_request_id_is_text_not_markup() -> None:
    page = replies.error(400, Reason.REQUEST_MALFORMED, "<b>", html=True)
    assert b"<b>" not in page.body


@pytest.mark.parametrize(
    ("status", "line"), [(503, "Retry-After: 10\r\n"), (405, "Allow: GET, HEAD")]
)
@pytest.mark.parametrize("html", [True, False])
def test_what_a_status_needs(status: int, line: str, html: bool) -> None:
    assert line in replies.error(status, Reason.SESSIONS_UNAVAILABLE, ID, html=html).lines


@pytest.mark.parametrize(
    ("head_only", "keep_alive", "minor", "connection", "body"),
    [
        (False, True, 1, None, b"b"),
        (False, False, 1, "close", b"b"),
        (True, True, 1, None, b""),
        (False, True, 0, "keep-alive", b"b"),
        (False, False, 0, "close", b"b"),
    ],
)
def test_render(
    head_only: bool, keep_alive: bool, minor: int, connection: str | None, body: bytes
) -> None:
    reply = replies.Reply(401, "A: 1\r\n", b"b")
    raw = render(reply, head_only=head_only, keep_alive=keep_alive, minor=minor)
    expected = "HTTP/1.1 401 Unauthorized\r\nA: 1\r\nContent-Length: 1\r\n"
    expected += f"Connection: {connection}\r\n\r\n" if connection else "\r\n"
    assert raw == expected.encode() + body
