"""What the audit is told: that somebody was let in or refused, or may get in now or no more. Pure.

An event names people and things by what cannot be used to get in: an identity, an account's id,
the public id of a session. No secret, token, cookie or password is ever part of one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from gateway.identity.model import Identity, IdentityKey
from gateway.reasons import Reason
from gateway.session.model import Session

Detail = str | int | tuple[str, ...] | None


class EventKind(StrEnum):
    # let in, or not
    SIGN_IN = "sign_in"
    """A session began."""
    SIGN_IN_REFUSED = "sign_in_refused"
    """The provider's answer, the browser's side of it, or the policy says no."""
    PASSWORD_REFUSED = "password_refused"  # noqa: S105 - a kind, not a secret
    """A Sonar password that was to prove an account did not, or was not looked at."""
    CHOICE_REFUSED = "choice_refused"
    """An account was chosen that is not offered."""
    FORM_REFUSED = "form_refused"
    """A form that this gateway did not make for this browser."""
    PROOF_GIVEN = "proof_given"
    """Somebody signed in proved anew who they are."""
    PROOF_REFUSED = "proof_refused"
    """Somebody signed in was to prove anew who they are, and came back without a proof."""
    # may get in now, or no more
    LINK_ADDED = "link_added"
    """An identity opens an account from now on."""
    LINK_REMOVED = "link_removed"
    """An identity opens an account no more."""
    USER_BLOCKED = "user_blocked"
    """An operator blocked somebody."""
    USER_UNBLOCKED = "user_unblocked"
    """An operator let somebody in again."""
    POLICY_CHANGED = "policy_changed"
    """A domain's policy that is in force differs from the one before."""
    POLICIES_LOADED = "policies_loaded"
    """A gateway started with these policies."""
    KEYS_ROTATED = "keys_rotated"
    """Keys were made, to be used when all know them, or taken away."""
    # in no more
    SIGNED_OUT = "signed_out"
    """Somebody signed out."""
    SESSION_ENDED = "session_ended"
    """A session was ended by something else than its own person; `reason` says by what."""
    # the audit itself
    RECORDS_LEFT_OUT = "records_left_out"
    """Some records are not kept: there were too many of them at once."""
    AUDIT_TRIMMED = "audit_trimmed"
    """Records past `audit.keep` were taken away."""
    AUDIT_BROKEN = "audit_broken"
    """The chain did not end as it should when the next record came."""


REFUSALS = frozenset(
    {
        EventKind.SIGN_IN_REFUSED,
        EventKind.PASSWORD_REFUSED,
        EventKind.CHOICE_REFUSED,
        EventKind.FORM_REFUSED,
        EventKind.PROOF_REFUSED,
    }
)

# What must not happen where it cannot be recorded and `audit.required` is on. Taking access away
# must happen all the same.
GIVES_ACCESS = frozenset({EventKind.SIGN_IN, EventKind.LINK_ADDED, EventKind.USER_UNBLOCKED})


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `account`: the Sonar account's id; `address`: the client's IP address; `session`:
    the public id. `provider`, `email` and `domain` are the identity's where one is given whole.

    `detail`: what else an operator wants to know of this kind of event, in a few words.
    """

    kind: EventKind
    reason: Reason | None = None
    identity: Identity | IdentityKey | None = None
    account: str | None = None
    domain: str | None = None
    address: str | None = None
    request_id: str | None = None
    session: str | None = None
    provider: str | None = None
    email: str | None = None
    detail: Mapping[str, Detail] = field(default_factory=lambda: MappingProxyType({}))

    def facts(self) -> dict[str, str | None]:
        """What is known, flat, under the names of the record."""
        identity = self.identity
        whole = identity if isinstance(identity, Identity) else None
        key = identity.key if isinstance(identity, Identity) else identity
        email = whole.email if whole is not None else None
        return {
            "reason": self.reason,
            "provider": self.provider if whole is None else whole.provider,
            "issuer": None if key is None else key.issuer,
            "subject": None if key is None else key.subject,
            "email": self.email if email is None else str(email),
            "domain": self.domain if email is None else email.domain,
            "account": self.account,
            "address": self.address,
            "request_id": self.request_id,
            "session": self.session,
        }


def session_event(
    kind: EventKind, session: Session, reason: Reason | None = None, **detail: Detail
) -> Event:
    """What happened to a session, without anybody's request."""
    return Event(
        kind,
        reason,
        session.identity,
        account=session.account.id,
        session=session.public_id,
        detail=detail,
    )
