"""The session store that config.yaml asks for."""

from gateway import config
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore


def store_for(settings: config.Sessions) -> Store:
    if settings.store == "embedded":
        return EmbeddedStore(settings.path)
    # redis-py takes a quarter of the second within which `serve` must be ready; only those who
    # use it wait for it.
    from gateway.session.store.redis import RedisStore

    return RedisStore(settings.store)
