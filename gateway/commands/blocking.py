"""`sonar-gateway users block|unblock`: who is kept out of single sign-on.

It may be an emergency, so that each answer begins with whether the person is kept out, whatever
else went wrong.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gateway.commands.auditing import auditing, operator
from gateway.commands.policies import policy_files
from gateway.commands.sessions import end_all, ending, opened
from gateway.config import Config
from gateway.email import Email
from gateway.errors import (
    AuditUnavailable,
    CannotStart,
    ConfigError,
    GatewayError,
    NotBlocked,
)
from gateway.operate.audit import Event, EventKind
from gateway.policy.edit import adding, removing
from gateway.policy.model import Policy, Sso
from gateway.reasons import Reason
from gateway.session.model import Session

_STILL_OPEN = (
    "Their Sonar password still opens Sonar's own sign-in page: switch the account off in Sonar."
)


async def block(config: Config, email: Email) -> str:
    """Keep this person out, under the domain and its aliases alike, and end their sessions; what
    was done. Raises `NotBlocked`, and `AuditUnavailable` when it is done but not recorded."""
    with or_not_blocked(email), policy_files(config) as policies:
        policy = policies.of(email.domain)
        before = _blocking(policy, email)
        meant = replace(policy, blocked_users=policy.blocked_users | {email})
        if not before:
            policies.write(meant, policies.prepared(meant, adding("blocked_users", email)))
    done = f"{email} is blocked{' already' if before else ''}, in {policy.file}"
    events = [] if before else [_event(EventKind.USER_BLOCKED, email)]
    ended: list[Session] = []
    try:
        await _end_sessions(config, replace(policy, blocked_users=before | {email}), ended)
        sessions = _told_of(len(ended))
    except GatewayError as error:
        sessions = f"A gateway that reads the file ends their sessions; the store says: {error}."
    events += [ending(session, Reason.BLOCKED_USER) for session in ended]
    told = f"{done}. {sessions} {_STILL_OPEN}"
    try:
        async with auditing(config) as audit:
            for event in events:
                audit.note(event)
    except GatewayError as error:
        raise AuditUnavailable(f"{told}\nIt could not be recorded: {error}") from error
    return told


async def unblock(config: Config, email: Email) -> str:
    """Let this person in again, by whatever address of theirs they were blocked."""
    with policy_files(config) as policies:
        policy = policies.of(email.domain)
        entries = _blocking(policy, email)
        if not entries:
            return f"{email} is not blocked, in {policy.file}"
        meant = replace(policy, blocked_users=policy.blocked_users - entries)
        content = policies.prepared(meant, removing("blocked_users", entries))
        async with auditing(config) as audit:
            # It gives access, so it is recorded first.
            await audit.record(_event(EventKind.USER_UNBLOCKED, email))
            policies.write(meant, content)
    return f"{email} is not blocked any more, in {policy.file}"


@contextmanager
def or_not_blocked(email: Email) -> Iterator[None]:
    """What goes wrong in here is told beginning with what matters: this person still gets in.
    Raises `NotBlocked`."""
    try:
        yield
    except (ConfigError, CannotStart) as error:
        raise NotBlocked(
            f"{email} is NOT blocked: nothing was changed. "
            f"`sonar-gateway sessions revoke --email {email}` ends what is open now, but keeps "
            f"nobody out. In the way:\n{error}"
        ) from error


def _told_of(ended: int) -> str:
    if not ended:
        return "No session of theirs was open."
    return f"{ended} session{'s' if ended > 1 else ''} of theirs ended."


async def _end_sessions(config: Config, policy: Policy, ended: list[Session]) -> None:
    """Those of whom the policy blocks, here and now, and not when a gateway reads the file; put
    into `ended`. Raises `SessionsUnavailable`."""
    async with opened(config) as store:
        if store is not None:
            found = [session for session in await store.all() if _is_blocked(policy, session)]
            await end_all(store, found, ended)


def _is_blocked(policy: Policy, session: Session) -> bool:
    email = session.identity.email
    return email is not None and email.domain in policy.domains and bool(_blocking(policy, email))


def _blocking(policy: Policy, email: Email) -> frozenset[Email]:
    """The entries that keep this person out: of an alias, or without a tag, too."""

    def blocks(entry: Email) -> bool:
        alone = replace(policy, sso=Sso.ON, blocked_users=frozenset({entry}))
        return alone.refusal(email, "") is Reason.BLOCKED_USER

    return frozenset(filter(blocks, policy.blocked_users))


def _event(kind: EventKind, email: Email) -> Event:
    return Event(kind, domain=email.domain, email=str(email), detail={"by": operator()})
