"""`sonar-gateway serve`: run the gateway until it is told to stop."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.config import Config
from gateway.operate.log import configure_logging
from gateway.workers.sockets import Sockets
from gateway.workers.worker import alone, work


def serve(read: Callable[[], Config]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `read` reads config.yaml. Raises `GatewayError`
    when it cannot start."""
    config = read()
    configure_logging(config.log.level, config.log.format)
    if config.server.workers == 1:
        alone(config)
    else:
        _supervise(config, read)


def _supervise(config: Config, read: Callable[[], Config]) -> None:
    # Imported once, and before the first worker is there: its pages are then those of all.
    import gateway.sign_ins  # noqa: F401
    from gateway.workers.supervisor import Supervisor

    sockets = Sockets.open(config.server)
    with tempfile.TemporaryDirectory(prefix="sonar-gateway-") as name:
        folder = Path(name)
        Supervisor(
            config, sockets, read=read, work=partial(work, folder=folder), folder=folder
        ).run()
