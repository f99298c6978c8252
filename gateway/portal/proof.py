"""A Sonar password, typed to prove that an account is one's own. Throttled.

Attempts are counted before the password is looked at, so that many at once get no more tries than
one after the other. They are counted under three names, because each alone has a way round it:

    the account    that is meant, however its name was spelled (CVE-2025-24806, CVE-2026-47203);
                   for a name that nobody has, the name, so that both are answered alike
    the identity   whoever tries many accounts has signed in at a provider as somebody
    the address    and sits somewhere

Success clears the first, which belongs to the account that was proved. It does not clear the
others: who has one account of their own could otherwise buy new guesses at somebody else's.
"""

import hashlib
import unicodedata

from gateway.account.model import Account
from gateway.identity.model import IdentityKey
from gateway.operate.audit import EventKind
from gateway.portal.visit import Visit
from gateway.reasons import Reason
from gateway.secret import Secret

# A whole office often shares one address and links its accounts on one morning, everybody with a
# slip or two; ten times one person's attempts lets them, and still stops a guessing machine.
_PEOPLE_AT_AN_ADDRESS = 10


async def prove(
    visit: Visit, identity: IdentityKey, username: str, password: Secret
) -> Account | Reason:
    """The active account with this username and password.

    Else PASSWORD_WRONG, the same whether the username exists; PASSWORD_THROTTLED, whatever the
    password; ACCOUNT_INACTIVE only to who knows the password. Raises DirectoryUnavailable,
    SessionsUnavailable.
    """
    meant = await visit.parts.directory.by_username(username)
    account_name = (
        f"password:unknown:{_digest(_folded(username))}"
        if meant is None
        else f"password:account:{_digest(meant.id)}"
    )
    attempts = visit.parts.config.passwords.attempts
    # The account last: whoever is stopped by the others must not go on to lock its owner out.
    limits = (
        (f"password:identity:{_digest(identity.issuer, identity.subject)}", attempts),
        (f"password:address:{_digest(visit.address)}", attempts * _PEOPLE_AT_AN_ADDRESS),
        (account_name, attempts),
    )
    for name, limit in limits:
        if await visit.parts.store.count(name, visit.parts.config.passwords.window) > limit:
            return _refused(visit, identity, Reason.PASSWORD_THROTTLED, meant)
    account = await visit.parts.directory.verify(username, password)
    if account is None:
        return _refused(visit, identity, Reason.PASSWORD_WRONG, meant)
    await visit.parts.store.forget(account_name)
    if not account.active:
        return _refused(visit, identity, Reason.ACCOUNT_INACTIVE, meant)
    return account


def _refused(visit: Visit, identity: IdentityKey, reason: Reason, meant: Account | None) -> Reason:
    """Logged without what was typed: people type passwords into the wrong field."""
    visit.parts.counters.sign_ins[reason] += 1
    refused = visit.event(
        EventKind.PASSWORD_REFUSED,
        reason,
        identity=identity,
        account=meant.id if meant else None,
    )
    visit.parts.audit.note(refused)
    return reason


def _folded(username: str) -> str:
    """One name for what a database may hold to be the same username."""
    return unicodedata.normalize("NFKC", username).strip().casefold()


def _digest(*parts: str) -> str:
    """A name of fixed length for the store, which need not know who tries to sign in."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
