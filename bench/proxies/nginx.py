"""nginx as a plain reverse proxy, one worker process."""

import os

from bench.programs import NGINX, find, version
from bench.proxies import Proxy
from bench.stage import Stage, free_port

NAME = "nginx"

_CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx-{port}.pid;
error_log stderr;
events {{ worker_connections 12000; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  upstream sonar {{
    server 127.0.0.1:{upstream};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  map $http_upgrade $connection_to_sonar {{
    ""      "";
    default upgrade;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://sonar;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_to_sonar;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""


def start(stage: Stage, upstream: int) -> Proxy:
    port = free_port()
    config = stage.folder / f"nginx-{port}.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(_CONFIG.format(user=user, folder=stage.folder, port=port, upstream=upstream))
    program = stage.run(NAME, (find(NGINX), "-c", str(config)), port=port)
    return Proxy(NAME, port, program, version(NGINX))
