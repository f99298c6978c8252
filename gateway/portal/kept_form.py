"""A form that met no session: kept, shown after the sign-in, sent when its person says so.

What could go wrong, and why it does not:

    another site has it sent     only a form from a page of ours is kept (Origin, Sec-Fetch-Site)
    somebody else sends it       kept with whose session was over: the identity and the account;
                                 whoever is signed in must be both
    another browser sends it     found and opened only with a random value in a cookie of the
                                 browser that sent it, and sealed with a key of ours besides: what
                                 lies in the store is of no use to who reads it
    it is sent twice             taken from the store in one step, before it is sent on
    something else is sent       the browser sends the very bytes that were kept, or nothing is sent
    anybody fills the store      only who had a session of ours can keep one, a few of bounded size,
                                 for a quarter of an hour
    a password lies around       a form with a field that is called like one is not kept

It goes on with 307, so that the browser sends the same body to where it was meant to go, and
nothing of ours comes between. What is not kept is said plainly, in the reply to the form itself:
who reloads that page after signing in elsewhere has the browser send it once more.
"""

import hmac

import structlog
from aiohttp import web
from markupsafe import Markup, escape

from gateway.errors import Unavailable
from gateway.portal.form_body import SECRET_NAME, FormBody, Lost, read_body
from gateway.portal.form_keeping import KeptForm, find, keep, owner_of_browser, take, too_many
from gateway.portal.forms import foreign_header
from gateway.portal.pages import KEPT_FORM, Action, link_to, page, refusal, see_other, start_over
from gateway.portal.visit import Visit, add_cookie, signed_in
from gateway.reasons import Reason
from gateway.session.model import Session

log = structlog.get_logger()

# What is too large is read to its end, because browsers read no reply before that; within reason.
_MOST_READ = 128 * 1024 * 1024

_PURPOSE = "send-form"
_SHOWN_FIELDS = 40

_WHY = {
    Lost.FOREIGN: None,
    Lost.SHAPE: "It has a file in it, or another shape than we can keep while you sign in.",
    Lost.TOO_LARGE: "It is larger than what we keep while you sign in.",
    Lost.PASSWORD: "It seems to have a password in it, which we do not keep.",
    Lost.NOBODY: "We cannot tell who typed it, so we did not keep it while you sign in.",
    Lost.OFTEN: "You have sent many, and we do not keep that many while you sign in.",
    Lost.UNKEPT: "We could not keep it while you sign in.",
}


async def unsent(visit: Visit) -> web.Response:
    """A form that the edge does not send to Sonar, because nobody is signed in."""
    meant = visit.request.headers.get("X-Sonar-Meant", "")
    try:
        kept = await _keep(visit, meant)
    except Unavailable as error:
        log.warning("portal_unavailable", reason=error.reason, error=str(error))
        kept = Lost.UNKEPT
    if isinstance(kept, web.Response):
        log.info("form_kept", path=meant.partition("?")[0])
        return kept
    await _read_to_the_end(visit)
    log.info("form_lost", path=meant.partition("?")[0], why=kept)
    if kept is Lost.FOREIGN:
        return refusal(visit, Reason.ORIGIN_FOREIGN, Action("Go to Sonar's front page", "/"))
    return lost(visit, kept)


async def unsent_unseen(visit: Visit) -> web.Response:
    """The same where a proxy in front kept the form to itself."""
    return lost(visit, Lost.UNKEPT)


def lost(visit: Visit, why: Lost) -> web.Response:
    came_from = visit.place(visit.request.headers.get("Referer"))
    # The text says how to save what was typed: this page must stay, for a reload.
    way = link_to("/sso/login", next=came_from)
    sign_in = Action("Sign in in another tab", way, new_tab=True)
    return refusal(visit, Reason.FORM_NOT_SENT, sign_in, note=_WHY[why])


async def show(visit: Visit) -> web.Response:
    """What will be sent, and where; and nothing is sent until its person says so."""
    if visit.query("id") is None:
        return _gone(visit)
    here = link_to(KEPT_FORM, id=visit.query("id"))
    live = await signed_in(visit)
    if live is None:
        return see_other(link_to("/sso/login", next=here))
    form = await find(visit, visit.query("id"), live.session)
    body = None if form is None else read_body(form.body)
    if form is None or not isinstance(body, FormBody):
        return _gone(visit)
    token = visit.parts.sealer.seal(_PURPOSE, _binding(visit, live.session), b"send")
    response = page(
        visit,
        "form.html",
        path=form.path.partition("?")[0],
        fields=[(name, _attribute(value)) for name, value in body.fields],
        shown=body.fields[:_SHOWN_FIELDS],
        more=max(0, len(body.fields) - _SHOWN_FIELDS),
        charset=body.charset,
        action=link_to(KEPT_FORM, id=visit.query("id"), token=token),
        drop=link_to("/sso/form/drop", id=visit.query("id"), token=token),
        account=live.session.account,
    )
    # Sonar may answer with a redirect to wherever it likes, as it would have without us.
    policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action *"
    response.headers["Content-Security-Policy"] = (
        f"{policy}; frame-ancestors 'none'; base-uri 'none'"
    )
    return response


async def send(visit: Visit) -> web.Response:
    """On to where it was meant to go, once, with the body that was kept."""
    form = await _asked(visit)
    if isinstance(form, web.Response):
        return form
    sent = await visit.request.read()
    if not hmac.compare_digest(sent, form.body) or not await take(visit, visit.query("id")):
        return _gone(visit)
    log.info("form_sent", path=form.path.partition("?")[0])
    return web.Response(status=307, headers={"Location": form.path})


async def drop(visit: Visit) -> web.Response:
    """Its person does not want it any more."""
    form = await _asked(visit)
    if isinstance(form, web.Response):
        return form
    await take(visit, visit.query("id"))
    return see_other("/")


async def _asked(visit: Visit) -> KeptForm | web.Response:
    """For which form its person presses a button of our page; or the answer when nobody may."""
    if visit.query("id") is None:
        return _gone(visit)
    here = link_to(KEPT_FORM, id=visit.query("id"))
    live = await signed_in(visit)
    if live is None:
        return refusal(visit, Reason.SESSION_EXPIRED, start_over(here))
    token = visit.query("token") or ""
    bound_to = _binding(visit, live.session)
    if (
        foreign_header(visit.request.headers, visit.origin) is not None
        or visit.parts.sealer.open(_PURPOSE, bound_to, token) is None
    ):
        return refusal(visit, Reason.FORM_FORGED, Action("Open the page again", here))
    form = await find(visit, visit.query("id"), live.session)
    return _gone(visit) if form is None else form


async def _keep(visit: Visit, meant: str) -> web.Response | Lost:
    request, limit = visit.request, visit.parts.config.limits.kept_form
    if not _from_our_page(visit):
        return Lost.FOREIGN
    length = request.content_length if request.can_read_body else 0
    if request.content_type != "application/x-www-form-urlencoded" and length != 0:
        return Lost.SHAPE
    if length is None or length > limit:
        return Lost.TOO_LARGE
    path = visit.place(meant)
    if path.partition("?")[0] != meant.partition("?")[0]:
        return Lost.SHAPE
    if _takes_passwords(visit, path.partition("?")[0]):
        return Lost.PASSWORD
    owner = await owner_of_browser(visit)
    if owner is None:
        return Lost.NOBODY
    body = await request.read()
    read = read_body(body)
    if isinstance(read, Lost):
        return read
    if await too_many(visit, owner):
        return Lost.OFTEN
    form_id, cookie = await keep(visit, KeptForm(owner, path, body))
    response = see_other(link_to("/sso/login", next=link_to(KEPT_FORM, id=form_id)))
    add_cookie(response, cookie)
    return response


def _from_our_page(visit: Visit) -> bool:
    """Said by the browser, not merely not denied. Under `Referrer-Policy: no-referrer`, which may
    be Sonar's, a page of ours sends `Origin: null`, and Sec-Fetch-Site says whose it is."""
    headers = visit.request.headers
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is None:
        return origin == visit.origin
    return site == "same-origin" and origin in {None, "null", visit.origin}


def _takes_passwords(visit: Visit, path: str) -> bool:
    """Whether Sonar changes passwords there, by what a path is for or called."""
    upstream = visit.parts.config.upstream
    return (
        path in {upstream.profile_path, upstream.login_path} or SECRET_NAME.search(path) is not None
    )


def _binding(visit: Visit, session: Session) -> str:
    return f"{session.key} {visit.query('id')}"


def _gone(visit: Visit) -> web.Response:
    return refusal(visit, Reason.FORM_GONE, Action("Go to Sonar", "/"))


def _attribute(value: str) -> Markup:
    """As an attribute that keeps its line breaks: a bare CR would become LF on the way."""
    return Markup(str(escape(value)).replace("\r", "&#13;").replace("\n", "&#10;"))  # noqa: S704


async def _read_to_the_end(visit: Visit) -> None:
    read = 0
    async for part in visit.request.content.iter_any():
        read += len(part)
        if read > _MOST_READ:
            return
