"""What readers find in a stream of bytes, in order: heads, bodies, ends. Pure values."""

from enum import Enum
from typing import Final, NamedTuple

from gateway.edge.headers import Outbound, RawReply
from gateway.edge.inbound import RawHead
from gateway.reasons import Reason


class End(Enum):
    """The message is complete."""

    END = "end"


END: Final = End.END


class Malformed:
    """The stream cannot be read any further. `status` is what a client is told; `page`: as far as
    its headers were read, it would like a page rather than JSON."""

    __slots__ = ("detail", "page", "reason", "status")

    def __init__(self, status: int, reason: Reason, detail: str, *, page: bool = True) -> None:
        self.page = page
        self.status = status
        self.reason = reason
        self.detail = detail

    def __repr__(self) -> str:
        return f"<Malformed {self.status} {self.detail}>"


class Known(NamedTuple):
    """A reply head that was understood before (reply_heads.py): what it means, and `head` as an
    HTTP/1.1 browser gets it whose connection stays open."""

    reply: Outbound
    head: bytes


RequestEvent = RawHead | bytes | End | Malformed
ReplyEvent = RawReply | Known | bytes | End | Malformed
