"""The audit: who was let in or refused, and who changed who may get in. One record an event.

event.py       what happened: the values, and the closed list of kinds
keeper.py      `Audit`: takes an event, writes its line, has its record kept
record.py      an event as a line, and as a record
waiting.py     the records that wait;  allowance.py: how many refusals are kept
writer.py      writes them, whatever goes wrong
chain.py       each record is bound to the one before
verify.py      is the chain whole? the first record that does not fit

Records are kept by gateway/account/trail.py, in the gateway's own database.
"""

from gateway.operate.audit.event import Event, EventKind, session_event
from gateway.operate.audit.keeper import Audit

__all__ = ["Audit", "Event", "EventKind", "session_event"]
