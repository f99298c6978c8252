"""How Entra names its tenants. Pure.

https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference (claims `iss`, `tid`).
"""

import re

# A tenant's id, and a person's within it, as tokens and configuration have it: in small letters.
GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

# All personal Microsoft accounts are in this one tenant, whose people choose their own addresses.
CONSUMER_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"

# Stands for the tenant in the issuer of a discovery document that serves several.
TENANT_PLACEHOLDER = "{tenantid}"


def is_issuer(named: str, published: str) -> bool:
    """Whether `named` is the issuer that the provider publishes: exactly, or with one tenant in the
    place of `{tenantid}`."""
    before, placeholder, after = published.partition(TENANT_PLACEHOLDER)
    if not placeholder:
        return named == published
    return re.fullmatch(rf"{re.escape(before)}{GUID}{re.escape(after)}", named) is not None
