"""nginx as upstream: each page is 1 KB, `/download` is 256 MiB, and it counts what it answers."""

import os
from pathlib import Path

BODY = b"x" * 1024
COUNT_PATH = "/-/count"
DOWNLOAD_PATH = "/download"
DOWNLOAD_BYTES = 256 * 1024 * 1024

_CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/pages.pid;
error_log stderr;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  sendfile on;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type "text/html; charset=utf-8";
    location / {{
      add_header Cache-Control "private, no-cache";
      return 200 "{body}";
    }}
    location = {download} {{
      default_type application/octet-stream;
      alias {folder}/download;
    }}
    location = {count} {{ stub_status; }}
  }}
}}
"""


def config(folder: Path, port: int) -> str:
    """nginx.conf; the file to download, all holes, is made in `folder`."""
    with (folder / "download").open("wb") as file:
        file.truncate(DOWNLOAD_BYTES)
    return _CONFIG.format(
        # Started by root it would change to a user who cannot read our folder.
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        port=port,
        body=BODY.decode(),
        download=DOWNLOAD_PATH,
        count=COUNT_PATH,
    )
