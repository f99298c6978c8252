"""What a PostgreSQL URL says, in libpq's own words, as its driver wants to hear it.

TLS as https://www.postgresql.org/docs/current/libpq-ssl.html has it; but without `sslrootcert`,
`verify-ca` and `verify-full` trust the authorities that this machine trusts. `sslmode` alone says
who may listen: `require` encrypts without asking with whom, only `verify-full` asks.
"""

import os
import ssl
from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import URL

from gateway.errors import ConfigError, Problem
from gateway.section import nearest_of
from gateway.urls import is_loopback

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# `ssl` is the driver's own word for `sslmode`; the last is for a pooler in between.
_OPTIONS = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "ssl",
    "host",
    "port",
    "prepared_statement_cache_size",
)
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "ssl")


def read_options(url: URL, key: str) -> tuple[URL, Mapping[str, Any]]:
    """The URL without what it says of TLS, and what the driver is told instead. `key`: the URL's in
    config.yaml. Raises `ConfigError`."""
    for name in url.query:
        if name not in _OPTIONS:
            near = nearest_of(name, _OPTIONS) or f"; TLS is said by {', '.join(_TLS[:4])}"
            raise _wrong(key, f"its option `{name}` is unknown{near}")
    said = {name: str(value) for name, value in url.query.items() if name in _TLS}
    mode = said.get("sslmode", said.get("ssl"))
    if mode is not None and mode not in _MODES:
        raise _wrong(key, f"sslmode must be one of {', '.join(_MODES)}")
    files = {name: os.path.expanduser(said[name]) for name in _TLS[1:4] if name in said}
    if files and mode in (None, "disable", "allow", "prefer"):
        # Certificates mean TLS: without it they would be left out in silence.
        raise _wrong(key, f"{', '.join(files)} without sslmode=verify-full")
    plain = url.difference_update_query(_TLS)
    if mode is None:
        return plain, {}
    if mode in ("disable", "allow", "prefer"):
        return plain, {"ssl": mode}
    return plain, {"ssl": _context(mode, files, key)}


def _context(mode: str, files: Mapping[str, str], key: str) -> ssl.SSLContext:
    root = files.get("sslrootcert")
    try:
        context = ssl.create_default_context(cafile=None if root == "system" else root)
        context.check_hostname = mode == "verify-full"
        if mode == "require" and root is None:
            context.verify_mode = ssl.CERT_NONE
        if "sslcert" in files:
            context.load_cert_chain(files["sslcert"], files.get("sslkey"))
    except OSError as error:
        # ssl.SSLError is one; neither says which file.
        told = error.strerror or type(error).__name__
        raise _wrong(key, f"{' or '.join(files)} cannot be used: {told}") from error
    return context


def _wrong(key: str, wrong: str) -> ConfigError:
    return ConfigError((Problem("config.yaml", key, None, wrong),))


def told_of_tls(connection: Any, url: URL) -> tuple[bool, str]:
    """Whether nobody in between can read and change what goes over this connection of the driver,
    and in what words. `url`: of the engine."""
    # What the server says (pg_stat_ssl) is about its own end: a pooler may be in between.
    found = connection._transport.get_extra_info("ssl_object")
    verified = "sslmode=verify-full"
    if found is None:
        host = str(url.query.get("host", url.host or "localhost"))
        if host.startswith("/") or is_loopback(host):
            return True, "not encrypted, on this machine"
        return False, f"NOT encrypted; {verified} in its URL does so"
    if found.context.verify_mode is ssl.CERT_NONE:
        return False, f"encrypted ({found.version()}), but with whom nobody asked; {verified} does"
    return True, f"encrypted ({found.version()}), the certificate verified"
