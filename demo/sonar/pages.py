"""Sonar's pages, in ISO 8859-1 as in the days when they were made."""

import time
from collections.abc import AsyncIterator
from pathlib import PurePath
from urllib.parse import parse_qs

from aiohttp import BodyPartReader, web

from demo.sonar.parts import PARTS
from demo.sonar.voicemail import AUDIO_TYPES, TooLarge
from demo.sonar.who import VISITOR, WHO, expired_cookie, session_cookie

_CHARSET = "iso-8859-1"

# By account; as long as this Sonar runs.
GREETINGS = web.AppKey("greetings", dict[int, str])


async def sign_in_form(request: web.Request) -> web.Response:
    way_back = local_path(request.query.get("return_to", ""))
    if await request.app[WHO](request) is not None:
        raise web.HTTPFound(way_back)
    return _page(request, "login.html", return_to=way_back)


async def sign_in(request: web.Request) -> web.Response:
    form = await request.post()
    username, password = str(form.get("username", "")), str(form.get("password", ""))
    way_back = local_path(str(form.get("return_to", "")))
    account = await request.app[PARTS].accounts.sign_in(username, password)
    if account is None:
        wrong = "The username or the password is wrong."
        return _page(request, "login.html", return_to=way_back, username=username, wrong=wrong)
    request.app[WHO].end_session(request)
    cookie = session_cookie(request.app[WHO].open_session(account, "password"))
    return web.Response(status=302, headers={"Location": way_back, "Set-Cookie": cookie})


async def sign_out(request: web.Request) -> web.Response:
    request.app[WHO].end_session(request)
    return web.Response(status=302, headers={"Location": "/login", "Set-Cookie": expired_cookie()})


async def dashboard(request: web.Request) -> web.Response:
    parts, account = request.app[PARTS], request[VISITOR].account
    listed = parts.switchboard.calls_of(account.id)
    return _page(
        request,
        "dashboard.html",
        calls=listed[:5],
        missed=sum(call.state == "missed" for call in listed),
        talked=sum(call.seconds for call in listed) // 60,
        recordings=await parts.recordings.of(account.id),
    )


async def calls(request: web.Request) -> web.Response:
    listed = request.app[PARTS].switchboard.calls_of(request[VISITOR].account.id)
    greeting = request.app[GREETINGS].get(request[VISITOR].account.id, "")
    return _page(request, "calls.html", calls=listed, greeting=greeting)


async def save_greeting(request: web.Request) -> web.Response:
    """A form without `accept-charset` comes in the page's own: browsers read ISO 8859-1 as
    Windows-1252."""
    form = parse_qs((await request.read()).decode("ascii"), encoding="cp1252")
    request.app[GREETINGS][request[VISITOR].account.id] = form.get("greeting", [""])[0]
    raise web.HTTPSeeOther("/calls")


async def voicemail(request: web.Request) -> web.Response:
    return await _voicemail_page(request)


async def voicemail_audio(request: web.Request) -> web.StreamResponse:
    """The recording's bytes; `FileResponse` answers Range and conditional requests."""
    recording = await request.app[PARTS].recordings.get(
        request[VISITOR].account.id, int(request.match_info["id"])
    )
    if recording is None or not recording.path.exists():
        raise web.HTTPNotFound
    return web.FileResponse(
        recording.path,
        headers={
            "Content-Type": recording.content_type,
            "Content-Disposition": f'attachment; filename="voicemail-{recording.id}'
            f'{recording.path.suffix}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


async def upload_voicemail(request: web.Request) -> web.Response:
    if request.content_type != "multipart/form-data":
        return await _voicemail_page(request, "Please choose a file.", status=400)
    part = await (await request.multipart()).next()
    if not isinstance(part, BodyPartReader) or part.name != "recording" or not part.filename:
        return await _voicemail_page(request, "Please choose a file.", status=400)
    name = PurePath(part.filename.replace("\\", "/"))
    if name.suffix.lower() not in AUDIO_TYPES:
        allowed = ", ".join(AUDIO_TYPES)
        return await _voicemail_page(request, f"A recording is one of {allowed}.", status=400)
    try:
        await request.app[PARTS].recordings.add(
            request[VISITOR].account.id, name.stem, name.suffix.lower(), _chunks(part)
        )
    except TooLarge:
        return await _voicemail_page(request, "The recording is larger than 64 MB.", status=413)
    raise web.HTTPSeeOther("/voicemail")


async def profile(request: web.Request) -> web.Response:
    return _page(request, "profile.html")


async def change_password(request: web.Request) -> web.Response:
    form = await request.post()
    old, new = str(form.get("old", "")), str(form.get("new", ""))
    if not new or new != str(form.get("again", "")):
        said = "The new password must be typed twice, the same."
    elif await request.app[PARTS].accounts.change_password(request[VISITOR].account, old, new):
        said = "Your password is changed."
    else:
        said = "The old password is wrong."
    return _page(request, "profile.html", said=said)


def local_path(text: str) -> str:
    """`text` when it is a path on this site, else `/`. Browsers read `/\\` as `//` and skip tabs
    and newlines, so `/\\evil.example` and `/<tab>/evil.example` lead away from here."""
    if not text.startswith("/") or text[1:2] in ("/", "\\") or not text.isprintable():
        return "/"
    return text


async def _voicemail_page(request: web.Request, said: str = "", status: int = 200) -> web.Response:
    recordings = await request.app[PARTS].recordings.of(request[VISITOR].account.id)
    return _page(request, "voicemail.html", status=status, recordings=recordings, said=said)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(64 * 1024):
        yield chunk


def _page(request: web.Request, template: str, status: int = 200, **values: object) -> web.Response:
    visitor = request.get(VISITOR)
    html = (
        request.app[PARTS]
        .templates.get_template(template)
        .render(visitor=visitor, path=request.path, **values)
    )
    return web.Response(
        status=status,
        body=html.encode(_CHARSET, "xmlcharrefreplace"),
        content_type="text/html",
        charset=_CHARSET,
        headers={"Cache-Control": "private, no-cache"},
    )


def clock(seconds: float) -> str:
    """Unix seconds as the pages show them."""
    return time.strftime("%d %b %H:%M", time.localtime(seconds))
