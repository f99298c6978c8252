"""The demonstration's Sonar finds the gateway's keys wherever the gateway listens."""

from pathlib import Path

import pytest

from demo.system import jwks_url
from gateway.config import Server, Tls
from gateway.values import ListenAddress


@pytest.mark.parametrize(
    ("listen", "tls", "url"),
    [
        (ListenAddress("127.0.0.1", 8080), False, "http://127.0.0.1:8080/sso/jwks.json"),
        (ListenAddress("", 8443), True, "https://127.0.0.1:8443/sso/jwks.json"),
        (ListenAddress("0.0.0.0", 8080), False, "http://127.0.0.1:8080/sso/jwks.json"),  # noqa: S104
        (ListenAddress("::1", 8443), True, "https://[::1]:8443/sso/jwks.json"),
    ],
)
def test_where_the_keys_are(listen: ListenAddress, tls: bool, url: str) -> None:
    files = Tls.model_construct(certificate=Path("c"), key=Path("k")) if tls else None
    assert jwks_url(Server.model_construct(listen=listen, tls=files)) == url
