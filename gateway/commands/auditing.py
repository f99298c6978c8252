"""What a command does that changes who may get in is recorded, too: by whom, and that it is kept.

    async with auditing(config) as audit:
        ...
        await audit.record(Event(EventKind.USER_BLOCKED, ..., detail={"by": operator()}))

The command ends with a problem when the record could not be kept: what it did is done.
"""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.account.trail import Trail
from gateway.config import Config
from gateway.errors import AuditUnavailable
from gateway.operate.audit import Audit
from gateway.operate.audit.chain import Chain
from gateway.session.keys.choose import ring_for


@asynccontextmanager
async def auditing(config: Config) -> AsyncIterator[Audit]:
    """An `Audit` that has kept everything when the block is left, or raises `AuditUnavailable`."""
    trail = Trail(config.links.database, Chain(await ring_for(config, make=True)))
    audit = Audit(config.audit, tell=False)
    # Trimming is the gateway's: a command would cut it short, and the database's thread with it.
    audit.start(trail, trim=False)
    try:
        yield audit
    finally:
        left = await audit.close()
        await trail.close()
    if left:
        raise AuditUnavailable("done, but it could not be recorded: the database takes nothing")


def operator() -> str:
    """Who runs this command, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
