"""Where a real proxy does something else with a case of the corpus than the gateway, and why.

A file such as nginx.yaml says for which `version` it was written, and lists causes, each with

    because  why they differ
    does     what the proxy does: `forwards` what the gateway refuses, `refuses` what the gateway
             forwards, `alters`: both forward, and upstream reads different requests
    cases    which: `family 1 3-5; family`, a family alone meaning all of it
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.strictness.cases import Case
from tests.strictness.harness import Outcome
from tests.strictness.strict import Request, read_all

# What each proxy writes in its own way on every request.
_HOP = frozenset((b"connection", b"content-length", b"transfer-encoding", b"via"))
_OTHERS = frozenset((b"/behind", b"/fence"))

Meaning = tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...], bytes]


@dataclass(frozen=True)
class Explained:
    version: str
    causes: dict[str, tuple[str, str]]


def explained(path: Path, cases: list[Case]) -> Explained:
    """For each case that is listed what the proxy does and why."""
    told = yaml.safe_load(path.read_text())
    causes: dict[str, tuple[str, str]] = {}
    names = [case.name for case in cases]
    for cause in told["causes"]:
        for name in _named(cause["cases"], names):
            assert name in names, f"{path.name}: there is no case {name}"
            assert name not in causes, f"{path.name}: {name} is explained twice"
            causes[name] = cause["does"], cause["because"]
    return Explained(str(told["version"]), causes)


def difference(case: Case, outcome: Outcome) -> str:
    """What the proxy does that the gateway does not; empty for nothing."""
    whole = [request for request in outcome.whole if request.target not in _OTHERS]
    expected = read_all(case.upstream.replace(b"\r\n~", b"\r\n")) if case.forwarded else []
    if not case.forwarded:
        return "forwards" if outcome.odd or len(whole) >= max(case.replies, 1) else ""
    if len(whole) < len(expected):
        return "alters" if outcome.odd else "refuses"
    same = [meaning(request) for request in whole] == [meaning(request) for request in expected]
    return "" if same else "alters"


def meaning(request: Request) -> Meaning:
    fields = sorted(
        (name.lower(), value) for name, value in request.fields if name.lower() not in _HOP
    )
    return request.method, request.target, tuple(fields), request.body


def _named(text: str, names: list[str]) -> Iterator[str]:
    for part in text.split(";"):
        family, *numbers = part.split()
        if not numbers:
            yield from (name for name in names if name.rpartition("-")[0] == family)
        for number in numbers:
            first, _, last = number.partition("-")
            for each in range(int(first), int(last or first) + 1):
                yield f"{family}-{each}"
