"""WebSockets that say back what they hear.

python -m bench.upstream.sockets PORT
"""

import sys

from aiohttp import WSMsgType, web


async def _say_back(request: web.Request) -> web.WebSocketResponse:
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        if message.type is WSMsgType.TEXT:
            await answer.send_str(message.data)
    return answer


def main() -> None:
    app = web.Application()
    app.add_routes([web.get("/socket", _say_back)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
