"""Several addresses of one upstream: each request goes to the least busy one that works.

Rules
    Least busy: fewest requests and WebSockets under way. Among equals the turn goes round.
    An address on which nobody accepts is passed over for the next one, whatever the request:
    nothing was sent. When none is left the request fails at once.
"""

from gateway.edge.pool import Pool, Upstream
from gateway.edge.upstream import Connection
from gateway.errors import GatewayFull, UpstreamUnavailable


class Addresses(Upstream):
    """`pools`: one for each address, at least two."""

    def __init__(self, pools: tuple[Pool, ...]) -> None:
        self.pools = pools
        self.patience = sum(pool.patience for pool in pools)
        self._turn = 0
        for pool in pools:
            pool.neighbours = tuple(other for other in pools if other is not pool)

    def take(self, *, repeatable: bool) -> Connection | None:
        turn = self._turn
        pool = self._choose(())
        connection = None if pool is None else pool.take(repeatable=repeatable)
        if connection is None:
            # `connect` follows, and chooses the same.
            self._turn = turn
        return connection

    async def connect(self, avoid: Pool | None = None) -> Connection:
        failed: list[str] = []
        tried: list[Pool] = [] if avoid is None else [avoid]
        while pool := self._choose(tried):
            try:
                return await pool.connect()
            except GatewayFull:
                raise  # the same would happen at every address
            except UpstreamUnavailable as error:
                failed.append(f"{pool.name}: {error}")
                tried.append(pool)
        if avoid is not None and avoid.health.up:
            return await avoid.connect()
        raise UpstreamUnavailable("; ".join(failed) or self._all_down())

    def _choose(self, without: list[Pool] | tuple[()]) -> Pool | None:
        """The least busy address that works and is not one of these."""
        pools, chosen, least = self.pools, None, 0
        count, start = len(pools), self._turn
        for step in range(count):
            index = (start + step) % count
            pool = pools[index]
            if not pool.health.up or pool in without:
                continue
            busy = pool.busy
            if chosen is None or busy < least:
                chosen, least, self._turn = pool, busy, index + 1
        return chosen

    def _all_down(self) -> str:
        return "; ".join(f"{pool.name} is down: {pool.health.why}" for pool in self.pools)
