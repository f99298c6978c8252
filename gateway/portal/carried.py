"""A refresh token between the provider's answer and the session it is for, while the person chooses
an account or proves one. It is too large for a cookie, and none of the browser's business."""

from gateway.identity.transaction import LIFETIME, Proven
from gateway.portal.visit import Visit
from gateway.secret import Secret

_PURPOSE = "carried refresh token"


async def carry(visit: Visit, proven: Proven, refresh_token: Secret) -> None:
    """Raises SessionsUnavailable."""
    sealed = visit.parts.sealer.seal(_PURPOSE, proven.id, refresh_token.reveal().encode())
    await visit.parts.named.put(_name(proven), sealed.encode(), LIFETIME)


async def carried(visit: Visit, proven: Proven) -> Secret | None:
    """What was carried for this sign-in, once. Raises SessionsUnavailable."""
    sealed = await visit.parts.named.take(_name(proven))
    if sealed is None:
        return None
    opened = visit.parts.sealer.open(_PURPOSE, proven.id, sealed.decode())
    return None if opened is None else Secret(opened.decode())


def _name(proven: Proven) -> str:
    return f"refresh:{proven.id}"
