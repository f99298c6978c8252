"""Each way a page can say no, with what it writes to the log and what it offers to do next."""

import structlog
from aiohttp import web

from gateway.account.resolution import Refuse
from gateway.errors import Unavailable
from gateway.identity.model import Identity, Refused
from gateway.operate.audit import EventKind
from gateway.portal.forms import Unreadable
from gateway.portal.pages import (
    Action,
    another_identity,
    face_of,
    link_to,
    password_action,
    refusal,
    start_over,
)
from gateway.portal.visit import Visit
from gateway.reasons import Reason

log = structlog.get_logger()


def refused_answer(visit: Visit, provider: str, refused: Refused, next_path: str) -> web.Response:
    """The provider's answer does not hold, or the person said no there."""
    return _no_identity(visit, refused, next_path, provider)


def refused_transaction(visit: Visit, refused: Refused, *entry_ids: str) -> web.Response:
    """The browser's side does not hold: no transaction, or an old one, under any of these ids; the
    first that is this browser's says where it led."""
    cookies = visit.cookies
    led = (visit.parts.transactions.led_to(entry_id, cookies) for entry_id in entry_ids)
    next_path = next(filter(None, led), "/")
    if refused.reason is Reason.TRANSACTION_UNKNOWN:
        return _no_identity(visit, refused, next_path, None, Action("Go to Sonar", next_path))
    return _no_identity(visit, refused, next_path, None)


def refused_recalled(visit: Visit, identity: Identity, next_path: str) -> web.Response:
    """The provider has taken back what it said of who is on the way in."""
    reason = Reason.PROVIDER_SIGNED_OUT
    visit.parts.audit.note(visit.event(EventKind.SIGN_IN_REFUSED, reason, identity=identity))
    return refusal(visit, reason, start_over(next_path), password_action(visit, next_path))


def used_transaction(visit: Visit, next_path: str) -> web.Response:
    """Sent twice, or the back button: probably signed in already."""
    refused = Refused(Reason.TRANSACTION_USED, "its single use was claimed before")
    return _no_identity(visit, refused, next_path, None, Action("Go to Sonar", next_path))


def _no_identity(
    visit: Visit, refused: Refused, next_path: str, provider: str | None, *first: Action
) -> web.Response:
    event = visit.event(
        EventKind.SIGN_IN_REFUSED, refused.reason, provider=provider, why=refused.detail
    )
    visit.parts.audit.note(event)
    return refusal(
        visit,
        refused.reason,
        *first,
        start_over(next_path),
        password_action(visit, next_path),
    )


def refused_identity(
    visit: Visit, identity: Identity, refused: Refuse, next_path: str
) -> web.Response:
    """The policy says no. The password is the way in; another identity may be one, or another
    provider."""
    event = visit.event(
        EventKind.SIGN_IN_REFUSED,
        refused.reason,
        identity=identity,
        trail=tuple(f"{step.question} {step.answer}" for step in refused.trail),
    )
    visit.parts.audit.note(event)
    elsewhere = refused.reason is Reason.PROVIDER_NOT_ALLOWED
    allowed = _allowed(visit, identity, next_path) if elsewhere else ()
    return refusal(
        visit,
        refused.reason,
        *allowed,
        password_action(visit, next_path),
        another_identity(visit, identity.provider, next_path),
        Action("Back to the sign-in page", link_to("/sso/login", next=next_path, switch="1")),
        identity=identity,
    )


def _allowed(visit: Visit, identity: Identity, next_path: str) -> tuple[Action, ...]:
    """The ways to sign in that this person's company does use."""
    policy = visit.policies.for_email(identity.email) if identity.email else None
    faces = [face_of(visit, provider.name) for provider in visit.parts.providers]
    return tuple(
        Action(f"Sign in with {face.label}", link_to(f"/sso/login/{face.name}", next=next_path))
        for face in faces
        if policy is not None and face.name in policy.providers
    )


def refused_choice(visit: Visit, identity: Identity, way: Action) -> web.Response:
    """An account that is not offered to this identity, whatever the form says."""
    reason = Reason.ACCOUNT_NOT_OFFERED
    visit.parts.audit.note(visit.event(EventKind.CHOICE_REFUSED, reason, identity=identity))
    return refusal(visit, reason, way)


def refused_form(visit: Visit, unreadable: Unreadable, page: str, *ways: Action) -> web.Response:
    """A form that is not ours, or not whole; `page` is where the real one is, `ways` what else to
    do."""
    event = visit.event(
        EventKind.FORM_REFUSED, unreadable.reason, why=unreadable.detail, path=visit.request.path
    )
    visit.parts.audit.note(event)
    return refusal(visit, unreadable.reason, Action("Open the page again", page), *ways)


def refused_script(visit: Visit, header: str) -> web.Response:
    """A page that only a person may open, or a form that only a person may send."""
    event = visit.event(
        EventKind.FORM_REFUSED, Reason.SCRIPT_REFUSED, why=header, path=visit.request.path
    )
    visit.parts.audit.note(event)
    return refusal(visit, Reason.SCRIPT_REFUSED, Action("Go to Sonar's front page", "/"))


def broken(visit: Visit, error: Unavailable, next_path: str) -> web.Response:
    """Something we depend on does not answer; the password still works, and so may a retry."""
    # Which part is down is told once, by `part_down`; this is for whoever follows one request.
    log.info(
        "portal_unavailable",
        reason=error.reason,
        error=str(error),
        path=visit.request.path,
    )
    if would_let_in(visit):
        visit.parts.audit.note(visit.event(EventKind.SIGN_IN_REFUSED, error.reason))
    return refusal(
        visit,
        error.reason,
        password_action(visit, next_path),
        Action("Try again", _once_more(visit, next_path)),
        headers={"Retry-After": "30"},
    )


def would_let_in(visit: Visit) -> bool:
    """Whether this is a request that ends in a session if all goes well."""
    path = visit.request.path
    form = visit.request.method == "POST" and path in {"/sso/accounts", "/sso/link"}
    return form or path.startswith("/sso/callback/")


def _once_more(visit: Visit, next_path: str) -> str:
    """The page to ask for again: itself, but a callback's code is spent, and two forms of the
    settings have no page of their own."""
    path = visit.request.path
    if path.startswith("/sso/callback/"):
        return link_to("/sso/login", next=next_path)
    return "/sso/settings" if path.startswith("/sso/settings/") else visit.request.path_qs
