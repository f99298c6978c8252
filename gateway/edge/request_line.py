"""The first line of a request, before llhttp sees it. Pure.

llhttp forgives it more than we do: RTSP and ICE in the place of HTTP, several spaces, no version at
all, and bare line ends in front. RFC 9112 section 3 lets a recipient do so and says what comes of
it: servers that read the same line in different ways.
"""

import re

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_LINE = re.compile(rb"%b+ ([!-~]+) HTTP/[0-9]\.[0-9]\r\n" % _TOKEN)
# What may still become one, or an empty line.
_BEGINNING = re.compile(rb"(?:%b+(?: (?:[!-~]+(?: [HTP/0-9.]*\r?)?)?)?|\r)?" % _TOKEN)


def target_of(line: bytes) -> bytes | None:
    """The request target of a whole line, with its CRLF; `None`: it is no request line."""
    found = _LINE.fullmatch(line)
    return None if found is None else found[1]


def may_become_one(beginning: bytes) -> bool:
    """Whether a request line, or the empty line that may stand before it, can begin like this."""
    return _BEGINNING.fullmatch(beginning) is not None
