"""docs/reasons.md has every reason, as the code has it."""

import pytest

from gateway.reasons import Reason
from tools import reasons_page


def test_the_page_is_what_the_code_says() -> None:
    made = reasons_page.page()
    assert reasons_page.PAGE.read_text() == made, "run: python -m tools.reasons_page"
    rows = [line.split("`")[1] for line in made.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(Reason)


def test_a_reason_without_words_for_operators_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons_page, "_FOR_OPERATORS", "## Signed in\nmatched: Nothing.\n")
    with pytest.raises(ValueError, match="about account_inactive, "):
        reasons_page.page()
