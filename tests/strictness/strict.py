"""An independent reader of HTTP/1.1 requests, as strict as RFC 9112 lets anybody be.

It shares no line with the gateway: not its parser, not its rules. Whatever the gateway sends to
upstream must be read by it, and must mean what the browser meant. What it does not read has more
than one reading somewhere: bare CR or LF, folded lines, a length that is not digits, a coding that
is not exactly `chunked`, two of what can be only one.
"""

import re
from dataclasses import dataclass

Field = tuple[bytes, bytes]

# RFC 9110 section 5.6.2, and 5.5 without leading or trailing white space.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?"
_REQUEST_LINE = re.compile(rb"(%b) ([!-~]+) HTTP/1\.([01])" % _TOKEN)
_FIELD_LINE = re.compile(rb"(%b):[ \t]*(%b)[ \t]*" % (_TOKEN, _VALUE))
# RFC 9112 section 7.1: hexadecimal digits, then extensions of names and values.
_QUOTED = rb"\"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*\""
_CHUNK_LINE = re.compile(
    rb"(0*[0-9A-Fa-f]{1,16})(?:;%b(?:=(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED)
)
# RFC 9112 section 3.2; of the authority only what RFC 3986 section 3.2.2 knows as a host, and port.
_HOST = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+(?::[0-9]*)?|\[[0-9A-Fa-f:.]+\](?::[0-9]*)?"
)
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_LENGTH = re.compile(rb"[0-9]{1,18}")


class NotStrict(Exception):
    """Somebody may read this differently; the message says what."""


class Unfinished(Exception):
    """So far there is nothing wrong with it, but it is not all there."""


@dataclass(frozen=True)
class Request:
    """One request; `body` without its chunks, `fields` as they stand, names in their own case."""

    method: bytes
    target: bytes
    minor: int
    fields: tuple[Field, ...]
    body: bytes
    chunked: bool
    trailers: tuple[Field, ...] = ()

    def values(self, name: bytes) -> list[bytes]:
        return [value for other, value in self.fields if other.lower() == name]


def read_all(data: bytes) -> list[Request]:
    """Every request in `data`, which ends with the last one."""
    requests = []
    while data:
        request, data = read_request(data)
        requests.append(request)
    return requests


def read_request(data: bytes) -> tuple[Request, bytes]:
    """The first request in `data`, and what follows it. Raises `NotStrict` or `Unfinished`."""
    lines, rest = _section(data)
    if not lines:
        raise NotStrict("an empty line before the request line")
    found = _REQUEST_LINE.fullmatch(lines[0])
    if found is None:
        raise NotStrict(f"request line: {lines[0]!r}")
    method, target, minor = found[1], found[2], int(found[3])
    fields = tuple(_field(line) for line in lines[1:])
    request = Request(method, target, minor, fields, b"", False)
    _check_target(request)
    return _with_body(request, rest)


def _section(data: bytes) -> tuple[list[bytes], bytes]:
    """The lines up to the empty one, and what follows it."""
    if data.startswith(b"\r\n"):
        return [], data[2:]
    head, end, rest = data.partition(b"\r\n\r\n")
    # Without an end the last line may go on, and is not judged yet.
    lines = (head if end else head.rpartition(b"\r\n")[0]).split(b"\r\n")
    for line in lines:
        if b"\r" in line or b"\n" in line or b"\x00" in line:
            raise NotStrict(f"CR, LF or NUL within a line: {line!r}")
    if not end:
        raise Unfinished("no empty line")
    return lines, rest


def _field(line: bytes) -> Field:
    found = _FIELD_LINE.fullmatch(line)
    if found is None:
        raise NotStrict(f"field line: {line!r}")
    return found[1], found[2]


def _check_target(request: Request) -> None:
    """RFC 9112 section 3.2: origin-form with one Host, or the asterisk of OPTIONS."""
    hosts = request.values(b"host")
    if len(hosts) > 1 or (not hosts and request.minor):
        raise NotStrict(f"{len(hosts)} Host fields")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise NotStrict(f"Host: {hosts[0]!r}")
    if request.target == b"*" and request.method == b"OPTIONS":
        return
    if not request.target.startswith(b"/") or b"#" in request.target:
        raise NotStrict(f"target: {request.target!r}")


def _with_body(request: Request, rest: bytes) -> tuple[Request, bytes]:
    """RFC 9112 section 6.3, with every doubt an error."""
    lengths, codings = request.values(b"content-length"), request.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise NotStrict("more than one field says how long the body is")
    if codings:
        if codings[0].lower() != b"chunked" or not request.minor:
            raise NotStrict(f"Transfer-Encoding: {codings[0]!r}")
        body, trailers, rest = _chunks(rest)
        fields = request.fields
        done = Request(request.method, request.target, 1, fields, body, True, trailers)
        return done, rest
    if not lengths:
        return request, rest
    if not _LENGTH.fullmatch(lengths[0]):
        raise NotStrict(f"Content-Length: {lengths[0]!r}")
    length = int(lengths[0])
    if len(rest) < length:
        raise Unfinished("a body")
    head = (request.method, request.target, request.minor, request.fields)
    return Request(*head, rest[:length], False), rest[length:]


def _chunks(data: bytes) -> tuple[bytes, tuple[Field, ...], bytes]:
    body = b""
    while True:
        line, end, data = data.partition(b"\r\n")
        if not end:
            if b"\n" in line or b"\r" in line[:-1]:
                raise NotStrict(f"chunk line: {line!r}")
            raise Unfinished("a chunk line")
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise NotStrict(f"chunk line: {line!r}")
        size = int(found[1], 16)
        if not size:
            lines, rest = _section(data)
            trailers = tuple(_field(line) for line in lines)
            if any(name.lower() in _FRAMING for name, _ in trailers):
                raise NotStrict("a length in a trailer")
            return body, trailers, rest
        if len(data) < size + 2:
            if not b"\r\n".startswith(data[size:]):
                raise NotStrict("a chunk longer than its size")
            raise Unfinished("a chunk")
        if data[size : size + 2] != b"\r\n":
            raise NotStrict("a chunk longer than its size")
        body, data = body + data[:size], data[size + 2 :]
