"""HAProxy as a plain reverse proxy, one thread."""

from bench.programs import HAPROXY, find, version
from bench.proxies import Proxy
from bench.stage import Stage, free_port

NAME = "HAProxy"

_CONFIG = """\
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  maxconn 9000
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend browsers
  bind 127.0.0.1:{port} backlog 4096
  default_backend sonar
backend sonar
  server sonar 127.0.0.1:{upstream}
"""


def start(stage: Stage, upstream: int) -> Proxy:
    port = free_port()
    config = stage.folder / f"haproxy-{port}.cfg"
    config.write_text(_CONFIG.format(port=port, upstream=upstream))
    program = stage.run(NAME, (find(HAPROXY), "-db", "-f", str(config)), port=port)
    return Proxy(NAME, port, program, version(HAPROXY))
