"""Which issuer is one that the provider publishes."""

import pytest

from gateway.identity.entra import is_issuer

ENTRA = "https://login.microsoftonline.com"
TENANT = "8f2c1d7e-90ab-4c3d-8e1f-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("published", "named", "same"),
    [
        ("https://accounts.google.com", "https://accounts.google.com", True),
        ("https://accounts.google.com", "https://accounts.google.com/", False),
        ("https://accounts.google.com", "", False),
        (f"{ENTRA}/{{tenantid}}/v2.0", f"{ENTRA}/{TENANT}/v2.0", True),
        (f"{ENTRA}/{{tenantid}}/v2.0", f"{ENTRA}/{{tenantid}}/v2.0", False),
        (f"{ENTRA}/{{tenantid}}/v2.0", f"{ENTRA}/{TENANT}/v2.0/", False),
        (f"{ENTRA}/{{tenantid}}/v2.0", f"{ENTRA}/x/{TENANT}/v2.0", False),
        (f"{ENTRA}/{{tenantid}}/v2.0", f"https://login-microsoftonline.com/{TENANT}/v2.0", False),
    ],
)
def test_whose_issuer_it_is(published: str, named: str, same: bool) -> None:
    assert is_issuer(named, published) is same
