"""The Cookie header, taken apart into whose cookie is whose. Pure.

Our own cookies never go upstream. A legacy session cookie is either the browser's own (a password
user) or sealed by us (`Live.seal`): the second is worth something only together with the session
that sealed it.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple, final

from gateway.session.cookie import SEALED_PREFIX
from gateway.session.entry import Live
from gateway.urls import covers

# Browsers pass over a longer attribute (RFC 6265bis section 5.6).
_LONGEST_ATTRIBUTE = 1024
# How frameworks say that a cookie is to go: 1 January 1970, or another day of last century.
_LONG_AGO = re.compile(r"[ -]19[0-9]{2} |-[7-9][0-9] ")


class Place(NamedTuple):
    """Which one of the cookies of a name it is to a browser. `domain`: empty for one of the host
    that set it, and of no other."""

    name: str
    path: str
    domain: str


class CookieRules(NamedTuple):
    """Which cookie names mean something: our session, the prefix of transactions, and Sonar's.
    `places`: where Sonar's are said to be. `host`: what browsers type."""

    session: bytes
    transaction_prefix: bytes
    legacy: frozenset[bytes]
    places: frozenset[Place]
    host: str


@final
class Legacy:
    """A session cookie of Sonar: where it is `at` among the others, and whether we sealed it."""

    __slots__ = ("at", "name", "sealed", "value")

    def __init__(self, at: int, name: str, value: str, *, sealed: bool) -> None:
        self.at: Final = at
        self.name: Final = name
        self.value: Final = value
        self.sealed: Final = sealed


@final
class Cookies:
    """`header`: the Cookie value as it came. `session`: our session cookie's value. `pairs`: every
    other cookie, `name=value`, in order; `legacy`: which of them are session cookies of Sonar, and
    `hiding`: in which of them some programs find one, as if a blank or a comma ended a cookie."""

    __slots__ = ("header", "hiding", "legacy", "pairs", "session")

    def __init__(
        self,
        header: bytes,
        session: str | None,
        pairs: tuple[bytes, ...],
        legacy: tuple[Legacy, ...],
        hiding: tuple[int, ...] = (),
    ) -> None:
        self.header: Final = header
        self.session: Final = session
        self.pairs: Final = pairs
        self.legacy: Final = legacy
        self.hiding: Final = hiding

    @property
    def password_user(self) -> bool:
        """Whether the browser has a legacy session of its own. A sealed cookie is not one: it was
        born under a gateway session and dies with it."""
        return any(not cookie.sealed for cookie in self.legacy)

    def upstream(self, live: Live | None) -> bytes:
        """The Cookie value that upstream gets; empty for none.

        With a live session its sealed cookies are opened and a bare one is dropped, so that two
        identities never mix; without one, sealed cookies are dropped.
        """
        pairs = list(self.pairs)
        if live is not None:
            for at in self.hiding:
                pairs[at] = b""
        for one in self.legacy:
            if live is not None:
                opened = live.open(one.name, one.value) if one.sealed else None
                pairs[one.at] = b"" if opened is None else f"{one.name}={opened}".encode("latin-1")
            elif one.sealed:
                pairs[one.at] = b""
        return b"; ".join(filter(None, pairs))

    def names(self) -> list[str]:
        """The names of all of them, as they came."""
        pieces = self.header.decode("latin-1").split(";")
        return [piece.partition("=")[0].strip(" \t") for piece in pieces]


NO_COOKIES = Cookies(b"", None, (), ())


def read_cookies(header: bytes, rules: CookieRules) -> Cookies:
    """Take a Cookie header apart (RFC 6265 section 5.4; several headers joined by `; `)."""
    own, prefix, legacy_names = rules.session, rules.transaction_prefix, rules.legacy
    session: bytes | None = None
    doubtful = False
    pairs: list[bytes] = []
    legacy: list[Legacy] = []
    for piece in header.split(b";"):
        pair = piece.strip(b" \t")
        name, equals, content = pair.partition(b"=")
        name = name.rstrip(b" \t")
        if name == own:
            # Cookie tossing: a neighbour puts his session beside ours, hoping that his is read.
            doubtful = doubtful or (session is not None and session != content)
            session = content
        elif name.startswith(prefix) or not pair:
            continue
        else:
            if name in legacy_names and equals and content:
                text = content.decode("latin-1")
                sealed = text.startswith(SEALED_PREFIX)
                legacy.append(Legacy(len(pairs), name.decode("latin-1"), text, sealed=sealed))
            pairs.append(pair)
    value = None if session is None or doubtful else session.decode("latin-1")
    return Cookies(
        header, value, tuple(pairs), tuple(legacy), _hiding(header, pairs, legacy, rules)
    )


def _hiding(
    header: bytes, pairs: list[bytes], legacy: list[Legacy], rules: CookieRules
) -> tuple[int, ...]:
    named = 0
    for name in rules.legacy:
        named += header.count(name)
    if named <= len(legacy):
        return ()
    within = _within(rules.legacy)
    return tuple([at for at, pair in enumerate(pairs) if within.search(pair)])


@lru_cache(maxsize=1)
def _within(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """A cookie of one of these names within another."""
    any_name = b"|".join(map(re.escape, names))
    return re.compile(rb'[\s,"](?:%b)\s*=' % any_name)


class SetCookie(NamedTuple):
    """A Set-Cookie of Sonar's as the browser gets it. `unnamed`: where it will be, if it is a
    session cookie in a place that config does not name, so that it would outlive a sign-out."""

    value: bytes
    unnamed: Place | None


def passing_set_cookie(
    value: bytes, live: Live | None, path: str, rules: CookieRules
) -> SetCookie | None:
    """A Set-Cookie value of Sonar's on its way to the browser that asked for `path`; for the one of
    `live` its session cookies are sealed.

    `None`: not at all. Never one of ours: whoever can have Sonar say a header would put a session
    of their own into somebody's browser (session fixation). Nor, beside an identity, one without a
    name that would be a session cookie nobody sealed: browsers send it back as its value alone,
    which may read `name=value` (RFC 6265bis section 5.8.3).
    """
    pair, semicolon, attributes = value.partition(b";")
    name, equals, content = pair.partition(b"=")
    name, content = name.strip(b" \t"), content.strip(b" \t")
    sent_as = name or content.partition(b"=")[0].strip(b" \t")
    if sent_as == rules.session or sent_as.startswith(rules.transaction_prefix):
        return None
    if sent_as not in rules.legacy or not equals:
        return SetCookie(value, None)
    if not name:
        return SetCookie(value, None) if live is None else None
    unnamed = _unnamed(name, attributes, path, rules) if content else None
    if live is None:
        return SetCookie(value, unnamed)
    sealed = live.seal(name.decode("latin-1"), content.decode("latin-1")).encode("ascii")
    return SetCookie(name + b"=" + sealed + semicolon + attributes, unnamed)


def _unnamed(name: bytes, attributes: bytes, path: str, rules: CookieRules) -> Place | None:
    kept = _kept(attributes)
    if kept is None:
        return None
    at, domain = kept
    place = Place(name.decode("latin-1"), at or _default_path(path), domain)
    if place in rules.places or (domain and not covers(domain, rules.host)):
        return None
    return place


def _default_path(path: str) -> str:
    """RFC 6265 section 5.1.4."""
    return path[: max(path.rfind("/"), 0)] or "/"


@lru_cache(maxsize=64)
def _kept(attributes: bytes) -> tuple[str, str] | None:
    """`Path` and `Domain` of a Set-Cookie as a browser reads them (RFC 6265 section 5.2), each
    empty when there is none; `None` when it says that the cookie is to go."""
    path = domain = ""
    goes = False
    for attribute in attributes.split(b";"):
        key, _, content = attribute.partition(b"=")
        key, content = key.strip(b" \t").lower(), content.strip(b" \t")
        if len(content) > _LONGEST_ATTRIBUTE:
            continue
        text = content.decode("latin-1")
        if key == b"path":
            path = text if text.startswith("/") else ""
        elif key == b"domain":
            domain = text.lower().removeprefix(".")
        elif key == b"max-age":
            goes = text.startswith("-") or (text != "" and not text.strip("0"))
        elif key == b"expires":
            goes = goes or _LONG_AGO.search(text) is not None
    return None if goes else (path, domain)
