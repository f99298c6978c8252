"""A gateway's folder as an operator has it: config.yaml, policies, a Sonar database, all real."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from demo.sonar.accounts import make_database
from gateway.account.migrations import migrate
from gateway.config import Config, load_config
from gateway.policy.model import Policy
from gateway.policy.store import PolicyStore

ROOT = Path(__file__).parent.parent.parent
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the demonstration's config.yaml and policies and its Sonar's accounts."""
    content = yaml.safe_load((ROOT / "config.yaml").read_text())
    content["policies"] = "policies"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "policies").mkdir()
    for policy in (ROOT / "policies").glob("*.yaml"):
        (tmp_path / "policies" / policy.name).write_bytes(policy.read_bytes())
    (tmp_path / "var").mkdir()
    make_database(tmp_path / "var" / "sonar.db")
    return tmp_path


@pytest.fixture
async def config(folder: Path) -> Config:
    """The folder's, with the gateway's own database."""
    config = load_config(folder / "config.yaml")
    await migrate(config.links.database)
    return config


@pytest.fixture
def run(folder: Path) -> Run:
    """Run `sonar-gateway` in that folder, as a process of its own."""

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "gateway", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def acme(folder: Path) -> Path:
    """One of the policies' files."""
    return folder / "policies" / "acme.example.yaml"


def in_force(config: Config, domain: str) -> Policy:
    """The policy of a domain as a gateway reads it now."""
    store = PolicyStore(config.policies, config.kinds)
    store.load()
    return store.current.by_domain[domain]
