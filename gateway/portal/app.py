"""Which path is which page, and what every answer has in common."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from structlog.contextvars import bound_contextvars

from gateway.errors import Unavailable
from gateway.operate.audit import EventKind
from gateway.portal import (
    about,
    backchannel,
    choose,
    confirm,
    frontchannel,
    kept_form,
    link,
    notices,
    settings,
    sign_in,
    sign_out,
)
from gateway.portal.confirm import confirmed
from gateway.portal.forms import LONGEST_FORM, no_window_header
from gateway.portal.pages import Action, refusal, start_over
from gateway.portal.parts import PORTAL, Portal
from gateway.portal.refusals import broken, refused_script, would_let_in
from gateway.portal.visit import VISIT, Page, Visit, open_visit
from gateway.reasons import Reason

log = structlog.get_logger()

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# For the runner that serves this application. The edge has judged the size of a request already;
# what it lets through (32 KiB of head, mostly the cookies of Sonar and of five tabs signing in)
# must fit here, where aiohttp would refuse more than 8 KiB. And no body is unpacked: no browser
# compresses a form, and who does makes 60 MB of 60 KB, and everybody wait a tenth of a second.
SERVER: Mapping[str, Any] = {
    "max_line_size": 32 * 1024,
    "max_field_size": 32 * 1024,
    "auto_decompress": False,
}

_STATIC = Path(__file__).parent / "static"
# The files change with a version of the gateway only; an hour is how long a browser may show the
# old look after one.
_STATIC_FRESH = 3600

# No script at all, nothing from elsewhere, no frame around a page with a password field
# (clickjacking), no form that posts to another site.
_CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`, under which browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def make_portal(parts: Portal) -> web.Application:
    """The portal, to be served where only the edge can reach it."""
    app = web.Application(client_max_size=LONGEST_FORM, middlewares=[_answer_everything])
    app[PORTAL] = parts
    app.on_response_prepare.append(_protect)
    app.router.add_get("/sso/login", _page(sign_in.show))
    app.router.add_get("/sso/login/{provider}", _page(sign_in.start))
    # Not for HEAD, which asks what GET would do and must not do it: a code works only once, and a
    # session ends only once.
    app.router.add_get("/sso/callback/{provider}", _page(sign_in.callback), allow_head=False)
    app.router.add_get("/sso/accounts", _in_a_window(choose.show))
    app.router.add_post("/sso/accounts", _in_a_window(choose.choose))
    app.router.add_get("/sso/link", _in_a_window(link.show))
    app.router.add_post("/sso/link", _in_a_window(link.link))
    app.router.add_get("/sso/notices", _in_a_window(notices.show))
    app.router.add_post("/sso/notices/read", _in_a_window(notices.read))
    app.router.add_post("/sso/notices/undo", _in_a_window(notices.undo))
    app.router.add_post("/sso/unsent", _page(kept_form.unsent))
    app.router.add_get("/sso/unsent", _page(kept_form.unsent_unseen))
    app.router.add_get("/sso/form", _in_a_window(kept_form.show))
    app.router.add_post("/sso/form", _in_a_window(kept_form.send))
    app.router.add_post("/sso/form/drop", _in_a_window(kept_form.drop))
    app.router.add_get("/sso/confirm", _in_a_window(confirm.show))
    app.router.add_post("/sso/confirm", _in_a_window(confirm.confirm))
    app.router.add_get("/sso/settings", _in_a_window(confirmed(settings.show, back=settings.PATH)))
    app.router.add_post(
        "/sso/settings/links/add", _in_a_window(confirmed(settings.add, back=settings.PATH))
    )
    app.router.add_post(
        "/sso/settings/links/remove", _in_a_window(confirmed(settings.remove, back=settings.PATH))
    )
    app.router.add_get("/sso/logout", _in_a_window(sign_out.show))
    app.router.add_post("/sso/logout", _in_a_window(sign_out.sign_out))
    app.router.add_post("/sso/logout/everywhere", _in_a_window(sign_out.everywhere))
    app.router.add_post("/sso/logout/backchannel/{provider}", _page(backchannel.backchannel))
    app.router.add_post("/sso/logout/risc/{provider}", _page(backchannel.risc))
    app.router.add_get(
        "/sso/logout/frontchannel/{provider}", _page(frontchannel.frontchannel), allow_head=False
    )
    app.router.add_get("/sso/me", _page(about.me))
    app.router.add_get("/sso/jwks.json", _page(about.jwks))
    app.router.add_static("/sso/static", _STATIC)
    return app


def _page(page: Page) -> _Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await page(request[VISIT])

    return handler


def _in_a_window(page: Page) -> _Handler:
    """A page with a form of ours, and what the form sends: for a person, not for a script.

    One in a page of Sonar's (cross-site scripting) is of our own origin. It could read the token of
    a form in what it fetched or framed, and send it; a window that it opens, it cannot look into
    (`Cross-Origin-Opener-Policy`).
    """

    async def handler(request: web.Request) -> web.StreamResponse:
        header = no_window_header(request.headers)
        visit = request[VISIT]
        return await page(visit) if header is None else refused_script(visit, header)

    return handler


@web.middleware
async def _answer_everything(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Whatever happens, the person gets a page that says why and what to do, and every line of the
    log says which request it is about."""
    visit = request[VISIT] = open_visit(request)
    with bound_contextvars(request_id=visit.request_id, address=visit.address):
        try:
            return await handler(request)
        except Unavailable as error:
            return broken(visit, error, visit.next())
        except web.HTTPException as answer:
            return _refused(visit, answer)
        except Exception:
            if would_let_in(visit):
                visit.parts.audit.note(
                    visit.event(EventKind.SIGN_IN_REFUSED, Reason.INTERNAL_ERROR)
                )
            log.exception("portal_failed", reason=Reason.INTERNAL_ERROR, path=request.path)
            return refusal(visit, Reason.INTERNAL_ERROR, start_over("/"))


def _refused(visit: Visit, answer: web.HTTPException) -> web.Response:
    """The page for an error that aiohttp found; raises `answer` again if it is none."""
    reason = _REASONS.get(answer.status)
    if reason is None:
        raise answer
    headers = {"Allow": answer.headers["Allow"]} if "Allow" in answer.headers else None
    front_page = Action("Go to Sonar's front page", "/")
    return refusal(visit, reason, front_page, headers=headers)


_REASONS = {
    400: Reason.REQUEST_MALFORMED,
    403: Reason.NOT_FOUND,  # a folder of static files: there is nothing to see in it
    404: Reason.NOT_FOUND,
    405: Reason.METHOD_NOT_ALLOWED,
    413: Reason.REQUEST_TOO_LARGE,
}


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith("/sso/callback/"):
        # Its address holds a code; the way to the password would tell it to Sonar, and its log.
        response.headers["Referrer-Policy"] = "no-referrer"
    framed = "frame-ancestors" in response.headers.get("Content-Security-Policy", "")
    for name, value in _HEADERS.items():
        if name != "X-Frame-Options" or not framed:
            response.headers.setdefault(name, value)
    static = request.path.startswith("/sso/static/") and response.status in {200, 206, 304}
    fresh = f"public, max-age={_STATIC_FRESH}" if static else "no-store"
    response.headers.setdefault("Cache-Control", fresh)
