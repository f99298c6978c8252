"""Cookies in places that config does not name: the operator hears of each."""

from structlog.testing import capture_logs

from gateway.edge.cookies import Place
from gateway.edge.cookies_elsewhere import CookiesElsewhere


def test_each_is_told_of_once() -> None:
    elsewhere = CookiesElsewhere()
    app, wide = Place("SID", "/app", ""), Place("SID", "/", "sonar.example")
    with capture_logs() as logs:
        elsewhere.tell((app,))
        elsewhere.tell((app, wide))
    assert logs == [
        {
            "event": "session_cookie_elsewhere",
            "log_level": "warning",
            "name": "SID",
            "path": "/app",
            "domain": None,
        },
        {
            "event": "session_cookie_elsewhere",
            "log_level": "warning",
            "name": "SID",
            "path": "/",
            "domain": "sonar.example",
        },
    ]


def test_a_place_for_each_page_fills_neither_memory_nor_log() -> None:
    elsewhere = CookiesElsewhere()
    with capture_logs() as logs:
        for number in range(1000):
            elsewhere.tell((Place("SID", f"/{number}", ""),))
    assert len(logs) == len(elsewhere._told) == 16
