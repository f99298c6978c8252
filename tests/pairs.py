"""A certificate and its key, made for one test, in a second of nobody's time."""

import datetime
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """A self-signed certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path) -> dict[str, str]:
        """Into `folder`; what `server.tls` says of it."""
        files = {"certificate": folder / "tls.crt", "key": folder / "tls.key"}
        files["certificate"].write_bytes(self.certificate)
        files["key"].write_bytes(self.key)
        return {name: str(path) for name, path in files.items()}

    def trusted(self) -> ssl.SSLContext:
        """What a browser has that trusts this certificate and no other."""
        context = ssl.create_default_context(cadata=self.certificate.decode())
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


def make_pair(
    *names: str, days: float = 90, since: float = -1, password: bytes | None = None
) -> Pair:
    """For `names` (hosts or addresses, `localhost` if none), valid from `since` days from now for
    `days` from now. `password`: the key is encrypted with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made for a test")])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=since))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([_name(name) for name in names or ("localhost",)]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    ).sign(key, hashes.SHA256())
    hidden = (
        serialization.NoEncryption()
        if password is None
        else serialization.BestAvailableEncryption(password)
    )
    return Pair(
        built.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden),
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
