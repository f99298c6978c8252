"""The names in configuration and policy files: of headers, cookies, columns, providers, tenants.

Each is checked once, for what it will be part of: a header line, an SQL statement, a path, a URL.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

from gateway.email import parse_domain
from gateway.identity.entra import CONSUMER_TENANT, GUID

# RFC 9110 section 5.6.2 allows more, but CGI and its heirs read `X_Y` and even `X.Y` as `X-Y`,
# and then two headers would be one.
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# RFC 6265 section 4.1.1: a cookie's name is a token.
_COOKIE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
# RFC 6265 section 4.1.1: anything but a control character or `;`. Nor a blank here: at the end it
# would be cut off.
_COOKIE_PATH = re.compile(r"/[!-:<-~]{0,255}")
# Frameworks write `user[name]` and `login:username`; what is not ASCII a browser sends in the
# encoding of the page.
_FORM_FIELD = re.compile(r"[!-~]{1,64}")
_SQL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(?:\.[A-Za-z_][A-Za-z0-9_$]{0,62})?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PROVIDER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_GUID = re.compile(GUID)

# Headers with a meaning of their own, for HTTP, for cookies or for who the client is: an identity
# under one of these names would break the request, or be one the client may set.
_TAKEN_HEADERS = frozenset(
    """
    age authorization cache-control connection cookie date etag expect forwarded from host
    keep-alive last-modified location max-forwards origin pragma priority proxy range referer server
    set-cookie te trailer transfer-encoding upgrade user-agent vary via x-real-ip x-request-id
    """.split()
)
_TAKEN_PREFIXES = (
    "accept", "access-control-", "content-", "if-", "proxy-", "sec-", "x-forwarded-", "x-original-",
    "x-rewrite-",
)  # fmt: skip
# The gateway's own cookies (gateway/session/cookie.py).
_OWN_COOKIES = ("__host-sonar_", "sonar_sso", "sonar_tx_")

# Signatures that only the provider can make. With `HS256` whoever knows the client secret could
# make tokens, and with `none` anybody could.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip


def header_name(name: str) -> str:
    folded = name.lower()
    if not _HEADER.fullmatch(name):
        raise ValueError("must be a header name of letters, digits and dashes, such as X-Sonar-Id")
    if folded in _TAKEN_HEADERS or folded.startswith(_TAKEN_PREFIXES):
        raise ValueError(
            "is a header with a meaning of its own; choose another, such as X-Sonar-Id"
        )
    return name


def cookie_name(name: str) -> str:
    if not _COOKIE.fullmatch(name):
        raise ValueError("must be a cookie's name, such as PHPSESSID")
    if name.lower().startswith(_OWN_COOKIES):
        raise ValueError("is a cookie of the gateway itself")
    return name


def cookie_path(path: str) -> str:
    """To the letter: `/app` and `/app/` are two places for a cookie."""
    if not _COOKIE_PATH.fullmatch(path):
        raise ValueError("must be a cookie's path, such as /app, without blanks and ;")
    return path


def form_field(name: str) -> str:
    if not _FORM_FIELD.fullmatch(name):
        raise ValueError("must be the `name` of a form's field, such as username, without blanks")
    return name


def sql_name(name: str) -> str:
    if not _SQL_NAME.fullmatch(name):
        raise ValueError("must be a name of letters, digits and _, with at most one dot")
    return name


def word(name: str) -> str:
    if not _WORD.fullmatch(name):
        raise ValueError("must be one word of letters, digits, `_`, `.` and `-`")
    return name


def is_provider_name(name: str) -> bool:
    return _PROVIDER_NAME.fullmatch(name) is not None


def provider_name(name: str) -> str:
    """It is part of paths, `/sso/login/{provider}`."""
    if not is_provider_name(name):
        meant = f"; did you mean `{name.lower()}`?" if is_provider_name(name.lower()) else ""
        wrong = "a provider's name is small letters, digits and dashes, such as my-idp"
        raise ValueError(f"{wrong}{meant}")
    return name


def algorithm(name: str) -> str:
    if name not in ALGORITHMS:
        raise ValueError(f"must be a signature only the provider can make: {', '.join(ALGORITHMS)}")
    return name


def guid(value: str) -> str:
    """A tenant's GUID, in small letters."""
    folded = value.lower()
    if not _GUID.fullmatch(folded):
        raise ValueError("must be a tenant's GUID, such as 8f2c1b6e-0d4a-4c57-9b1e-2f3a4b5c6d7e")
    return folded


def trusted_tenant(value: str) -> str:
    """A tenant whose administrator is believed about the addresses of a domain."""
    folded = guid(value)
    if folded == CONSUMER_TENANT:
        # Anybody can open a personal account, so this tenant vouches for nobody's work address.
        raise ValueError("is the tenant of all personal Microsoft accounts; nobody vouches for it")
    return folded


def tenant(value: str) -> str:
    """Which Entra accounts may come: a word, a GUID, or a domain of the tenant."""
    folded = value.lower()
    if folded in {"organizations", "common", "consumers"} or _GUID.fullmatch(folded):
        return folded
    try:
        return parse_domain(folded)
    except ValueError:
        raise ValueError(
            "must be organizations, common, consumers, a tenant's GUID or one of its domains"
        ) from None


HeaderName = Annotated[str, AfterValidator(header_name)]
CookieName = Annotated[str, AfterValidator(cookie_name)]
CookiePath = Annotated[str, AfterValidator(cookie_path)]
FormField = Annotated[str, AfterValidator(form_field)]
SqlName = Annotated[str, AfterValidator(sql_name)]
Word = Annotated[str, AfterValidator(word)]
ProviderName = Annotated[str, AfterValidator(provider_name)]
Algorithm = Annotated[str, AfterValidator(algorithm)]
Tenant = Annotated[str, AfterValidator(tenant)]
TrustedTenant = Annotated[str, AfterValidator(trusted_tenant)]
