"""One canonical path, which is decided on *and* forwarded. Pure.

Whatever an upstream might read as another path than the one judged here is refused: encoded
slashes, backslashes and NUL, dot segments in every spelling, `#`, double encoding of any of these
(oauth2-proxy CVE-2025-54576 and CVE-2026-41059, Oathkeeper GHSA-p224). Escapes that hide a plain
character are decoded, so that `/%73so/` is `/sso/`; the query is passed on as it came.
"""

import re

# RFC 3986 `pchar` and `/`, and the four that browsers leave as they are in a path
# (https://url.spec.whatwg.org/#path-percent-encode-set). Everything else they escape.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/|^\[\]-]|%[0-9A-Fa-f]{2})*")
# What is canonical already, seen in one look: no escapes, no segment that begins with a dot.
# Each step of it takes a slash: whoever can make an expression try twice can make it try for ever.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?|/")
# Any printable ASCII but `#`; browsers leave even quotes and backslashes in a query.
_QUERY = re.compile(r"[!-\"$-~]*")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# After decoding: control characters (%00 ends a C string, %0D%0A a header line), an encoded slash
# or backslash, and the same or a dot encoded twice, which one more decoding turns into the first.
# Last, NUL, dot, slash and backslash in more bytes than UTF-8 allows (RFC 3629 section 10), which
# old decoders read all the same.
_TWO_READINGS = re.compile(
    r"%(?:[01][0-9A-F]|7F|2F|5C)|%25(?:00|0A|0D|2F|5C|2E)"
    r"|%C0%(?:80|AE|AF)|%C1%9C|%E0%80%(?:80|AE|AF)|%E0%81%9C",
    re.IGNORECASE,
)
# `.` and `..`, also with path parameters: servlet containers cut `;x` off before they resolve dots.
_DOTS = re.compile(r"/\.{1,2}(?=/|;|%3B|$)")


def canonical_path(raw: str) -> str | None:
    """The one spelling of `raw` (ASCII, no query), or `None` when it has two readings."""
    if _PLAIN.fullmatch(raw):
        return raw
    if not _PATH.fullmatch(raw):
        return None
    path = _ESCAPE.sub(_normal, raw) if "%" in raw else raw
    if _TWO_READINGS.search(path) or _DOTS.search(path):
        return None
    return path


def plain_query(query: str) -> bool:
    """Whether a query (without its `?`) holds only what may stand in a request line."""
    return _QUERY.fullmatch(query) is not None


def _normal(escape: re.Match[str]) -> str:
    """RFC 3986 section 6.2.2: unreserved characters are not escaped, hex digits are upper case."""
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()
