"""What a provider takes back while somebody is on the way in; or the person, by signing out
everywhere.

A logout ends sessions. Who has just proved an identity, and still chooses an account or types a
password, has none yet: ten minutes later there would be one, of a provider's session that is over,
and nobody would tell of it again. So what a signed logout means is remembered for as long as such a
proof is good.

Not for front-channel logouts, which anybody can make up and fill the store with. There the browser
of the person who leaves is the one that holds the proof.
"""

from gateway.identity.model import Identity
from gateway.identity.transaction import LIFETIME
from gateway.portal.visit import Visit
from gateway.session.model import identity_label, provider_label

# Longer than a proof is good, whatever our machines' clocks make of its age.
_REMEMBERED = 2 * LIFETIME


async def recall(visit: Visit, label: str) -> None:
    """Note that what has this label (`Session.labels`) is over. Raises SessionsUnavailable."""
    await visit.parts.named.put(_name(label), repr(visit.now).encode(), _REMEMBERED)


async def is_recalled(visit: Visit, identity: Identity, since: float) -> bool:
    """Whether the provider has taken back what it proved at `since` (Unix seconds): its session is
    over, or all of the person's that were. Raises SessionsUnavailable."""
    named = visit.parts.named
    if identity.sid is not None:
        label = provider_label(identity.provider, identity.sid)
        if await named.get(_name(label)) is not None:
            return True
    told = await named.get(_name(identity_label(identity.key)))
    return told is not None and float(told) >= since


def _name(label: str) -> str:
    return f"recalled:{label}"
