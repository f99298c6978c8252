"""Where events go."""

from structlog.testing import capture_logs

from gateway.operate.audit import Audit, Event, EventKind
from gateway.reasons import Reason


async def test_an_event_is_a_line_of_the_log() -> None:
    refused = Event(
        EventKind.SIGN_IN_REFUSED,
        Reason.BLOCKED_USER,
        email="blake@acme.example",
        detail={"trail": ("blocked_user yes",), "replaced": None},
    )
    with capture_logs() as logs:
        Audit().note(refused)
        await Audit().record(refused)
    assert logs[0] == logs[1]
    assert logs[0] == {
        "event": "sign_in_refused",
        "log_level": "info",
        "reason": "blocked_user",
        "email": "blake@acme.example",
        "detail": {"trail": ("blocked_user yes",)},
    }
