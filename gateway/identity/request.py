"""Where the browser goes: to sign in, with what the provider is asked for there, and to sign out.

Whatever is asked for, the browser could leave out: nothing counts but what comes back, checked.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway.config import Provider
from gateway.identity.discovery import Document
from gateway.identity.exchange import Client
from gateway.identity.model import Kind
from gateway.identity.transaction import Transaction
from gateway.values import UNLIMITED

# OpenID Connect Core section 5.5: when the person last proved who they are, in the ID token.
_AUTH_TIME = '{"id_token":{"auth_time":{"essential":true}}}'

# RFC 5321: no address is longer. A hint is only passed on, so what is strange is left out.
_LONGEST_HINT = 254


@dataclass(frozen=True, slots=True)
class Hints:
    """`login_hint`: the address to sign in with; `select_account`: ask which account even if there
    is only one; `domain`: the organisation's. They smooth the way and prove nothing."""

    login_hint: str | None = None
    select_account: bool = False
    domain: str | None = None


def authorization_url(
    document: Document, client: Client, settings: Provider, transaction: Transaction, hints: Hints
) -> str:
    """RFC 6749 section 4.1.1, with PKCE, nonce, and what OpenID Connect Core adds."""
    kind, select_account = settings.kind, hints.select_account
    hint, domain = _fit(hints.login_hint), _fit(hints.domain)
    if select_account and kind == "microsoft":
        # Entra answers the two together with an error.
        hint = None
    stays = keeps(settings, transaction)
    max_age = transaction.max_age
    takes_claims = kind == "google" or document.claims_parameter_supported
    url: str = prepare_grant_uri(
        document.authorization_endpoint,
        client.client_id,
        "code",
        redirect_uri=client.redirect_uri,
        # Core section 11. Google has `access_type` instead.
        scope=(*settings.scopes, *(("offline_access",) if stays and kind != "google" else ())),
        state=transaction.state,
        nonce=transaction.nonce,
        code_challenge=create_s256_code_challenge(transaction.code_verifier),
        code_challenge_method="S256",
        access_type="offline" if stays and kind == "google" else None,
        prompt=_prompt(document, settings, transaction, select_account),
        max_age=None if max_age is None else int(max_age),
        claims=_AUTH_TIME if takes_claims else None,
        login_hint=hint,
        hd=domain if kind == "google" else None,
        domain_hint=domain if kind == "microsoft" else None,
    )
    return url


def keeps(settings: Provider, transaction: Transaction) -> bool:
    """Whether this sign-in is to bring a refresh token. A new proof for a session is not: the
    session has one."""
    return settings.refresh < UNLIMITED and transaction.confirms is None


def has_login(document: Document, kind: Kind) -> bool:
    """Whether the provider can be made to ask somebody it knows for a proof. Google cannot:
    https://developers.google.com/identity/siwg/security-bundle."""
    offered = document.prompt_values_supported
    return kind != "google" and (offered is None or "login" in offered)


def _prompt(
    document: Document, settings: Provider, transaction: Transaction, select_account: bool
) -> str | None:
    """What the provider must ask even of somebody it knows."""
    prompts = []
    if transaction.max_age is not None and has_login(document, settings.kind):
        prompts.append("login")
    elif select_account and (picker := _picker(document.prompt_values_supported)):
        prompts.append(picker)
    if keeps(settings, transaction) and settings.kind != "microsoft":
        # Google gives a refresh token only after its page of consent; Core section 11 has it so.
        prompts.append("consent")
    return " ".join(prompts) or None


def _picker(offered: list[str] | None) -> str | None:
    """How to ask for the account picker: OpenID Connect Core names `select_account`, but a provider
    that lists its prompts without it would answer with an error."""
    if offered is None or "select_account" in offered:
        return "select_account"
    return "login" if "login" in offered else None


def _fit(hint: str | None) -> str | None:
    """A hint from a URL, if it is something one would pass on."""
    if not hint or len(hint) > _LONGEST_HINT or not hint.isprintable():
        return None
    return hint


def sign_out_url(
    document: Document, client_id: str, back: str, state: str, hint: str | None
) -> str | None:
    """Where the browser ends its session at the provider (OpenID Connect RP-Initiated Logout 1.0
    section 2), or `None`. `back`: where it comes to then, with `state`."""
    if document.end_session_endpoint is None:
        return None
    params = [
        ("client_id", client_id),
        ("post_logout_redirect_uri", back),
        ("state", state),
        *([] if hint is None else [("logout_hint", hint)]),
    ]
    url: str = add_params_to_uri(document.end_session_endpoint, params)
    return url


def origins(discovery_url: str, document: Document | None) -> tuple[str, ...]:
    """Where the provider's own pages are: `https://login.example`, each once."""
    urls = [discovery_url]
    if document is not None and document.end_session_endpoint is not None:
        urls.append(document.end_session_endpoint)
    return tuple(sorted({"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls}))
