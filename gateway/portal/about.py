"""What programs ask: who is signed in here, and which keys sign the assertion."""

from aiohttp import web

from gateway.errors import SessionsUnavailable
from gateway.portal.visit import Visit, signed_in
from gateway.reasons import Reason

# Sonar may keep the keys this long; a new key is published well before it signs anything.
_KEYS_FRESH = 300


async def me(visit: Visit) -> web.Response:
    """Signed in as whom, else 401, or 503 when nobody can say. Times are Unix seconds. Asking is no
    activity: a page that polls would otherwise keep an abandoned session alive."""
    try:
        live = await signed_in(visit)
    except SessionsUnavailable as error:
        return _nobody(503, error.reason)
    if live is None:
        return _nobody(401, Reason.NOT_SIGNED_IN)
    session = live.session
    return web.json_response(
        {
            "account": {
                "id": session.account.id,
                "username": session.account.username,
                "display_name": session.account.display_name,
                "organisation": session.account.organisation,
            },
            "provider": session.identity.provider,
            "email": str(session.identity.email),
            "since": int(session.started),
            "ends": int(session.ends()),
        }
    )


def _nobody(status: int, reason: Reason) -> web.Response:
    """In the words of the edge's own 401 (gateway/edge/replies.py)."""
    return web.json_response({"error": reason, "sign_in": "/sso/login"}, status=status)


async def jwks(visit: Visit) -> web.Response:
    """RFC 7517: the public keys that verify `X-Sonar-Assertion`."""
    return web.json_response(
        visit.parts.jwks(), headers={"Cache-Control": f"public, max-age={_KEYS_FRESH}"}
    )
