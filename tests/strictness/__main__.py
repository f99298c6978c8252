"""What of the corpus is passed on, by the gateway and by real proxies: a table.

    python -m tests.strictness

What upstream got is read by strict.py. A proxy that is not there is left out, and it says so.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog
import uvloop

from bench.process import CannotMeasure
from bench.programs import CADDY, ENVOY, HAPROXY, NGINX, Needed, version
from bench.report import table
from tests.strictness.cases import Case, load
from tests.strictness.differences import difference
from tests.strictness.harness import Outcome
from tests.strictness.proxies import outcomes_at
from tests.strictness.test_corpus import run

_PROGRAMS: dict[str, Needed] = {
    "nginx": NGINX, "Caddy": CADDY, "Envoy": ENVOY, "HAProxy": HAPROXY
}  # fmt: skip


def main() -> int:
    # What is refused is logged, and told by the table here.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    cases = load()
    kinds = {kind: [case for case in cases if case.kind == kind] for kind in ("ambiguous", "valid")}
    rows = [(name, *counted(kinds, outcomes)) for name, outcomes in _everybody(cases)]
    print(
        f"{len(cases)} requests of our own, each with its RFC section (tests/strictness/corpus)\n"
    )
    print(
        table(
            (
                "",
                f"ambiguous ({len(kinds['ambiguous'])}): upstream got what has two readings",
                "answered as if they were in order",
                f"valid but unusual ({len(kinds['valid'])}): served",
            ),
            rows,
        )
    )
    return 0


def counted(
    kinds: Mapping[str, list[Case]], outcomes: Mapping[str, Outcome]
) -> tuple[str, str, str]:
    """The cells of a row: what upstream got that is not strict, what was answered with no refusal,
    and what of the valid was served."""
    wrong, valid = kinds["ambiguous"], kinds["valid"]
    odd = sum(bool(outcomes[case.name].odd) for case in wrong)
    passed = sum(difference(case, outcomes[case.name]) == "forwards" for case in wrong)
    served = sum(difference(case, outcomes[case.name]) != "refuses" for case in valid)
    return str(odd), str(passed), str(served)


def _everybody(cases: list[Case]) -> Iterator[tuple[str, Mapping[str, Outcome]]]:
    with tempfile.TemporaryDirectory() as place:
        ours = uvloop.run(run(Path(place)))
        yield "Sonar Gateway", {name: outcome for name, (outcome, _) in ours.items()}
    for name, program in _PROGRAMS.items():
        try:
            number = version(program)
        except CannotMeasure as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as place:
            yield f"{name} {number}", uvloop.run(outcomes_at(name, Path(place), cases))


if __name__ == "__main__":
    sys.exit(main())
