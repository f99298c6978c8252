"""What all ways through one process share, made once from the config. Nothing is opened here.

service.py opens and closes these, and gives them to the edge; sign_ins.py adds what only sign-ins
need. Whoever is given `Parts` takes from them what it needs and hands on no more than that.
"""

from dataclasses import dataclass

from gateway.config import Config
from gateway.operate.audit import Audit
from gateway.operate.metrics import Counters
from gateway.operate.outage import Outages
from gateway.policy.model import Policies
from gateway.policy.store import PolicyStore
from gateway.session.assertion import AssertionMinter
from gateway.session.cache import Cache
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys import KeyRing
from gateway.session.keys.choose import lives_in
from gateway.session.live import Sessions
from gateway.session.seal import Sealer
from gateway.session.store.choose import store_for


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each."""

    config: Config
    counters: Counters
    outages: Outages
    audit: Audit
    keys: KeyRing
    sealer: Sealer
    minter: AssertionMinter
    policies: PolicyStore
    sessions: Sessions

    def policies_in_force(self) -> Policies:
        """The snapshot; whoever serves a request takes it once."""
        return self.policies.current


def make_parts(config: Config) -> Parts:
    counters, outages = Counters(), Outages()
    counters.parts = outages.states
    keys = KeyRing(lives=lives_in(config))
    minter = AssertionMinter(
        keys,
        issuer=config.server.public_url,
        audience=config.assertion.audience,
        lifetime=config.assertion.lifetime,
    )
    policies = PolicyStore(config.policies, config.kinds, counters)
    cache = Cache()
    counters.sessions_live = lambda: len(cache)
    sessions = Sessions(
        store_for(config.sessions),
        keys,
        IdentityLines(config.headers, minter),
        config.sessions,
        cache=cache,
        outages=outages,
        policies=lambda: policies.current,
    )
    return Parts(
        config=config,
        counters=counters,
        outages=outages,
        audit=Audit(config.audit, counters),
        keys=keys,
        sealer=Sealer(keys),
        minter=minter,
        policies=policies,
        sessions=sessions,
    )
