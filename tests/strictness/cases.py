"""The corpus: requests, what must happen to each, and why.

A file of corpus/ is a list of families. A family has

    family  its name
    why     what decides: RFC section, and in a few words what it says
    must    what happens: `forward`, `portal` (the gateway's own pages), a status with which it is
            refused, `silence` (no reply: the request never ended)
    is      `valid`: what RFC 9112 allows; `unserved`: the same, but not served here on purpose;
            `tolerated`: not quite what it allows, but with one meaning, which is spelled anew;
            without it: malformed or ambiguous
    around  the request, with `§` where the cases differ
    cases   one a line: `send` the whole request, or `put` what stands at `§`

and a case may say any of these itself. In requests `{9*x}` is `x` nine times.

    upstream   every byte upstream gets, with `~` for the four lines that the gateway writes
               (X-Forwarded-For, -Proto, -Host, X-Request-ID); `§` as `gets` or else `put`.
               With a refusal: what was forwarded, streaming, before the fault came; it never
               becomes a whole request.
    replies    how many come, 1 unless told
    behind     false: no other request is sent right behind it, because it would be part of it
    closes     true: the connection closes after the reply, and what is behind it is not served
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CORPUS = Path(__file__).parent / "corpus"
HOST = b"h"

# Sent right behind each case: served after a good request, never after a bad one.
BEHIND = b"GET /behind HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
BEHIND_UPSTREAM = b"GET /behind HTTP/1.1\r\nHost: h\r\n~\r\n"

_TIMES = re.compile(rb"\{([0-9]+)\*(.+?)\}", re.DOTALL)


@dataclass(frozen=True)
class Case:
    name: str
    why: str
    send: bytes
    must: str
    kind: str
    upstream: bytes
    replies: int
    behind: bool
    closes: bool

    @property
    def forwarded(self) -> bool:
        return self.must in {"forward", "portal"}

    @property
    def stream(self) -> bytes:
        """What the browser sends, all at once."""
        return self.send + BEHIND if self.behind else self.send

    @property
    def behind_is_served(self) -> bool:
        return self.forwarded and self.behind and not self.closes


def load() -> list[Case]:
    return [
        _case(family, case, number)
        for path in sorted(CORPUS.glob("*.yaml"))
        for family in yaml.safe_load(path.read_text())
        for number, case in enumerate(family["cases"], 1)
    ]


def _case(family: dict[str, Any], own: dict[str, Any], number: int) -> Case:
    told = {**family, **own}
    put = _bytes(told.get("put", ""))
    gets = _bytes(told["gets"]) if "gets" in told else put
    around = _bytes(told.get("send") or told.get("around", ""))
    return Case(
        name=f"{told['family']}-{number}",
        why=told["why"],
        send=around.replace(_MARK, put),
        must=str(told["must"]),
        kind=told.get("is", "ambiguous"),
        upstream=_bytes(told.get("upstream", "")).replace(_MARK, gets),
        replies=told.get("replies", 1),
        behind=told.get("behind", True),
        closes=told.get("closes", False),
    )


def _bytes(text: str) -> bytes:
    """Each character is a byte; what is none of the first 256 stands for itself in UTF-8."""
    data = b"".join(char.encode("latin-1") if ord(char) < 256 else char.encode() for char in text)
    return _TIMES.sub(lambda found: int(found[1]) * found[2], data)


_MARK = "§".encode("latin-1")
