"""`check` looks and leaves no trace; tests/journeys/test_check.py has what it finds."""

import json
from pathlib import Path

import yaml

from tests.commands.conftest import Run


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below, and what is in the files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def lines(run: Run) -> dict[str, tuple[str, str]]:
    done = run("check", "--json")
    assert done.stderr == ""
    return {line["part"]: (line["state"], line["detail"]) for line in json.loads(done.stdout)}


def test_before_the_first_start_nothing_is_made(run: Run, folder: Path) -> None:
    before = contents(folder)
    found = lines(run)
    assert contents(folder) == before
    var = folder / "var"
    assert found["keys"] == (
        "warn",
        f"none yet in {var / 'keys'}; `serve` makes them at its first start",
    )
    assert found["sessions"] == (
        "warn",
        f"none yet in {var / 'sessions.db'}; `serve` makes the store at its first start",
    )


def test_accounts_that_can_prove_no_password_are_warned_of(run: Run, folder: Path) -> None:
    content = yaml.safe_load((folder / "config.yaml").read_text())
    content["directory"] = {"kind": "file", "path": "accounts.yaml"}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    account = {"id": "1", "username": "jo", "active": True}
    (folder / "accounts.yaml").write_text(yaml.safe_dump({"accounts": [account]}))
    state, detail = lines(run)["directory"]
    assert state == "warn"
    assert "password hashes: unreadable; whose hash is unreadable, or missing," in detail


def test_a_folder_of_policies_that_is_not_there(run: Run, folder: Path) -> None:
    (folder / "policies").rename(folder / "elsewhere")
    state, detail = lines(run)["policies"]
    assert state == "FAIL"
    assert detail == (
        f"{folder / 'policies'}: cannot be read: No such file or directory; config.yaml names it "
        "under `policies`"
    )
