"""docs/operating.md tells of every metric, every key of the access log and every event."""

import ast
import json
import re
from pathlib import Path

from gateway.edge.inject import Obstacle
from gateway.operate.audit import EventKind
from gateway.operate.families import families
from gateway.operate.metrics import Counters, InjectionOutcome, Kind
from tests.operate.test_access_log import a_line

ROOT = Path(__file__).parent.parent.parent
TEXT = re.sub(r"```.*?```", "", (ROOT / "docs" / "operating.md").read_text(), flags=re.DOTALL)
NAMED = frozenset(re.findall(r"`([^`]+)`", TEXT))
LOGGERS = {"log", "_log", "_line"}


def events() -> set[str]:
    """Every event that any module logs."""
    return {
        node.args[0].value
        for path in (ROOT / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in LOGGERS
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_every_event() -> None:
    assert events() - NAMED == set()


def test_no_event_that_is_gone() -> None:
    table = TEXT.partition("| event |")[2]
    told = {
        event
        for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
        for event in re.findall(r"`([a-z_]+)`", row)
    }
    assert told == events()


def test_every_record_of_the_audit_and_none_that_is_gone() -> None:
    table = TEXT.partition("| record |")[2].partition("## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    assert {kind for row in rows for kind in re.findall(r"`([a-z_]+)`", row)} == set(EventKind)


def test_every_metric() -> None:
    names = (
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families(Counters())
    )
    assert set(names) == {name for name in NAMED if name.startswith("sonar_gateway_")}


def test_every_key_of_the_access_log() -> None:
    assert set(json.loads(a_line())) <= NAMED


def test_every_word() -> None:
    words: set[str] = {*Kind, *InjectionOutcome, *Obstacle}
    assert words <= NAMED
