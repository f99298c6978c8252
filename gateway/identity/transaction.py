"""What a browser carries for one sign-in, or for the end of one, sealed, one cookie a tab.

`Transaction`  between our redirect to the provider and its answer
`Proven`       between a verified identity and the account: while the person chooses or links
`Leaving`      between signing out here and coming back from signing out at the provider

    __Host-sonar_tx_<id> = sealed JSON, bound to <id> and to which of these it is

Several tabs sign in at once without disturbing each other, nothing is kept on the server, and a
browser that never comes back costs nothing. Single use is the portal's to see to, by id, in the
session store: a sealed value alone cannot know that it was used.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.identity.model import Identity, IdentityKey, Refused
from gateway.identity.next_path import HOME
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

# A sign-in that took longer was left alone; what it proved may not be true any more.
LIFETIME = 600.0

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

# 96 random bits name the cookie, 256 make the state unguessable. The verifier's 64 characters are
# within RFC 7636 section 4.1 (43 to 128).
_ID_BYTES = 12
_STATE_BYTES = 32
_NONCE_BYTES = 32
_VERIFIER_BYTES = 48


@dataclass(frozen=True, slots=True)
class Transaction:
    """One sign-in on its way. `next` is where it leads, already judged; `started` Unix seconds.

    `state` is `<id>.<random>`: the provider hands it back, the id finds the cookie, and the whole
    must equal what the cookie says. `max_age`: how old the person's proof at the provider may be at
    most, seconds, `None` for any. `confirms`: the public id of the session that it is a new proof
    for, `None` for a sign-in.
    """

    id: str
    provider: str
    state: str
    nonce: str
    code_verifier: str
    next: str
    started: float
    max_age: float | None = None
    confirms: str | None = None
    kind: Literal["transaction"] = "transaction"


@dataclass(frozen=True, slots=True)
class Proven:
    """A verified identity that has no account yet; `reason` is why. `id` is new, never the
    transaction's, which stood in URLs."""

    id: str
    identity: Identity
    next: str
    reason: Reason
    started: float
    kind: Literal["proven"] = "proven"


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody who has signed out here, and may want to at the provider as well. `state` as a
    transaction's; `hint`: who it is, in the provider's own words."""

    id: str
    provider: str
    state: str
    hint: str | None
    started: float
    kind: Literal["leaving"] = "leaving"


_Entry = TypeVar("_Entry", Transaction, Proven, Leaving)
_TRANSACTION = TypeAdapter(Transaction)
_PROVEN = TypeAdapter(Proven)
_LEAVING = TypeAdapter(Leaving)
_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    "transaction": _TRANSACTION,
    "proven": _PROVEN,
    "leaving": _LEAVING,
}


class Transactions:
    """Makes, opens and evicts the sealed cookies. `cookies` are a request's, by name; `now` is Unix
    seconds; what is returned for the browser is the value of a `Set-Cookie` header."""

    def __init__(self, sealer: Sealer, names: CookieNames) -> None:
        self._sealer = sealer
        self._names = names

    def begin(
        self,
        provider: str,
        next_path: str,
        now: float,
        *,
        max_age: float | None = None,
        confirms: str | None = None,
    ) -> Transaction:
        """A new sign-in with `provider`, or a new proof; `next_path` as `safe_next` gave it."""
        entry_id = secrets.token_urlsafe(_ID_BYTES)
        return Transaction(
            id=entry_id,
            provider=provider,
            state=f"{entry_id}.{secrets.token_urlsafe(_STATE_BYTES)}",
            nonce=secrets.token_urlsafe(_NONCE_BYTES),
            code_verifier=secrets.token_urlsafe(_VERIFIER_BYTES),
            next=next_path,
            started=now,
            max_age=max_age,
            confirms=confirms,
        )

    def prove(self, identity: Identity, next_path: str, reason: Reason, now: float) -> Proven:
        """Remember a verified identity while the person chooses an account or links one."""
        return Proven(secrets.token_urlsafe(_ID_BYTES), identity, next_path, reason, now)

    def leave(self, provider: str, hint: str | None, now: float) -> Leaving:
        """Remember who has signed out, for the way to the provider's own sign-out and back. The
        next sign-in takes it for surplus."""
        entry_id = secrets.token_urlsafe(_ID_BYTES)
        state = f"{entry_id}.{secrets.token_urlsafe(_STATE_BYTES)}"
        return Leaving(entry_id, provider, state, hint, now)

    def keep(self, entry: Transaction | Proven | Leaving) -> str:
        """The cookie that carries `entry`; without where it leads, when that makes it too large."""
        sealed = self._sealed(entry)
        if len(sealed) > _LARGEST_VALUE and not isinstance(entry, Leaving):
            sealed = self._sealed(replace(entry, next=HOME))
        # Whoever has left leaves nothing behind for longer than it is of use.
        kept = int(LIFETIME) if isinstance(entry, Leaving) else _COOKIE_KEPT
        return set_cookie(self._name(entry.id), sealed, secure=self._names.secure, max_age=kept)

    def _sealed(self, entry: Transaction | Proven | Leaving) -> str:
        return self._sealer.seal(entry.kind, entry.id, _ADAPTERS[entry.kind].dump_json(entry))

    def drop(self, entry_id: str) -> str:
        """The cookie that removes an entry from the browser."""
        return expire_cookie(self._name(entry_id), secure=self._names.secure)

    def of_state(self, state: str, cookies: Mapping[str, str], now: float) -> Transaction | Refused:
        """The transaction that `state`, as the provider handed it back, belongs to.

        Only the browser that started it has the cookie, so an attacker's callback URL, opened in a
        victim's browser, finds nothing (login CSRF).
        """
        found = self._open(_TRANSACTION, "transaction", state.partition(".")[0], cookies, now)
        if isinstance(found, Refused):
            return found
        if not _same(found.state, state):
            return Refused(Reason.TRANSACTION_UNKNOWN, "state differs from the transaction's")
        return found

    def proven(self, entry_id: str, cookies: Mapping[str, str], now: float) -> Proven | Refused:
        """The verified identity under `entry_id`, which a page of ours named."""
        return self._open(_PROVEN, "proven", entry_id, cookies, now)

    def leaving(self, entry_id: str, cookies: Mapping[str, str], now: float) -> Leaving | Refused:
        """Who has signed out under `entry_id`, which a page of ours named."""
        return self._open(_LEAVING, "leaving", entry_id, cookies, now)

    def left(self, state: str, cookies: Mapping[str, str], now: float) -> Leaving | Refused:
        """Who comes back from the provider's sign-out with `state`. Another site can send a browser
        to the same page, but not with the state of a sign-out that this browser began."""
        found = self._open(_LEAVING, "leaving", state.partition(".")[0], cookies, now)
        if isinstance(found, Leaving) and not _same(found.state, state):
            return Refused(Reason.TRANSACTION_UNKNOWN, "state differs from the sign-out's")
        return found

    def led_to(self, entry_id: str, cookies: Mapping[str, str]) -> str | None:
        """Where an entry of this browser leads, even one past its time: for a page that offers to
        start over."""
        kept = float(_COOKIE_KEPT)
        transaction = self._read(_TRANSACTION, "transaction", entry_id, cookies, kept)
        entry = transaction or self._read(_PROVEN, "proven", entry_id, cookies, kept)
        return None if entry is None else entry.next

    def surplus(self, cookies: Mapping[str, str], now: float) -> tuple[str, ...]:
        """Cookies to remove so that one more entry makes at most `MOST`: whatever does not open or
        is past its time, then the oldest."""
        prefix = self._names.transaction_prefix
        ids = [name.removeprefix(prefix) for name in cookies if name.startswith(prefix)]
        started = {entry_id: self._started(entry_id, cookies, now) for entry_id in ids}
        dead = [entry_id for entry_id, at in started.items() if at is None]
        living = sorted((at, entry_id) for entry_id, at in started.items() if at is not None)
        oldest = [entry_id for _, entry_id in living[: max(0, len(living) - MOST + 1)]]
        removed = [entry_id for entry_id in (*oldest, *dead) if TRANSACTION_ID.fullmatch(entry_id)]
        return tuple(self.drop(entry_id) for entry_id in removed[:MOST_REMOVED])

    def of_others(
        self, key: IdentityKey, cookies: Mapping[str, str], now: float
    ) -> tuple[str, ...]:
        """Cookies to remove when this identity signs in: what somebody else has proven here and not
        used. Whoever goes back to that tab would be signed in as them."""
        found = [(entry_id, self.proven(entry_id, cookies, now)) for entry_id in self._ids(cookies)]
        others = [at for at, it in found if isinstance(it, Proven) and it.identity.key != key]
        return tuple(self.drop(entry_id) for entry_id in others)

    def all(self, cookies: Mapping[str, str]) -> tuple[str, ...]:
        """Cookies to remove at a sign-out: every one of ours, that of kept forms included. Only
        the name stays that a browser reads notices under; it lets nobody in."""
        return unfinished_cookies(self._names, cookies)

    def _ids(self, cookies: Mapping[str, str]) -> list[str]:
        prefix = self._names.transaction_prefix
        ids = [name.removeprefix(prefix) for name in cookies if name.startswith(prefix)]
        return [entry_id for entry_id in ids if TRANSACTION_ID.fullmatch(entry_id)][:MOST_REMOVED]

    def _started(self, entry_id: str, cookies: Mapping[str, str], now: float) -> float | None:
        transaction = self._open(_TRANSACTION, "transaction", entry_id, cookies, now)
        if isinstance(transaction, Transaction):
            return transaction.started
        proven = self._open(_PROVEN, "proven", entry_id, cookies, now)
        return proven.started if isinstance(proven, Proven) else None

    def _open(
        self,
        adapter: TypeAdapter[_Entry],
        kind: str,
        entry_id: str,
        cookies: Mapping[str, str],
        now: float,
    ) -> _Entry | Refused:
        entry = self._read(adapter, kind, entry_id, cookies, LIFETIME)
        if entry is None:
            return Refused(Reason.TRANSACTION_UNKNOWN, f"no {kind} of ours in this browser")
        if not -_CLOCKS_APART <= now - entry.started < LIFETIME:
            return Refused(Reason.TRANSACTION_EXPIRED, f"the {kind} is past its time")
        return entry

    def _read(
        self,
        adapter: TypeAdapter[_Entry],
        kind: str,
        entry_id: str,
        cookies: Mapping[str, str],
        lives: float,
    ) -> _Entry | None:
        sealed = cookies.get(self._name(entry_id)) if TRANSACTION_ID.fullmatch(entry_id) else None
        opened = self._sealer.open(kind, entry_id, sealed, lives) if sealed else None
        if opened is None:
            return None
        try:
            return adapter.validate_json(opened)
        except ValidationError:
            # Sealed by another version of this program, whose fields were others.
            return None

    def _name(self, entry_id: str) -> str:
        return f"{self._names.transaction_prefix}{entry_id}"


def _same(ours: str, given: str) -> bool:
    return hmac.compare_digest(ours.encode(), given.encode("utf-8", "replace"))
