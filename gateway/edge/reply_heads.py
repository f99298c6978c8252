"""Reply heads that came before. Pure; the same bytes always mean the same.

An application says the same head with reply after reply, but for the `Date`, which changes once a
second. A whole small reply whose head is remembered, byte for byte, is not taken apart again: its
meaning and its head for the browser are there.

Remembered is only what came twice, says the same to everybody and leaves no doubt where it ends: a
final reply with one Content-Length, on a connection that stays, without a cookie (which is
somebody's secret, and sealed for somebody) and without a Location (which is judged for each
request).
"""

from collections.abc import Sequence

from gateway.edge.events import END, Known, ReplyEvent
from gateway.edge.headers import Outbound, RawReply, browser_head, read_reply
from gateway.edge.memory import Familiar
from gateway.edge.names import fold
from gateway.edge.rules import Rules

# Some hundred kinds of reply, each a few times for its Dates. At 2 KiB each, twice over with what
# they mean, 2 MiB, whatever upstream sends.
_MOST = 512
_LONGEST = 2048
_BLANK_LINE = b"\r\n\r\n"
_FOR_SOMEBODY = frozenset("location set-cookie trailer transfer-encoding".split())
# nginx says so in each reply. Any other option may name a header that must not pass.
_STAYS = b"keep-alive"


class ReplyHeads:
    """What one upstream said before."""

    __slots__ = ("_came", "_known", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._came = Familiar()
        self._known: dict[bytes, Known] = {}

    def recall(self, data: bytes) -> list[ReplyEvent] | None:
        """The events of `data` if it is exactly one whole reply with a remembered head."""
        end = data.find(_BLANK_LINE) + len(_BLANK_LINE)
        known = self._known.get(data[:end])
        if known is None or len(data) - end != known.reply.length:
            return None
        return [known, data[end:], END]

    def remember(self, data: bytes, events: Sequence[ReplyEvent]) -> None:
        """`data` began and ended with the one reply that `events` tell of; not one to HEAD."""
        if len(events) != 3:
            return
        raw, body, end = events
        if not isinstance(raw, RawReply) or not isinstance(body, bytes) or end is not END:
            return
        head = data[: len(data) - len(body)]
        if len(head) > _LONGEST or head.find(_BLANK_LINE) != len(head) - len(_BLANK_LINE):
            return
        if not self._came.again(head):
            return
        reply = self._plain(raw)
        if reply is None or reply.length != len(body):
            return
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[head] = Known(reply, browser_head(reply, 1, keep_alive=True))

    def _plain(self, raw: RawReply) -> Outbound | None:
        """The meaning of a head that says the same to everybody."""
        names = [fold(name.decode("latin-1")) for name, _ in raw.fields]
        if not raw.keep_alive or raw.status < 200 or not _FOR_SOMEBODY.isdisjoint(names):
            return None
        fields = zip(names, raw.fields, strict=True)
        if any(name == "connection" and value.lower() != _STAYS for name, (_, value) in fields):
            return None
        # A redirect is judged for each request, also one that names no place.
        if names.count("content-length") != 1 or 300 <= raw.status < 400:
            return None
        reply = read_reply(raw, "GET", None, self._rules)
        return reply if isinstance(reply, Outbound) and reply.has_body else None
