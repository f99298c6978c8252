"""256 MiB through a proxy, either way, on one connection; and a reader of 1 MB/s."""

import re
import socket
import time
from contextlib import closing

from bench.process import CannotMeasure
from bench.proxies import Proxy
from bench.upstream.pages import DOWNLOAD_BYTES, DOWNLOAD_PATH

SLOW_BYTES_PER_SECOND = 1_000_000

_PIECE = bytes(256 * 1024)
_SLICE_SECONDS = 0.02


def download(proxy: Proxy) -> float:
    """Seconds until the last byte is there."""
    buffer = bytearray(len(_PIECE))
    began = time.perf_counter()
    with closing(_asked_for_download(proxy)) as connection:
        missing = _head(proxy, connection)
        while missing > 0:
            came = connection.recv_into(buffer)
            if not came:
                raise CannotMeasure(f"{proxy.name} ended the download {missing} bytes early")
            missing -= came
        return time.perf_counter() - began


def download_slowly(proxy: Proxy, seconds: float) -> None:
    """Read at 1 MB/s for `seconds`, then leave."""
    with closing(_asked_for_download(proxy)) as connection:
        _head(proxy, connection)
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            if not connection.recv(int(SLOW_BYTES_PER_SECOND * _SLICE_SECONDS)):
                raise CannotMeasure(f"{proxy.name} ended the slow download")
            time.sleep(_SLICE_SECONDS)


def upload(proxy: Proxy) -> float:
    """Seconds until upstream says that it has all."""
    began = time.perf_counter()
    with closing(_connected(proxy)) as connection:
        connection.sendall(_upload_head(proxy))
        for _ in range(DOWNLOAD_BYTES // len(_PIECE)):
            connection.sendall(_PIECE)
        reply = connection.recv(65536)
        took = time.perf_counter() - began
    if not reply.endswith(b"\r\n\r\n%d" % DOWNLOAD_BYTES):
        raise CannotMeasure(f"{proxy.name}: upstream did not get it all: {reply[:300]!r}")
    return took


def upload_to_slow_reader(proxy: Proxy, seconds: float) -> int:
    """Send for `seconds` as fast as it is taken, then leave; how many bytes were."""
    taken, ends = 0, time.perf_counter() + seconds
    with closing(_connected(proxy)) as connection:
        connection.sendall(_upload_head(proxy))
        connection.settimeout(0.1)
        while time.perf_counter() < ends:
            try:
                taken += connection.send(_PIECE)
            except TimeoutError:
                continue
    return taken


def _asked_for_download(proxy: Proxy) -> socket.socket:
    connection = _connected(proxy)
    connection.sendall(b"GET %b HTTP/1.1\r\n%b\r\n" % (DOWNLOAD_PATH.encode(), _fields(proxy)))
    return connection


def _upload_head(proxy: Proxy) -> bytes:
    return b"POST /upload HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (
        _fields(proxy),
        DOWNLOAD_BYTES,
    )


def _fields(proxy: Proxy) -> bytes:
    cookie = f"Cookie: {proxy.cookie}\r\n" if proxy.cookie else ""
    # A browser says so with each form, and a gateway may demand it.
    origin = f"http://localhost:{proxy.port}"
    return f"Host: localhost:{proxy.port}\r\nOrigin: {origin}\r\n{cookie}".encode()


def _connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=30)


def _head(proxy: Proxy, connection: socket.socket) -> int:
    """Read the head, byte by byte so as not to take of the body; how long the body is."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise CannotMeasure(f"{proxy.name} closed instead of answering")
        head += byte
    length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head, re.IGNORECASE)
    if not head.startswith(b"HTTP/1.1 200") or length is None or int(length[1]) != DOWNLOAD_BYTES:
        raise CannotMeasure(f"{proxy.name}: not the download: {head!r}")
    return DOWNLOAD_BYTES
