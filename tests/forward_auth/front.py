"""A whole system with a proxy in front that asks the gateway: real proxies, TLS, a real sign-in.

The proxies run with the files of docs/forward-auth/. Changed in them is what docs/forward-auth.md
says is to be changed, and nothing else: host, certificate, the ports, the addresses of the gateway
and Sonar.
"""

import asyncio
import datetime
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.edge.world import Reply
from tests.journeys.world import ROOT, World, a_world
from tests.servers.node import OidcProvider
from tests.servers.proxies import caddy, envoy, free_port, nginx

FILES = ROOT / "docs" / "forward-auth"
PATIENCE = 20.0

Start = Callable[[Path, str, int], AbstractContextManager[None]]
PROXIES: dict[str, tuple[str, Start]] = {
    "nginx": ("nginx.conf", nginx),
    "caddy": ("Caddyfile", caddy),
    "envoy": ("envoy.yaml", envoy),
}


@dataclass
class Front:
    """`world` with the proxy `name` in front of it, at `world.origin`. `plain_port`: for http, if
    its file speaks it."""

    name: str
    world: World
    port: int
    plain_port: int
    tls: ssl.SSLContext

    async def say(self, request: bytes) -> Reply:
        """Bytes exactly as they are, on a connection of their own, and the reply."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=self.tls, server_hostname="localhost"
            )
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                reply = Reply.of(head)
                if not request.startswith(b"HEAD "):
                    reply.body = await _body(reader, reply)
                return reply
            finally:
                writer.close()

    async def get(self, path: str, *lines: str, method: str = "GET") -> Reply:
        host = f"localhost:{self.port}"
        first = f"{method} {path} HTTP/1.1"
        return await self.say("\r\n".join((first, f"Host: {host}", *lines, "", "")).encode())


async def _body(reader: asyncio.StreamReader, reply: Reply) -> bytes:
    if reply.headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(reply.headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    return body


@asynccontextmanager
async def a_front(name: str, folder: Path, google: OidcProvider) -> AsyncIterator[Front]:
    """The gateway, Sonar and the provider, and the proxy `name` with its file of docs/."""
    port, plain_port = free_port(), free_port()
    certificate, key = make_certificate(folder)
    tls = ssl.create_default_context(cafile=str(certificate))
    asks = {"trusted_proxies": ["127.0.0.1/32"], "forward_auth": name}
    origin = f"https://localhost:{port}"
    async with a_world(folder, google, origin=origin, server=asks) as world:
        world.tls = tls
        file, start = PROXIES[name]
        changed = {
            "/etc/ssl/sonar.example.com.pem": str(certificate),
            "/etc/ssl/private/sonar.example.com.key": str(key),
            "127.0.0.1:8080": f"127.0.0.1:{world.port}",
            "127.0.0.1:8081": f"127.0.0.1:{world.sonar_port}",
            "port_value: 8080": f"port_value: {world.port}",
            "port_value: 8081": f"port_value: {world.sonar_port}",
            "port_value: 443": f"port_value: {port}",
            "listen 443 ssl": f"listen {port} ssl",
            "sonar.example.com:443": f"localhost:{port}",
            "listen 80;": f"listen {plain_port};",
            "\nsonar.example.com {": f"\n{origin} {{",
            "sonar.example.com": "localhost",
        }
        own = folder / "proxy"
        own.mkdir()
        with start(own, substituted((FILES / file).read_text(), changed), port):
            yield Front(name, world, port, plain_port, tls)


def substituted(text: str, changed: dict[str, str]) -> str:
    """`text` with each key of `changed` replaced, in one go, in none of its comments."""
    pattern = re.compile("|".join(map(re.escape, changed)))
    return pattern.sub(lambda found: changed[found[0]], re.sub(r"(?m)^\s*#.*\n", "", text))


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "localhost.pem", folder / "localhost.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    # An nginx that root started gives its workers no more than that.
    for path in paths:
        path.chmod(0o644)
    return paths


def spread(path: str) -> Iterator[str]:
    """A path in spellings that some server somewhere reads as this one."""
    yield from (f"/static/..{path}", f"/static/%2e%2e{path}", f"/static/..;{path}")
    yield from (f"/static/..%2f{path[1:]}", f"/static%2f..{path}", f"/login/..{path}")
    yield from (f"/static/%2e%2e%2f{path[1:]}", f"/static/..%5c{path[1:]}", f"//static/..{path}")
    yield from (f"/sso/..{path}", f"/sso/%2e%2e{path}", f"/sso/auth/..{path}", f"/sso/..;{path}")
    yield from (f"{path}?/static/a.css", f"{path}?x=/login", f"{path}%3f/static/a.css", f"/{path}")
    yield from (f"{path}#/static/a.css", f"{path};/static/a.css", f"/.{path}", f"{path}/.")
