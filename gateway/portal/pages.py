"""Templates, redirects and refusals: every answer of the portal that a person reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from aiohttp import web

from gateway.explanations import EXPLANATIONS
from gateway.identity.model import Identity
from gateway.portal.forms import form_token
from gateway.portal.visit import Visit
from gateway.reasons import Reason

# Where a kept form waits.
KEPT_FORM = "/sso/form"

# What an account's owner has to be told, on the way in.
NOTICES = "/sso/notices"

SETTINGS = "/sso/settings"

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do next: a link, the first of several shown as the main one. `new_tab`: beside
    the page that is to be there still afterwards."""

    label: str
    href: str
    new_tab: bool = False


@dataclass(frozen=True, slots=True)
class Face:
    """A provider's name in paths, its label in sentences, and which mark stands beside it."""

    name: str
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a form page says about what was just sent."""

    title: str
    text: str


def _day(seconds: float) -> str:
    """Unix seconds -> `5 March 2026`; UTC, because the server cannot know the reader's zone."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%B %Y}"


def _minute(seconds: float) -> str:
    """Unix seconds -> `5 March 2026, 14:05 UTC`; no line ends before `UTC`."""
    return f"{_day(seconds)}, {datetime.fromtimestamp(seconds, UTC):%H:%M}\N{NO-BREAK SPACE}UTC"


def _machine_day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(day=_day, minute=_minute, machine_day=_machine_day)
    return environment


_ENVIRONMENT = _environment()


def page(visit: Visit, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Render `template`. `request_id` is there for every one, for a person to quote."""
    text = _ENVIRONMENT.get_template(template).render(request_id=visit.request_id, **values)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def face_of(visit: Visit, provider: str) -> Face:
    """A provider as people see it. One that was taken out of the configuration while people are
    still signed in with it goes by its name."""
    client = visit.parts.providers.get(provider)
    if client is None:
        return Face(provider, provider, "oidc")
    return Face(provider, client.label, client.kind)


def token_for(visit: Visit, bound_to: str) -> str:
    return form_token(visit.parts.sealer, bound_to, visit.now)


def see_other(path: str) -> web.Response:
    """303, so that a reload repeats nothing. `path` is on our own origin: the policy on forms
    (`form-action 'self'`) stops a browser from following a form's redirect anywhere else."""
    return web.Response(status=303, headers={"Location": path})


def link_to(path: str, **query: str | None) -> str:
    """`link_to("/sso/login", next="/a b")` -> `/sso/login?next=%2Fa+b`; `None` is left out, and
    so is a `next` that says no more than the default."""
    kept = {
        name: value
        for name, value in query.items()
        if value is not None and not (name == "next" and value == "/")
    }
    return f"{path}?{urlencode(kept)}" if kept else path


def password_action(visit: Visit, next_path: str) -> Action:
    """The old way in, always there: Sonar's own sign-in page, with the way back.

    From the settings it leads to the profile page, which has the way there: the settings are about
    what a provider's sign-in opens, and with the password one would go round in a circle.
    """
    upstream = visit.parts.config.upstream
    if next_path.startswith(f"{KEPT_FORM}?"):
        return Action("Use your Sonar password, without sending it", upstream.login_path)
    if next_path.partition("?")[0] == SETTINGS:
        return Action("Back to your profile", upstream.profile_path)
    if next_path.startswith("/sso/"):
        return Action("Use your Sonar password instead", upstream.login_path)
    query = {upstream.return_parameter: next_path} if next_path != "/" else {}
    return Action("Use your Sonar password instead", link_to(upstream.login_path, **query))


def start_over(next_path: str) -> Action:
    return Action("Start over", link_to("/sso/login", next=next_path))


def another_identity(visit: Visit, provider: str, next_path: str) -> Action:
    """The way out of the wrong account: the provider asks which one."""
    href = link_to(f"/sso/login/{provider}", next=next_path, select_account="1")
    return Action(f"Use another {face_of(visit, provider).label} account", href)


def explain(reason: Reason, wait: float = 0.0) -> Message:
    """A refusal that leaves the form standing, to try again in. `wait`: seconds until then."""
    explanation = EXPLANATIONS[reason]
    again = f" You can try again in {in_words(wait)}." if wait > 0 else ""
    return Message(explanation.title, f"{explanation.cause}{again} {explanation.way_out}")


def in_words(seconds: float) -> str:
    """`75.2` -> `2 minutes`: never less than it takes, as nobody likes to be told twice."""
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds > size * 1.5:
            return f"{ceil(seconds / size)} {unit}s"
    return "a minute" if seconds > 30 else "half a minute"


def retry_after(response: web.Response, wait: float) -> web.Response:
    """RFC 9110 section 10.2.3, for who reads headers."""
    if wait > 0:
        response.headers["Retry-After"] = str(ceil(wait))
    return response


def refusal(
    visit: Visit,
    reason: Reason,
    *actions: Action,
    identity: Identity | None = None,
    note: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """A page that says why not, and what to do next. `identity`: who came, where that is known, for
    whoever has several accounts and chose none. `note`: one sentence more."""
    came = None if identity is None else identity.email
    visit.parts.counters.sign_ins[reason] += 1
    response = page(
        visit,
        "refusal.html",
        status=STATUS.get(reason, 403),
        reason=reason,
        explanation=EXPLANATIONS[reason],
        note=note,
        came=None if came is None else str(came),
        provider=None if identity is None else face_of(visit, identity.provider),
        actions=actions,
    )
    response.headers.update(headers or {})
    return response


# What a refusal is in HTTP; what is not named here is 403: understood, and refused.
STATUS: Mapping[Reason, int] = {
    Reason.NOT_SIGNED_IN: 401,
    Reason.FORM_NOT_SENT: 401,
    Reason.SESSION_EXPIRED: 401,
    Reason.PROVIDER_UNKNOWN: 404,
    Reason.NOT_FOUND: 404,
    Reason.FORM_GONE: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.REQUEST_TOO_LARGE: 413,
    Reason.PASSWORD_THROTTLED: 429,
    Reason.USERNAME_THROTTLED: 429,
    Reason.LOGOUT_THROTTLED: 429,
    Reason.REQUEST_MALFORMED: 400,
    Reason.CALLBACK_MALFORMED: 400,
    Reason.TRANSACTION_UNKNOWN: 400,
    Reason.TRANSACTION_EXPIRED: 400,
    Reason.TRANSACTION_USED: 400,
    Reason.PROVIDER_UNAVAILABLE: 503,
    Reason.DIRECTORY_UNAVAILABLE: 503,
    Reason.LINKS_UNAVAILABLE: 503,
    Reason.AUDIT_UNAVAILABLE: 503,
    Reason.SESSIONS_UNAVAILABLE: 503,
    Reason.INTERNAL_ERROR: 500,
}
