"""A Sonar password, typed to prove that an account is one's own. Throttled.

Attempts are counted before the password is looked at, so that many at once get no more tries than
one after the other. They are counted under four names, because each alone has a way round it:

    the identity   whoever tries many accounts has signed in at a provider as somebody
    the address    and sits somewhere; with IPv6, in a /64
    the username   as typed, whether anybody has it or not: what is said of a name that nobody has
                   must be what is said of one that somebody has, after every history of attempts
    the account    that is meant, however its name was spelled (CVE-2025-24806, CVE-2026-47203)

In this order: whoever is stopped by the first must not go on to lock an owner out by the last.

The last two are counted apart for people whose address in a domain its policy vouches for, domain
by domain, and for all others together. Anybody in the world can have a tenant at Microsoft and come
here with somebody's address: their guesses keep nobody of that domain from linking. So at one
account there are as many times the guesses as an attacker has domains, and no more.

Success clears the last two, which belong to the account that was proved. Of the first two it takes
back itself: who has one account of their own could otherwise buy new guesses at somebody else's,
and an office that links its accounts on one morning is no guessing machine.
"""

import hashlib
from dataclasses import dataclass, replace

from gateway.account.model import Account, folded
from gateway.address import site_of
from gateway.errors import DirectoryUnavailable
from gateway.identity.model import Identity, IdentityKey
from gateway.operate.audit import EventKind
from gateway.portal.visit import Visit
from gateway.reasons import Reason
from gateway.secret import Secret
from gateway.session.store.attempts import Throttle

# A whole office often shares one address and links its accounts on one morning, everybody with a
# slip or two; ten times one person's attempts lets them, and still stops a guessing machine.
_PEOPLE_AT_AN_ADDRESS = 10


# The name under which attempts are counted, by which rule, and why the next one has to wait.
Counted = tuple[str, Throttle, Reason]


@dataclass(frozen=True, slots=True)
class NotProved:
    """`wait`: seconds until the next attempt, for PASSWORD_THROTTLED and USERNAME_THROTTLED."""

    reason: Reason
    wait: float = 0.0


async def prove(
    visit: Visit,
    identity: Identity,
    username: str,
    password: Secret,
    *,
    opens: str | None = None,
) -> Account | NotProved:
    """The active account with this username and password.

    Else PASSWORD_WRONG, the same whether the username exists; PASSWORD_THROTTLED (this person, or
    this network) or USERNAME_THROTTLED (this username), whatever the password; ACCOUNT_INACTIVE
    only to who knows the password. Raises DirectoryUnavailable, SessionsUnavailable.

    `opens`: the id of the account, for who has it open already. Their attempts are counted apart:
    a stranger who knows the username and keeps guessing must not keep the owner from the page where
    links are taken away.
    """
    named = visit.parts.named
    meant = await visit.parts.directory.by_username(username)
    persons = _of_person(visit, identity.key)
    if opens is None:
        accounts = _of_account(visit, identity, username, meant)
    else:
        accounts = _of_who_has_it(visit, identity.key, opens)
    counted: list[str] = []
    for name, throttle, slowed in (*persons, *accounts):
        wait = await named.attempt(name, throttle)
        if wait > 0:
            await _take_back(visit, counted)
            return _refused(visit, identity, NotProved(slowed, wait), meant)
        counted.append(name)
    try:
        account = await visit.parts.directory.verify(username, password)
    except DirectoryUnavailable:
        await _take_back(visit, counted)
        raise
    if account is None:
        return _refused(visit, identity, NotProved(Reason.PASSWORD_WRONG), meant)
    await _take_back(visit, [name for name, *_ in persons])
    for name, *_ in accounts:
        await named.forget(name)
    if not account.active:
        return _refused(visit, identity, NotProved(Reason.ACCOUNT_INACTIVE), meant)
    return account


def _of_person(visit: Visit, key: IdentityKey) -> tuple[Counted, ...]:
    one, slowed = _throttle(visit), Reason.PASSWORD_THROTTLED
    many = replace(one, free=one.free * _PEOPLE_AT_AN_ADDRESS)
    return (
        (f"password:identity:{_digest(key.issuer, key.subject)}", one, slowed),
        (f"password:address:{_digest(site_of(visit.address))}", many, slowed),
    )


def _of_account(
    visit: Visit, identity: Identity, username: str, meant: Account | None
) -> tuple[Counted, ...]:
    one, slowed, among = _throttle(visit), Reason.USERNAME_THROTTLED, _vouched(visit, identity)
    # Were it less coarse, the spellings that a directory finds would tell which names exist.
    typed = (f"password:username:{_digest(among, folded(username))}", one, slowed)
    if meant is None:
        return (typed,)
    return (typed, (f"password:account:{_digest(among, meant.id)}", one, slowed))


def _vouched(visit: Visit, identity: Identity) -> str:
    """The domain whose policy vouches for the identity's address; empty for everybody else."""
    policy = None if identity.email is None else visit.policies.for_email(identity.email)
    return policy.domain if policy is not None and policy.vouches(identity) else ""


def _of_who_has_it(visit: Visit, key: IdentityKey, account_id: str) -> tuple[Counted, ...]:
    pair = _digest(key.issuer, key.subject, account_id)
    return ((f"password:opens:{pair}", _throttle(visit), Reason.PASSWORD_THROTTLED),)


def _throttle(visit: Visit) -> Throttle:
    return Throttle.of(visit.parts.config.passwords)


async def _take_back(visit: Visit, names: list[str]) -> None:
    for name in names:
        await visit.parts.named.pardon(name)


def _refused(
    visit: Visit, identity: Identity, refused: NotProved, meant: Account | None
) -> NotProved:
    """Kept without what was typed: people type passwords into the wrong field."""
    visit.parts.counters.sign_ins[refused.reason] += 1
    event = visit.event(
        EventKind.PASSWORD_REFUSED,
        refused.reason,
        identity=identity,
        account=meant.id if meant else None,
    )
    visit.parts.audit.note(event)
    return refused


def _digest(*parts: str) -> str:
    """A name of fixed length for the store, which need not know who tries to sign in."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
