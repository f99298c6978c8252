"""The identity assertion that upstream verifies, and the public keys to verify it with.

A JWT (RFC 7519) signed with ES256 (RFC 7518 section 3.4). Claims:

    iss        the gateway's public URL          sid        the session's public id
    aud        `assertion.audience`              auth_time  when they last proved who they are, s
    sub        the Sonar account id              iat, exp   minted; `assertion.lifetime` later, s
    username, email (when there is one), provider
"""

from typing import TYPE_CHECKING

from gateway.session.keys import KeyRing
from gateway.session.keys.model import Key
from gateway.session.model import Session

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

ALGORITHM = "ES256"


class AssertionMinter:
    """Signs with the key in use. `lifetime` in seconds."""

    def __init__(self, keys: KeyRing, *, issuer: str, audience: str, lifetime: float) -> None:
        self._keys = keys
        self._signs_with: tuple[Key, ECKey] | None = None
        self._issuer = issuer
        self._audience = audience
        self.lifetime = lifetime

    def mint(self, session: Session, now: float) -> str:
        issued = int(now)
        claims: dict[str, str | int] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": session.account.id,
            "username": session.account.username,
            "provider": session.identity.provider,
            "sid": session.public_id,
            "auth_time": int(session.auth_time),
            "iat": issued,
            "exp": issued + int(self.lifetime),
        }
        email = session.account.email()
        if email is not None:
            claims["email"] = str(email)
        return self._sign(claims)

    def _sign(self, claims: dict[str, str | int]) -> str:
        # Imported at the first assertion: it takes a tenth of a start, which needs none.
        from joserfc import jwt
        from joserfc.jwk import ECKey

        key = self._keys.signing_key
        if self._signs_with is None or self._signs_with[0] is not key:
            self._signs_with = key, ECKey.import_key(key.private)
        header = {"alg": ALGORITHM, "kid": key.id}
        return jwt.encode(header, claims, self._signs_with[1], algorithms=[ALGORITHM])

    def jwks(self) -> dict[str, list[dict[str, object]]]:
        """The public half of every signing key (RFC 7517 section 5), newest first: also of the
        one that will sign next, so that it is known before it does."""
        from joserfc.jwk import ECKey

        return {
            "keys": [
                {
                    **ECKey.import_key(signing.private).as_dict(private=False),
                    "kid": signing.id,
                    "use": "sig",
                    "alg": ALGORITHM,
                }
                for signing in reversed(self._keys.signing_keys)
            ]
        }
