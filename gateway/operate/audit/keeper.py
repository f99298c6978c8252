"""Where events go: a line in the log."""

import structlog

from gateway.operate.audit.event import Event

_log = structlog.get_logger()


class Audit:
    """Takes events. `record` before access is given: it may say no. `note` for all others."""

    async def record(self, event: Event) -> None:
        """Take an event; one that gives access, before the person notices."""
        self.note(event)

    def note(self, event: Event) -> None:
        """Take an event that has happened. Never waits, never fails."""
        told = {name: value for name, value in event.facts().items() if value is not None}
        detail = {name: value for name, value in event.detail.items() if value is not None}
        _log.info(event.kind, **told, **({"detail": detail} if detail else {}))
