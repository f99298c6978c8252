"""What a browser carries of a sign-in (transaction.py), sealed, one cookie a tab: made, opened,
removed.

    __Host-sonar_tx_<id> = sealed JSON, bound to <id> and to which kind of entry it is

Single use is the portal's to see to, by id, in the session store: a sealed value alone cannot know
that it was used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.identity.model import IdentityKey, Refused
from gateway.identity.next_path import HOME
from gateway.identity.transaction import LIFETIME, Leaving, Proven, Transaction, id_in
from gateway.reasons import Reason
from gateway.session.cookie import (
    MOST_REMOVED,
    TRANSACTION_ID,
    CookieNames,
    expire_cookie,
    set_cookie,
    unfinished_cookies,
)
from gateway.session.seal import Sealer

# Another machine of ours may have started it, whose clock is a little ahead of this one's.
_CLOCKS_APART = 60.0

# The cookie outlives the transaction, so that the page can say "took too long" and not "unknown".
_COOKIE_KEPT = 3600

# Browsers take 4096 bytes of name and value together, and drop a longer cookie without a word
# (RFC 6265bis section 5.6); the name has 31.
_LARGEST_VALUE = 4000

# More half-finished sign-ins than this are forgotten tabs; with them the Cookie header would grow
# until a server refuses it.
MOST = 5

_Entry = TypeVar("_Entry", Transaction, Proven, Leaving)
_ADAPTERS: Mapping[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Transaction, Proven, Leaving)
}


class Transactions:
    """Makes, opens and evicts the sealed cookies. `cookies` are a request's, by name; `now` is Unix
    seconds; what is returned for the browser is the value of a `Set-Cookie` header."""

    def __init__(self, sealer: Sealer, names: CookieNames) -> None:
        self._sealer = sealer
        self._names = names

    def keep(self, entry: Transaction | Proven | Leaving) -> str:
        """The cookie that carries `entry`; without where it leads, when that makes it too large."""
        sealed = self._sealed(entry)
        if len(sealed) > _LARGEST_VALUE and not isinstance(entry, Leaving):
            sealed = self._sealed(replace(entry, next=HOME))
        # Whoever has left leaves nothing behind for longer than it is of use.
        kept = int(LIFETIME) if isinstance(entry, Leaving) else _COOKIE_KEPT
        return set_cookie(self._name(entry.id), sealed, secure=self._names.secure, max_age=kept)

    def _sealed(self, entry: Transaction | Proven | Leaving) -> str:
        return self._sealer.seal(entry.kind, entry.id, _ADAPTERS[type(entry)].dump_json(entry))

    def drop(self, entry_id: str) -> str:
        """The cookie that removes an entry from the browser."""
        return expire_cookie(self._name(entry_id), secure=self._names.secure)

    def of_state(self, state: str, cookies: Mapping[str, str], now: float) -> Transaction | Refused:
        """The transaction that `state`, as the provider handed it back, belongs to.

        Only the browser that started it has the cookie, so an attacker's callback URL, opened in a
        victim's browser, finds nothing (login CSRF).
        """
        found = self._open(Transaction, id_in(state), cookies, now)
        if isinstance(found, Refused):
            return found
        if not found.answers_to(state):
            return Refused(Reason.TRANSACTION_UNKNOWN, "state differs from the transaction's")
        return found

    def proven(self, entry_id: str, cookies: Mapping[str, str], now: float) -> Proven | Refused:
        """The verified identity under `entry_id`, which a page of ours named."""
        return self._open(Proven, entry_id, cookies, now)

    def leaving(self, entry_id: str, cookies: Mapping[str, str], now: float) -> Leaving | Refused:
        """Who has signed out under `entry_id`, which a page of ours named."""
        return self._open(Leaving, entry_id, cookies, now)

    def left(self, state: str, cookies: Mapping[str, str], now: float) -> Leaving | Refused:
        """Who comes back from the provider's sign-out with `state`. Another site can send a browser
        to the same page, but not with the state of a sign-out that this browser began."""
        found = self._open(Leaving, id_in(state), cookies, now)
        if isinstance(found, Leaving) and not found.answers_to(state):
            return Refused(Reason.TRANSACTION_UNKNOWN, "state differs from the sign-out's")
        return found

    def led_to(self, entry_id: str, cookies: Mapping[str, str]) -> str | None:
        """Where an entry of this browser leads, even one past its time: for a page that offers to
        start over."""
        kept = float(_COOKIE_KEPT)
        transaction = self._read(Transaction, entry_id, cookies, kept)
        entry = transaction or self._read(Proven, entry_id, cookies, kept)
        return None if entry is None else entry.next

    def surplus(self, cookies: Mapping[str, str], now: float) -> tuple[str, ...]:
        """Cookies to remove so that one more entry makes at most `MOST`: whatever does not open or
        is past its time, then the oldest."""
        started = {
            entry_id: self._started(entry_id, cookies, now) for entry_id in self._ids(cookies)
        }
        dead = [entry_id for entry_id, at in started.items() if at is None]
        living = sorted((at, entry_id) for entry_id, at in started.items() if at is not None)
        oldest = [entry_id for _, entry_id in living[: max(0, len(living) - MOST + 1)]]
        return tuple(self.drop(entry_id) for entry_id in (*oldest, *dead)[:MOST_REMOVED])

    def of_others(
        self, key: IdentityKey, cookies: Mapping[str, str], now: float
    ) -> tuple[str, ...]:
        """Cookies to remove when this identity signs in: what somebody else has proven here and not
        used. Whoever goes back to that tab would be signed in as them."""
        ids = self._ids(cookies)[:MOST_REMOVED]
        found = [(entry_id, self.proven(entry_id, cookies, now)) for entry_id in ids]
        others = [at for at, it in found if isinstance(it, Proven) and it.identity.key != key]
        return tuple(self.drop(entry_id) for entry_id in others)

    def all(self, present: Iterable[str]) -> tuple[str, ...]:
        """Cookies to remove at a sign-out, of those with these names: every one of ours, that of
        kept forms included. Only the name stays that a browser reads notices under; it lets nobody
        in."""
        return unfinished_cookies(self._names, present)

    def _ids(self, cookies: Mapping[str, str]) -> list[str]:
        prefix = self._names.transaction_prefix
        ids = [name.removeprefix(prefix) for name in cookies if name.startswith(prefix)]
        return [entry_id for entry_id in ids if TRANSACTION_ID.fullmatch(entry_id)]

    def _started(self, entry_id: str, cookies: Mapping[str, str], now: float) -> float | None:
        transaction = self._open(Transaction, entry_id, cookies, now)
        if isinstance(transaction, Transaction):
            return transaction.started
        proven = self._open(Proven, entry_id, cookies, now)
        return proven.started if isinstance(proven, Proven) else None

    def _open(
        self,
        kind: type[_Entry],
        entry_id: str,
        cookies: Mapping[str, str],
        now: float,
    ) -> _Entry | Refused:
        entry = self._read(kind, entry_id, cookies, LIFETIME)
        if entry is None:
            return Refused(Reason.TRANSACTION_UNKNOWN, f"no {kind.kind} of ours in this browser")
        if not -_CLOCKS_APART <= now - entry.started < LIFETIME:
            return Refused(Reason.TRANSACTION_EXPIRED, f"the {kind.kind} is past its time")
        return entry

    def _read(
        self,
        kind: type[_Entry],
        entry_id: str,
        cookies: Mapping[str, str],
        lives: float,
    ) -> _Entry | None:
        sealed = cookies.get(self._name(entry_id)) if TRANSACTION_ID.fullmatch(entry_id) else None
        opened = self._sealer.open(kind.kind, entry_id, sealed, lives) if sealed else None
        if opened is None:
            return None
        try:
            entry: _Entry = _ADAPTERS[kind].validate_json(opened)
        except ValidationError:
            # Sealed by another version of this program, whose fields were others.
            return None
        return entry

    def _name(self, entry_id: str) -> str:
        return f"{self._names.transaction_prefix}{entry_id}"
