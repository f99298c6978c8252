"""Puts Sonar together: one aiohttp application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

import aiohttp
import jinja2
from aiohttp import web

from demo.sonar import api, pages
from demo.sonar.accounts import Accounts
from demo.sonar.assertion import Assertions, GatewayTrust
from demo.sonar.calls import Switchboard
from demo.sonar.compression import compress_pages
from demo.sonar.parts import PARTS, Parts
from demo.sonar.voicemail import Recordings
from demo.sonar.who import WHO, Who, require_visitor, set_session_cookie

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class SonarConfig:
    """`database` and `recordings` are made when missing; `calls_every`: seconds between two
    happenings in a watched calls list."""

    database: Path
    recordings: Path
    trust: GatewayTrust
    calls_every: float = 3.0


def make_sonar(config: SonarConfig) -> web.Application:
    sonar = web.Application(middlewares=[compress_pages, require_visitor])
    sonar.on_response_prepare.append(set_session_cookie)
    sonar[pages.GREETINGS] = {}
    sonar[api.SOCKETS] = WeakSet()
    sonar.on_shutdown.append(api.close_sockets)

    async def parts(app: web.Application) -> AsyncIterator[None]:
        accounts = await Accounts.open(config.database)
        recordings = await Recordings.open(accounts, config.recordings)
        switchboard = Switchboard()
        app[PARTS] = Parts(accounts, switchboard, recordings, _templates())
        timeout = aiohttp.ClientTimeout(total=5, connect=2)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            app[WHO] = Who(accounts, Assertions(config.trust, http))
            happening = asyncio.create_task(switchboard.run(config.calls_every))
            yield
            happening.cancel()
            with suppress(asyncio.CancelledError):
                await happening
        await accounts.close()

    sonar.cleanup_ctx.append(parts)
    sonar.add_routes(
        [
            web.get("/login", pages.sign_in_form),
            web.post("/login", pages.sign_in),
            web.get("/logout", pages.sign_out),
            web.post("/logout", pages.sign_out),
            web.get("/", pages.dashboard),
            web.get("/calls", pages.calls),
            web.post("/calls/greeting", pages.save_greeting),
            web.get("/calls/live", api.live_calls),
            web.get("/voicemail", pages.voicemail),
            web.post("/voicemail", pages.upload_voicemail),
            web.get(r"/voicemail/{id:\d{1,15}}/audio", pages.voicemail_audio),
            web.get("/profile", pages.profile),
            web.post("/profile", pages.change_password),
            web.get("/api/v1/me", api.me),
            web.get("/api/v1/calls", api.calls),
            web.get("/favicon.ico", _favicon),
            web.static("/static", _HERE / "static"),
        ]
    )
    return sonar


async def _favicon(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(_HERE / "static" / "sonar.svg")


def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True
    )
    templates.filters["clock"] = pages.clock
    return templates
