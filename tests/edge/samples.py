"""Requests and rules for the pure tests."""

from pathlib import Path
from typing import Any

from gateway.config import config_from
from gateway.edge.cookies import Cookies, Legacy
from gateway.edge.events import Known, Malformed
from gateway.edge.head import read_head
from gateway.edge.headers import RawReply, read_reply
from gateway.edge.inbound import Fields, Inbound, RawHead, Refusal
from gateway.edge.names import Field
from gateway.edge.peer import Peer, peer_of
from gateway.edge.rules import Rules

BROWSER = Peer("192.0.2.1", trusted=False)


def rules(
    *,
    server: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    **upstream: Any,
) -> Rules:
    """Rules of a gateway at https://sonar.example, Sonar behind it."""
    config = config_from(
        {
            "server": {
                "public_url": "https://sonar.example",
                "listen": ":8080",
                **(server or {}),
            },
            "limits": limits or {},
            "upstream": {
                "url": "http://sonar.internal:8081",
                "public_paths": ["/static/**", "/favicon.ico", "/api/*/health"],
                **upstream,
            },
            "directory": {"kind": "file", "path": "accounts.yaml"},
        },
        Path("/nowhere"),
    )
    return Rules.of(config)


RULES = rules()
BEHIND_PROXY = rules(server={"trusted_proxies": ["10.0.0.0/8"]})
PROXY = peer_of("10.0.0.1", BEHIND_PROXY.trusted)


def headers(*lines: str) -> list[Field]:
    """Header lines as the parser gives them."""
    fields = []
    for line in lines:
        name, _, value = line.partition(":")
        fields.append((name.encode("latin-1"), value.lstrip(" ").encode("latin-1")))
    return fields


def values(read: Fields | Refusal) -> tuple[object, ...]:
    """What headers mean, to compare: of two equal `Fields` each is only itself. Whether they came
    before is no part of what they mean."""
    return read if isinstance(read, Refusal) else _said(read, but="familiar")


def _said(thing: Fields | Cookies | Legacy, but: str = "") -> tuple[object, ...]:
    of_it = [name for name in vars(type(thing)) if not name.startswith("_") and name != but]
    found = (getattr(thing, name) for name in sorted(of_it))
    return tuple(_plain(value) for value in found if not callable(value))


def _plain(value: object) -> object:
    if isinstance(value, Cookies | Legacy):
        return _said(value)
    return tuple(map(_plain, value)) if type(value) is tuple else value


def fields(*lines: str, rules: Rules = RULES, trusted: bool = False) -> Fields | Refusal:
    """What these mean, as of headers that came before."""
    reader = rules.fields_from_trusted if trusted else rules.fields
    return reader.read(headers(*lines), familiar=True)


def read(
    target: str = "/",
    *lines: str,
    method: str = "GET",
    minor: int = 1,
    rules: Rules = RULES,
    peer: Peer = BROWSER,
    host: str | None = "sonar.example",
) -> Inbound | Refusal:
    """One request head, read; a Host is there unless it is `None`."""
    given = lines if host is None else (f"Host: {host}", *lines)
    read_fields = fields(*given, rules=rules, trusted=peer.trusted)
    raw = RawHead(method, target.encode("latin-1"), minor, read_fields)
    return read_head(raw, peer, rules.public.scheme, "new-id-0001", rules)


def inbound(target: str = "/", *lines: str, **settings: Any) -> Inbound:
    """One request head that is in order."""
    made = read(target, *lines, **settings)
    assert isinstance(made, Inbound), made
    return made


def lines_of(head: bytes) -> list[str]:
    """A head as text, line by line, less the blank one at its end."""
    text = head.decode("latin-1")
    assert text.endswith("\r\n\r\n")
    assert "\n" not in text.replace("\r\n", "")
    return text[:-4].split("\r\n")


def shown(events: list[object]) -> list[object]:
    """Events as values that compare; a head that is known says what it said when it was new."""
    return [comparable(event) for event in events]


def comparable(event: object) -> object:
    if isinstance(event, Malformed):
        return event.status, event.reason
    if isinstance(event, RawHead):
        return event.method, event.target, event.minor, values(event.fields)
    if isinstance(event, RawReply):
        return read_reply(event, "GET", None, RULES), event.keep_alive
    return (event.reply, True) if isinstance(event, Known) else event
