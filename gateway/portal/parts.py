"""What the pages are given: every part of the gateway that a sign-in runs through."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.account.directory import Directory
from gateway.account.links import LinkStore
from gateway.config import Config
from gateway.identity.provider import Providers
from gateway.identity.sealed import Transactions
from gateway.operate.audit import Audit
from gateway.operate.metrics import Counters
from gateway.policy.model import Policies
from gateway.portal.misses import Misses
from gateway.session.live import Sessions
from gateway.session.seal import Sealer
from gateway.session.store import NamedStore

# Each is a look at the session store. A large office behind one address, everybody going home,
# names some hundred sessions that have ended here already.
MOST_MISSES = 300
MISSES_WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Portal:
    """`policies` gives the snapshot in force, taken once a request; `jwks` the public keys of the
    assertion; `clock` the time in Unix seconds; `misses` counts logouts that meant nobody; `named`
    is what all processes know under a name."""

    config: Config
    providers: Providers
    transactions: Transactions
    sessions: Sessions
    named: NamedStore
    directory: Directory
    links: LinkStore
    policies: Callable[[], Policies]
    sealer: Sealer
    jwks: Callable[[], Mapping[str, Any]]
    counters: Counters
    audit: Audit
    clock: Callable[[], float] = time.time
    misses: Misses = field(default_factory=lambda: Misses(MOST_MISSES, MISSES_WINDOW))


PORTAL = web.AppKey("portal", Portal)
