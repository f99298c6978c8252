"""A provider's discovery document (OpenID Connect Discovery 1.0 section 3), read and believed only
as far as its own URL reaches."""

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from gateway.errors import ProviderUnavailable
from gateway.identity.entra import CONSUMER_TENANT, GUID, TENANT_PLACEHOLDER
from gateway.identity.fetch import is_safe_url
from gateway.identity.model import Kind
from gateway.urls import is_inside, origin_of

WELL_KNOWN = "/.well-known/openid-configuration"

_ANY_TENANT = frozenset({"common", "organizations"})


def _endpoint(url: str) -> str:
    if not is_safe_url(url):
        raise ValueError("must be https, or http on this machine")
    origin_of(url)
    return url


Endpoint = Annotated[str, AfterValidator(_endpoint)]


class Document(BaseModel):
    """What we use of a discovery document. Defaults are the specification's for absent members."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    issuer: str
    authorization_endpoint: Endpoint
    token_endpoint: Endpoint
    jwks_uri: Endpoint
    end_session_endpoint: Endpoint | None = None
    authorization_response_iss_parameter_supported: bool = False
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    code_challenge_methods_supported: list[str] | None = None
    prompt_values_supported: list[str] | None = None
    claims_parameter_supported: bool = False


def read_document(kind: Kind, discovery_url: str, content: Mapping[str, object]) -> Document:
    """Read the document found at `discovery_url`, or raise `ProviderUnavailable`.

    The issuer must be the one whose document that URL is (Discovery section 4.3): a document that
    names another issuer would have its tokens accepted as ours. No endpoint may be further inside
    our network than the URL: the gateway would ask machines there for whoever wrote the document,
    and give them the client secret (server-side request forgery).
    """
    try:
        document = Document.model_validate(content)
    except ValidationError as error:
        names = sorted({str(problem["loc"][0]) for problem in error.errors()})
        raise ProviderUnavailable(
            f"{discovery_url}: unusable discovery document: {', '.join(names)}"
        ) from error
    if not is_own_issuer(kind, discovery_url, document.issuer):
        raise ProviderUnavailable(f"{discovery_url}: the document names another issuer")
    inward = [
        name
        for name, value in document
        if name.endswith(("_endpoint", "_uri")) and value and _is_further_in(discovery_url, value)
    ]
    if inward:
        raise ProviderUnavailable(
            f"{discovery_url}: the document leads into our own network: {', '.join(inward)}"
        )
    return document


def _is_further_in(discovery_url: str, endpoint: str) -> bool:
    told, asked = origin_of(discovery_url), origin_of(endpoint)
    if asked.scheme == "http" and told.scheme == "https":
        return True
    return is_inside(asked.host) and not is_inside(told.host)


def is_own_issuer(kind: Kind, discovery_url: str, issuer: str) -> bool:
    """Whether the document at `discovery_url` may name `issuer`.

    Microsoft's names the tenant where the URL does: a template for `common` and `organizations`,
    a GUID for one tenant, that same GUID if the URL has one. The others name the URL itself less
    its well-known end, with or without a slash there.
    """
    base = discovery_url.removesuffix(WELL_KNOWN)
    if base == discovery_url:
        return False
    if kind != "microsoft":
        return issuer in {base, f"{base}/"}
    tenant = tenant_of(discovery_url)
    prefix = base.removesuffix(f"/{tenant}/v2.0")
    if tenant is None or prefix == base:
        return False
    if tenant in _ANY_TENANT:
        allowed = re.escape(TENANT_PLACEHOLDER)
    elif tenant == "consumers":
        allowed = CONSUMER_TENANT
    elif re.fullmatch(GUID, tenant):
        allowed = tenant
    else:
        allowed = GUID
    return re.fullmatch(rf"{re.escape(prefix)}/{allowed}/v2\.0", issuer) is not None


def tenant_of(discovery_url: str) -> str | None:
    """The tenant in a Microsoft discovery URL: the path segment before `/v2.0/.well-known/…`."""
    path = urlsplit(discovery_url).path
    found = re.fullmatch(rf"(?:/.*)?/([^/]+)/v2\.0{re.escape(WELL_KNOWN)}", path)
    return found[1] if found else None
