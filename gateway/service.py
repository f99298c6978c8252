"""One process, built from a Config, started, and drained. The only module that knows every part.

Parts are opened in the order in which they are needed and closed in the opposite order. What is
wrong with our own things (configuration, policies, keys, the schema, the session store, a port in
use) stops the start with words that say so. What is wrong with the neighbours (Sonar, its
directory, a provider) does not: password users must be served when a neighbour is down.
"""

import asyncio
import socket
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.account.revision import is_current
from gateway.compiled import in_use
from gateway.config import Config
from gateway.edge.server import EdgeServer
from gateway.errors import CannotStart
from gateway.operate.access_log import AccessLog
from gateway.operate.audit import EventKind, session_event
from gateway.operate.management import OK, Management, OneProcess
from gateway.parts import make_parts
from gateway.policy.model import Policies
from gateway.session.disallowed import PolicyRecords
from gateway.session.keys.choose import source_for
from gateway.session.keys.watch import KeyWatch
from gateway.session.model import Session
from gateway.workers.sockets import Listening, Sockets

if TYPE_CHECKING:
    from gateway.sign_ins import SignIns
    from gateway.workers.post import Post

_log = structlog.get_logger()

# Requests for the portal that come before it is there.
_PORTAL_BACKLOG = 1024


class Service:
    """`await start()`, then serve until `await stop()`. `GatewayError` says why it cannot.

    `sockets`: what it listens on, when somebody else has opened it; `post`: its place, when it is
    one of several.
    """

    def __init__(
        self, config: Config, sockets: Sockets | None = None, post: "Post | None" = None
    ) -> None:
        self._config = config
        self._sockets = sockets
        self._post = post
        self._vacant: list[int] = []
        self._closing = AsyncExitStack()
        self._state = "starting"
        parts = self._parts = make_parts(config)
        self.counters = parts.counters
        self._key_watch = KeyWatch(source_for(config), parts.keys, config.keys.overlap)
        self._access_log = AccessLog(config.log.access, parts.counters)
        self._policy_records = PolicyRecords(
            config.policies, parts.sessions, parts.sessions.named, parts.audit
        )
        self._edge: EdgeServer | None = None
        self._sign_ins: SignIns | None = None
        self._portal = ""

    @property
    def is_ready(self) -> bool:
        return self._state == OK

    async def start(self) -> None:
        """Open every part and listen; what was opened is closed again when one fails.

        Ready, where that can be known so soon, before what only sign-ins need is there.
        """
        soon = self._post is None and is_current(self._config.links.database)
        try:
            portal = await self._open()
            if not soon:
                await self._open_sign_ins(portal)
            await self._listen()
            self._ready()
            if soon:
                await self._open_sign_ins(portal)
        except BaseException:
            self._says("cannot start")
            await self._closing.aclose()
            raise

    async def stop(self) -> None:
        """Fail readiness; when `server.drain_delay` has passed, stop listening, finish what is
        under way within `server.drain`, close every part."""
        server = self._config.server
        self._says("stopping, as told")
        _log.info("draining", delay=server.drain_delay, seconds=server.drain)
        if self._edge is not None:
            self._edge.wind_down()
            await asyncio.sleep(server.drain_delay)
            # Whoever waits in a queue that nobody else accepts from is served, too.
            self.stand_in([*range(1, server.workers + 1)])
        await self._closing.aclose()
        _log.info("stopped")

    def reload(self) -> None:
        """After SIGHUP: open the access log anew, which log rotation moved away, and read the
        certificate again."""
        self._access_log.reopen()
        if self._edge is not None:
            self._edge.reload()

    def stand_in(self, numbers: list[int]) -> None:
        """Accept connections for these workers as well: they do not at present."""
        self._vacant = numbers
        if self._edge is not None and self._sockets is not None:
            self._edge.stand_in([s for number in numbers for s in self._sockets.edge[number - 1]])

    def _says(self, state: str) -> None:
        self._state = state
        if self._post is not None:
            self._post.line.say(state)

    def _ready(self) -> None:
        self._says(OK)
        hot_modules = "compiled" if in_use() else "python"
        if self._post is not None:
            _log.info("worker_ready", hot_modules=hot_modules)
            return
        _log.info(
            "ready",
            url=self._config.server.public_url,
            management=str(self._config.server.management),
            domains=len(self._parts.policies.current.by_domain),
            hot_modules=hot_modules,
        )

    async def _open(self) -> socket.socket:
        """Everything but listening, and but what only sign-ins need; the portal's socket."""
        closing = self._closing
        self._parts.policies.load()
        _start_access_log(self._access_log, self._config.log.access)
        closing.callback(self._access_log.close)
        await self._key_watch.start()
        closing.push_async_callback(self._key_watch.stop)
        await self._parts.sessions.start()
        closing.push_async_callback(self._parts.sessions.stop)
        await self._policy_records.loaded(self._parts.policies.current)
        self._parts.policies.on_change(self._end_disallowed)
        await self._parts.policies.start()
        closing.push_async_callback(self._parts.policies.stop)
        portal = self._portal_socket()
        closing.push_async_callback(self._close_sign_ins)
        return portal

    def _portal_socket(self) -> socket.socket:
        """Listen where nobody else can reach it."""
        place = None if self._post is None else self._post.folder
        temporary = tempfile.TemporaryDirectory(prefix="sonar-gateway-", dir=place)
        folder = self._closing.enter_context(temporary)
        portal = self._closing.enter_context(socket.socket(socket.AF_UNIX))
        portal.bind(str(Path(folder) / "portal.sock"))
        portal.listen(_PORTAL_BACKLOG)
        portal.setblocking(False)
        self._portal = portal.getsockname()
        return portal

    async def _open_sign_ins(self, portal: socket.socket) -> None:
        # In a thread, so that requests go on meanwhile.
        kind = await asyncio.to_thread(_load_sign_ins)
        self._sign_ins = kind(self._parts)
        await self._sign_ins.open(portal)

    async def _close_sign_ins(self) -> None:
        if self._sign_ins is not None:
            await self._sign_ins.close()

    async def _listen(self) -> None:
        closing, server, post = self._closing, self._config.server, self._post
        sockets = self._sockets = self._sockets or Sockets.open(server)
        closing.callback(sockets.close)
        await self._listen_management(sockets.management)
        edge = EdgeServer(
            self._config,
            sessions=self._parts.sessions,
            policies=self._parts.policies_in_force,
            portal_socket=self._portal,
            access_log=self._access_log,
            counters=self.counters,
            signed_out=self._signed_out,
            herald=lambda: None if self._sign_ins is None else self._sign_ins.herald,
        )
        await edge.start(sockets.edge[0 if post is None else post.number - 1])
        closing.push_async_callback(edge.drain)
        self._edge = edge
        self.stand_in(self._vacant)

    async def _listen_management(self, sockets: Listening) -> None:
        alone = OneProcess(self.counters, lambda: self._state)
        teller = alone if self._post is None else self._post.line
        management = Management(teller)
        await management.open(sockets)
        self._closing.push_async_callback(management.close)

    def _signed_out(self, session: Session, address: str, request_id: str) -> None:
        """On Sonar's own page."""
        event = session_event(EventKind.SIGNED_OUT, session)
        self._parts.audit.note(replace(event, address=address, request_id=request_id))

    async def _end_disallowed(self, old: Policies, new: Policies) -> None:
        if ended := await self._policy_records.end_disallowed(old, new):
            _log.info("sessions_ended_by_policy", count=ended)


def _start_access_log(access_log: AccessLog, target: str) -> None:
    try:
        access_log.start()
    except OSError as error:
        raise CannotStart(f"log.access: {target} cannot be opened: {error.strerror}") from error


def _load_sign_ins() -> "type[SignIns]":
    from gateway.sign_ins import SignIns

    return SignIns
