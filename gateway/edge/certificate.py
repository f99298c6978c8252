"""The listener's certificate: what browsers are shown, replaced without dropping a connection.

Strategy
    A certificate and its key become one `ssl.SSLContext`, which nobody changes any more. A new pair
    becomes a new context, and one reference is swapped: connections that are open go on with the
    old one, the next handshake takes the new one.
    Whether there is a new pair is asked of the two paths (pem_files.py), every other second.

Rules
    A pair is taken when it has looked the same twice: who copies two files is done with both.
    A pair that cannot be used, or has expired, changes nothing; it is logged and counted.
"""

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from cryptography import x509

from gateway.config import Tls
from gateway.edge.handshake import SpeakingContext
from gateway.edge.pem_files import Stamp, must_be_readable, stamp_of
from gateway.errors import CannotStart
from gateway.tasks import stopped

_log = structlog.get_logger()

_LOOK_SECONDS = 2.0
# More than any chain of certificates.
_LARGEST_FILE = 1024 * 1024
# With TLS 1.2, key exchange that keeps recorded traffic secret when the key is lost later, and
# ciphers that authenticate what they encrypt (RFC 9325 section 4.2). Those of TLS 1.3 all do.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Tally(Protocol):
    """Counts reloads; `gateway.operate.metrics.Counters` is one. `expires` is Unix seconds."""

    def certificate_loaded(self, expires: float) -> None: ...
    def certificate_failed(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Certificate:
    """A usable pair. `names`: the hosts and addresses it is for; times in Unix seconds."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    begins: float
    expires: float

    def covers(self, host: str) -> bool:
        """Whether a browser takes it for `host`: by name, or by `*` for the first label."""
        host = host.lower()
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names

    def wrong(self, now: float) -> str | None:
        """Why no browser takes it at `now`."""
        if now >= self.expires:
            return f"expired on {told(self.expires)}"
        return f"not valid before {told(self.begins)}" if now < self.begins else None


def told(seconds: float) -> str:
    """Unix seconds as a person reads them."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def load_certificate(files: Tls) -> Certificate | str:
    """The pair in `files`, or why it cannot be used."""
    try:
        with files.certificate.open("rb") as file:
            leaf = x509.load_pem_x509_certificates(file.read(_LARGEST_FILE))[0]
        context = _context(files)
    except _Encrypted:
        return f"{files.key} is encrypted; the gateway needs it without a password"
    except ssl.SSLError as error:
        return _why_not(files, error.reason)
    except OSError as error:
        return f"{error.filename or files.key} cannot be read: {error.strerror}"
    except ValueError:
        return f"{files.certificate} holds no certificate that can be read (PEM)"
    return Certificate(
        context,
        _names(leaf),
        leaf.not_valid_before_utc.timestamp(),
        leaf.not_valid_after_utc.timestamp(),
    )


def _why_not(files: Tls, reason: str | None) -> str:
    """`reason`: as OpenSSL names it, which has nothing to say of a file without a key in it."""
    if not reason or reason == "PEM lib":
        return f"{files.key} holds no private key that can be read (PEM)"
    if reason.endswith("_MISMATCH"):
        return f"{files.certificate} and {files.key} are no pair: {reason}"
    return f"{files.certificate} and {files.key} cannot be used: {reason}"


class _Encrypted(Exception):
    """The key needs a password."""


def _context(files: Tls) -> ssl.SSLContext:
    context = SpeakingContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # Not HTTP/2: what is spoken here is decided on here, and nowhere else.
    context.set_alpn_protocols(["http/1.1"])
    # Renegotiation costs us a hundred times what it costs whoever asks for it again and again.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    must_be_readable((files.certificate, files.key))
    context.load_cert_chain(files.certificate, files.key, password=_no_password)
    return context


def _no_password() -> str:
    """Else OpenSSL would ask for it on the terminal."""
    raise _Encrypted


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """The only place that browsers look for names in is subjectAltName (RFC 9110 section 4.3.4)."""
    with suppress(x509.ExtensionNotFound):
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = found.get_values_for_type(x509.DNSName)
        addresses = map(str, found.get_values_for_type(x509.IPAddress))
        return (*(host.lower() for host in hosts), *addresses)
    return ()


class Certificates:
    """Keeps `current` as the files are, as long as they are in order."""

    current: Certificate

    def __init__(self, files: Tls, tally: Tally) -> None:
        self._files = files
        self._tally = tally
        self._tried: Stamp = ()
        self._looks = 0
        self._task: asyncio.Task[None] | None = None

    def load(self) -> None:
        """Read the pair for the first time. `CannotStart` when it cannot be used; one that has
        expired can: somebody who looks at a warning is better off than with nothing."""
        self._tried = self._stamp()
        found = load_certificate(self._files)
        if isinstance(found, str):
            raise CannotStart(f"server.tls: {found}")
        wrong = found.wrong(time.time())
        if wrong is not None:
            _log.error("certificate_invalid", wrong=wrong)
        self._put_in_force(found)

    def start(self) -> None:
        """Begin to look for a new pair."""
        self._task = asyncio.create_task(self._watch(), name="certificate")

    async def stop(self) -> None:
        await stopped(self._task)
        self._task = None

    async def reload(self) -> None:
        """Read the pair again; put it in force, or say what is wrong with it."""
        self._tried = await asyncio.to_thread(self._stamp)
        found = await asyncio.to_thread(load_certificate, self._files)
        wrong = found if isinstance(found, str) else found.wrong(time.time())
        if wrong is not None or isinstance(found, str):
            self._tally.certificate_failed()
            _log.error("certificate_rejected", wrong=wrong, in_force="the one before")
            return
        self._put_in_force(found)
        _log.info("certificate_reloaded", names=found.names, expires=told(found.expires))

    def _put_in_force(self, found: Certificate) -> None:
        self.current = found
        self._tally.certificate_loaded(found.expires)

    def _stamp(self) -> Stamp:
        return stamp_of((self._files.certificate, self._files.key))

    async def _watch(self) -> None:
        before = self._tried
        while True:
            self._looks += 1
            await asyncio.sleep(_LOOK_SECONDS)
            now = await asyncio.to_thread(self._stamp)
            if now != self._tried and now == before:
                await self.reload()
            before = now
