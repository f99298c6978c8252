"""TLS to Sonar, from files that may change: certificates are renewed while the gateway runs.

Strategy
    The files are looked at (pem_files.py), at most once a second, when a context is wanted. One
    that has changed means a new context, for new connections; those that are open keep theirs. What
    cannot be used (written only half, a key that is not the certificate's) is logged once, and the
    last good context stays in force.
"""

import ssl
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.edge.pem_files import must_be_readable, stamp_of
from gateway.errors import CannotStart
from gateway.settings.upstream import UpstreamTls

_log = structlog.get_logger()

# `openssl s_client` takes longer; a renewed certificate can wait for it.
_LOOK_SECONDS = 1.0


class Contexts:
    """The context that `make` makes of `files`, as they are now. `what`: whose they are, for a
    person. Raises `CannotStart` when they cannot be used at the start."""

    __slots__ = ("_clock", "_context", "_files", "_looked", "_make", "_seen", "_what")

    def __init__(
        self,
        make: Callable[[], ssl.SSLContext],
        files: tuple[Path, ...],
        what: str,
        clock: Callable[[], float],
    ) -> None:
        self._make = make
        self._files = files
        self._what = what
        self._clock = clock
        self._seen = stamp_of(files)
        self._looked = clock()
        try:
            self._context = make()
        except (OSError, ValueError) as error:
            raise CannotStart(f"{what}: {self._told(error)}") from error

    @property
    def current(self) -> ssl.SSLContext:
        now = self._clock()
        if self._files and now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            seen = stamp_of(self._files)
            if seen != self._seen:
                self._seen = seen
                self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            self._context = self._make()
        except (OSError, ValueError) as error:
            _log.exception("tls_files_unusable", what=self._what, why=self._told(error))
        else:
            _log.info("tls_files_reloaded", what=self._what)

    def _told(self, error: Exception) -> str:
        """OpenSSL says which step failed, but not for which file."""
        try:
            must_be_readable(self._files)
        except OSError as unreadable:
            return f"{unreadable.filename}: {unreadable.strerror}"
        return str(error)


def to_upstream(tls: UpstreamTls, clock: Callable[[], float]) -> Contexts:
    """For connections to Sonar: its certificate is always verified, name and all."""

    def make() -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=tls.ca)
        context.set_alpn_protocols(["http/1.1"])
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
        return context

    files = tuple(file for file in (tls.ca, tls.certificate, tls.key) if file is not None)
    return Contexts(make, files, "upstream.tls", clock)
