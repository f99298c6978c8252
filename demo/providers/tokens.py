"""What each stand-in says of a person, and the signature under it."""

import time
import warnings

from joserfc import jwt

from demo.people import GooglePerson, MicrosoftPerson, Person
from demo.providers.faults import overridden
from demo.providers.standin import Grant, Provider

LIFETIME = 3600

# Entra dates its tokens back, for clients whose clocks are behind.
ENTRA_BACKDATE = 300


def id_token(provider: Provider, grant: Grant) -> str:
    """The signed ID token for `grant`, with whatever its fault does to it."""
    fault = grant.fault
    if fault.token is not None:
        return fault.token
    claims = overridden(_claims(provider, grant), fault.claims)
    signing = provider.keys[0]
    algorithm = fault.algorithm or "RS256"
    header = overridden({"alg": algorithm, "kid": signing.kid}, fault.header)
    with warnings.catch_warnings():
        # A fault may ask for algorithms that the library warns of; that is what faults are for.
        warnings.simplefilter("ignore")
        return jwt.encode(header, claims, fault.key or signing.key, [algorithm])


def _claims(provider: Provider, grant: Grant) -> dict[str, object]:
    now = int(time.time())
    claims: dict[str, object] = {
        "aud": grant.client_id,
        "iat": now,
        "exp": now + LIFETIME,
        **_about(provider, grant.person),
    }
    if grant.auth_time:
        # Whoever picks a person here is taken to have typed their password.
        claims["auth_time"] = int(grant.issued)
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    if provider.kind == "microsoft":
        claims |= {"iat": now - ENTRA_BACKDATE, "nbf": now - ENTRA_BACKDATE}
        # Optional claims that real-providers.md asks for.
        claims |= {"sid": grant.sid, "login_hint": f"O.{grant.person.id}.{grant.sid[:8]}"}
    else:
        claims["azp"] = grant.client_id
    return claims


def _about(provider: Provider, person: Person) -> dict[str, object]:
    match person:
        case GooglePerson():
            return {
                "iss": provider.base,
                "sub": person.subject,
                "email": person.email,
                "email_verified": person.email_verified,
                "name": person.name,
                **({"hd": person.hosted_domain} if person.hosted_domain else {}),
            }
        case MicrosoftPerson():
            return {
                "iss": f"{provider.base}/{person.tenant}/v2.0",
                "ver": "2.0",
                "tid": person.tenant,
                "oid": person.object_id,
                # Differs for every application, so that nobody takes it for a lasting key.
                "sub": f"pairwise-{person.object_id[-12:]}-{person.tenant[:8]}",
                "name": person.name,
                "preferred_username": person.email or f"{person.id}@{person.tenant}.example",
                **({"email": person.email} if person.email else {}),
                **({} if person.owner_verified is None else {"xms_edov": person.owner_verified}),
            }
