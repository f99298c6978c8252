"""The small values of configuration and policy files, each checked and normalised once.

Durations become seconds (float), listen addresses host and port, `env:` and `file:` references
the Secret they name. Used by pydantic models; errors say what is allowed.
"""

import re
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator

from gateway.secret import Secret

_DURATION = re.compile(r"(\d+)(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ListenAddress(NamedTuple):
    host: str
    port: int


def duration(value: object) -> float:
    """`30s 15m 8h 7d` -> seconds."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        return int(found[1]) * _SECONDS[found[2]]
    raise ValueError("a duration is a number and a unit, such as 30s, 15m, 8h or 7d")


Duration = Annotated[float, BeforeValidator(duration)]
UrlText = str
UrlPath = str
CidrText = str
SecretText = Secret
