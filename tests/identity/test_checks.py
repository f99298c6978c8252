"""What `sonar-gateway check` says of a provider, against the stand-ins."""

import pytest

from demo.providers.faults import ABSENT
from gateway.identity.checks import Finding
from tests.identity.conftest import PUBLIC_URL, Stage


def told(findings: list[Finding]) -> dict[str, tuple[bool, str]]:
    return {finding.what: (finding.ok, finding.detail) for finding in findings}


@pytest.mark.parametrize("name", ["google", "microsoft"])
async def test_everything_is_fine(stage: Stage, name: str) -> None:
    found = told(await stage.client(name).check())
    parts = ["discovery", "keys", "PKCE", "redirect URI", "client secret", "sign-out"]
    assert list(found) == parts
    assert all(ok for ok, _ in found.values()), found
    redirect_uri = f"{PUBLIC_URL}/sso/callback/{name}"
    assert found["redirect URI"] == (True, f"{redirect_uri} is registered")
    assert found["client secret"] == (True, "accepted")


async def test_the_providers_own_sign_out(stage: Stage) -> None:
    assert "has none" in told(await stage.client("google").check())["sign-out"][1]
    ok, detail = told(await stage.client("microsoft").check())["sign-out"]
    assert (ok, detail) == (True, f"{PUBLIC_URL}/sso/logout is not refused")


async def test_a_redirect_uri_that_is_not_registered(stage: Stage) -> None:
    stage.stand_in.google.client = type(stage.stand_in.google.client)("the client", "x", ())
    ok, detail = told(await stage.client("google").check())["redirect URI"]
    assert not ok
    assert f"register exactly {PUBLIC_URL}/sso/callback/google" in detail


async def test_a_wrong_secret(stage: Stage) -> None:
    client = stage.client("google", client_secret="wrong")
    ok, detail = told(await client.check())["client secret"]
    assert not ok
    assert "invalid_client" in detail
    assert "wrong" not in detail


async def test_a_provider_that_is_down(stage: Stage) -> None:
    stage.stand_in.google.down = True
    findings = await stage.client("google").check()
    assert [(finding.what, finding.ok) for finding in findings] == [("discovery", False)]
    assert "503" in findings[0].detail


async def test_another_issuer(stage: Stage) -> None:
    stage.stand_in.google.document_changes["issuer"] = "https://evil.example"
    findings = await stage.client("google").check()
    assert [(finding.what, finding.ok) for finding in findings] == [("discovery", False)]
    assert "another issuer" in findings[0].detail


async def test_no_keys(stage: Stage) -> None:
    stage.stand_in.google.keys = []
    assert not told(await stage.client("google").check())["keys"][0]


async def test_no_key_for_the_algorithms(stage: Stage) -> None:
    found = told(await stage.client("google", algorithms=("ES256",)).check())
    assert found["keys"] == (False, "signing keys: 1, none for ES256")


@pytest.mark.parametrize(("methods", "ok"), [(["plain"], False), (["S256"], True), (ABSENT, True)])
async def test_pkce(stage: Stage, methods: object, ok: bool) -> None:
    stage.stand_in.google.document_changes["code_challenge_methods_supported"] = methods
    assert told(await stage.client("google").check())["PKCE"][0] is ok


async def test_endpoints_that_are_down(stage: Stage) -> None:
    for name in ("authorization_endpoint", "token_endpoint"):
        stage.stand_in.google.document_changes[name] = "http://127.0.0.1:1/x"
    found = told(await stage.client("google").check())
    assert not found["redirect URI"][0]
    assert not found["client secret"][0]
