"""How much the gateway takes from browsers, and how long it waits for them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.section import Section
from gateway.values import CountOrOff, Duration, Size, SizeOrOff

_KIB = 1024
_LINE = Field(8 * _KIB, ge=256, le=64 * _KIB)
_ONE_HEADER = Field(16 * _KIB, ge=_KIB, le=256 * _KIB)
_ALL_HEADERS = Field(32 * _KIB, ge=_KIB, le=256 * _KIB)
# What is kept is sealed, a third longer, and the seal has a limit of its own.
_KEPT_FORM = Field(32 * _KIB, ge=1, le=40 * _KIB)
_AHEAD = Field(64 * _KIB, ge=_KIB, le=16 * _KIB * _KIB)


class Limits(Section):
    """What one process takes from browsers, and how long it waits for them."""

    request_line: Size = _LINE
    """The longest request line; beyond it 414."""
    header: Size = _ONE_HEADER
    """The longest header, name and value; beyond it 431."""
    headers: Size = _ALL_HEADERS
    """All headers of a request together; beyond it 431."""
    kept_form: Size = _KEPT_FORM
    """The longest form that is kept for who has to sign in again first; `1B` keeps none."""
    header_count: Annotated[int, Field(strict=True, ge=10, le=1000)] = 100
    """The most header lines of a request; beyond it 431."""
    pipelined: Size = _AHEAD
    """How much is read of what a browser sends ahead while it waits for a reply; the rest waits."""
    body: SizeOrOff = 1024 * _KIB * _KIB
    """The longest body of a request, `off` for any; beyond it 413."""
    connections: Annotated[int, Field(strict=True, ge=1)] = 8000
    """Browser connections open at once; beyond it 503."""
    connections_per_address: CountOrOff = 1000
    """The same from one address, or one IPv6 /64, `off` for any number; beyond it 429. From this
    machine itself any number, unless it is set."""
    head_timeout: Duration = 10.0
    """How long a request's head, a TLS handshake or a PROXY header may take; then 408."""
    body_timeout: Duration = 30.0
    """How long a body may bring nothing, and may lag behind `body_rate`; then 408."""
    body_rate: Size = _KIB
    """The slowest body that is not too slow, in bytes a second."""
    idle_timeout: Duration = 75.0
    """How long a connection stays open between two requests."""
    send_timeout: Duration = 60.0
    """How long a browser may take nothing of a reply."""

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if max(self.header, self.request_line) > self.headers:
            raise ValueError("headers must be at least as much as header and request_line")
        return self
