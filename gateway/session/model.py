"""One signed-in browser. Pure."""

import hashlib
import json
from dataclasses import dataclass, field

from gateway.account.model import Account
from gateway.identity.model import Identity, IdentityKey

# A session whose activity was written less than this many seconds ago is not written again, so
# that a busy page costs one store write a minute, not one a request.
TOUCH_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Grant:
    """By what the provider can be asked again: its refresh token, `sealed` (grant.py).

    `asked`: when it last said that the person may go on. `attempt`: since when it is being asked,
    `None` while nobody does. `failing`: since when it could not be asked. `unsure`: how the last
    attempt ended is not known, so that the token may have been used. Times are Unix seconds.
    """

    sealed: str = field(repr=False)
    asked: float
    attempt: float | None = None
    failing: float | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser, as the store keeps it.

    `key` is the SHA-256 of the cookie's random id, hex: the store never holds what would let
    its reader sign in. `public_id` is what logs and operators see. Times are Unix seconds, `idle`
    and `lifetime` durations in seconds, from policy and config: the shorter of those at sign-in and
    those in force now. `password_at`: when the account's Sonar password was last typed here.
    `grant` is in the store only, never in a process's memory.
    """

    key: str
    public_id: str
    identity: Identity
    account: Account
    started: float
    seen: float
    idle: float
    lifetime: float
    password_at: float | None = None
    grant: Grant | None = None

    @property
    def proved(self) -> float | None:
        """When the person last proved who they are, to the provider or by the Sonar password;
        `None` when nobody knows."""
        return max(filter(None, (self.identity.auth_time, self.password_at)), default=None)

    @property
    def auth_time(self) -> float:
        """The same for upstream, which always gets a time: at the latest when they signed in."""
        return self.started if self.proved is None else self.proved

    def labels(self) -> tuple[str, ...]:
        """By what it is found when it is to end: its identity, its account, both together, and
        the provider's own session if the provider named it."""
        identity = self.identity
        labels = (
            identity_label(identity.key),
            account_label(self.account.id),
            link_label(identity.key, self.account.id),
        )
        if identity.sid is None:
            return labels
        return (*labels, provider_label(identity.provider, identity.sid))

    def ends(self) -> float:
        """When it ends if nothing more happens: idle or absolute, the earlier."""
        return min(self.seen + self.idle, self.started + self.lifetime)

    def alive(self, now: float) -> bool:
        # Each request asks: no call more than it needs.
        return now < self.seen + self.idle and now < self.started + self.lifetime

    def over(self, now: float) -> bool:
        """Past its absolute lifetime: no activity anywhere can have kept it alive."""
        return now >= self.started + self.lifetime


def identity_label(key: IdentityKey) -> str:
    """Every session of one identity, whichever account it opened."""
    return _label("identity", key.issuer, key.subject)


def account_label(account_id: str) -> str:
    """Every session in one Sonar account, whoever signed in to it."""
    return _label("account", account_id)


def link_label(key: IdentityKey, account_id: str) -> str:
    """Every session in which this identity opened this account."""
    return _label("link", key.issuer, key.subject, account_id)


def provider_label(provider: str, sid: str) -> str:
    """Every session that came of one at the provider; `provider` is its name in config.yaml."""
    return _label("provider", provider, sid)


def _label(kind: str, *parts: str) -> str:
    """Hashed as a JSON list, whose parts cannot run into each other: what a provider calls its
    session must not be made to read as somebody's account."""
    return hashlib.sha256(json.dumps((kind, *parts)).encode()).hexdigest()
