"""Caddy's `reverse-proxy`, plain, one Go scheduler thread: more would only fight over the core."""

from bench.programs import CADDY, find, version
from bench.proxies import Proxy
from bench.stage import Stage, free_port

NAME = "Caddy"


def start(stage: Stage, upstream: int) -> Proxy:
    port = free_port()
    command = (find(CADDY), "reverse-proxy", "--from", f":{port}", "--to", f"127.0.0.1:{upstream}")
    home = str(stage.folder / "caddy")
    program = stage.run(
        NAME,
        command,
        port=port,
        environment={
            "GOMAXPROCS": "1",
            "HOME": home,
            "XDG_DATA_HOME": home,
            "XDG_CONFIG_HOME": home,
        },
    )
    return Proxy(NAME, port, program, version(CADDY))
