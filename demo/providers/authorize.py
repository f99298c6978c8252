"""The authorization endpoint: a page to pick who one is, and the answer to the browser.

The page is the same however often it is opened, so the back button works; each pick makes a new
code.
"""

import secrets
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from demo.people import CONSUMER_TENANT, MicrosoftPerson, Person
from demo.providers.faults import overridden
from demo.providers.standin import Grant, Provider

# The stand-in's own sessions in this browser, one for each time that somebody was picked.
_SIDS = "standin_microsoft_sids"

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
)


async def authorize(request: web.Request, provider: Provider, tenant: str | None) -> web.Response:
    """GET shows the page, POST with `person` answers; `tenant` is the one in Microsoft's path."""
    provider.requests["authorize"] += 1
    asked = request.query
    if len(set(asked)) != len(asked):
        return _refused_here(provider, "invalid_request: a parameter stands there twice")
    if asked.get("client_id") != provider.client.client_id:
        return _refused_here(provider, "invalid_client: the client is not registered")
    if asked.get("redirect_uri") not in provider.client.redirect_uris:
        return _refused_here(provider, "redirect_uri_mismatch: not registered for this client")
    if error := _wrong(provider, asked):
        return _redirect(provider, asked, {"error": error})
    provider.asked.append(dict(asked))
    if asked.get("prompt") == "none":
        return _redirect(provider, asked, {"error": "login_required"})
    people = [person for person in provider.people if _belongs(person, tenant)]
    if request.method == "POST":
        return await _picked(request, provider, people)
    return _picker(provider, people, asked.get("login_hint", ""))


def _wrong(provider: Provider, asked: Mapping[str, str]) -> str | None:
    """The error code (RFC 6749 section 4.1.2.1) for a request that a real provider refuses."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope"
    if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
        return "invalid_request"
    both = asked.get("prompt") == "select_account" and "login_hint" in asked
    return "invalid_request" if both and provider.kind == "microsoft" else None


def _asks_when(provider: Provider, asked: Mapping[str, str]) -> bool:
    """Google is asked by the parameter `claims`; in Entra the optional claim is set up once."""
    return provider.kind == "microsoft" or '"auth_time"' in asked.get("claims", "")


def _belongs(person: Person, tenant: str | None) -> bool:
    """Whether somebody may sign in at Microsoft's endpoint of `tenant`."""
    match person, tenant:
        case MicrosoftPerson(tenant=own), "organizations":
            return own != CONSUMER_TENANT
        case MicrosoftPerson(tenant=own), "consumers":
            return own == CONSUMER_TENANT
        case MicrosoftPerson(tenant=own), str() if tenant != "common":
            return own == tenant
        case _:
            return True


async def _picked(request: web.Request, provider: Provider, people: list[Person]) -> web.Response:
    asked = request.query
    picked = str((await request.post()).get("person", ""))
    if picked == "cancel":
        return _redirect(provider, asked, {"error": "access_denied"})
    person = next((person for person in people if person.id == picked), None)
    if person is None:
        return _refused_here(provider, "nobody here has that name")
    sid = str(uuid.uuid4())
    code = provider.grant(
        Grant(
            person=person,
            client_id=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            nonce=asked.get("nonce"),
            code_challenge=asked["code_challenge"],
            sid=sid,
            issued=time.time(),
            fault=provider.fault,
            auth_time=provider.tells_auth_time and _asks_when(provider, asked),
        )
    )
    response = _redirect(provider, asked, {"code": code})
    if provider.kind == "microsoft":
        known = request.cookies.get(_SIDS, "")
        sids = f"{known}.{sid}".strip(".")
        response.set_cookie(_SIDS, sids, path="/microsoft", httponly=True, samesite="Lax")
    return response


def _redirect(
    provider: Provider, asked: Mapping[str, str], answer: Mapping[str, str]
) -> web.Response:
    params: dict[str, object] = {**answer}
    if "state" in asked:
        params["state"] = asked["state"]
    if provider.kind == "google":
        params["iss"] = provider.base
    else:
        params["session_state"] = secrets.token_hex(16)
    query = urlencode(overridden(params, provider.fault.response), doseq=True)
    # See Other: the browser must not post the pick to the application.
    return web.Response(status=303, headers={"Location": f"{asked['redirect_uri']}?{query}"})


def _picker(provider: Provider, people: list[Person], hint: str) -> web.Response:
    ordered = sorted(people, key=lambda person: not hint or person.email != hint)
    page = _PAGES.get_template("picker.html").render(kind=provider.kind, people=ordered, hint=hint)
    return _page(page)


def _refused_here(provider: Provider, why: str) -> web.Response:
    """An error page: what cannot be answered to a redirect URI that may be an attacker's."""
    return _page(_PAGES.get_template("refused.html").render(kind=provider.kind, why=why), 400)


def signed_out(request: web.Request, provider: Provider) -> web.Response:
    """The end of this browser's sessions: the application is told of each in a frame, which has
    `sid` and, as Entra's, no `iss`. Back only to a registered redirect URI: no open redirect, not
    even here."""
    provider.requests["logout"] += 1
    asked, url = request.query, provider.client.logout_url
    sids = [sid for sid in request.cookies.get(_SIDS, "").split(".") if sid]
    back = asked.get("post_logout_redirect_uri")
    if back not in provider.client.redirect_uris:
        back = None
    elif "state" in asked:
        back = f"{back}?{urlencode({'state': asked['state']})}"
    template = _PAGES.get_template("signed_out.html")
    frames = [] if url is None else [f"{url}?{urlencode({'sid': sid})}" for sid in sids]
    response = _page(template.render(kind=provider.kind, back=back, frames=frames))
    response.del_cookie(_SIDS, path="/microsoft")
    return response


def _page(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"}
    )
