"""The gateway under measurement: its edge with everything on, in front of bench.sonar.

    python -m bench.gateway PORT SONAR_PORT FOLDER

Real sessions in the embedded store, identity headers with an assertion, request ids, counters, an
access log in FOLDER. When ready it prints one line: the Cookie value of a signed-in browser, with a
sealed legacy cookie in it.
"""

import asyncio
import sys
import time
from pathlib import Path

import uvloop

from gateway.account.model import CONTACT, Account, Address
from gateway.config import config_from
from gateway.edge.server import EdgeServer
from gateway.email import Email
from gateway.identity.model import GoogleVoucher, Identity, IdentityKey
from gateway.operate.access_log import AccessLog
from gateway.operate.metrics import Counters
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.session.assertion import AssertionMinter
from gateway.session.cookie import CookieNames
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys import KeyRing
from gateway.session.live import Live, Sessions
from gateway.session.store.embedded import EmbeddedStore
from gateway.workers.worker import settle_memory

_JO = Email.parse("jo@acme.example")
_IDENTITY = Identity(
    IdentityKey("https://accounts.google.com", "1"),
    "google",
    _JO,
    GoogleVoucher(True, "acme.example"),
    "Jo",
    time.time(),
)
_ACCOUNT = Account("1", "jo", "Jo", "Acme", True, (Address(_JO, CONTACT),))
_POLICY = Policy(domain="acme.example", sso=Sso.ON, providers={"google": ProviderRule()})


async def _serve(port: int, sonar: int, folder: Path) -> None:
    config = config_from(
        {
            "server": {"listen": f"127.0.0.1:{port}"},
            "upstream": {"url": f"http://127.0.0.1:{sonar}"},
            "directory": {"kind": "file", "path": "accounts.yaml"},
        },
        folder,
    )
    keys = KeyRing.load(folder / "keys")
    minter = AssertionMinter(
        keys, issuer=config.server.public_url, audience="sonar", lifetime=300.0
    )
    sessions = Sessions(
        EmbeddedStore(folder / "sessions.db"),
        keys,
        IdentityLines(config.headers, minter),
        config.sessions,
    )
    await sessions.start()
    counters = Counters()
    access_log = AccessLog(str(folder / "access.log"), counters)
    access_log.start()
    policies = Policies({"acme.example": _POLICY})
    edge = EdgeServer(
        config,
        sessions=sessions,
        policies=lambda: policies,
        portal_socket=str(folder / "nobody.sock"),
        access_log=access_log,
        counters=counters,
    )
    await edge.start()
    settle_memory()
    cookie, _ = await sessions.create(_IDENTITY, _ACCOUNT, _POLICY, time.time())
    live = sessions.peek(cookie, time.time())
    if not isinstance(live, Live):
        raise SystemExit("the session is not live")
    name = CookieNames(secure=False).session
    print(f"{name}={cookie}; SONARSESSID={live.seal('SONARSESSID', 'a' * 26)}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
