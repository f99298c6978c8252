"""config.yaml says where keys are, and by its lifetimes how long old ones count."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, config_from
from gateway.session.keys.choose import lives_in, source_for
from gateway.session.keys.database import DatabaseKeys
from gateway.session.keys.environment import EnvironmentKeys
from gateway.session.keys.files import FileKeys


def config_with(folder: Path, **sections: Any) -> Config:
    content = {
        "upstream": {"url": "http://127.0.0.1:8081"},
        "directory": {"kind": "file", "path": "accounts.yaml"},
    }
    return config_from({**content, **sections}, folder)


def test_a_folder_unless_said(tmp_path: Path) -> None:
    source = source_for(config_with(tmp_path))
    assert isinstance(source, FileKeys)
    assert source.where == f"in {tmp_path}/var/keys"


def test_a_variable(tmp_path: Path) -> None:
    source = source_for(config_with(tmp_path, keys="env:SONAR_KEYS"))
    assert isinstance(source, EnvironmentKeys)
    assert source.late_after_restart


def test_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONAR_KEYS_SECRET", "5f" * 32)
    keys = {"source": "database", "secret": "env:SONAR_KEYS_SECRET"}
    source = source_for(config_with(tmp_path, keys=keys))
    assert isinstance(source, DatabaseKeys)


def test_what_is_made_lives_as_long_as_configured(tmp_path: Path) -> None:
    config = config_with(tmp_path, sessions={"lifetime": "7d"}, assertion={"lifetime": "2m"})
    assert lives_in(config) == {"root": 7 * 86400.0, "es256": 120.0}
