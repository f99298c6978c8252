"""A body in chunks, taken apart without llhttp seeing each byte. Pure.

    chunked-body = *chunk last-chunk trailer-section CRLF      (RFC 9112 section 7.1)

Strategy
    Between two pieces of data stands one line: what ends the chunk before, the size of the next,
    and perhaps extensions, which nobody knows and which are dropped. Everything from the size of
    the last chunk on is left to llhttp, trailers with it: it has seen nothing of the chunks before.

Rules
    A line is there as a whole, or in part, or the body is malformed. It has one reading: CRLF ends
    it, its size is plain hexadecimal.
"""

import re

# Fifteen digits behind the zeros are more than any disk holds.
_SIZE = rb"(0*[0-9A-Fa-f]{1,15})"
# Section 7.1.1: a name, and a token or a quoted string; also with nothing but the `=` in places.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSIONS = rb"(?:;%b+(?:=(?:%b+|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED)
_FIRST = re.compile(_SIZE + _EXTENSIONS + rb"\r\n")
_NEXT = re.compile(rb"\r\n" + _SIZE + _EXTENSIONS + rb"\r\n")
# What may still become one: what it lacks is looked at when it is there.
_HALF = rb"[0-9A-Fa-f]+(?:;[\t\x20-\x7e\x80-\xff]*)?\r?"
_HALF_FIRST = re.compile(rb"(?:%b)?" % _HALF)
_HALF_NEXT = re.compile(rb"\r?|\r\n(?:%b)?" % _HALF)
# An extension nobody knows; much more of it than this is said to keep us busy.
_LONGEST_LINE = 4096


class Chunks:
    """One body. `left`: how much is to come of the chunk under way. `last`: its end has come, and
    what llhttp is to read, from the size of the last chunk on; `wrong`: it can have no end."""

    __slots__ = ("_half", "_line", "_rest", "last", "left", "wrong")

    def __init__(self) -> None:
        self.left = 0
        self.last: bytes | None = None
        self.wrong = False
        self._line, self._half = _FIRST, _HALF_FIRST
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The data in what came next. Not to be fed again after `last` or `wrong`."""
        if len(data) <= self.left:
            self.left -= len(data)
            return data
        if self._rest:
            data, self._rest = self._rest + data, b""
        parts: list[bytes] = []
        at, size = 0, len(data)
        while at < size:
            left = self.left
            if left:
                part = data[at : at + left]
                self.left = left - len(part)
                at += len(part)
                parts.append(part)
                continue
            line = self._line.match(data, at)
            if line is None:
                self._rest = data[at:]
                self.wrong = not self._may_come()
                break
            if line.end() - at > _LONGEST_LINE:
                self.wrong = True
                break
            self.left = int(line[1], 16)
            if not self.left:
                self.last = data[line.start(1) :]
                break
            at = line.end()
            self._line, self._half = _NEXT, _HALF_NEXT
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _may_come(self) -> bool:
        rest = self._rest
        return len(rest) <= _LONGEST_LINE and self._half.fullmatch(rest) is not None
