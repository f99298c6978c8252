"""The log: one line an event, nothing secret in it, and never in anybody's way."""

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from gateway.operate.log import AUDIT_LOGGER, REDACTED, configure_logging, redact
from gateway.secret import Secret


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    audit = logging.getLogger(AUDIT_LOGGER)
    access, watchfiles = logging.getLogger("aiohttp.access"), logging.getLogger("watchfiles")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    access.disabled = False
    audit.handlers[:], audit.propagate = [], True
    watchfiles.setLevel(logging.NOTSET)
    for name in ("aiosqlite", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> Any:
    configure_logging("info", "json", stream)
    return structlog.get_logger()


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_of_json(log: Any, stream: io.StringIO) -> None:
    log.warning("injection_missed", fragment="login_buttons", why="no_element")
    (event,) = events(stream)
    stamp = event.pop("timestamp")
    assert stamp.endswith("Z")
    assert event == {
        "event": "injection_missed",
        "fragment": "login_buttons",
        "why": "no_element",
        "level": "warning",
        "logger": __name__,
    }


def test_a_value_cannot_start_a_line_of_its_own(log: Any, stream: io.StringIO) -> None:
    log.info("sign_in_refused", name='x\n{"event":"sign_in"}')
    assert len(events(stream)) == 1


def test_levels(stream: io.StringIO) -> None:
    configure_logging("warning", "json", stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().error("loud")
    logging.getLogger("library").info("quiet")
    logging.getLogger("library").error("loud %s", "too")
    assert [event["event"] for event in events(stream)] == ["loud", "loud too"]


def test_libraries_come_out_in_the_same_form(log: Any, stream: io.StringIO) -> None:
    logging.getLogger("sqlalchemy.pool").warning("gone: %s", "away", extra={"password": "hunter2"})
    (event,) = events(stream)
    assert event["event"] == "gone: away"
    assert (event["logger"], event["level"]) == ("sqlalchemy.pool", "warning")
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_lines_of_the_audit_go_to_standard_output_and_nowhere_else(
    form: Any, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("info", form, stream)
    structlog.get_logger(AUDIT_LOGGER).info("sign_in", account="7", token="hunter2")
    assert stream.getvalue() == ""
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.count("\n") == 1
    assert "sign_in" in told.out
    assert "hunter2" not in told.out
    if form == "json":
        assert json.loads(told.out)["account"] == "7"


def test_aiohttp_does_not_log_queries(log: Any, stream: io.StringIO) -> None:
    logging.getLogger("aiohttp.access").info("GET /sso/callback/google?code=4/abc")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("level", "told"), [("info", ["gone"]), ("error", [])])
def test_watchfiles_does_not_tell_of_each_change(
    level: Any, told: list[str], stream: io.StringIO
) -> None:
    configure_logging(level, "json", stream)
    logging.getLogger("watchfiles.main").info("1 change detected")
    logging.getLogger("watchfiles.main").warning("gone")
    assert [event["event"] for event in events(stream)] == told


def test_configured_twice_an_event_is_still_one_line(stream: io.StringIO) -> None:
    configure_logging("info", "json", stream)
    configure_logging("info", "json", stream)
    structlog.get_logger().info("once")
    assert len(events(stream)) == 1


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variables(form: Any, stream: io.StringIO) -> None:
    configure_logging("info", form, stream)

    def fails(password: str) -> None:
        raise LookupError(f"{len(password)} characters")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fails("hunter2" + "hunter3")
        except LookupError:
            structlog.get_logger().exception("directory_failed")
            logging.getLogger("library").exception("failed, too")
    written = stream.getvalue()
    assert written.count("LookupError: 14 characters") == 2
    assert "hunter2hunter3" not in written


def test_for_the_eyes(stream: io.StringIO) -> None:
    configure_logging("info", "console", stream)
    structlog.get_logger().info("ready", url="http://localhost:8080")
    assert "ready" in stream.getvalue()
    assert "url=http://localhost:8080" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "Password",
        "new_password",
        "passwd",
        "client_secret",
        "clientSecret",
        "token",
        "id_token",
        "accessToken",
        "refresh-token",
        "tokens",
        "cookie",
        "Set-Cookie",
        "session_cookies",
        "Authorization",
        "code",
        "CODE",
        "auth-code",
        "code_verifier",
        "X-Sonar-Assertion",
        "nonce",
    ],
)
def test_keys_named_like_secrets_are_hidden(key: str) -> None:
    assert redact(None, "info", {"event": "e", key: "hunter2"}) == {"event": "e", key: REDACTED}


@pytest.mark.parametrize(
    "key", ["status_code", "reason", "provider", "email", "tokenizer", "encoded", "country_code"]
)
def test_others_are_not(key: str) -> None:
    assert redact(None, "info", {key: "value"}) == {key: "value"}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda inner: {"request": inner},
        lambda inner: {"request": {"headers": [inner]}},
        lambda inner: {"request": ({"a": 1}, inner)},
        lambda inner: {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": inner}}}}}}}},
    ],
)
def test_nested_ones_too(wrapped: Callable[[object], Any]) -> None:
    assert "hunter2" not in repr(redact(None, "info", wrapped({"cookie": "hunter2"})))


def test_data_that_contains_itself_ends() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    assert "too deep" in repr(redact(None, "info", {"loop": loop}))


def test_the_event_that_was_given_is_left_alone() -> None:
    given = {"headers": {"cookie": "a=b"}}
    redact(None, "info", given)
    assert given == {"headers": {"cookie": "a=b"}}


def test_a_secret_is_masked_under_any_name(log: Any, stream: io.StringIO) -> None:
    log.info("opened", url=Secret("postgresql://sonar:hunter2@db/sonar"))
    assert "hunter2" not in stream.getvalue()


def test_a_closed_pipe_does_not_fail_who_logs() -> None:
    script = (
        "import structlog\n"
        "from gateway.operate.log import configure_logging\n"
        "configure_logging('info', 'json')\n"
        "structlog.get_logger().info('nobody_listens')\n"
        "print('still here', flush=True)\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=writing, timeout=30
        )
    finally:
        os.close(writing)
    assert ran.stdout == b"still here\n"


@pytest.mark.parametrize("name", ["aiosqlite", "sqlalchemy.engine.Engine"])
def test_what_goes_into_a_database_is_never_told(name: str, stream: io.StringIO) -> None:
    configure_logging("debug", "json", stream)
    logging.getLogger(name).debug("INSERT …, ('jo@acme.example',)")
    logging.getLogger(name).info("SELECT links.issuer")
    logging.getLogger(name).warning("the connection broke")
    assert [event["event"] for event in events(stream)] == ["the connection broke"]
