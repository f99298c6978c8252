"""The Cookie header, taken apart into whose cookie is whose. Pure.

Our own cookies never go upstream. A legacy session cookie is either the browser's own (a password
user) or sealed by us (`Live.seal`): the second is worth something only together with the session
that sealed it.
"""

from typing import NamedTuple

from gateway.session.cookie import SEALED_PREFIX
from gateway.session.entry import Live

_SEALED = SEALED_PREFIX.encode()


class CookieRules(NamedTuple):
    """Which cookie names mean something: our session, the prefix of transactions, and Sonar's."""

    session: bytes
    transaction_prefix: bytes
    legacy: frozenset[bytes]


class Cookies(NamedTuple):
    """`header`: the Cookie value as it came. `session`: our session cookie's value. `pairs`: every
    other cookie, `name=value`, in order. `legacy`: where in `pairs` a session cookie of Sonar is,
    with its name and value."""

    header: bytes
    session: str | None
    pairs: list[bytes]
    legacy: list[tuple[int, bytes, bytes]]

    @property
    def password_user(self) -> bool:
        """Whether the browser has a legacy session of its own. A sealed cookie is not one: it was
        born under a gateway session and dies with it."""
        return any(not value.startswith(_SEALED) for _, _, value in self.legacy)

    def upstream(self, live: Live | None) -> bytes:
        """The Cookie value that upstream gets; empty for none.

        With a live session its sealed cookies are opened and a bare one is dropped, so that two
        identities never mix; without one, sealed cookies are dropped.
        """
        if not self.legacy:
            return b"; ".join(self.pairs)
        pairs: list[bytes | None] = list(self.pairs)
        for index, name, value in self.legacy:
            sealed = value.startswith(_SEALED)
            if live is None:
                if sealed:
                    pairs[index] = None
            elif sealed:
                pairs[index] = _opened(live, name, value)
            else:
                pairs[index] = None
        return b"; ".join([pair for pair in pairs if pair is not None])


NO_COOKIES = Cookies(b"", None, [], [])


def read_cookies(header: bytes, rules: CookieRules) -> Cookies:
    """Take a Cookie header apart (RFC 6265 section 5.4; several headers joined by `; `)."""
    own, prefix, legacy_names = rules
    session: bytes | None = None
    doubtful = False
    pairs: list[bytes] = []
    legacy: list[tuple[int, bytes, bytes]] = []
    for piece in header.split(b";"):
        pair = piece.strip(b" \t")
        name, equals, value = pair.partition(b"=")
        name = name.rstrip(b" \t")
        if name == own:
            # Cookie tossing: a neighbour puts his session beside ours, hoping that his is read.
            doubtful = doubtful or (session is not None and session != value)
            session = value
        elif name.startswith(prefix) or not pair:
            continue
        else:
            if name in legacy_names and equals and value:
                legacy.append((len(pairs), name, value))
            pairs.append(pair)
    if session is None or doubtful:
        return Cookies(header, None, pairs, legacy)
    return Cookies(header, session.decode("latin-1"), pairs, legacy)


def _opened(live: Live, name: bytes, sealed: bytes) -> bytes | None:
    value = live.open(name.decode("latin-1"), sealed.decode("latin-1"))
    return None if value is None else name + b"=" + value.encode("latin-1")


def sealed_set_cookie(value: bytes, live: Live, legacy_names: frozenset[bytes]) -> bytes:
    """A Set-Cookie value of upstream as the browser of `live` gets it: Sonar's session cookies
    are sealed, every other cookie stays as it is."""
    pair, semicolon, attributes = value.partition(b";")
    name, equals, content = pair.partition(b"=")
    name = name.strip(b" \t")
    if not equals or name not in legacy_names:
        return value
    content = content.strip(b" \t")
    sealed = live.seal(name.decode("latin-1"), content.decode("latin-1")).encode("ascii")
    return name + b"=" + sealed + semicolon + attributes
