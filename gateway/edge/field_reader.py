"""Headers that came before are not read again. Pure.

A browser sends the same headers with request after request, or the same but for its cookies, and so
does who attacks.

    a whole block that came twice   means what it meant, byte for byte
    all of it but a Cookie          means what it meant; only the cookies are read anew

What is given back is immutable and depends on these bytes alone.
"""

from gateway.config import Limits
from gateway.edge.cookies import CookieRules, read_cookies
from gateway.edge.fields import read_fields, wants_page
from gateway.edge.inbound import Fields, Refusal
from gateway.edge.memory import Familiar, Memory
from gateway.edge.names import Field, HeaderNames

# Blocks of headers remembered: a few for each person who is using Sonar at the moment. A browser's
# weigh about 5 KB, so these are some three thousand; whatever clients send, no more than this.
MOST_REMEMBERED = 16 * 1024 * 1024
# And blocks less their Cookie: a few for each kind of browser.
_MOST_MODELS = 4 * 1024 * 1024
_LONGEST_REMEMBERED = 4096

_COOKIE = b"\r\nCookie: "
_LINE_END = b"\r\n"


class FieldReader:
    """Reads headers for peers of one kind (`names`: trusted or not)."""

    __slots__ = ("_blocks", "_came", "_cookies", "_longest", "_models", "_names", "limits")

    def __init__(self, names: HeaderNames, cookies: CookieRules, limits: Limits) -> None:
        self.limits = limits
        self._names = names
        self._cookies = cookies
        self._came = Familiar()
        self._blocks: Memory[bytes, Fields | Refusal] = Memory(MOST_REMEMBERED)
        self._models: Memory[bytes, Fields] = Memory(_MOST_MODELS)
        # What is within all limits whatever is in it: no limit is asked about again.
        self._longest = min(_LONGEST_REMEMBERED, limits.headers, limits.header)

    def read(self, fields: list[Field], *, familiar: bool = False) -> Fields | Refusal:
        """The meaning of headers, or why they have none. `familiar`: of a block that is."""
        made = read_fields(fields, self._names, self._cookies, self.limits, familiar=familiar)
        if isinstance(made, Refusal):
            return made._replace(page=wants_page(fields, otherwise=False))
        return made

    def recall(self, block: bytes) -> Fields | Refusal | None:
        """The meaning of a block of header lines, or why it has none, if it is known."""
        known = self._blocks.get(block)
        return self._by_model(block) if known is None else known

    def familiar(self, block: bytes) -> bool:
        """Whether a block came before, so that it is worth remembering."""
        return 0 < len(block) <= _LONGEST_REMEMBERED and self._came.again(block)

    def remember(self, block: bytes, fields: Fields | Refusal, *, familiar: bool) -> None:
        """Keep what was found in a block, all of which was read: the whole if it is `familiar`,
        and what it is without its Cookie if that came before."""
        if familiar:
            self._blocks.keep(block, fields, weight(len(block), fields))
        if isinstance(fields, Refusal) or len(block) > self._longest:
            return
        apart = _apart(block)
        if apart is None:
            return
        others, value = apart
        # Else there are more cookies, in another line.
        if value == fields.cookies.header and self._came.again(others):
            self._models.keep(others, fields, weight(len(block), fields))

    def _by_model(self, block: bytes) -> Fields | None:
        """The meaning of a block that differs from one before in its cookies only."""
        apart = None if len(block) > self._longest else _apart(block)
        if apart is None:
            return None
        others, value = apart
        model = self._models.get(others)
        if model is None or not _plain(value):
            return None
        familiar = self._came.again(block)
        fields = model.with_cookies(read_cookies(value, self._cookies), familiar=familiar)
        if familiar:
            self._blocks.keep(block, fields, weight(len(block), fields))
        return fields


def _plain(value: bytes) -> bool:
    """Whether a value takes nothing from the lines around it and is no longer than it looks: so a
    block stays what it is with one of these instead of another. Of the characters that RFC 9110
    section 5.5 allows, those of ASCII, and no blank at either end."""
    text = value.decode("latin-1")
    return text.isascii() and text.isprintable() and len(value) == len(value.strip()) > 0


def _apart(block: bytes) -> tuple[bytes, bytes] | None:
    """A block without the value of its first Cookie, and that value; `None` unless it is written as
    browsers write it, and some other line comes before it."""
    found = block.find(_COOKIE)
    if found < 0:
        return None
    start = found + len(_COOKIE)
    end = block.find(_LINE_END, start)
    return block[:start] + block[end:], block[start:end]


def weight(size: int, fields: Fields | Refusal) -> int:
    """About how many bytes of memory `fields` take, made of `size` bytes. A header of a thousand
    cookies of two letters each takes twenty times its size."""
    if isinstance(fields, Refusal):
        return 1024 + size
    cookies = fields.cookies
    parts = len(fields.passing) + len(fields.options) + len(cookies.pairs) + 2 * len(cookies.legacy)
    return 1024 + 4 * size + 100 * parts
