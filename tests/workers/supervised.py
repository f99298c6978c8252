"""A supervisor of workers that do one thing each, for what a whole gateway does too seldom.

    python -m tests.workers.supervised WHAT LISTEN MANAGEMENT

WHAT: `silent` workers say that they are ready and nothing more; `deaf` ones do not stop when told.
"""

import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from gateway.config import Config, config_from
from gateway.operate.log import configure_logging
from gateway.workers import supervisor
from gateway.workers.line import send
from gateway.workers.sockets import Sockets


def silent(_config: Config, _sockets: Sockets, _number: int, end: socket.socket) -> int:
    send(end, {"state": "ok"})
    time.sleep(60)
    return 0


def deaf(_config: Config, _sockets: Sockets, _number: int, end: socket.socket) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while os.getppid() != 1:
        send(end, {"state": "ok"})
        time.sleep(0.1)
    return 0


def main(what: str, listen: str, management: str) -> None:
    config = config_from(
        {
            "server": {
                "listen": listen,
                "management": management,
                "workers": 2,
                "drain": "0s",
            },
            "upstream": {"url": "http://127.0.0.1:9"},
            "directory": {"kind": "file", "path": "accounts.yaml"},
        },
        Path(),
    )
    configure_logging("info", "json")
    supervisor._SILENT_SECONDS = 1.0
    supervisor._CLOSING_SECONDS = 1.0
    with tempfile.TemporaryDirectory() as folder:
        supervisor.Supervisor(
            config,
            Sockets.open(config.server),
            read=lambda: config,
            work={"silent": silent, "deaf": deaf}[what],
            folder=Path(folder),
        ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
