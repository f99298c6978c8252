"""Logouts that come through a browser: a frame in a page of the provider's.

    GET /sso/logout/frontchannel/{provider}   OpenID Connect Front-Channel Logout 1.0, and Entra's
                                              form of it

Nothing is signed. A frame is believed for its `sid`, a name that only the provider and we know.
SameSite=Lax keeps our cookie out of a frame, so the session is found by that name and not by the
browser.
"""

from aiohttp import web

from gateway.errors import SessionsUnavailable
from gateway.identity.provenance import LONGEST_NAME
from gateway.identity.provider import ProviderClient
from gateway.portal.logouts import Channel, count, note_refused, noting
from gateway.portal.pages import Action, refusal
from gateway.portal.visit import Visit
from gateway.reasons import Reason
from gateway.session.endings import Note
from gateway.session.model import Session, provider_label

# What ends a session by a GET has to be past guessing: providers make it of 128 random bits, which
# are 21 characters or more. By one that counts from 1 anybody could sign people out.
_SHORTEST_SID = 16

# The same for sessions that ended and for none.
_FRAME = "<!doctype html><html lang=en><title>Sonar</title></html>"


async def frontchannel(visit: Visit) -> web.Response:
    """An empty page, whoever was meant."""
    provider = visit.parts.providers.get(visit.request.match_info["provider"])
    if provider is None:
        return _refused(visit, Reason.PROVIDER_UNKNOWN)
    sid, issuer = visit.query("sid"), visit.query("iss")
    # Only Entra leaves out the issuer; by the specification the two come together.
    complete = issuer is not None or provider.kind == "microsoft"
    if sid is None or not _SHORTEST_SID <= len(sid) <= LONGEST_NAME or not complete:
        return _refused(visit, Reason.REQUEST_MALFORMED)
    misses, page = visit.parts.misses, _page_of(visit, provider)
    if misses.too_many(visit.address, page, visit.now):
        return _refused(visit, Reason.LOGOUT_THROTTLED)
    note = noting(visit, Channel.FRONT, Reason.PROVIDER_SIGNED_OUT, ("logout",))
    meant = [
        session
        for session in await _named(visit, provider_label(provider.name, sid), note, page)
        if issuer in {None, session.identity.key.issuer}
    ]
    if not meant:
        misses.add(visit.address, page, visit.now)
    await visit.parts.sessions.end_these(meant, note)
    count(visit, Channel.FRONT, Reason.PROVIDER_SIGNED_OUT if meant else Reason.LOGOUT_UNKNOWN)
    return _frame(provider)


def _page_of(visit: Visit, provider: ProviderClient) -> str:
    """The provider's name for a frame that the browser says is in its page; empty for any other.
    Another site could use up what a browser's address may miss, and so keep somebody signed in
    here; it can leave the header out, but not put another's origin there."""
    referrer = visit.request.headers.get("Referer", "")
    own = any(f"{referrer}/".startswith(f"{origin}/") for origin in provider.origins())
    return provider.name if own else ""


async def _named(visit: Visit, label: str, note: Note, page: str) -> tuple[Session, ...]:
    try:
        return await visit.parts.sessions.labelled(label)
    except SessionsUnavailable:
        visit.parts.misses.add(visit.address, page, visit.now)
        # Those in this process's memory end all the same, and the others as soon as it answers.
        await visit.parts.sessions.end_labelled(label, note)
        raise


def _frame(provider: ProviderClient) -> web.Response:
    """For a frame in the provider's own pages, and in no other."""
    ancestors = " ".join(provider.origins())
    return web.Response(
        text=_FRAME,
        content_type="text/html",
        headers={
            "Content-Security-Policy": f"default-src 'none'; frame-ancestors {ancestors}",
            "Cross-Origin-Resource-Policy": "cross-origin",
        },
    )


def _refused(visit: Visit, reason: Reason) -> web.Response:
    note_refused(visit, Channel.FRONT, reason)
    return refusal(visit, reason, Action("Go to Sonar's front page", "/"))
