"""A form is believed only when it comes from our own page, whole, and says each thing once.

Three independent checks, because each has a browser or a mistake that defeats it alone:

1. `Sec-Fetch-Site` and `Origin`, where the browser sends them, name our own origin.
2. A token that only our page has: sealed, bound to the session or the transaction the form acts
   on, so that a token from the attacker's own sign-in is worth nothing in somebody else's browser.
3. The body is `application/x-www-form-urlencoded`, with the expected fields and no others, each at
   most once: what two parsers could read differently is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.reasons import Reason
from gateway.session.seal import Sealer

# The largest form is a username and a password. Whoever pastes a whole page, of letters that take
# twelve bytes each percent-encoded, is told that it is wrong, like everybody with a wrong password.
LONGEST_FORM = 160 * 1024
_LONGEST_FIELD = 16 * 1024

TOKEN = "token"  # noqa: S105 - the name of a field
_PURPOSE = "portal-form"
_CONTENT_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The form is refused as a whole; `detail` is for the log."""

    reason: Reason
    detail: str


USED = Unreadable(Reason.FORM_FORGED, "its page has linked an account before")

Fields = Mapping[str, str]


def form_token(sealer: Sealer, bound_to: str, now: float = 0.0) -> str:
    """What the hidden field of a form that acts on `bound_to` holds; another each time, and made at
    `now` (Unix seconds)."""
    return sealer.seal(_PURPOSE, bound_to, b"%d" % now)


async def read_form(
    request: web.Request,
    sealer: Sealer,
    *,
    bound_to: str,
    origin: str,
    expected: frozenset[str],
    since: float | None = None,
) -> Fields | Unreadable:
    """The fields of a form of ours, without its token. `expected` names them; all must be there.
    `since`: its page must not be older than that (Unix seconds)."""
    foreign = foreign_header(request.headers, origin)
    if foreign is not None:
        return Unreadable(Reason.FORM_FORGED, foreign)
    if request.content_type != _CONTENT_TYPE:
        return Unreadable(Reason.REQUEST_MALFORMED, "not a form")
    fields = _parse(await request.read())
    if fields is None:
        return Unreadable(Reason.REQUEST_MALFORMED, "the form cannot be read in one way only")
    token = fields.pop(TOKEN, None)
    made = None if token is None else sealer.open(_PURPOSE, bound_to, token)
    if made is None:
        return Unreadable(Reason.FORM_FORGED, "no token of ours")
    if since is not None and int(made) < since:
        return Unreadable(Reason.FORM_FORGED, "a page past its time")
    if fields.keys() != expected:
        return Unreadable(Reason.REQUEST_MALFORMED, "fields missing or unknown")
    return fields


def foreign_header(headers: Mapping[str, str], origin: str) -> str | None:
    """Which header says that another site sent this (cross-site request forgery), or `None`."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        return "sec-fetch-site"
    sent = headers.get("Origin")
    if sent is not None and sent != origin:
        return "origin"
    return None


def no_window_header(headers: Mapping[str, str]) -> str | None:
    """Which header says that no person asks, by going there in a window: a script does, or a frame.
    `None`, too, of a browser that sends neither (https://www.w3.org/TR/fetch-metadata/)."""
    if headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return "sec-fetch-mode"
    if headers.get("Sec-Fetch-Dest", "document") != "document":
        return "sec-fetch-dest"
    return None


def _parse(body: bytes) -> dict[str, str] | None:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=16,
        )
    except ValueError:  # UnicodeDecodeError is one too
        return None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        return None
    if any(len(value) > _LONGEST_FIELD for value in fields.values()):
        return None
    return fields
