"""Logouts that a provider tells of: what is written down of each, whichever way it came.

Nobody sits in front of these, and no cookie comes with them. backchannel.py has those that are
signed by the provider, frontchannel.py those that any browser can bring.
"""

from collections.abc import Sequence
from enum import StrEnum

import structlog

from gateway.operate.audit import EventKind
from gateway.portal.visit import Visit
from gateway.reasons import Reason
from gateway.session.model import Session

log = structlog.get_logger()


class Channel(StrEnum):
    """How a logout came; the `channel` of log, audit and metric."""

    BACK = "backchannel"
    RISC = "risc"
    FRONT = "frontchannel"


def note_ended(
    visit: Visit,
    channel: Channel,
    reason: Reason,
    what: tuple[str, ...],
    ended: Sequence[Session],
) -> None:
    """Each session that ended by it, for the audit. `what` names the provider's events."""
    for session in ended:
        event = visit.event(
            EventKind.SESSION_ENDED,
            reason,
            session=session,
            channel=channel,
            what=what,
        )
        visit.parts.audit.note(event)


def note_refused(
    visit: Visit,
    channel: Channel,
    reason: Reason,
    *,
    detail: str | None = None,
    provider: str | None = None,
) -> None:
    """It is not believed. `detail` as in `Refused`."""
    log.info("logout_refused", channel=channel, reason=reason, detail=detail, provider=provider)
    count(visit, channel, reason)


def count(visit: Visit, channel: Channel, reason: Reason) -> None:
    visit.parts.counters.logouts[channel, reason] += 1
