"""What a browser carries for one sign-in, or for the end of one: the values. sealed.py has them
carried.

`Transaction`  between our redirect to the provider and its answer
`Proven`       between a verified identity and the account: while the person chooses or links
`Leaving`      between signing out here and coming back from signing out at the provider

Several tabs sign in at once without disturbing each other, nothing is kept on the server, and a
browser that never comes back costs nothing.
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import ClassVar, Self

from gateway.identity.model import Identity
from gateway.reasons import Reason

# A sign-in that took longer was left alone; what it proved may not be true any more.
LIFETIME = 600.0

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
    kind: ClassVar[str] = "transaction"

    @classmethod
    def begin(
        cls,
        provider: str,
        next_path: str,
        now: float,
        *,
        max_age: float | None = None,
        confirms: str | None = None,
    ) -> Self:
        """A new sign-in with `provider`, or a new proof; `next_path` as `safe_next` gave it."""
        entry_id, state = _new_state()
        return cls(
            id=entry_id,
            provider=provider,
            state=state,
            nonce=secrets.token_urlsafe(_NONCE_BYTES),
            code_verifier=secrets.token_urlsafe(_VERIFIER_BYTES),
            next=next_path,
            started=now,
            max_age=max_age,
            confirms=confirms,
        )

    def answers_to(self, state: str) -> bool:
        return _same(self.state, state)


@dataclass(frozen=True, slots=True)
class Proven:
    """A verified identity that has no account yet; `reason` is why. `id` is new, never the
    transaction's, which stood in URLs."""

    id: str
    identity: Identity
    next: str
    reason: Reason
    started: float
    kind: ClassVar[str] = "proven"

    @classmethod
    def of(cls, identity: Identity, next_path: str, reason: Reason, now: float) -> Self:
        """Remember a verified identity while the person chooses an account or links one."""
        return cls(_new_id(), identity, next_path, reason, now)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody who has signed out here, and may want to at the provider as well. `state` as a
    transaction's; `hint`: who it is, in the provider's own words."""

    id: str
    provider: str
    state: str
    hint: str | None
    started: float
    kind: ClassVar[str] = "leaving"

    @classmethod
    def of(cls, provider: str, hint: str | None, now: float) -> Self:
        """Remember who has signed out, for the way to the provider's own sign-out and back. The
        next sign-in takes it for surplus."""
        entry_id, state = _new_state()
        return cls(entry_id, provider, state, hint, now)

    def answers_to(self, state: str) -> bool:
        return _same(self.state, state)


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)


def _new_state() -> tuple[str, str]:
    """An id, and a state that it can be read from."""
    entry_id = _new_id()
    return entry_id, f"{entry_id}.{secrets.token_urlsafe(_STATE_BYTES)}"


def id_in(state: str) -> str:
    """Which entry a state belongs to, if it is one of ours."""
    return state.partition(".")[0]


def _same(ours: str, given: str) -> bool:
    return hmac.compare_digest(ours.encode(), given.encode("utf-8", "replace"))
