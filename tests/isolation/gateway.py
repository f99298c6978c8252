"""The gateway under test: its edge with everything on, in a process of its own.

    python -m tests.isolation.gateway STORE FOLDER SONAR_PORT IDENTITIES

STORE is a Redis URL or `embedded`. Signs IDENTITIES people in and prints one line of JSON: the
port, the keys of assertions, whether the hot modules are compiled, and for each person the account
and the session cookie. Its memory has
room for 95 % of the sessions, so that all the time some request waits for the store.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

from gateway.compiled import in_use
from gateway.config import config_from
from gateway.edge.server import EdgeServer
from gateway.operate.access_log import AccessLog
from gateway.operate.metrics import Counters
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.secret import Secret
from gateway.session.assertion import AssertionMinter
from gateway.session.cache import Cache
from gateway.session.cookie import CookieNames
from gateway.session.identity_headers import IdentityLines
from gateway.session.live import Sessions
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from gateway.workers.worker import settle_memory
from tests.session.samples import an_account, an_identity, ring_in

_POLICY = Policy(domain="acme.example", sso=Sso.ON, providers={"google": ProviderRule()})


async def serve(place: str, folder: Path, sonar: int, identities: int) -> None:
    config = config_from(
        {
            "server": {"listen": "127.0.0.1:0"},
            "upstream": {"url": f"http://127.0.0.1:{sonar}"},
            "directory": {"kind": "file", "path": "accounts.yaml"},
        },
        folder,
    )
    keys = ring_in(folder / "keys")
    minter = AssertionMinter(
        keys, issuer=config.server.public_url, audience="sonar", lifetime=300.0
    )
    store: Store = EmbeddedStore(folder / "sessions.db")
    if place != "embedded":
        store = RedisStore(Secret(place))
    lines = IdentityLines(config.headers, minter)
    cache = Cache(max(identities * 95 // 100, 1))
    sessions = Sessions(store, keys, lines, config.sessions, cache=cache)
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
    name = CookieNames(secure=False).session
    people = []
    for number in range(identities):
        account = an_account(f"person{number}")
        cookie, _ = await sessions.create(an_identity(), account, _POLICY, time.time())
        people.append((account.id, f"{name}={cookie}"))
    settle_memory()
    code = "compiled" if in_use() else "python"
    told = {"port": edge.port, "jwks": minter.jwks(), "hot_modules": code, "people": people}
    print(json.dumps(told), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
