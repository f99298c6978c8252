"""What the gateway says itself: a redirect, a 401 in JSON, an error page. Pure.

Short and helpful: what is the matter, why, and the way out, in the words of `EXPLANATIONS`, with
the request id that an operator finds in the log. A page loads nothing and runs nothing.
"""

import json
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from html import escape
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

from gateway.explanations import EXPLANATIONS
from gateway.reasons import Reason
from gateway.urls import Origin

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:12vh auto;padding:0 1.5rem;"
    "color:#1d2733;background:#fff}h1{font-size:1.5rem;line-height:1.25}"
    "a{color:#0b57d0}small{color:#5b6673}"
    "@media(prefers-color-scheme:dark){body{color:#e6eaf0;background:#14181d}a{color:#8ab4f8}"
    "small{color:#9aa5b1}}"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_COMMON = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
_HTML = (
    f"Content-Type: text/html; charset=utf-8\r\n{_COMMON}Referrer-Policy: no-referrer\r\n"
    f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
)
_JSON = f"Content-Type: application/json\r\n{_COMMON}"

SIGN_IN_PATH = "/sso/login"
# Where a form goes, or whoever sent it, that met no session.
UNSENT_PATH = "/sso/unsent"


class Reply(NamedTuple):
    """A whole reply of ours. `lines` are complete headers, framing not among them."""

    status: int
    lines: str
    body: bytes


def to_sign_in(
    reason: Reason,
    way_back: str | None,
    request_id: str,
    asked_by: str | None,
    public: Origin,
    *,
    form: bool = False,
) -> Reply:
    """For who is not signed in: the way to the sign-in page and from there to `way_back`, or 401
    without one. `asked_by`: the proxy that asks at /sso/auth. `public`: what browsers type. `form`:
    a person sent one, which the proxy keeps to itself; the page says that it is lost."""
    if way_back is None:
        # nginx would add a challenge of this answer to the reply that the browser gets from us.
        return not_signed_in(reason, request_id, challenge=asked_by != "nginx")
    # Traefik takes a path in a Location for one of the address that it asked.
    origin = "" if asked_by is None else str(public)
    if form:
        return _redirect(f"{origin}{UNSENT_PATH}", request_id)
    return redirect_to_sign_in(way_back, request_id, origin)


def redirect_to_sign_in(next_path: str, request_id: str, origin: str = "") -> Reply:
    """302 to the sign-in page, which leads back to `next_path` (a canonical path and its query).
    `origin`: for whoever would take a path for one of the host it asked, not of the public one."""
    return _redirect(_way_in(next_path, origin), request_id)


@lru_cache(maxsize=256)
def _way_in(next_path: str, origin: str) -> str:
    return f"{origin}{SIGN_IN_PATH}?next={quote(next_path, safe='/')}"


def _redirect(location: str, request_id: str) -> Reply:
    return Reply(302, f"Location: {location}\r\n{_COMMON}X-Request-ID: {request_id}\r\n", b"")


def not_signed_in(reason: Reason, request_id: str, *, challenge: bool = True) -> Reply:
    """401 for what no person looks at. The scheme is one that no browser asks a password for."""
    lines = f'WWW-Authenticate: SonarSSO realm="sonar", error="{reason}"\r\n' if challenge else ""
    return _json(401, reason, request_id, lines, sign_in=True)


def error(status: int, reason: Reason, request_id: str, *, html: bool, origin: str = "") -> Reply:
    """An error as a page or as JSON. `origin`: where its links lead, if not where it is read."""
    lines = ""
    if status == 503:
        lines = "Retry-After: 10\r\n"
    elif status == 405:
        lines = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
    if not html:
        return _json(status, reason, request_id, lines, sign_in=False)
    before, after = _page(status, reason, origin)
    body = f"{before}{escape(request_id)}{after}".encode()
    return Reply(status, f"{_HTML}{lines}X-Request-ID: {request_id}\r\n", body)


# Refusing must cost less than serving, or a flood of what is refused is the cheaper attack: of each
# refusal only the request id is written anew.
@lru_cache(maxsize=256)
def _page(status: int, reason: Reason, origin: str) -> tuple[str, str]:
    """The page before and after the request id."""
    told = EXPLANATIONS[reason]
    title = escape(told.title)
    before = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title} - Sonar</title>'
        f"<style>{_STYLE}</style><main><h1>{title}</h1><p>{escape(told.cause)}</p>"
        f'<p>{escape(told.way_out)}</p><p><a href="{escape(origin)}/">Sonar</a> &middot; '
        f'<a href="{escape(origin)}{SIGN_IN_PATH}">Sign in</a></p>'
        f"<p><small>{status} &middot; {reason} &middot; "
    )
    return before, "</small></p></main></html>\n"


def _json(status: int, reason: Reason, request_id: str, lines: str, *, sign_in: bool) -> Reply:
    text = f'{_explained(reason, sign_in=sign_in)}, "request_id": {json.dumps(request_id)}}}\n'
    return Reply(status, f"{_JSON}{lines}X-Request-ID: {request_id}\r\n", text.encode())


@lru_cache(maxsize=256)
def _explained(reason: Reason, *, sign_in: bool) -> str:
    """What is the same each time, the object not yet closed. `sign_in`: say where to."""
    told = EXPLANATIONS[reason]
    content = {
        "error": str(reason),
        "title": told.title,
        "cause": told.cause,
        "way_out": told.way_out,
    }
    if sign_in:
        content["sign_in"] = SIGN_IN_PATH
    return json.dumps(content).removesuffix("}")


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


def render(reply: Reply, *, head_only: bool, keep_alive: bool, minor: int) -> bytes:
    """The bytes for the browser. `head_only`: it asked with HEAD. `minor`: it speaks HTTP/1.that"""
    connection = connection_line(keep_alive=keep_alive, minor=minor)
    head = (
        f"{_status_line(reply.status)}{reply.lines}"
        f"Content-Length: {len(reply.body)}\r\n{connection}\r\n"
    )
    return head.encode("ascii") + (b"" if head_only else reply.body)


def connection_line(*, keep_alive: bool, minor: int) -> str:
    """The Connection header of a reply, empty where the version says it already."""
    if not keep_alive:
        return "Connection: close\r\n"
    return "" if minor else "Connection: keep-alive\r\n"
