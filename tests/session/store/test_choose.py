"""config.yaml says where sessions are kept."""

import subprocess
import sys
from pathlib import Path

from gateway.config import Sessions
from gateway.secret import Secret
from gateway.session.store.choose import store_for
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore


def test_embedded_by_default() -> None:
    assert isinstance(store_for(Sessions()), EmbeddedStore)


def test_redis_by_url() -> None:
    settings = Sessions.model_construct(store=Secret("redis://localhost:6379/0"), path=Path("x"))
    assert isinstance(store_for(settings), RedisStore)


def test_the_embedded_default_does_not_wait_for_redis_py() -> None:
    program = (
        "import sys; from gateway.config import Sessions\n"
        "from gateway.session.store.choose import store_for; import gateway.session.live\n"
        "store_for(Sessions()); sys.exit('redis' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
