"""What a stand-in provider does wrong, on purpose. For tests; no page offers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from joserfc.jwk import Key

# As a value in a Fault: the member is left out.
ABSENT = object()


@dataclass(frozen=True, slots=True)
class TokenReply:
    """The token endpoint's whole answer. `hang` seconds pass before it."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """How one sign-in differs from an honest one. The default differs in nothing.

    `claims`, `header` and `response` (the authorization response's parameters) override single
    members, `ABSENT` leaves one out. `key` signs instead of the published one, with `algorithm`.
    `token` is sent as the ID token as it is; `reply` replaces the token endpoint's answer.
    """

    claims: Mapping[str, object] = field(default_factory=dict)
    header: Mapping[str, object] = field(default_factory=dict)
    response: Mapping[str, object] = field(default_factory=dict)
    algorithm: str | None = None
    key: Key | None = None
    token: str | None = None
    reply: TokenReply | None = None


def overridden(honest: Mapping[str, object], faulty: Mapping[str, object]) -> dict[str, object]:
    """`honest` with the members of `faulty` in their places."""
    return {name: value for name, value in {**honest, **faulty}.items() if value is not ABSENT}
