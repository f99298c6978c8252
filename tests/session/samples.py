"""People, accounts and sessions for tests of sessions, and a clock that a test moves by hand."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.account.model import CONTACT, Account, Address
from gateway.config import IdentityHeaders
from gateway.config import Sessions as SessionSettings
from gateway.email import Email
from gateway.identity.model import GoogleVoucher, Identity, IdentityKey, Voucher
from gateway.policy.model import Policies
from gateway.session.assertion import AssertionMinter
from gateway.session.cache import Cache
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys import KeyRing
from gateway.session.keys.files import FileKeys
from gateway.session.keys.model import Key, root_key, signing_key
from gateway.session.keys.rotation import complete
from gateway.session.live import Live, Sessions
from gateway.session.model import Session
from gateway.session.store import Store

ISSUER = "https://sonar.acme.example"
AUDIENCE = "sonar"
# Long enough for the slowest machine; a test that waits this long has failed.
PATIENCE = 10.0


class Clock:
    """Unix seconds, moved by the test."""

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> float:
        self.now += seconds
        return self.now


async def until(holds: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until `holds()` is true; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.002)


async def comes_true(clock: Clock, question: Callable[[], Awaitable[bool]]) -> bool:
    """In real time, which is all that Redis knows."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        clock.now = time.time()
        if await question():
            return True
    return False


def an_identity(
    email: str | None = "jo@acme.example",
    *,
    voucher: Voucher | None = None,
    provider: str = "google",
    subject: str = "110248495921238986420",
    sid: str | None = None,
) -> Identity:
    return Identity(
        key=IdentityKey("https://accounts.google.com", subject),
        provider=provider,
        email=None if email is None else Email.parse(email),
        voucher=GoogleVoucher(True, "acme.example") if voucher is None else voucher,
        name="Jo Öström",
        auth_time=1_700_000_000.0,
        sid=sid,
    )


def an_account(username: str = "jo", email: str | None = "jo@acme.example") -> Account:
    addresses = () if email is None else (Address(Email.parse(email), CONTACT),)
    return Account(f"id-{username}", username, "Jo Öström", "Acme", True, addresses)


def a_session(
    now: float,
    *,
    key: str | None = None,
    identity: Identity | None = None,
    account: Account | None = None,
    idle: float = 3600.0,
    lifetime: float = 86400.0,
) -> Session:
    return Session(
        key=secrets.token_hex(32) if key is None else key,
        public_id=secrets.token_hex(8),
        identity=an_identity() if identity is None else identity,
        account=an_account() if account is None else account,
        started=now,
        seen=now,
        idle=idle,
        lifetime=lifetime,
    )


def lines_for(keys: KeyRing, lifetime: float = 300.0) -> IdentityLines:
    minter = AssertionMinter(keys, issuer=ISSUER, audience=AUDIENCE, lifetime=lifetime)
    return IdentityLines(IdentityHeaders(), minter)


def sessions_on(
    store: Store,
    keys: KeyRing,
    clock: Callable[[], float] = time.time,
    *,
    cache: Cache | None = None,
    policies: Callable[[], Policies] = Policies,
    idle: int = 3600,
    lifetime: int = 86400,
    grace: int = 300,
) -> Sessions:
    """One process's view of `store`."""
    settings = SessionSettings.model_validate(
        {"idle": f"{idle}s", "lifetime": f"{lifetime}s", "outage_grace": f"{grace}s"}
    )
    return Sessions(
        store, keys, lines_for(keys), settings, clock=clock, cache=cache, policies=policies
    )


def opened(sessions: Sessions, cookie: str, clock: Clock) -> list[str]:
    """Open something in the session; what is returned fills when it is closed."""
    live, closed = sessions.peek(cookie, clock()), list[str]()
    assert isinstance(live, Live)
    live.closers.add(lambda: closed.append(cookie))
    return closed


def keys_of(folder: Path) -> frozenset[Key]:
    """Those of the folder, made where they are missing, as by a start."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, complete(FileKeys(folder))).result().keys


def ring_in(folder: Path) -> KeyRing:
    """The same, as they are now; not watched."""
    return KeyRing(keys_of(folder))


def new_keys(directory: Path) -> KeyRing:
    return ring_in(directory / "keys")


def ring_of(signing: Mapping[str, ec.EllipticCurvePrivateKey]) -> KeyRing:
    """A root key of nothing but zeros, and these."""
    encoding = serialization.Encoding.DER
    form, open_ = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    keys = [
        signing_key(key_id, key.private_bytes(encoding, form, open_))
        for key_id, key in signing.items()
    ]
    return KeyRing([root_key("0" * 16, bytes(32)), *keys])


def settled(sessions: Sessions) -> bool:
    """Whether the store was told everything."""
    endings = sessions._endings
    untold = sessions._known.over.untold()
    return not (untold or endings._labels or endings._sweeps or endings._unnoted)
