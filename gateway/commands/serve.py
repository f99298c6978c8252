"""`sonar-gateway serve`: run the gateway until it is told to stop."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.config import Config
from gateway.operate.log import configure_logging
from gateway.workers.sockets import Sockets
from gateway.workers.supervisor import Supervisor
from gateway.workers.worker import alone, work


def serve(read: Callable[[], Config]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `read` reads config.yaml. Raises `GatewayError`
    when it cannot start."""
    config = read()
    configure_logging(config.log.level, config.log.format)
    sockets = Sockets.open(config.server)
    if config.server.workers == 1:
        alone(config, sockets)
        return
    with tempfile.TemporaryDirectory(prefix="sonar-gateway-") as folder:
        Supervisor(
            config,
            sockets,
            read=read,
            work=partial(work, folder=Path(folder)),
            folder=Path(folder),
        ).run()
