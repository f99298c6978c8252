"""What is compiled, and what must be there for it."""

from pathlib import Path

import pytest

from gateway.compiled import PACKAGE
from tools.compile import hot_modules, what_is_lacking


def test_the_way_of_a_usual_request_is_compiled() -> None:
    names = {str(path.relative_to(PACKAGE)) for path in hot_modules()}
    way = "client reader head fields decision exchange upstream_head upstream answer record".split()
    assert {f"edge/{name}.py" for name in way} <= names


def test_nothing_lacks_here() -> None:
    assert what_is_lacking() == ""


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert what_is_lacking().startswith("no C compiler (")
