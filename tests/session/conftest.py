"""Fixtures of the session tests."""

from pathlib import Path

import pytest

from gateway.session.keys import KeyRing
from tests.session.samples import Clock, new_keys


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return new_keys(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()
