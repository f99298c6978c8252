"""Who was accepted comes in, by PROXY header and TLS, and is a `Client` then; or is told why not.

Rules
    Refusing is cheap: a connection too many is told so and closed (last_words.py).
    With `server.proxy_protocol` a trusted peer must say who it speaks for before anything else is
    read from it. Nobody else may: what an untrusted peer sends is TLS or HTTP, or refused as such.
    Whoever was accepted is counted out exactly once: by its `Client`, or here if it never became
    one.
"""

import asyncio
import socket

import structlog

from gateway.edge.certificate import Certificates
from gateway.edge.client import Client
from gateway.edge.handshake import HandshakeFailed, held
from gateway.edge.last_words import LastWords, say
from gateway.edge.peer import Peer, peer_of
from gateway.edge.proxied import take_proxy_header
from gateway.edge.proxy_protocol import read_proxy_header
from gateway.edge.shared import Shared
from gateway.reasons import Reason

_log = structlog.get_logger()

# For TLS to send what is left and say goodbye, whatever comes of it: when this is over what is left
# is lost, so that `Client` looks after it.
_GOODBYE_SECONDS = 24 * 3600.0


class Entrance:
    """Makes a `Client` of everybody who may come in."""

    def __init__(self, shared: Shared, certificates: Certificates | None = None) -> None:
        """`certificates`: speak TLS, each time with the one in force."""
        self._certificates = certificates
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[None]] = set()
        self._last_words = LastWords(str(shared.rules.public))

    def meet(self, sock: socket.socket, address: str) -> None:
        """Let in who was accepted from `address`, or turn it away."""
        peer = peer_of(address, self._shared.rules.trusted)
        refused = self._shared.admission.enter(peer)
        if refused is not None:
            self._turn_away(sock, peer, refused)
            return
        proxied = self._shared.config.server.proxy_protocol and peer.trusted
        coming = self._let_in_from(peer, sock) if proxied else self._let_in(sock, peer)
        task = self._loop.create_task(coming)
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _let_in_from(self, proxy: Peer, sock: socket.socket) -> None:
        """Learn from the header of a trusted proxy who it really is, and then let it in."""
        header, said = None, None
        try:
            async with asyncio.timeout(self._shared.limits.head_timeout):
                header = await take_proxy_header(sock)
            said = None if header is None else read_proxy_header(header)
        except OSError:
            pass  # It broke, or (TimeoutError) did not come.
        finally:
            self._shared.admission.leave(proxy)
            if said is None:
                sock.close()
        if said is None:
            # A proxy may look whether anybody listens, without a word.
            if header != b"":
                self._no_header(proxy)
            return
        # Without an address these are somebody's bytes that the proxy passes on unread: what they
        # say of a client is not the proxy's word.
        peer = Peer(proxy.address, trusted=False)
        if said.address is not None:
            peer = peer_of(said.address, self._shared.rules.trusted)
        refused = self._shared.admission.enter(peer)
        if refused is not None:
            self._turn_away(sock, peer, refused)
            return
        await self._let_in(sock, peer, said.secure)

    async def _let_in(self, sock: socket.socket, peer: Peer, secure: bool | None = None) -> None:
        """`secure`: whether the browser came by TLS to a proxy that says so."""
        client = Client(self._shared, peer)
        if secure is not None:
            client.proto = "https" if secure else "http"
        try:
            await self._connect(client, sock)
        except OSError as error:
            # It broke before it began, or is no browser: whoever knocks at every port there is.
            self._shared.counters.tls_failed += self._certificates is not None
            _log.debug("connection_failed", error=str(error), client=peer.address)
            sock.close()
        finally:
            if not client.came:
                self._shared.admission.leave(peer)

    async def _connect(self, client: Client, sock: socket.socket) -> None:
        if self._certificates is None:
            await self._loop.connect_accepted_socket(lambda: client, sock)
            return
        client.proto = "https"
        with held(sock) as under:
            try:
                await self._loop.connect_accepted_socket(
                    lambda: client,
                    sock,
                    ssl=self._certificates.current.context,
                    ssl_handshake_timeout=self._shared.limits.head_timeout,
                    ssl_shutdown_timeout=_GOODBYE_SECONDS,
                )
            except HandshakeFailed as error:
                if under is not None:
                    self._tell(under, error)
                raise

    def _tell(self, sock: socket.socket, failed: HandshakeFailed) -> None:
        """Why there is no TLS: in TLS, or in HTTP to a browser that was sent to the wrong port."""
        if failed.plain_http:
            self._shared.counters.rejected[Reason.PLAIN_HTTP] += 1
            self._last_words.no_tls(sock)
        elif failed.alert:
            say(sock, failed.alert)

    def _turn_away(self, sock: socket.socket, peer: Peer, reason: Reason) -> None:
        self._shared.counters.rejected[reason] += 1
        if self._shared.is_news(reason):
            inside = self._shared.admission.inside
            _log.warning(
                "connections_refused", reason=reason, client=peer.address, connections=inside
            )
        if self._certificates is None:
            self._last_words.turn_away(sock, reason)
        else:
            # A handshake is what it would cost to tell it.
            sock.close()

    async def close(self, within: float) -> None:
        """Who has not come in `within` seconds, with a handshake or a PROXY header half done, comes
        in no more."""
        if coming := self._coming | self._last_words.awaited:
            _, late = await asyncio.wait(coming, timeout=within)
            for task in late:
                task.cancel()

    def _no_header(self, proxy: Peer) -> None:
        self._shared.counters.rejected[Reason.PROXY_HEADER_MALFORMED] += 1
        if self._shared.is_news(proxy.address):
            _log.warning("proxy_header_malformed", proxy=proxy.address)
