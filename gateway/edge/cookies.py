"""The Cookie header, taken apart into whose cookie is whose. Pure.

Our own cookies never go upstream. A legacy session cookie is either the browser's own (a password
user) or sealed by us (`Live.seal`): the second is worth something only together with the session
that sealed it.
"""

from typing import NamedTuple

from gateway.session.cookie import SEALED_PREFIX
from gateway.session.entry import Live


class CookieRules(NamedTuple):
    """Which cookie names mean something: our session, the prefix of transactions, and Sonar's."""

    session: bytes
    transaction_prefix: bytes
    legacy: frozenset[bytes]


class Legacy(NamedTuple):
    """A session cookie of Sonar: where it is `at` among the others, and whether we sealed it."""

    at: int
    name: str
    value: str
    sealed: bool


class Cookies(NamedTuple):
    """`header`: the Cookie value as it came. `session`: our session cookie's value. `pairs`: every
    other cookie, `name=value`, in order; `legacy`: which of them are session cookies of Sonar."""

    header: bytes
    session: str | None
    pairs: tuple[bytes, ...]
    legacy: tuple[Legacy, ...]

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
        for at, name, value, sealed in self.legacy:
            if live is not None:
                opened = live.open(name, value) if sealed else None
                pairs[at] = b"" if opened is None else f"{name}={opened}".encode("latin-1")
            elif sealed:
                pairs[at] = b""
        return b"; ".join(filter(None, pairs))


NO_COOKIES = Cookies(b"", None, (), ())


def read_cookies(header: bytes, rules: CookieRules) -> Cookies:
    """Take a Cookie header apart (RFC 6265 section 5.4; several headers joined by `; `)."""
    own, prefix, legacy_names = rules
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
                legacy.append(Legacy(len(pairs), name.decode("latin-1"), text, sealed))
            pairs.append(pair)
    value = None if session is None or doubtful else session.decode("latin-1")
    return Cookies(header, value, tuple(pairs), tuple(legacy))


def may_be_set(value: bytes, rules: CookieRules, *, signed_in: bool) -> bool:
    """Whether Sonar may set this cookie (a Set-Cookie value). Never one of ours: whoever can have
    Sonar say a header would put a session of their own into somebody's browser (session fixation).

    Browsers send a cookie without a name back as its value alone, which may read `name=value`
    (RFC 6265bis section 5.8.3); beside an identity that would be a session cookie nobody sealed.
    """
    own, prefix, legacy_names = rules
    name, _, content = value.partition(b";")[0].partition(b"=")
    name = name.strip(b" \t")
    nameless = not name
    if nameless:
        name = content.partition(b"=")[0].strip(b" \t")
    if name == own or name.startswith(prefix):
        return False
    return not (nameless and signed_in and name in legacy_names)


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
