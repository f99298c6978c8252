"""The small values of configuration and policy files, each checked and normalised once.

Durations become seconds (float), sizes bytes (int), listen addresses host and port. Used by
pydantic models; an error says what is allowed. Names are in names.py, addresses of web servers and
paths in them in urls.py, secrets and database URLs, which read the environment and files, in
secret_values.py.
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
_SIZE = re.compile(r"([0-9]{1,6})(B|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

# What `off` is to whoever compares: more than anything can be.
UNLIMITED = 2**62


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


def duration_or_off(value: object) -> float:
    """A duration, or `off` -> `UNLIMITED`."""
    if value == "off":
        return float(UNLIMITED)
    try:
        return duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def spell_duration(seconds: float) -> str:
    """`28800.0` -> `8h`: the largest unit that says it in a whole number."""
    if seconds == UNLIMITED:
        return "off"
    for unit in "dhm":
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds:g}s"


def size(value: object) -> int:
    """`512B 8KiB 100MiB 1GiB` -> bytes."""
    if isinstance(value, str) and (found := _SIZE.fullmatch(value)) and int(found[1]):
        return int(found[1]) * _BYTES[found[2]]
    raise ValueError("must be a number and a unit, such as 512B, 8KiB, 100MiB or 1GiB")


def size_or_off(value: object) -> int:
    """A size, or `off` -> `UNLIMITED`."""
    if value == "off":
        return UNLIMITED
    try:
        return size(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def spell_size(amount: int) -> str:
    """`32768` -> `32KiB`: the largest unit that says it in a whole number."""
    if amount == UNLIMITED:
        return "off"
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if amount % _BYTES[unit] == 0)
    return f"{amount // _BYTES[unit]}{unit}"


def count_or_off(value: object) -> int:
    """A number above 0, or `off` -> `UNLIMITED`."""
    if value == "off":
        return UNLIMITED
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("must be a whole number above 0, or off")


def spell_count(count: int) -> int | str:
    return "off" if count == UNLIMITED else count


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
DurationOrOff = Annotated[
    float, BeforeValidator(duration_or_off), _spelled("^([0-9]+[smhd]|off)$"), _spell
]
_spell_size = PlainSerializer(spell_size, return_type=str, when_used="json")
Size = Annotated[int, BeforeValidator(size), _spelled("^[0-9]+([KMG]i)?B$"), _spell_size]
SizeOrOff = Annotated[
    int, BeforeValidator(size_or_off), _spelled("^([0-9]+([KMG]i)?B|off)$"), _spell_size
]
CountOrOff = Annotated[
    int,
    BeforeValidator(count_or_off),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "off"}]}),
    PlainSerializer(spell_count, when_used="json"),
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
