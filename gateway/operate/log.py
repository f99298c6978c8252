"""The log: one event a line on standard error, JSON or for a human's eyes. The audit's lines go
to standard output, where the access log goes, too.

Call `configure_logging` once at start; then `structlog.get_logger().info("event_name", key=value)`
anywhere. What libraries log through the standard library comes out in the same form.

Everything goes through standard library handlers, because those swallow a closed pipe or a full
disk: a line that cannot be written must not fail the request that wanted to log it.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

REDACTED = "[redacted]"

AUDIT_LOGGER = "gateway.audit"

# A key with one of these words in it does not show its value: a second lock behind the rule that
# nobody logs secrets. Words, not substrings, so that `tokenizer` is not hidden.
_SECRET_WORDS = frozenset(
    """
    password passwords passwd secret secrets token tokens cookie cookies authorization assertion
    verifier nonce
    """.split()
)
# `code` alone is an OAuth code, `status_code` is not.
_SECRET_KEYS = frozenset({"code", "auth_code"})
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
# Deeper than anything we log; a loop in the data ends here.
_DEEPEST = 6


def configure_logging(
    level: Literal["debug", "info", "warning", "error"],
    form: Literal["json", "console"],
    stream: TextIO | None = None,
    audit: TextIO | None = None,
) -> None:
    """Set up structlog and the standard library's root logger to write to `stream` (stderr), and
    the audit's to `audit` (stdout)."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_handler(stream or sys.stderr, form, before)]
    root.setLevel(level.upper())
    audits = logging.getLogger(AUDIT_LOGGER)
    audits.handlers[:] = [_handler(audit or sys.stdout, form, before)]
    audits.propagate = False
    # aiohttp writes an access log line for each portal request with its query, where codes are;
    # the edge has already written ours.
    logging.getLogger("aiohttp.access").disabled = True
    # Both would tell what goes into and comes out of the database: people, and sealed keys.
    for name in ("aiosqlite", "sqlalchemy"):
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    # It tells of each change in the policies' folder, before ours tells what came of it.
    logging.getLogger("watchfiles").setLevel(max(root.level, logging.WARNING))


def _handler(
    stream: TextIO, form: Literal["json", "console"], before: list[Processor]
) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(form, colors=stream.isatty()),
            ],
        )
    )
    return handler


def _renderers(form: Literal["json", "console"], *, colors: bool) -> list[Processor]:
    # Tracebacks as plain text in both: structlog's other formats show local variables, secrets
    # among them.
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that hides the values of keys named like secrets, nested ones too."""
    return _redacted(event, 0)


def _redacted(mapping: Mapping[Any, Any], depth: int) -> MutableMapping[str, Any]:
    return {
        key: REDACTED if _names_a_secret(str(key)) else _value(value, depth)
        for key, value in mapping.items()
    }


def _value(value: Any, depth: int) -> Any:
    if depth >= _DEEPEST:
        return "[too deep]"
    if isinstance(value, Mapping):
        return _redacted(value, depth + 1)
    if isinstance(value, list):
        return [_value(item, depth + 1) for item in value]
    if isinstance(value, tuple):
        return tuple(_value(item, depth + 1) for item in value)
    return value


def _names_a_secret(key: str) -> bool:
    if key.lower().replace("-", "_") in _SECRET_KEYS:
        return True
    return any(word.lower() in _SECRET_WORDS for word in _WORD.findall(key))
