"""What a provider tells of its own accord: somebody is signed out there, or an account is in
trouble. Pure.

Anybody can send one, so each rule is demanded, as of ID tokens (provenance.py); and each
has a name, so that it is believed once.
"""

from dataclasses import dataclass

from gateway.identity.model import IdentityKey, Refused
from gateway.identity.provenance import LONGEST_NAME, Claims
from gateway.reasons import Reason

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class Recall:
    """Whose sessions end: those that came of the provider's session `sid`; without one, all of the
    identity `key`; with neither, none.

    `what` names the events. `jti` names the recall, and it would be believed again until `until`
    (Unix seconds).
    """

    key: IdentityKey | None
    sid: str | None
    what: tuple[str, ...]
    jti: str
    until: float


class RecallClaims(Claims):
    jti: str | None = None
    events: dict[str, dict[str, object]] | None = None


def check_name(claims: RecallClaims) -> Refused | None:
    """Without `jti` nobody could tell that it comes a second time."""
    if not claims.jti or len(claims.jti) > LONGEST_NAME:
        return Refused(Reason.TOKEN_MALFORMED, "jti is absent or too long")
    return None
