"""What was measured, kept between runs: JSON."""

import json
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from bench.report import Outcome

Results = dict[str, Outcome]

USUAL = Path("var/bench.json")

_KEPT = TypeAdapter(Results)


def load(file: Path) -> Results:
    """By the name of the measurement; none while there is no file."""
    return _KEPT.validate_json(file.read_bytes()) if file.is_file() else {}


def save(file: Path, results: Results) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: asdict(outcome) for name, outcome in results.items()}
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
