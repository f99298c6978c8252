"""Logouts that a provider tells of: what is written down of each, whichever way it came.

Nobody sits in front of these, and no cookie comes with them. backchannel.py has those that are
signed by the provider, frontchannel.py those that any browser can bring.
"""

from dataclasses import replace
from enum import StrEnum

import structlog

from gateway.operate.audit import EventKind, session_event
from gateway.portal.visit import Visit
from gateway.reasons import Reason
from gateway.session.endings import Note
from gateway.session.model import Session

log = structlog.get_logger()


class Channel(StrEnum):
    """How a logout came; the `channel` of log, audit and metric."""

    BACK = "backchannel"
    RISC = "risc"
    FRONT = "frontchannel"


def noting(visit: Visit, channel: Channel, reason: Reason, what: tuple[str, ...]) -> Note:
    """Makes the record of each session that ends by it, now or when the store takes it. `what`
    names the provider's events."""
    # Not the whole request, for which there may be no room until then.
    audit, address, request_id = visit.parts.audit, visit.address, visit.request_id

    def note(session: Session) -> None:
        event = session_event(EventKind.SESSION_ENDED, session, reason, channel=channel, what=what)
        audit.note(replace(event, address=address or None, request_id=request_id or None))

    return note


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
