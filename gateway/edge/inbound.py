"""A request, from the head as it came to what everybody reads in the same way. Pure values.

Everything here is immutable: what two people's requests share must never be changed by one.
"""

from typing import NamedTuple

from gateway.edge.cookies import Cookies
from gateway.edge.names import Field
from gateway.reasons import Reason

# RFC 9110 section 9.2.2: may be sent again when it is not known whether it arrived.
_IDEMPOTENT = frozenset("DELETE GET HEAD OPTIONS PUT".split())


class Refusal(NamedTuple):
    """Why a request is not served; `detail` says to whoever reads the log what was wrong. `page`:
    who asked would rather have a page than JSON, for requests that were not understood."""

    status: int
    reason: Reason
    detail: str
    page: bool = True


class Framing(NamedTuple):
    """How long a body is: `length` bytes, chunked, or absent (`None` and not chunked)."""

    length: int | None
    chunked: bool

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length)


NO_BODY = Framing(None, False)
CHUNKED = Framing(None, True)


class Told(NamedTuple):
    """What a proxy says of the client behind it; empty for nothing. Only a trusted one counts."""

    forwarded_for: bytes
    forwarded_proto: bytes
    forwarded_host: bytes
    request_id: bytes


class Fields(NamedTuple):
    """What the headers of a request mean, whatever its request line says.

    `host` is the Host value, empty without one. `passing` are the headers that may pass, and
    `passing_lines` the same as they stand in a head; `framing_lines` tell the length of the body
    anew. `options` are those of Connection; `origin` is the Origin value, `None` without one.
    """

    host: str
    framing: Framing
    cookies: Cookies
    password_user: bool
    options: frozenset[str]
    upgrades_to_websocket: bool
    expects_continue: bool
    navigation: bool
    accepts_html: bool
    told: Told
    passing: tuple[Field, ...]
    passing_lines: bytes
    framing_lines: bytes
    origin: str | None = None


class RawHead(NamedTuple):
    """A request head as it came, its headers understood already. `minor`: 1 for HTTP/1.1, 0 for
    HTTP/1.0."""

    method: str
    target: bytes
    minor: int
    fields: Fields | Refusal


class Inbound(NamedTuple):
    """A request that everybody reads in the same way.

    `path` is canonical; `query` begins with its `?` or is empty. `host` is the Host value;
    `client`, `proto`, `forwarded_host` and `request_id` tell where it came from, as far as trusted
    peers say so.
    """

    method: str
    path: str
    query: str
    minor: int
    fields: Fields
    host: str
    client: str
    proto: str
    forwarded_host: str
    request_id: str
    keep_alive: bool
    wants_websocket: bool
    navigation: bool
    for_portal: bool

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more after a connection broke without an answer."""
        return self.method in _IDEMPOTENT and not self.fields.framing.has_body
