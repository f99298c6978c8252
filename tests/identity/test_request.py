"""What a provider is asked for, as the browser's address says it."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.config import Provider
from gateway.identity.discovery import Document
from gateway.identity.exchange import Client
from gateway.identity.request import Hints, authorization_url, has_login, keeps
from gateway.identity.transaction import Transaction
from gateway.secret import Secret

CLIENT = Client("the client", Secret("s"), "https://sonar.example/sso/callback/p")


def document(**changes: object) -> Document:
    base = "https://id.corp.example"
    values = {
        "issuer": base,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "jwks_uri": f"{base}/keys",
    }
    return Document.model_validate(values | changes)


def settings(kind: str, **changes: Any) -> Provider:
    values = {
        "kind": kind,
        "client_id": "the client",
        "client_secret": Secret("s"),
        "label": "Corp",
        "discovery_url": "https://id.corp.example/.well-known/openid-configuration",
    }
    return Provider.model_validate(values | changes)


def asked(
    kind: str,
    hints: Hints = Hints(),  # noqa: B008 - frozen
    *,
    max_age: float | None = None,
    confirms: str | None = None,
    offers: dict[str, object] | None = None,
    **changes: Any,
) -> dict[str, str]:
    """The query, each parameter once."""
    transaction = Transaction("id", "p", "id.state", "nonce", "v" * 64, "/", 0.0, max_age, confirms)
    url = authorization_url(
        document(**(offers or {})), CLIENT, settings(kind, **changes), transaction, hints
    )
    found = parse_qs(urlsplit(url).query)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


@pytest.mark.parametrize("kind", ["google", "microsoft", "oidc"])
def test_an_ordinary_sign_in_asks_for_no_proof_and_for_nothing_that_lasts(kind: str) -> None:
    query = asked(kind)
    assert not query.keys() & {"prompt", "max_age", "access_type"}
    assert query["scope"] == "openid email profile"


def test_when_somebody_proved_it_is_asked_where_it_can_be() -> None:
    """Google takes `claims` and says so only in its guide; Entra has an optional claim instead."""
    wanted = '{"id_token":{"auth_time":{"essential":true}}}'
    assert asked("google")["claims"] == wanted
    assert "claims" not in asked("microsoft")
    assert "claims" not in asked("oidc")
    assert asked("oidc", offers={"claims_parameter_supported": True})["claims"] == wanted


@pytest.mark.parametrize(
    ("kind", "offers", "prompt"),
    [
        ("microsoft", {}, "login"),
        ("oidc", {}, "login"),
        ("oidc", {"prompt_values_supported": ["none", "login"]}, "login"),
        ("oidc", {"prompt_values_supported": ["none", "consent"]}, None),
        ("google", {}, None),
    ],
)
def test_a_new_proof_is_demanded_where_the_provider_can_be_made_to(
    kind: Any, offers: dict[str, object], prompt: str | None
) -> None:
    query = asked(kind, max_age=900.0, offers=offers)
    assert query["max_age"] == "900"
    assert query.get("prompt") == prompt
    assert has_login(document(**offers), kind) is (prompt is not None)


def test_a_new_proof_is_for_the_same_account_and_not_for_one_to_pick() -> None:
    query = asked("oidc", Hints("jo@acme.example", select_account=True), max_age=900.0)
    assert (query["prompt"], query["login_hint"]) == ("login", "jo@acme.example")


@pytest.mark.parametrize(
    ("kind", "scope", "access_type", "prompt"),
    [
        ("google", "openid email profile", "offline", "consent"),
        ("microsoft", "openid email profile offline_access", None, None),
        ("oidc", "openid email profile offline_access", None, "consent"),
    ],
)
def test_a_refresh_token_is_asked_for_as_each_provider_wants_it(
    kind: str, scope: str, access_type: str | None, prompt: str | None
) -> None:
    query = asked(kind, refresh="30m")
    assert query["scope"] == scope
    assert query.get("access_type") == access_type
    assert query.get("prompt") == prompt


def test_a_refresh_token_and_an_account_to_pick() -> None:
    assert asked("google", Hints(select_account=True), refresh="30m")["prompt"] == (
        "select_account consent"
    )


def test_a_new_proof_brings_no_second_refresh_token() -> None:
    query = asked("oidc", max_age=900.0, confirms="session", refresh="30m")
    assert query["scope"] == "openid email profile"
    assert query["prompt"] == "login"
    transaction = Transaction("id", "p", "id.s", "n", "v", "/", 0.0, confirms="session")
    assert not keeps(settings("oidc", refresh="30m"), transaction)
