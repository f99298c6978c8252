"""Starts the stand-ins in this process and the gateway as a real one, and stops them all."""

import asyncio
import ctypes
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import aiohttp
from aiohttp import web

from demo.history import write_history
from demo.plan import CannotRun, Plan
from demo.providers.app import make_app
from demo.providers.standin import Client, make_stand_in
from demo.sonar.app import SonarConfig, make_sonar
from demo.sonar.assertion import GatewayTrust
from gateway.config import Server
from gateway.values import ListenAddress

_ROOT = Path(__file__).parent.parent
# The gateway is ready in less than a second; a slow, busy machine may take longer.
_READY_WITHIN = 30.0
_READY_PAUSE = 0.05
# A request under way may end; a page that watches calls for ever may not keep us from stopping.
_STOP_WITHIN = 5.0
_LOG_LINES = 15
# prctl(2). Loaded before a child is made: between fork and exec little is safe to do.
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


@asynccontextmanager
async def running(plan: Plan) -> AsyncIterator["Gateway"]:
    """Everything `plan` names, ready; stopped at the end. Raises `CannotRun`."""
    plan.data.mkdir(parents=True, exist_ok=True)
    async with _served(_sonar(plan), plan.sonar), _providers(plan):
        await _migrate(plan)
        gateway = await Gateway.start(plan)
        try:
            await gateway.until_ready()
            yield gateway
        finally:
            await gateway.stop()


class Gateway:
    """`python -m gateway serve`, as in production; what it says goes to a file."""

    def __init__(self, plan: Plan, process: asyncio.subprocess.Process) -> None:
        self._plan = plan
        self._process = process

    @classmethod
    async def start(cls, plan: Plan) -> "Gateway":
        with plan.log.open("wb") as output:
            return cls(plan, await _gateway(plan, "serve", output))

    async def until_ready(self) -> None:
        """Wait until it answers `/readyz`; raise `CannotRun` when it ends before, or never does."""
        host, port = self._plan.config.server.management
        url = f"http://{host or '127.0.0.1'}:{port}/readyz"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as http:
            try:
                async with asyncio.timeout(_READY_WITHIN):
                    while not await _answers(http, url):
                        if self._process.returncode is not None:
                            raise self.ended()
                        await asyncio.sleep(_READY_PAUSE)
            except TimeoutError:
                raise CannotRun(
                    f"The gateway did not get ready in {_READY_WITHIN:.0f} s:\n{self._said()}"
                ) from None

    async def wait(self) -> None:
        """Until it ends."""
        await self._process.wait()

    def ended(self) -> CannotRun:
        """What to say when it ended by itself."""
        return CannotRun(f"The gateway stopped by itself. It said:\n{self._said()}")

    async def stop(self) -> None:
        """Let it drain, but not for long."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _said(self) -> str:
        lines = self._plan.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])


async def _gateway(plan: Plan, command: str, output: IO[bytes] | int) -> asyncio.subprocess.Process:
    """`python -m gateway COMMAND`, in a session of its own: Ctrl-C in the terminal reaches us only,
    and we stop it. If we are killed before we can, the kernel does (Linux only)."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "--config", str(plan.config_file.absolute()), command),
        cwd=_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _migrate(plan: Plan) -> None:
    """Make or upgrade the gateway's database; a new one gets its history."""
    new = plan.is_first_start()
    process = await _gateway(plan, "migrate", asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise CannotRun(f"The gateway's database cannot be made:\n{said.decode(errors='replace')}")
    if new and plan.plays("google"):
        await write_history(plan.config.links.database, f"{plan.provider_origin()}/google")


def _sonar(plan: Plan) -> web.Application:
    server = plan.config.server
    trust = GatewayTrust(
        issuer=server.public_url,
        audience=plan.config.assertion.audience,
        jwks_url=jwks_url(server),
        certificate=None if server.tls is None else server.tls.certificate,
    )
    return make_sonar(SonarConfig(plan.database, plan.data / "recordings", trust))


def jwks_url(server: Server) -> str:
    """Where the gateway's keys are for who is on the same machine: at what it listens on, and not
    at the address that browsers type, which may lead round by a proxy."""
    scheme = "http" if server.tls is None else "https"
    everywhere = server.listen.host in ("", "0.0.0.0", "::")  # noqa: S104 - where it listens
    near = server.listen._replace(host="127.0.0.1") if everywhere else server.listen
    return f"{scheme}://{near}/sso/jwks.json"


@asynccontextmanager
async def _providers(plan: Plan) -> AsyncIterator[None]:
    if plan.providers is None:
        yield
        return
    stand_in = make_stand_in(
        plan.provider_origin(), _client(plan, "google"), _client(plan, "microsoft")
    )
    async with _served(make_app(stand_in), plan.providers):
        yield


def _client(plan: Plan, name: str) -> Client:
    """What is registered at the stand-in; nothing where the real provider is used."""
    provider = plan.config.providers.get(name)
    if provider is None or not plan.plays(name):
        return Client("", "", ())
    origin = plan.config.server.public_url
    return Client(
        provider.client_id,
        provider.client_secret.reveal(),
        (f"{origin}/sso/callback/{name}", f"{origin}/sso/logout"),
        f"{origin}/sso/logout/frontchannel/{name}",
    )


@asynccontextmanager
async def _served(app: web.Application, address: ListenAddress) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_WITHIN)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
        yield
    finally:
        await runner.cleanup()
