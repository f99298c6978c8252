"""Which discovery documents are believed."""

import pytest

from gateway.errors import ProviderUnavailable
from gateway.identity.discovery import (
    WELL_KNOWN,
    is_own_issuer,
    read_document,
    tenant_of,
)
from gateway.identity.entra import CONSUMER_TENANT
from gateway.identity.model import Kind

GOOGLE = f"https://accounts.google.com{WELL_KNOWN}"
ENTRA = "https://login.microsoftonline.com"
TENANT = "0a4c11e5-7a3e-4c6b-9f0e-5d1f3c2b7a10"
OTHER = "7f8b6c1d-2e94-4b57-8a63-c0d9e1f2a345"

DOCUMENT: dict[str, object] = {
    "issuer": "https://accounts.google.com",
    "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
    "token_endpoint": "https://oauth2.googleapis.com/token",
    "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
    "something_else": {"not": "ours"},
}


def entra(tenant: str, host: str = ENTRA) -> str:
    return f"{host}/{tenant}/v2.0{WELL_KNOWN}"


@pytest.mark.parametrize(
    ("kind", "url", "issuer", "own"),
    [
        ("google", GOOGLE, "https://accounts.google.com", True),
        ("google", GOOGLE, "https://accounts.google.com/", True),
        ("google", GOOGLE, "accounts.google.com", False),
        ("google", GOOGLE, "http://accounts.google.com", False),
        ("google", GOOGLE, "https://evil.example", False),
        ("google", GOOGLE, "", False),
        ("google", "https://accounts.google.com", "https://accounts.google.com", False),
        ("google", GOOGLE + "?p=1", "https://accounts.google.com", False),
        ("oidc", f"https://id.corp.example/a/b{WELL_KNOWN}", "https://id.corp.example/a/b", True),
        ("oidc", f"https://id.corp.example/a/b{WELL_KNOWN}", "https://id.corp.example/a", False),
        ("oidc", f"https://id.corp.example{WELL_KNOWN}", "https://ID.corp.example", False),
        # Entra: templates where the URL has no tenant, that very tenant where it has one
        ("microsoft", entra("common"), f"{ENTRA}/{{tenantid}}/v2.0", True),
        ("microsoft", entra("organizations"), f"{ENTRA}/{{tenantid}}/v2.0", True),
        ("microsoft", entra("organizations"), f"{ENTRA}/{TENANT}/v2.0", False),
        ("microsoft", entra("organizations"), "https://evil.example/{tenantid}/v2.0", False),
        ("microsoft", entra("organizations"), f"{ENTRA}/{{tenantid}}/v1.0", False),
        ("microsoft", entra("organizations"), f"{ENTRA}/{{tenantid}}{{tenantid}}/v2.0", False),
        ("microsoft", entra("organizations"), f"{ENTRA}/{{tenantid}}/v2.0\n", False),
        ("microsoft", entra("consumers"), f"{ENTRA}/{CONSUMER_TENANT}/v2.0", True),
        ("microsoft", entra("consumers"), f"{ENTRA}/{{tenantid}}/v2.0", False),
        ("microsoft", entra(TENANT), f"{ENTRA}/{TENANT}/v2.0", True),
        ("microsoft", entra(TENANT), f"{ENTRA}/{OTHER}/v2.0", False),
        ("microsoft", entra(TENANT), f"{ENTRA}/{{tenantid}}/v2.0", False),
        ("microsoft", entra("acme.example"), f"{ENTRA}/{TENANT}/v2.0", True),
        ("microsoft", entra("acme.example"), f"{ENTRA}/{{tenantid}}/v2.0", False),
        ("microsoft", entra("acme.example"), f"{ENTRA}/acme.example/v2.0", False),
        (
            "microsoft",
            entra("common", "https://login.microsoftonline.us"),
            "https://login.microsoftonline.us/{tenantid}/v2.0",
            True,
        ),
        (
            "microsoft",
            entra("common", "http://localhost:1/microsoft"),
            "http://localhost:1/microsoft/{tenantid}/v2.0",
            True,
        ),
        ("microsoft", f"{ENTRA}{WELL_KNOWN}", f"{ENTRA}/{{tenantid}}/v2.0", False),
        ("microsoft", f"{ENTRA}/common{WELL_KNOWN}", f"{ENTRA}/{{tenantid}}/v2.0", False),
    ],
)
def test_the_issuer_is_the_documents_own(kind: Kind, url: str, issuer: str, own: bool) -> None:
    assert is_own_issuer(kind, url, issuer) is own


@pytest.mark.parametrize(
    ("url", "tenant"),
    [
        (entra("organizations"), "organizations"),
        (entra(TENANT), TENANT),
        (entra("common", "http://localhost:1/microsoft"), "common"),
        (GOOGLE, None),
    ],
)
def test_tenant(url: str, tenant: str | None) -> None:
    assert tenant_of(url) == tenant


def test_a_document_with_the_least() -> None:
    document = read_document("google", GOOGLE, DOCUMENT)
    assert document.token_endpoint_auth_methods_supported == ["client_secret_basic"]
    assert document.code_challenge_methods_supported is None
    assert document.end_session_endpoint is None
    assert not document.authorization_response_iss_parameter_supported


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        ["https://accounts.google.com/x"],
        "",
        "accounts.google.com",
        "http://accounts.google.com/x",
        "//accounts.google.com/x",
        "ftp://accounts.google.com/x",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://jo:secret@accounts.google.com/x",
        "https://accounts.google.com/x#y",
        "https://accounts.google.com\\@evil.example/x",
        "https://accounts.google.com/\nx",
        "https://accounts.google.com/é",
        "https://[::1/x",
        "https://accounts.google.com:99999/x",
        "http://10.0.0.1/x",
        "http://localhost.evil.example/x",
        "http://127.0.0.1.evil.example/x",
    ],
)
def test_an_endpoint_where_secrets_must_not_go(name: str, value: object) -> None:
    with pytest.raises(ProviderUnavailable, match=name):
        read_document("google", GOOGLE, DOCUMENT | {name: value})


@pytest.mark.parametrize("url", ["http://localhost:1/x", "http://127.0.0.1/x", "http://[::1]:9/x"])
def test_plain_http_within_this_machine(url: str) -> None:
    here = "http://localhost:8082/google"
    content = DOCUMENT | {"issuer": here, "jwks_uri": url}
    assert read_document("google", f"{here}{WELL_KNOWN}", content).jwks_uri == url


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9090/metrics",
        "http://localhost/x",
        "https://localhost/x",
        "https://sonar.localhost/x",
        "https://127.0.0.1/x",
        "https://127.8.8.8/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://10.1.2.3/x",
        "https://172.16.0.1/x",
        "https://192.168.1.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/x",
        "https://0.0.0.0/x",
        "https://[fe80::1]/x",
        "https://[fd00:ec2::254]/x",
        # 127.0.0.1, as a browser and some resolvers read it
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://127.1/x",
        "https://0177.0.0.1/x",
    ],
)
def test_a_document_from_outside_never_leads_inside(name: str, url: str) -> None:
    """Server-side request forgery, with the client secret in it."""
    with pytest.raises(ProviderUnavailable, match=name):
        read_document("google", GOOGLE, DOCUMENT | {name: url})


def test_a_provider_inside_may_name_what_is_inside() -> None:
    own = "https://10.1.2.3/realms/corp"
    content = DOCUMENT | {
        "issuer": own,
        "authorization_endpoint": f"{own}/auth",
        "token_endpoint": "https://10.1.2.4/token",
        "jwks_uri": "https://keys.corp.example/certs",
    }
    document = read_document("oidc", f"{own}{WELL_KNOWN}", content)
    assert document.token_endpoint == "https://10.1.2.4/token"


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": None},
        {"issuer": ["https://accounts.google.com"]},
        {"issuer": "https://evil.example"},
        {"token_endpoint_auth_methods_supported": "client_secret_basic"},
        {"authorization_response_iss_parameter_supported": "true"},
        {"end_session_endpoint": "http://evil.example"},
    ],
)
def test_a_document_that_is_not_believed(change: dict[str, object]) -> None:
    with pytest.raises(ProviderUnavailable):
        read_document("google", GOOGLE, DOCUMENT | change)
