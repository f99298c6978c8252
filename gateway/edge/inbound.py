"""A request, from the head as it came to what everybody reads in the same way. Pure values.

Everything here is immutable: what two people's requests share must never be changed by one. What
is made anew for each request is a plain class, which costs a third of a tuple with names once it is
compiled (docs/performance.md).
"""

from typing import Final, NamedTuple, final

from gateway.edge.cookies import Cookies
from gateway.edge.names import Field
from gateway.reasons import Reason

# RFC 9110 section 9.2.2: may be sent again when it is not known whether it arrived.
_IDEMPOTENT = frozenset("DELETE GET HEAD OPTIONS PUT".split())


class Told(NamedTuple):
    """What a proxy says of the client behind it; empty for nothing. Only a trusted one counts."""

    forwarded_for: bytes
    forwarded_proto: bytes
    forwarded_host: bytes
    request_id: bytes
    forwarded: bytes


NOTHING_TOLD = Told(b"", b"", b"", b"", b"")


class Refusal(NamedTuple):
    """Why a request is not served; `detail` says to whoever reads the log what was wrong. For
    requests that were not understood, `page`: who asked would rather have a page than JSON;
    `told`: what their headers say all the same of where they came from."""

    status: int
    reason: Reason
    detail: str
    page: bool = True
    told: Told = NOTHING_TOLD


def malformed(detail: str) -> Refusal:
    """Of a request that can be read in two ways, or in none."""
    return Refusal(400, Reason.REQUEST_MALFORMED, detail)


class Framing(NamedTuple):
    """How long a body is: `length` bytes, chunked, or absent (`None` and not chunked)."""

    length: int | None
    chunked: bool

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length)


NO_BODY = Framing(None, False)
CHUNKED = Framing(None, True)


class Question(NamedTuple):
    """How a proxy says what it asks about at /sso/auth, `None` where it does not (question.py).

    `websocket`: its client wants one. `forged`: there is a header that never passes us and would
    go from the proxy to Sonar. Only a trusted peer's counts.
    """

    original_uri: bytes | None
    original_method: bytes | None
    forwarded_uri: bytes | None
    forwarded_method: bytes | None
    websocket: bool
    forged: bool


NO_QUESTION = Question(None, None, None, None, websocket=False, forged=False)


@final
class Fields:
    """What the headers of a request mean, whatever its request line says. The same object stands
    for the same headers, so that more can be remembered by it.

    `host` is the Host value, empty without one. `passing` are the headers that may pass, and
    `passing_lines` the same as they stand in a head; `framing_lines` tell the length of the body
    anew. `options` are those of Connection; `origin` is the Origin value, `None` without one.
    `familiar`: these headers came before, and what is worked out by them will be asked for again.
    """

    __slots__ = (
        "accepts_html",
        "cookies",
        "expects_continue",
        "familiar",
        "framing",
        "framing_lines",
        "host",
        "navigation",
        "options",
        "origin",
        "passing",
        "passing_lines",
        "password_user",
        "question",
        "told",
        "upgrades_to_websocket",
    )

    def __init__(
        self,
        *,
        host: str,
        framing: Framing,
        cookies: Cookies,
        password_user: bool,
        options: frozenset[str],
        upgrades_to_websocket: bool,
        expects_continue: bool,
        navigation: bool,
        accepts_html: bool,
        told: Told,
        passing: tuple[Field, ...],
        passing_lines: bytes,
        framing_lines: bytes,
        origin: str | None,
        question: Question,
        familiar: bool,
    ) -> None:
        self.host: Final = host
        self.framing: Final = framing
        self.cookies: Final = cookies
        self.password_user: Final = password_user
        self.options: Final = options
        self.upgrades_to_websocket: Final = upgrades_to_websocket
        self.expects_continue: Final = expects_continue
        self.navigation: Final = navigation
        self.accepts_html: Final = accepts_html
        self.told: Final = told
        self.passing: Final = passing
        self.passing_lines: Final = passing_lines
        self.framing_lines: Final = framing_lines
        self.origin: Final = origin
        self.question: Final = question
        self.familiar: Final = familiar

    def with_cookies(self, cookies: Cookies, *, familiar: bool) -> "Fields":
        """The same headers, but for what the Cookie header says."""
        return Fields(
            host=self.host,
            framing=self.framing,
            cookies=cookies,
            password_user=cookies.password_user,
            options=self.options,
            upgrades_to_websocket=self.upgrades_to_websocket,
            expects_continue=self.expects_continue,
            navigation=self.navigation,
            accepts_html=self.accepts_html,
            told=self.told,
            passing=self.passing,
            passing_lines=self.passing_lines,
            framing_lines=self.framing_lines,
            origin=self.origin,
            question=self.question,
            familiar=familiar,
        )


@final
class RawHead:
    """A request head as it came, its headers understood already. `minor`: 1 for HTTP/1.1, 0 for
    HTTP/1.0."""

    __slots__ = ("fields", "method", "minor", "target")

    def __init__(self, method: str, target: bytes, minor: int, fields: Fields | Refusal) -> None:
        self.method: Final = method
        self.target: Final = target
        self.minor: Final = minor
        self.fields: Final = fields


@final
class Inbound:
    """A request that everybody reads in the same way.

    `path` is canonical; `query` begins with its `?` or is empty. `host` is the Host value;
    `client`, `proto`, `forwarded_host` and `request_id` tell where it came from, as far as trusted
    peers say so. `asked`: when it is a proxy's question whether another request may go to Sonar,
    that request, or why the question is none; without a `request_id` unless the proxy says one.
    """

    __slots__ = (
        "asked",
        "client",
        "fields",
        "for_portal",
        "forwarded_host",
        "host",
        "keep_alive",
        "method",
        "minor",
        "navigation",
        "path",
        "proto",
        "query",
        "request_id",
        "wants_websocket",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        minor: int,
        fields: Fields,
        host: str,
        client: str,
        proto: str,
        forwarded_host: str,
        request_id: str,
        *,
        keep_alive: bool,
        wants_websocket: bool,
        navigation: bool,
        for_portal: bool,
        asked: "Inbound | Refusal | None" = None,
    ) -> None:
        self.method: Final = method
        self.path: Final = path
        self.query: Final = query
        self.minor: Final = minor
        self.fields: Final = fields
        self.host: Final = host
        self.client: Final = client
        self.proto: Final = proto
        self.forwarded_host: Final = forwarded_host
        self.request_id: Final = request_id
        self.keep_alive: Final = keep_alive
        self.wants_websocket: Final = wants_websocket
        self.navigation: Final = navigation
        self.for_portal: Final = for_portal
        self.asked: Final = asked

    def handed_to_portal(self, path: str) -> "Inbound":
        """The same request, to a page of the gateway's own."""
        return Inbound(
            self.method,
            path,
            "",
            self.minor,
            self.fields,
            self.host,
            self.client,
            self.proto,
            self.forwarded_host,
            self.request_id,
            keep_alive=self.keep_alive,
            wants_websocket=False,
            navigation=self.navigation,
            for_portal=True,
        )

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more after a connection broke without an answer."""
        return self.method in _IDEMPOTENT and not self.fields.framing.has_body
