"""The keys of this process: one reference, swapped when there are others."""

import hmac
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.session.keys.model import HEARD, KINDS, SLACK, Key, Kind, Standing, standings

# Seconds that what is made with a key of each kind may live.
Lives = Mapping[Kind, float]
_FOREVER: Lives = dict.fromkeys(KINDS, math.inf)

# What a change of keys is told to: the names of those that were dropped.
OnChange = Callable[[frozenset[str]], None]


@dataclass(frozen=True, slots=True)
class _InForce:
    """Everything at one moment. `derived` fills as it is asked for."""

    keys: frozenset[Key] = frozenset()
    standings: Mapping[Kind, tuple[Standing, ...]] = field(default_factory=dict)
    roots: Mapping[str, Standing] = field(default_factory=dict)
    derived: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)


class KeyRing:
    """Every key this process knows. `lives`: how long what is made with a kind lives, seconds;
    `clock`: Unix seconds.

    Whoever uses keys keeps the ring and asks it each time; watch.py keeps it up to date.
    """

    def __init__(
        self,
        keys: Iterable[Key] = (),
        *,
        lives: Lives = _FOREVER,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lives = lives
        self._clock = clock
        self._now = _InForce()
        self._tell: list[OnChange] = []
        self._seen: dict[str, float] = {}
        self.renew(keys)

    def __repr__(self) -> str:
        return f"<KeyRing {' '.join(sorted(key.name for key in self.keys))}>"

    # What is made now, and what was made before.

    @property
    def root_id(self) -> str:
        """The id of the root key in use."""
        return self._in_use("root").id

    @property
    def signing_key(self) -> Key:
        """The signing key in use."""
        return self._in_use("es256")

    @property
    def signing_keys(self) -> tuple[Key, ...]:
        """Every signing key that assertions are to be believed for, oldest first: those that will
        be used, too, so that whoever verifies has a key before it signs."""
        now = self._clock()
        found = self._now.standings.get("es256", ())
        return tuple(each.key for each in found if each.ends is None or now < each.ends)

    def subkey(self, root_id: str, purpose: str, lives: float | None = None) -> bytes | None:
        """The 32-byte key for one purpose (HKDF-SHA256, RFC 5869), or `None`: no such root.

        `purpose` comes from code, never from a request: each one is remembered. `lives`: how many
        seconds what is made for it is good for, a session's unless said; a root that was retired
        longer ago has made none that still counts, so what claims so is of somebody who stole it.
        """
        now = self._now
        standing = now.roots.get(root_id)
        if standing is None:
            return None
        if standing.stopped is not None:
            counted = self._lives["root"] if lives is None else lives
            if self._clock() >= standing.stopped + counted + SLACK:
                return None
        known = now.derived.get((root_id, purpose))
        if known is None:
            info = b"sonar-gateway " + purpose.encode()
            known = HKDF(SHA256(), length=32, salt=None, info=info).derive(standing.key.material)
            now.derived[root_id, purpose] = known
        return known

    def bound_key(
        self, root_id: str, purpose: str, bound_to: str, lives: float | None = None
    ) -> bytes | None:
        """A 32-byte key of its own for one thing (a session, a transaction), never remembered."""
        subkey = self.subkey(root_id, purpose, lives)
        return None if subkey is None else hmac.digest(subkey, bound_to.encode(), "sha256")

    # When there are others.

    @property
    def keys(self) -> frozenset[Key]:
        return self._now.keys

    @property
    def in_use(self) -> tuple[str, ...]:
        """The names of the keys that make what is made now."""
        found = (each for kind in KINDS for each in self._now.standings.get(kind, ()))
        return tuple(each.key.name for each in found if each.state == "in use")

    def on_change(self, callback: OnChange) -> None:
        """Have `callback` called after each change of keys, with the names of those dropped."""
        self._tell.append(callback)

    def renew(self, keys: Iterable[Key], *, late: float | None = None) -> None:
        """Have these keys instead, from the next question on. `late`: from when on those can be
        used that came after their use was to begin; a moment from now unless said."""
        before, found = self._now, frozenset(keys)
        if before.keys == found:
            return
        if before.keys or late is not None:
            usable = self._clock() + HEARD if late is None else late
            self._seen |= {key.name: usable for key in found - before.keys}
        names = {key.name for key in found}
        self._seen = {name: at for name, at in self._seen.items() if name in names}
        self._now = self._settled(found)
        dropped = frozenset(key.name for key in before.keys - found)
        for callback in self._tell:
            callback(dropped)

    def settle(self) -> None:
        """Time has passed: a key that was announced may be in use now."""
        settled = self._settled(self._now.keys)
        if settled.standings != self._now.standings:
            self._now = settled

    def _settled(self, keys: frozenset[Key]) -> _InForce:
        now = self._clock()
        found = {
            kind: standings(
                (key for key in keys if key.kind == kind),
                now,
                self._lives[kind],
                used=self._used(kind),
                seen=self._seen,
            )
            for kind in KINDS
        }
        return _InForce(keys, found, {each.key.id: each for each in found["root"]})

    def _used(self, kind: Kind) -> str:
        standing = self._standing_in_use(kind)
        return "" if standing is None else standing.key.id

    def _in_use(self, kind: Kind) -> Key:
        standing = self._standing_in_use(kind)
        if standing is None:
            raise LookupError(f"there is no {kind} key yet")
        return standing.key

    def _standing_in_use(self, kind: Kind) -> Standing | None:
        found = self._now.standings.get(kind, ())
        return next((each for each in found if each.state == "in use"), None)
