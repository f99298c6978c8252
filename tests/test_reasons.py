"""Every reason can be told to a person: no page ever stands there without words."""

import re
from pathlib import Path

import pytest

from gateway.explanations import EXPLANATIONS
from gateway.reasons import Reason

GATEWAY = Path(__file__).parent.parent / "gateway"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained(reason: Reason) -> None:
    told = EXPLANATIONS[reason]
    assert told.title
    assert not told.title.endswith(".")
    assert told.cause.endswith(".")
    assert told.way_out.endswith(".")


@pytest.mark.parametrize("reason", list(Reason))
def test_explanations_fit_on_a_small_screen(reason: Reason) -> None:
    told = EXPLANATIONS[reason]
    assert len(told.title) <= 60
    assert len(told.cause) <= 120
    assert len(told.way_out) <= 120


def test_no_explanation_for_what_is_no_reason() -> None:
    assert set(EXPLANATIONS) == set(Reason)


def test_no_reason_that_nobody_gives() -> None:
    source = "".join(path.read_text() for path in GATEWAY.rglob("*.py"))
    given = set(re.findall(r"\bReason\.([A-Z_]+)", source))
    assert {reason.name for reason in Reason} - given == set()
