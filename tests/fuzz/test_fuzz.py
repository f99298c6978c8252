"""A bounded run of the fuzzer; `make fuzz` is a longer one."""

import platform
import re
import sys

import pytest

from tests.fuzz.__main__ import blind, main
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

# For these it has wheels, as pyproject.toml says; there must be one, then.
ATHERIS = sys.platform == "linux" and platform.machine() == "x86_64"

pytestmark = pytest.mark.xdist_group("fuzz")


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_holds(target: str) -> None:
    assert len(seeds(target)) > 10
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found_in_a_few_seconds(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    bad = main([target, "--seconds", "4"])
    told = capsys.readouterr().out
    assert bad == 0, told
    if ATHERIS:
        assert re.search(r"inputs, guided by coverage of [1-9]\d* branches\n", told), told


def test_without_atheris_something_is_tried_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["paths", "--blind", "--seconds", "1"]) == 0
    assert "blindly" in capsys.readouterr().out


def test_what_is_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_percent(data: bytes) -> None:
        assert data.count(b"%") < 3

    monkeypatch.setitem(TARGETS, "paths", no_percent)
    assert "%" in blind("paths", 10, seed=1).found
