"""Who signed in with the Sonar password alone, and has something to read: what their browser keeps.

A password user has no session of ours. That they have just typed the account's password, on Sonar's
own page, is proof enough to be told of a new link and to take it away: no more than that password
is asked of who makes one. It is good for ten minutes, for one account, in this browser, and only
while the browser has the very session that Sonar gave for that password: who signs in next, at the
same browser, proved another one.

Whoever made a link knew the password, too. So what is read by password is read by this browser, and
not by everybody who knows it: the browser keeps its name when the proof is over.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from gateway.account.model import Reader
from gateway.account.notices import KEPT
from gateway.session.cookie import (
    SEALED_PREFIX,
    CookieNames,
    cookie_pairs,
    cookies_in,
    set_cookie,
)
from gateway.session.seal import Sealer

# Time to read what it says, and to think about it.
LIFETIME = 600.0
# Our machines' clocks may differ by this much.
_CLOCKS_APART = 60.0

_PURPOSE = "password-reader"


@dataclass(frozen=True, slots=True)
class PasswordReader:
    """A browser by its name, and in which account's name it proved the password at `proved` (Unix
    seconds). `sonar`: what it got from Sonar for that (`PasswordReaders.sonar`)."""

    browser: str
    account_id: str
    proved: float
    sonar: tuple[str, ...] = ()

    @property
    def reader(self) -> Reader:
        return Reader.of_browser(self.browser)

    def counts(self, now: float, sonar: tuple[str, ...]) -> bool:
        """Whether the proof is still good, in a browser that has these sessions of Sonar's. One in
        another path may not be sent along; one that was not there then is somebody else's."""
        if not sonar or not set(sonar).issubset(self.sonar):
            return False
        return -_CLOCKS_APART <= now - self.proved < LIFETIME


class PasswordReaders:
    """Cookies of password readers, sealed: nobody else makes one, or reads one. `sonar`: the names
    of Sonar's session cookies."""

    def __init__(self, sealer: Sealer, names: CookieNames, sonar: Iterable[str]) -> None:
        self._sealer = sealer
        self._names = names
        self._sonar = frozenset(sonar)

    @property
    def cookie_name(self) -> str:
        return self._names.reader

    def cookie_in(self, cookie_header: str) -> str | None:
        """Its one value in a Cookie header; of two, one may be anybody's."""
        return cookies_in(cookie_header).get(self.cookie_name)

    def browser(self, cookie: str | None) -> str:
        """The browser's name: a new one, until it has one."""
        known = self.known(cookie)
        return secrets.token_urlsafe(16) if known is None else known.browser

    def known(self, cookie: str | None) -> PasswordReader | None:
        """Who last proved a password in the browser with this cookie, however long ago."""
        opened = None if cookie is None else self._sealer.open(_PURPOSE, "", cookie)
        if opened is None:
            return None
        told: dict[str, Any] = json.loads(opened)
        return PasswordReader(**told | {"sonar": tuple(told.get("sonar", ()))})

    def sonar(self, cookie_header: str) -> tuple[str, ...]:
        """Digests of Sonar's own session cookies in a Cookie header."""
        return tuple(
            hashlib.sha256(f"{name}={value}".encode("utf-8", "surrogateescape")).hexdigest()
            for name, value in cookie_pairs(cookie_header)
            if name in self._sonar and value and not value.startswith(SEALED_PREFIX)
        )

    def keep(self, reader: PasswordReader) -> str:
        """The `Set-Cookie` value that carries it."""
        sealed = self._sealer.seal(_PURPOSE, "", json.dumps(asdict(reader)).encode())
        secure = self._names.secure
        return set_cookie(self._names.reader, sealed, secure=secure, max_age=int(KEPT))
