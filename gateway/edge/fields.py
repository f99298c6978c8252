"""The headers of a request become Fields, or a refusal. Pure; nothing here looks at the request
line, so that the same headers, which a browser sends again and again, are read once.

What arrives was tokenised by llhttp, which refuses broken framing, odd line ends, folded lines,
spaces before colons and control characters. What still could be read in two ways is refused here.
"""

import re

from gateway.config import Limits
from gateway.edge.cookies import NO_COOKIES, CookieRules, read_cookies
from gateway.edge.inbound import (
    CHUNKED,
    NO_BODY,
    NO_QUESTION,
    NOTHING_TOLD,
    Fields,
    Framing,
    Question,
    Refusal,
    Told,
    malformed,
)
from gateway.edge.names import FORGED, UNDERSCORE, Field, HeaderNames, fold, without, written
from gateway.edge.peer import valid_host
from gateway.reasons import Reason

_LENGTH = re.compile(rb"[0-9]{1,18}")
_ACCEPT = re.compile(rb"\r\naccept:([^\r\n]*)\r\n", re.IGNORECASE)
# Of these only one can be meant; two that differ are how requests are smuggled.
_ONCE = frozenset("content-length expect host transfer-encoding upgrade".split())

# What a proxy may say of the client behind it.
_SAID = frozenset(
    "forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id".split()
)
_OPTIONS = frozenset(("close", "keep-alive", "upgrade"))


def wants_page(fields: list[Field], *, otherwise: bool) -> bool:
    """Whether who sent these headers would rather have a page than JSON; `otherwise` when they do
    not say. For heads of which no more than this is known."""
    for name, value in fields:
        if name.lower() == b"accept":
            return b"text/html" in value
    return otherwise


def seems_to_want_page(head: bytes) -> bool:
    """The same of a head that nobody has read, or will read, and of which there may be only the
    beginning; then a page, unless it says otherwise already."""
    before, end, _ = head.partition(b"\r\n\r\n")
    found = _ACCEPT.search(before + end[:2])
    return not end if found is None else b"text/html" in found[1]


def read_fields(
    fields: list[Field],
    names: HeaderNames,
    cookies: CookieRules,
    limits: Limits,
    *,
    familiar: bool = False,
) -> Fields | Refusal:
    """Give headers their meaning. `names`: which of them pass, by whether the peer is trusted;
    `familiar`: they came before."""
    if len(fields) > limits.header_count:
        detail = f"more than {limits.header_count} header lines"
        return Refusal(431, Reason.REQUEST_TOO_LARGE, detail)
    passing, noted, twice = _sort(fields, names)
    told = NOTHING_TOLD if _SAID.isdisjoint(noted) else _told(noted)
    framing = _judge(noted, twice, limits)
    if isinstance(framing, Refusal):
        return framing._replace(told=told)
    options = _options(noted.get("connection", b""))
    if named := options - _OPTIONS:
        # Before ours are added, so that `Connection: X-Request-ID` takes nothing of ours away.
        passing = without(passing, frozenset(map(fold, named)))
    read = read_cookies(noted["cookie"], cookies) if "cookie" in noted else NO_COOKIES
    accepts_html = b"text/html" in noted.get("accept", b"")
    return Fields(
        host=noted.get("host", b"").decode("ascii"),
        framing=framing,
        cookies=read,
        password_user=read.password_user,
        options=options,
        upgrades_to_websocket="upgrade" in options
        and noted.get("upgrade", b"").lower() == b"websocket",
        expects_continue="expect" in noted,
        navigation=_is_navigation(noted, accepts_html),
        accepts_html=accepts_html,
        told=told,
        passing=tuple(passing),
        passing_lines=written(passing),
        framing_lines=_lines_of(framing),
        origin=noted["origin"].decode("latin-1") if "origin" in noted else None,
        question=_question(noted) if names.asks else NO_QUESTION,
        familiar=familiar,
    )


def _told(noted: dict[str, bytes]) -> Told:
    return Told(
        noted.get("x-forwarded-for", b""),
        noted.get("x-forwarded-proto", b""),
        noted.get("x-forwarded-host", b""),
        noted.get("x-request-id", b""),
        noted.get("forwarded", b""),
    )


def _question(noted: dict[str, bytes]) -> Question:
    """A value that came twice is two values, and no path and no method any more."""
    return Question(
        noted.get("x-original-uri"),
        noted.get("x-original-method"),
        noted.get("x-forwarded-uri"),
        noted.get("x-forwarded-method"),
        websocket="sec-websocket-key" in noted,
        forged=FORGED in noted,
    )


def _judge(noted: dict[str, bytes], twice: str | None, limits: Limits) -> Framing | Refusal:
    """The framing of a request whose headers can be read in one way, and are not too much."""
    framing = _framing(noted)
    if twice is not None:
        return malformed(f"{twice} twice")
    if isinstance(framing, Refusal):
        return framing
    if framing.length is not None and framing.length > limits.body:
        return Refusal(413, Reason.BODY_TOO_LARGE, f"body above {limits.body} bytes")
    if UNDERSCORE in noted:
        return malformed("a header name with _")
    if "host" in noted and not valid_host(noted["host"]):
        return malformed("Host is not a host")
    if noted.get("expect", b"100-continue").lower() != b"100-continue":
        return Refusal(417, Reason.REQUEST_MALFORMED, "Expect is not 100-continue")
    return framing


def _sort(
    fields: list[Field], names: HeaderNames
) -> tuple[list[Field], dict[str, bytes], str | None]:
    """The headers that may pass, the values that mean something here, and which of these came
    twice although only one can be meant."""
    passing: list[Field] = []
    noted: dict[str, bytes] = {}
    twice: str | None = None
    for field in fields:
        note, passes = names.fate(field[0])
        if passes:
            if field[1].endswith((b" ", b"\t")):
                # Not part of the value (RFC 9110 section 5.5), and to some it would be.
                field = field[0], field[1].rstrip(b" \t")
            passing.append(field)
        if note is None:
            continue
        value = field[1].strip(b" \t")
        if note not in noted:
            noted[note] = value
        elif note in _ONCE:
            twice = note
        else:
            noted[note] += (b"; " if note == "cookie" else b", ") + value
    return passing, noted, twice


def _framing(noted: dict[str, bytes]) -> Framing | Refusal:
    """RFC 9112 section 6: one way to tell the length, in its plainest spelling, or a refusal."""
    length, coding = noted.get("content-length"), noted.get("transfer-encoding")
    if coding is not None:
        # Request smuggling lives on a length that two servers see differently.
        if length is not None:
            return malformed("Transfer-Encoding beside Content-Length")
        if coding.lower() == b"chunked":
            return CHUNKED
        if coding.lower().rpartition(b",")[2].strip(b" \t") == b"chunked":
            return Refusal(501, Reason.REQUEST_MALFORMED, "Transfer-Encoding is more than chunked")
        # Whether another coding ends with the connection or with a length, nobody can tell.
        return malformed("Transfer-Encoding does not end in chunked")
    if length is None:
        return NO_BODY
    if not _LENGTH.fullmatch(length):
        return malformed("Content-Length is not a plain number")
    return Framing(int(length), False)


def _lines_of(framing: Framing) -> bytes:
    if framing.chunked:
        return b"Transfer-Encoding: chunked\r\n"
    return b"" if framing.length is None else b"Content-Length: %d\r\n" % framing.length


def _options(connection: bytes) -> frozenset[str]:
    """The options of Connection, lower case; those that are not its own name headers."""
    pieces = connection.decode("latin-1").lower().split(",")
    return frozenset(piece.strip(" \t") for piece in pieces) - {""}


def _is_navigation(noted: dict[str, bytes], accepts_html: bool) -> bool:
    """Whether a person looks at the answer, so that a redirect to the sign-in page helps.

    Browsers say so in Sec-Fetch-Mode (https://www.w3.org/TR/fetch-metadata/); of an old one that
    does not, a page is what asks for HTML and no script asked for it.
    """
    mode = noted.get("sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    return accepts_html and "x-requested-with" not in noted
