"""The small values of configuration and policy files, each checked and normalised once.

Durations become seconds (float), listen addresses host and port. Used by pydantic models; an error
says what is allowed. Names are in names.py, addresses of web servers and paths in them in urls.py,
secrets and database URLs, which read the environment and files, in secret_values.py.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.email import Email, parse_domain

# Six digits of days are 2,700 years; more is a slip of the finger.
_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ListenAddress(NamedTuple):
    """Where to listen. Host `""` is every interface, port 0 one that the system picks."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def text(value: object, allowed: str) -> str:
    """`value` if it is text; `allowed` says what would be."""
    if not isinstance(value, str):
        raise ValueError(allowed)  # noqa: TRY004 - pydantic reads ValueError
    return value


def duration_or_zero(value: object) -> float:
    """`0s 30s 15m 8h 7d` -> seconds. A float is seconds already: a default."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        return int(found[1]) * _SECONDS[found[2]]
    raise ValueError("must be a number and a unit, such as 30s, 15m, 8h or 7d")


def duration(value: object) -> float:
    """`30s 15m 8h 7d` -> seconds."""
    seconds = duration_or_zero(value)
    if seconds == 0:
        raise ValueError("must be more than nothing, such as 30s, 15m, 8h or 7d")
    return seconds


def spell_duration(seconds: float) -> str:
    """`28800.0` -> `8h`: the largest unit that says it in a whole number."""
    for unit in "dhm":
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds:g}s"


def listen_address(value: object) -> ListenAddress:
    """`127.0.0.1:8080`, `:8080` (every interface) or `[::1]:8080`."""
    if isinstance(value, ListenAddress):
        return value
    wrong = "must be an address and a port, such as 127.0.0.1:8080, :8080 or [::1]:8080"
    host, colon, port = text(value, wrong).rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(wrong)
    return ListenAddress(_listen_host(host, wrong), int(port))


def _listen_host(host: str, wrong: str) -> str:
    if host in {"", "localhost"}:
        return host
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError(wrong) from None
    if bracketed != (address.version == 6):
        raise ValueError(wrong)
    return str(address)


def cidr(value: object) -> str:
    """`10.0.0.0/8`, or one address. Not everybody: then any client could say who it is."""
    wrong = "must be a network such as 10.0.0.0/8, or one address"
    try:
        network = ipaddress.ip_network(text(value, wrong))
    except ValueError as error:
        host_bits = "host bits" in str(error)
        raise ValueError(f"{wrong}; this one has host bits set" if host_bits else wrong) from None
    if network.prefixlen == 0:
        # X-Forwarded-For from just anybody is how a client picks its own address.
        raise ValueError("would trust every client to say where it comes from; name your proxies")
    return str(network)


def email(value: object) -> Email:
    return value if isinstance(value, Email) else Email.parse(text(value, "must be an email"))


def path_on_disk(value: object, info: ValidationInfo) -> Path:
    """A path; a relative one starts at the folder of the file that names it (`context["base"]`)."""
    wrong = "must be a path"
    path = value if isinstance(value, Path) else Path(text(value, wrong))
    if value == "" or "\0" in str(path):
        raise ValueError(wrong)
    return base_of(info) / path


def log_target(value: object, info: ValidationInfo) -> str:
    """`-`, or a file."""
    return "-" if value == "-" else str(path_on_disk(value, info))


def base_of(info: ValidationInfo) -> Path:
    """The folder relative paths start from."""
    base = (info.context or {}).get("base", Path())
    assert isinstance(base, Path)  # noqa: S101 - the caller's contract, not input
    return base


def _spelled(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


_spell = PlainSerializer(spell_duration, return_type=str, when_used="json")
Duration = Annotated[float, BeforeValidator(duration), _spelled("^[0-9]+[smhd]$"), _spell]
DurationOrZero = Annotated[
    float, BeforeValidator(duration_or_zero), _spelled("^[0-9]+[smhd]$"), _spell
]
Listen = Annotated[
    ListenAddress,
    PlainValidator(listen_address),
    _spelled(":[0-9]+$"),
    PlainSerializer(str, return_type=str, when_used="json"),
]
Cidr = Annotated[str, BeforeValidator(cidr)]
Domain = Annotated[str, AfterValidator(parse_domain)]
Mailbox = Annotated[Email, PlainValidator(email), WithJsonSchema({"type": "string"})]
PathOnDisk = Annotated[
    Path, PlainValidator(path_on_disk), WithJsonSchema({"type": "string", "format": "path"})
]
LogTarget = Annotated[str, PlainValidator(log_target), WithJsonSchema({"type": "string"})]
