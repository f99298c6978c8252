"""The cookies by name and attribute, and the session cookie's value. No I/O.

The session cookie says nothing about anybody:

    <id: 43 characters, 256 random bits>.<key id: 16>.<MAC over id and key id: 43>

The MAC lets the edge refuse a made-up cookie without asking the session store, so that guessing
costs us a hash and never a query. Whoever reads the store finds only the SHA-256 of the id.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.base64url import encode
from gateway.session.keys import KEY_ID, KeyRing
from gateway.settings.upstream import SessionCookie

# What a sealed legacy cookie (`Live.seal`) begins with, so that the edge knows one without a
# session to open it and drops it. `~` begins no cookie value that a framework makes by itself.
SEALED_PREFIX = "~sonar~"

# What identity/transaction.py calls a sign-in on its way. A name that is not ours cannot be put
# into a header as it is.
TRANSACTION_ID = re.compile(r"[A-Za-z0-9_-]{16}")

# More lines than this in one reply could be more than a server in front takes; the rest goes with
# the next one. Only somebody who made them up has so many.
MOST_REMOVED = 20

_ID_BYTES = 32
_PURPOSE = "session cookie"
_VALUE = re.compile(rf"([A-Za-z0-9_-]{{43}})\.({KEY_ID})\.([A-Za-z0-9_-]{{43}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class CookieNames:
    """What our cookies are called. `secure`: the public URL is https.

    With `__Host-` a browser takes the cookie only from this very host over https, so that a
    sibling subdomain cannot toss its own in (cookie tossing; RFC 6265bis section 4.1.3.2).
    """

    secure: bool

    @property
    def session(self) -> str:
        return "__Host-sonar_sso" if self.secure else "sonar_sso"

    @property
    def transaction_prefix(self) -> str:
        return "__Host-sonar_tx_" if self.secure else "sonar_tx_"

    @property
    def forms(self) -> str:
        """Which browser kept forms belong to. By its prefix it is one that never goes upstream."""
        return f"{self.transaction_prefix}forms"

    @property
    def reader(self) -> str:
        """Which browser a password user reads notices in. It never goes upstream either."""
        return f"{self.transaction_prefix}reader"


def set_cookie(
    name: str,
    value: str,
    *,
    secure: bool,
    max_age: int | None = None,
    path: str = "/",
    domain: str | None = None,
) -> str:
    """The value of a `Set-Cookie` header. `max_age` in seconds; without it, until the browser
    is closed. Without `domain` it is for this host alone. SameSite=Lax: sent when the provider
    sends the browser back, never with a form that another site posts."""
    age = "" if max_age is None else f"; Max-Age={max_age}"
    where = f"Path={path}" if domain is None else f"Path={path}; Domain={domain}"
    return f"{name}={value}; {where}{age}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def expire_cookie(name: str, *, secure: bool, path: str = "/", domain: str | None = None) -> str:
    """The value of a `Set-Cookie` header that removes the cookie which was set with this path and
    domain, and no other of this name (RFC 6265 section 5.3, step 11)."""
    return set_cookie(name, "", secure=secure, max_age=0, path=path, domain=domain)


def sign_off_cookies(names: CookieNames, legacy: Iterable[SessionCookie]) -> tuple[str, ...]:
    """The `Set-Cookie` values that make a browser forget the session, and Sonar's own cookies
    (`legacy`) with it, so that two identities never mix in one browser."""
    secure = names.secure
    return (
        expire_cookie(names.session, secure=secure),
        *(expire_cookie(it.name, secure=secure, path=it.path, domain=it.domain) for it in legacy),
    )


def unfinished_cookies(names: CookieNames, present: Iterable[str]) -> tuple[str, ...]:
    """The `Set-Cookie` values that make a browser, whose cookies are `present` by name, forget all
    that is half signed in: each sign-in on its way, what was proven and not used, and its kept
    forms. Whoever comes next could go on with it."""
    prefix, forms = names.transaction_prefix, names.forms
    found = [
        name
        for name in dict.fromkeys(present)
        if name == forms
        or (name.startswith(prefix) and TRANSACTION_ID.fullmatch(name.removeprefix(prefix)))
    ]
    return tuple(expire_cookie(name, secure=names.secure) for name in found[:MOST_REMOVED])


def cookie_pairs(header: str) -> Iterator[tuple[str, str]]:
    """Each name and value in a Cookie header (RFC 6265 section 4.2.1), as edge/cookies.py reads it.

    Nothing ends a cookie but `;`. Who also lets a blank end one, and quotes hold one together, as
    aiohttp and the standard library do, finds one of ours in `theme=a __Host-sonar_sso=…`, which
    any sibling host may set, and misses one that stands between two quotes.
    """
    for piece in header.split(";"):
        name, _, value = piece.strip(" \t").partition("=")
        yield name.rstrip(" \t"), value


def cookies_in(header: str) -> dict[str, str]:
    """The cookies in a Cookie header, by name. Of a name with two values, none: one of them may be
    a neighbour's (cookie tossing)."""
    found: dict[str, set[str]] = {}
    for name, value in cookie_pairs(header):
        found.setdefault(name, set()).add(value)
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


@dataclass(frozen=True, slots=True)
class Minted:
    """A new session cookie: what the browser gets, and the key under which the store knows it."""

    value: str
    key: str


def mint(keys: KeyRing) -> Minted:
    """A new random session id as a cookie value."""
    session_id = encode(secrets.token_bytes(_ID_BYTES))
    mac = _mac(keys, keys.root_id, session_id)
    return Minted(f"{session_id}.{keys.root_id}.{mac}", _session_key(session_id))


def verify(keys: KeyRing, value: str) -> str | None:
    """The session key of a cookie value we made, or `None` for everything else.

    The text itself is compared, never its decoded bytes: one id has exactly one cookie per key.
    """
    found = _VALUE.fullmatch(value)
    if found is None:
        return None
    session_id, key_id, mac = found.groups()
    expected = _mac(keys, key_id, session_id)
    if expected is None or not hmac.compare_digest(expected, mac):
        return None
    return _session_key(session_id)


def key_id_of(value: str) -> str | None:
    """Which key a cookie value says it was made with, whether or not that is so."""
    found = _VALUE.fullmatch(value)
    return None if found is None else found[2]


def _mac(keys: KeyRing, key_id: str, session_id: str) -> str | None:
    key = keys.subkey(key_id, _PURPOSE)
    return None if key is None else encode(hmac.digest(key, session_id.encode(), "sha256"))


def _session_key(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
