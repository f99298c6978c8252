"""What programs use: JSON under /api/v1/, and the WebSocket of the calls list."""

import asyncio
from contextlib import suppress
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMsgType, web

from demo.sonar.calls import Call
from demo.sonar.parts import PARTS
from demo.sonar.who import VISITOR

# Longer than a proxy's idle time-out is usual; shorter keeps the connection through it.
_HEARTBEAT = 25.0

SOCKETS: web.AppKey[WeakSet[web.WebSocketResponse]] = web.AppKey("sockets", WeakSet)


async def me(request: web.Request) -> web.Response:
    visitor = request[VISITOR]
    account = visitor.account
    return web.json_response(
        {
            "id": account.id,
            "username": account.username,
            "display_name": account.display_name,
            "organisation": account.organisation,
            "signed_in_with": visitor.via,
        }
    )


async def calls(request: web.Request) -> web.Response:
    listed = request.app[PARTS].switchboard.calls_of(request[VISITOR].account.id)
    return web.json_response({"calls": [call.as_json() for call in listed]})


async def live_calls(request: web.Request) -> web.WebSocketResponse:
    """Every call of the account as JSON, again whenever it changes; what comes in is ignored."""
    socket = web.WebSocketResponse(heartbeat=_HEARTBEAT)
    with request.app[PARTS].switchboard.listen(request[VISITOR].account.id) as queue:
        await socket.prepare(request)
        request.app[SOCKETS].add(socket)
        sending = asyncio.create_task(_send(socket, queue))
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await sending
    return socket


async def close_sockets(app: web.Application) -> None:
    """At shutdown: who watches calls must not keep Sonar from stopping."""
    sockets = app[SOCKETS]
    for socket in tuple(sockets):
        await socket.close(code=WSCloseCode.GOING_AWAY)


async def _send(socket: web.WebSocketResponse, queue: asyncio.Queue[Call]) -> None:
    while True:
        call = await queue.get()
        await socket.send_json(call.as_json())
