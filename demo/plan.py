"""What is going to be started where: read from config.yaml, and moved to other ports if asked.

By default config.yaml is used as it stands. With another port a copy of it is written below var/,
with all ports counted from that one and its own data, so that two demonstrations do not meet.
"""

import errno
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from gateway.config import Config, SqlDirectory, load_config
from gateway.values import ListenAddress

# Where the others listen, counted from the gateway's port.
_SONAR, _PROVIDERS, _MANAGEMENT = 1, 2, 3
HIGHEST_PORT = 65535 - _MANAGEMENT
_LOOPBACK = {"localhost", "127.0.0.1"}


class CannotRun(Exception):
    """The demonstration cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`config_file`, read, and what stands around the gateway. `providers`: where the stand-in
    providers listen; `None` when config.yaml names real ones only."""

    config_file: Path
    config: Config
    sonar: ListenAddress
    providers: ListenAddress | None
    database: Path

    @property
    def data(self) -> Path:
        """The folder of everything that is written."""
        return self.database.parent

    @property
    def log(self) -> Path:
        """What the gateway says."""
        return self.data / "gateway.log"

    def is_first_start(self) -> bool:
        """Whether the gateway's own database is still to be made."""
        url = self.config.links.database.reveal()
        return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()

    def plays(self, name: str) -> bool:
        """Whether the provider called `name` is a stand-in of ours."""
        provider = self.config.providers.get(name)
        return provider is not None and _is_here(provider.discovery_url)

    def provider_origin(self) -> str:
        """Where browsers and gateway reach the stand-in providers, such as
        `http://localhost:8082`."""
        urls = (p.discovery_url for p in self.config.providers.values())
        parts = urlsplit(next(url for url in urls if _is_here(url)))
        return f"{parts.scheme}://{parts.netloc}"


def make_plan(config_file: Path, port: int | None) -> Plan:
    """Read `config_file`; `port` moves everything. Raises `ConfigError` and `CannotRun`."""
    config = load_config(config_file)
    if port is not None and port != config.server.listen.port:
        config_file = _moved(config_file, config, port)
        config = load_config(config_file)
    url = config.directory.url.reveal() if isinstance(config.directory, SqlDirectory) else ""
    if not _is_here(config.upstream.url) or not url.startswith("sqlite:///"):
        raise CannotRun(
            f"{config_file} names a real Sonar ({config.upstream.url}).\n"
            "The demonstration plays Sonar itself: it needs upstream.url on 127.0.0.1 and\n"
            "directory.url as sqlite:///…  To run the gateway alone: python -m gateway serve"
        )
    here = [p.discovery_url for p in config.providers.values() if _is_here(p.discovery_url)]
    return Plan(
        config_file,
        config,
        _address(config.upstream.url),
        _address(here[0]) if here else None,
        Path(url.removeprefix("sqlite:///")),
    )


def refuse_busy_ports(plan: Plan) -> None:
    """Raise `CannotRun` with every port that is taken, and the way out."""
    wanted = [
        (plan.config.server.listen, "the gateway"),
        (plan.config.server.management, "the gateway's health and metrics"),
        (plan.sonar, "the stand-in Sonar"),
    ]
    if plan.providers is not None:
        wanted.append((plan.providers, "the stand-in providers"))
    busy = [f"  {address.port}  {what}" for address, what in wanted if _is_busy(address)]
    if busy:
        raise CannotRun(
            "Another program uses a port that the demonstration needs:\n"
            + "\n".join(busy)
            + "\nIs a demonstration running already? Stop it, or choose another port, such as\n"
            "  make run PORT=18080"
        )


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


def _address(url: str) -> ListenAddress:
    return ListenAddress("127.0.0.1", urlsplit(url).port or 80)


def _is_busy(address: ListenAddress) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as probe:
        # As servers do, so that connections of a demonstration just stopped do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EACCES:
                raise CannotRun(
                    f"Port {address.port} needs more rights than you have; choose one above 1023."
                ) from error
            return True
    return False


def _moved(config_file: Path, config: Config, port: int) -> Path:
    """Write a copy of `config_file` in which all is counted from `port`; its path."""
    content = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    content["server"] = content.get("server", {}) | {
        "public_url": f"http://localhost:{port}",
        "listen": f"127.0.0.1:{port}",
        "management": f"127.0.0.1:{port + _MANAGEMENT}",
    }
    content["upstream"]["url"] = f"http://127.0.0.1:{port + _SONAR}"
    for provider in content.get("providers", {}).values():
        url = urlsplit(provider.get("discovery_url", ""))
        if url.hostname in _LOOPBACK:
            netloc = f"{url.hostname}:{port + _PROVIDERS}"
            provider["discovery_url"] = url._replace(netloc=netloc).geturl()
    content["directory"]["url"] = "sqlite:///sonar.db"
    content["links"] = {"database": "sqlite:///gateway.db"}
    content["sessions"] = content.get("sessions", {}) | {"store": "embedded", "path": "sessions.db"}
    content["keys"] = "keys"
    content["policies"] = str(config.policies)
    content["log"] = content.get("log", {}) | {"access": "access.log"}
    moved = config_file.absolute().parent / "var" / f"port-{port}" / "config.yaml"
    moved.parent.mkdir(parents=True, exist_ok=True)
    moved.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return moved
