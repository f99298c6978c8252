"""Both stand-in providers as values: their clients, keys and the codes they gave out."""

import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from joserfc.jwk import RSAKey

from demo.people import GOOGLE_PEOPLE, MICROSOFT_PEOPLE, Person
from demo.providers.faults import Fault

Kind = Literal["google", "microsoft"]

# A code is exchanged at once by the gateway; whoever has it later stole it.
CODE_LIFETIME = 60.0


@dataclass(frozen=True, slots=True)
class Client:
    """An application registered with a provider. As at Entra, one may come back from signing out
    to a redirect URI only, and `logout_url` is opened in a frame when somebody does."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    logout_url: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A sign-in that waits for its code to be exchanged. `auth_time`: whether to say when."""

    person: Person
    client_id: str
    redirect_uri: str
    nonce: str | None
    code_challenge: str
    issued: float
    fault: Fault
    auth_time: bool = False
    sid: str = ""


@dataclass(slots=True)
class SigningKey:
    """A key pair made at run time. `issuer` is Entra's extra member of its published half."""

    kid: str
    key: RSAKey
    issuer: str | None = None

    def published(self) -> dict[str, object]:
        public: dict[str, object] = {**self.key.as_dict(private=False)}
        public |= {"kid": self.kid, "use": "sig", "alg": "RS256"}
        return public if self.issuer is None else public | {"issuer": self.issuer}


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048)


@dataclass(slots=True)
class Provider:
    """One stand-in. Tests may change everything here between requests: `fault` is bound to the
    next code, `keys[0]` signs and all are published, `document_changes` override the discovery
    document, and `requests` counts what was asked for, by endpoint. `tells_auth_time`: Google's
    "Session age claims", Entra's optional claim; told when asked for, as Google does."""

    kind: Kind
    base: str
    client: Client
    people: tuple[Person, ...]
    keys: list[SigningKey]
    fault: Fault = field(default_factory=Fault)
    document_changes: dict[str, object] = field(default_factory=dict)
    down: bool = False
    tells_auth_time: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    _grants: dict[str, Grant] = field(default_factory=dict)

    def grant(self, grant: Grant) -> str:
        """A new code for `grant`."""
        code = secrets.token_urlsafe(32)
        self._grants[code] = grant
        return code

    def redeem(self, code: str) -> Grant | None:
        """What `code` stands for; once, and soon."""
        grant = self._grants.pop(code, None)
        if grant is None or time.time() - grant.issued > CODE_LIFETIME:
            return None
        return grant


@dataclass(slots=True)
class StandIn:
    google: Provider
    microsoft: Provider


def make_stand_in(
    base_url: str,
    google: Client,
    microsoft: Client,
    keys: tuple[RSAKey, RSAKey] | None = None,
) -> StandIn:
    """Both providers, to be served at `base_url` (`http://localhost:8082`): discovery at
    `/google/.well-known/openid-configuration` and
    `/microsoft/{tenant}/v2.0/.well-known/openid-configuration`. New keys unless given."""
    googles, microsofts = keys or (new_key(), new_key())
    issuer = f"{base_url}/microsoft/{{tenantid}}/v2.0"
    return StandIn(
        google=Provider(
            "google",
            f"{base_url}/google",
            google,
            GOOGLE_PEOPLE,
            [SigningKey(secrets.token_hex(8), googles)],
        ),
        microsoft=Provider(
            "microsoft",
            f"{base_url}/microsoft",
            microsoft,
            MICROSOFT_PEOPLE,
            [SigningKey(secrets.token_hex(8), microsofts, issuer)],
        ),
    )
