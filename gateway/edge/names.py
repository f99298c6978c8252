"""Which request headers mean something to the gateway, and which never pass it. Pure.

Names are compared *folded*: lower case, every character but letters and digits read as `-`. CGI,
WSGI, PHP and many a framework turn `X_Sonar_Username`, and some `X.Sonar.Username`, into the same
variable as `X-Sonar-Username` (oauth2-proxy CVE-2025-64484), so a client could speak for us.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.config import IdentityHeaders

Field = tuple[bytes, bytes]
"""One header: its name and its value, as they came."""


class Fate(NamedTuple):
    """What happens to one header. `noted`: under which name its value is kept for the decision,
    `None` for not at all. `passes`: whether it goes to upstream as it is."""

    noted: str | None
    passes: bool


PASSES = Fate(None, True)
DROPPED = Fate(None, False)

# The note of a header with `_` in its name, where those are refused; no name is spelled like that.
UNDERSCORE = "(underscore)"
_UNDERSCORED = {"pass": PASSES, "drop": DROPPED, "refuse": Fate(UNDERSCORE, False)}

# Read here, and written anew for upstream when it needs them.
_READ = frozenset(
    """
    connection content-length cookie expect forwarded host transfer-encoding upgrade
    x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id
    """.split()
)
# Read here and passed on.
_READ_AND_PASSED = frozenset("accept origin sec-fetch-mode x-requested-with".split())

# Meant for the next hop only (RFC 9110 section 7.6.1 and what HTTP/1.0 left behind).
_HOP_BY_HOP = frozenset(
    """
    http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer
    """.split()
)
# Never from a client. `Proxy` becomes HTTP_PROXY under CGI (httpoxy, CVE-2016-5385);
# `X-Original-URL` and `X-Rewrite-URL` replace the path that was decided on (CVE-2018-14773), also
# when a trusted proxy forgot to remove them.
_NEVER = frozenset("proxy x-rewrite-url".split())
_NEVER_PREFIXES = ("x-sonar-", "x-original-")
# Who the client is: said to Sonar by us alone, in words of our own. Which of them a proxy in front
# sets, and which it passes on from its client, Sonar cannot know (Traefik CVE-2024-45410).
_SAYS_WHO = frozenset("x-forwarded x-real-ip".split())
_SAYS_WHO_PREFIXES = ("x-forwarded-",)
# From a trusted proxy they are no forgery.
_REPLACED = Fate(None, False)

# Names a process keeps the fate of: browsers send about fifty. The rest is worked out each time,
# so that made-up names cost a client something and us no memory.
_MOST_KNOWN = 512

# Where proxies say what they ask about at /sso/auth; never passed on while one of them may ask.
_QUESTION = frozenset("x-forwarded-method x-forwarded-uri x-original-method x-original-uri".split())
# The name under which is noted that a header is there which the proxy that asks would hand to
# Sonar, although none like it ever passes us.
FORGED = "forged"

_NOT_PLAIN = re.compile(r"[^a-z0-9]")


def fold(name: str) -> str:
    """`X_Sonar_Username` -> `x-sonar-username`."""
    return _NOT_PLAIN.sub("-", name.lower())


class HeaderNames:
    """The fate of each request header, for peers that are trusted or for all the others.
    `underscores`: that of names with `_` that mean nothing here, `server.underscore_headers`.
    `asks`: one of the peers may be a proxy with a question (question.py)."""

    __slots__ = ("_known", "_ours", "_trusted", "_underscored", "asks")

    def __init__(
        self,
        identity: IdentityHeaders,
        *,
        trusted: bool,
        underscores: str = "pass",
        asks: bool = False,
    ) -> None:
        self._underscored = _UNDERSCORED[underscores]
        names = identity.model_dump().values()
        self._ours = _NEVER | {fold(name) for name in names}
        self._trusted = trusted
        self.asks = asks
        self._known: dict[bytes, Fate] = {}

    def fate(self, name: bytes) -> Fate:
        """What happens to the header `name`, in whatever spelling."""
        fate = self._known.get(name)
        if fate is None:
            text = name.decode("latin-1")
            fate = self._judge_with_question(text) if self.asks else self._judge(text)
            if len(self._known) < _MOST_KNOWN:
                self._known[name] = fate
        return fate

    def _judge_with_question(self, name: str) -> Fate:
        lower, folded = name.lower(), fold(name)
        if lower in _QUESTION:
            return Fate(lower, passes=False)
        if lower == "sec-websocket-key":
            return Fate(lower, passes=True)
        fate = self._judge(name)
        harmless = folded in _HOP_BY_HOP or (lower.startswith("x-original-") and folded == lower)
        if fate is DROPPED and (not harmless or folded == "x-original-url"):
            return Fate(FORGED, passes=False)
        return fate

    def _judge(self, name: str) -> Fate:
        lower, folded = name.lower(), fold(name)
        if folded in self._ours or folded.startswith(_NEVER_PREFIXES) or folded in _HOP_BY_HOP:
            return DROPPED
        if folded in _READ or folded in _READ_AND_PASSED:
            # `Content_Length` is not Content-Length to us, and may be to upstream.
            return Fate(lower, lower in _READ_AND_PASSED) if lower == folded else DROPPED
        if folded in _SAYS_WHO or folded.startswith(_SAYS_WHO_PREFIXES):
            return _REPLACED if self._trusted and lower == folded else DROPPED
        return self._underscored if "_" in name else PASSES


def without(fields: Iterable[Field], names: frozenset[str]) -> list[Field]:
    """Headers less those with one of these folded names."""
    return [field for field in fields if fold(field[0].decode("latin-1")) not in names]


def written(fields: Sequence[Field]) -> bytes:
    """Headers as they stand in a head, each with its CRLF."""
    return b"\r\n".join(map(b": ".join, fields)) + b"\r\n" if fields else b""
