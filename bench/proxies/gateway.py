"""The gateway as in production: `python -m gateway serve` with a configuration of its own.

Everything is on: session cookie, sealed legacy cookie, identity headers with the assertion, request
id, counters, and an access log to a file. The session is made as a sign-in makes it, through the
session store and with the keys that the gateway then finds.
"""

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.process import CannotMeasure, Program, python, said_by
from bench.proxies import Proxy
from bench.stage import Stage, free_port, get, is_open
from gateway import __version__
from gateway.account.model import CONTACT, Account, Address
from gateway.config import Config, load_config
from gateway.email import Email
from gateway.errors import ConfigError
from gateway.identity.model import GoogleVoucher, Identity, IdentityKey
from gateway.session.assertion import AssertionMinter
from gateway.session.cookie import CookieNames
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys.choose import ring_for
from gateway.session.live import Live, Sessions
from gateway.session.store.choose import store_for
from tests.certificates import make_pair

NAME = "gateway"

_JO = Email.parse("jo@acme.example")
_ACCOUNT = Account("1", "jo", "Jo", "Acme", True, (Address(_JO, CONTACT),))
_LEGACY_COOKIE = "SONARSESSID"

_ACCOUNTS = """\
accounts:
  - {id: "1", username: jo, display_name: Jo, organisation: Acme, active: true,
     addresses: [{email: jo@acme.example, purpose: contact}]}
"""
_POLICY = """\
domain: acme.example
sso: on
providers: {google: {}}
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from the usual set-up. `server`, `limits`: further keys of that section.
    `code`: `compiled` or `pure`, which the hot modules must run as; empty for what there is."""

    store: str = "embedded"
    server: tuple[tuple[str, object], ...] = ()
    limits: tuple[tuple[str, object], ...] = ()
    tls: bool = False
    code: str = ""


def start(stage: Stage, upstream: int, variant: Variant | None = None) -> Proxy:
    """`CannotMeasure` when this version has no such configuration."""
    port = free_port()
    folder = stage.folder / f"gateway-{port}"
    variant = variant or Variant()
    config = prepare(folder, port, upstream, variant)
    cookie = asyncio.run(_sign_in(config))
    program = serve(stage, folder, config, variant.code)
    return Proxy(NAME, port, program, f"{__version__} ({_hot_modules(program)})", cookie)


def prepare(folder: Path, port: int, upstream: int, variant: Variant) -> Config:
    """A folder to serve from, with its database migrated."""
    (folder / "policies").mkdir(parents=True)
    tls = {"tls": make_pair("localhost").write(folder)} if variant.tls else {}
    content = {
        "server": {
            "public_url": f"{'https' if tls else 'http'}://localhost:{port}",
            "listen": f"127.0.0.1:{port}",
            "management": f"127.0.0.1:{free_port()}",
            **tls,
            **dict(variant.server),
        },
        "upstream": {
            "url": f"http://127.0.0.1:{upstream}",
            "session_cookies": [_LEGACY_COOKIE],
        },
        "providers": {"google": {"client_id": "bench", "client_secret": "bench"}},
        "directory": {"kind": "file", "path": "accounts.yaml"},
        "sessions": {"store": variant.store},
        # All of the load comes from one address.
        "limits": {"connections_per_address": "off", **dict(variant.limits)},
        "log": {"level": "info", "format": "json", "access": "access.log"},
    }
    (folder / "policies" / "acme.example.yaml").write_text(_POLICY)
    (folder / "accounts.yaml").write_text(_ACCOUNTS)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(content))
    try:
        config = load_config(file)
    except ConfigError as error:
        problem = error.problems[0]
        raise CannotMeasure(f"{problem.key} {problem.wrong}") from error
    said_by(_command(file, "migrate"))
    return config


def serve(stage: Stage, folder: Path, config: Config, code: str = "") -> Program:
    """Run it until it says that it is ready; `code`: as `Variant` has it."""
    management = config.server.management.port
    program = stage.run(
        f"{NAME}-{config.server.listen.port}",
        _command(folder / "config.yaml", "serve"),
        port=config.server.listen.port,
        environment={"SONAR_GATEWAY_CODE": code} if code else None,
    )
    program.wait_until(lambda: is_open(management) and get(management, "/readyz")[0] == 200)
    return program


def _hot_modules(program: Program) -> str:
    """Whether they run compiled or as plain Python, as its line `ready` says."""
    found = re.search(r'"hot_modules": ?"(\w+)"', program.said())
    if found is None:
        raise CannotMeasure("the gateway does not say whether it runs compiled")
    return found[1]


def _command(config: Path, command: str) -> tuple[str, ...]:
    return python("gateway", "--config", str(config), command)


async def _sign_in(config: Config) -> str:
    """The cookies of a browser in which somebody is signed in, and Sonar has set its own."""
    keys = await ring_for(config, make=True)
    minter = AssertionMinter(
        keys,
        issuer=config.server.public_url,
        audience=config.assertion.audience,
        lifetime=config.assertion.lifetime,
    )
    lines = IdentityLines(config.headers, minter)
    sessions = Sessions(store_for(config.sessions), keys, lines, config.sessions)
    await sessions.start()
    try:
        now = time.time()
        cookie, _ = await sessions.create(_identity(now), _ACCOUNT, None, now)
        live = sessions.peek(cookie, now)
        if not isinstance(live, Live):
            raise CannotMeasure("the session just made is not live")
        sealed = live.seal(_LEGACY_COOKIE, "a" * 26)
    finally:
        await sessions.stop()
    name = CookieNames(config.server.secure).session
    return f"{name}={cookie}; {_LEGACY_COOKIE}={sealed}"


def _identity(now: float) -> Identity:
    return Identity(
        IdentityKey("https://accounts.google.com", "1"),
        "google",
        _JO,
        GoogleVoucher(True, "acme.example"),
        "Jo",
        now,
    )
