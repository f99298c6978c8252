"""A request, from the head as it came to what everybody reads in the same way. Pure values."""

from typing import NamedTuple

from gateway.edge.cookies import Cookies
from gateway.edge.names import Field
from gateway.edge.rules import PORTAL_FOLDER, PORTAL_ROOT
from gateway.reasons import Reason

# RFC 9110 section 9.2.2: may be sent again when it is not known whether it arrived.
_IDEMPOTENT = frozenset("DELETE GET HEAD OPTIONS PUT".split())


class RawHead(NamedTuple):
    """A request head as it came. `minor`: 1 for HTTP/1.1, 0 for HTTP/1.0."""

    method: str
    target: bytes
    minor: int
    fields: list[Field]


class Refusal(NamedTuple):
    """Why a request is not served; `detail` says to whoever reads the log what was wrong."""

    status: int
    reason: Reason
    detail: str


class Framing(NamedTuple):
    """How long a body is: `length` bytes, chunked, or absent (`None` and not chunked)."""

    length: int | None
    chunked: bool

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length)


class Place(NamedTuple):
    """What a request target names: `path` canonical, `query` with its `?` or empty."""

    path: str
    query: str


class Origins(NamedTuple):
    """Where a request came from and what the browser typed, as far as trusted peers say so."""

    client: str
    proto: str
    host: bytes
    request_id: str


class Inbound(NamedTuple):
    """A request that everybody reads in the same way.

    `path` is canonical; `query` begins with its `?` or is empty; `host` is the Host value; `fields`
    are the headers that may pass.
    """

    method: str
    path: str
    query: str
    minor: int
    host: bytes
    origins: Origins
    cookies: Cookies
    fields: list[Field]
    framing: Framing
    expects_continue: bool
    wants_websocket: bool
    keep_alive: bool
    navigation: bool
    accepts_html: bool

    @property
    def for_portal(self) -> bool:
        return self.path.startswith(PORTAL_FOLDER) or self.path == PORTAL_ROOT

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more after a connection broke without an answer."""
        return self.method in _IDEMPOTENT and not self.framing.has_body


NO_BODY = Framing(None, False)
CHUNKED = Framing(None, True)
