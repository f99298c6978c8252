"""Every reason can be told to a person: no page ever stands there without words."""

import pytest

from gateway.reasons import EXPLANATIONS, Reason


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
