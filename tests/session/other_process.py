"""Another gateway process, for tests: `python -m tests.session.other_process STORE KEYS COOKIE`.

STORE is a Redis URL or the path of an embedded store. Prints `alive` when it has read the session,
then looks at it as the hot path does, without I/O, until it is refused: prints `refused`.
"""

import asyncio
import sys
import time
from pathlib import Path

from gateway.secret import Secret
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.session.samples import ring_in, sessions_on, until


async def main(place: str, keys: str, cookie: str) -> None:
    store: Store = EmbeddedStore(Path(place))
    if place.startswith("redis://"):
        store = RedisStore(Secret(place))
    sessions = sessions_on(store, ring_in(Path(keys)))
    await sessions.start()
    assert await sessions.read(cookie, time.time()) is not None
    print("alive", flush=True)
    await until(lambda: sessions.peek(cookie, time.time()) is None, within=60)
    print("refused", flush=True)
    await sessions.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
