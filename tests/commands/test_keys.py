"""`sonar-gateway keys`: names and times, never a key, and words for whatever goes wrong."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.session.keys.environment import keys_in
from gateway.session.keys.model import Key
from tests.session.keys.test_files import as_somebody_who_may_only_read, put
from tests.session.samples import keys_of
from tests.spellings import spellings

NAME = re.compile(r"[0-9a-z]{16}\.(root|es256)")


class Operator:
    """Types commands in a folder with this config.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""
        self.configure(None)

    def configure(self, keys: object, **sections: object) -> None:
        content = {
            "upstream": {"url": "http://127.0.0.1:9"},
            "directory": {"kind": "file", "path": "accounts.yaml"},
            **({} if keys is None else {"keys": keys}),
            **sections,
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(content))

    def types(self, *words: str) -> Result:
        result = CliRunner().invoke(main, ["--config", f"{self.folder}/config.yaml", *words])
        self.said += result.output
        return result

    def found(self) -> frozenset[Key]:
        return keys_of(self.folder / "var" / "keys")


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """Whatever was said in the test, it had no key in it."""
    operator = Operator(tmp_path)
    assert operator.types("migrate").exit_code == 0
    yield operator
    if (tmp_path / "var" / "keys").is_dir():
        for key in operator.found():
            assert not [part for part in spellings(key.material) if part in operator.said]


def names(operator: Operator, state: str) -> list[str]:
    listed = json.loads(operator.types("keys", "list", "--json").stdout)
    return [each["name"] for each in listed["keys"] if each["state"] == state]


def test_none_yet(operator: Operator) -> None:
    result = operator.types("keys", "list")
    assert result.exit_code == 0
    assert result.output == f"no keys in {operator.folder}/var/keys; `serve` makes them at its " \
        "first start\n"  # fmt: skip
    assert not (operator.folder / "var" / "keys").exists()


def test_a_rotation_step_by_step(operator: Operator) -> None:
    operator.found()
    first = names(operator, "in use")
    result = operator.types("keys", "rotate")
    assert result.exit_code == 0
    made = re.findall(r"^made (\S+)$", result.stdout, re.MULTILINE)
    assert sorted(made) == sorted(names(operator, "announced"))
    assert names(operator, "in use") == first
    assert re.search(rf"^{first[0]} +in use since 20.* UTC$", result.stdout, re.MULTILINE)
    again = operator.types("keys", "rotate")
    assert again.exit_code == 0
    assert f"announced already, so no other was made: {made[0]}\n" in again.stdout
    assert len(operator.found()) == 4


def test_json_has_times_and_no_key(operator: Operator) -> None:
    operator.found()
    answer = json.loads(operator.types("keys", "rotate", "--json").stdout)
    assert answer.keys() == {"made", "announced", "removed", "where", "keys", "problems"}
    announced = [each for each in answer["keys"] if each["state"] == "announced"]
    assert sorted(each["name"] for each in announced) == sorted(answer["made"])
    for each in answer["keys"]:
        assert each.keys() == {"name", "kind", "state", "begins", "ends"}
        assert NAME.fullmatch(each["name"])
        assert each["ends"] is None


def test_a_leaked_key_is_dropped_and_replaced(operator: Operator) -> None:
    operator.found()
    (root, _) = names(operator, "in use")
    result = operator.types("keys", "rotate", "--now", "--revoke", root)
    assert result.exit_code == 0, result.output
    assert f"removed {root}\n" in result.stdout
    (new, _) = names(operator, "in use")
    assert f"made {new}\n" in result.stdout
    assert root not in {key.name for key in operator.found()}
    # Recorded under the new key, so that nothing of the record depends on the one that is gone.
    (line,) = operator.types("audit", "--json").stdout.splitlines()
    assert json.loads(line)["event"] == "keys_rotated"
    assert json.loads(line)["detail"]["removed"] == [root]
    verified = operator.types("audit", "verify")
    assert verified.exit_code == 0, verified.output


def test_a_leaked_key_goes_although_nobody_can_record_it(operator: Operator) -> None:
    operator.found()
    (root, _) = names(operator, "in use")
    (operator.folder / "var" / "gateway.db").unlink()
    result = operator.types("keys", "rotate", "--now", "--revoke", root)
    assert result.exit_code == 1
    assert "could not be recorded" in result.stderr
    assert root not in {key.name for key in operator.found()}


def test_revoking_is_for_now_and_for_keys_there_are(operator: Operator) -> None:
    operator.found()
    (root, _) = names(operator, "in use")
    assert operator.types("keys", "rotate", "--revoke", root).exit_code == 2
    unknown = operator.types("keys", "rotate", "--now", "--revoke", "261123124700a1b2.root")
    assert unknown.exit_code == 1
    assert root in unknown.stderr
    assert len(operator.found()) == 2


def test_a_damaged_key_is_listed_as_a_problem(operator: Operator) -> None:
    keys = operator.found()
    path = put(operator.folder / "var" / "keys", "260101000000aaaa.root.key", b"11" * 5)
    listed = operator.types("keys", "list")
    assert listed.exit_code == 1
    assert str(path) in listed.stderr
    assert all(key.name in listed.stdout for key in keys)
    assert operator.types("keys", "rotate").exit_code == 1
    path.unlink()


def test_a_read_only_folder_is_rotated_into_another(operator: Operator) -> None:
    keys = operator.found()
    with as_somebody_who_may_only_read(operator.folder / "var" / "keys"):
        refused = operator.types("keys", "rotate")
        assert refused.exit_code == 1
        assert "cannot be written: Permission denied" in refused.stderr
        assert "--write" in refused.stderr
    written = operator.types("keys", "rotate", "--write", str(operator.folder / "next"))
    assert written.exit_code == 0, written.output
    assert operator.found() == keys
    assert keys_of(operator.folder / "next") > keys
    again = operator.types("keys", "rotate", "--write", str(operator.folder / "next"))
    assert again.exit_code == 1
    assert "has keys already" in again.stderr


def test_keys_in_the_environment(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.configure("env:SONAR_KEYS")
    monkeypatch.delenv("SONAR_KEYS", raising=False)
    no = operator.types("keys", "rotate")
    assert no.exit_code == 1
    assert "keys rotate --write FILE" in no.stderr
    sizes = []
    for number in (1, 2):
        file = operator.folder / f"value{number}"
        result = operator.types("keys", "rotate", "--write", str(file))
        assert result.exit_code == 0, result.output
        value = file.read_text()
        assert not [entry for entry in value.split() if entry.partition("=")[2] in operator.said]
        monkeypatch.setenv("SONAR_KEYS", value)
        sizes.append(len(keys_in(value, "there").keys))
    assert sizes == [2, 4]


def test_keys_in_the_database(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONAR_KEYS_SECRET", "5f" * 32)
    operator.configure({"source": "database", "secret": "env:SONAR_KEYS_SECRET"})
    made = json.loads(operator.types("keys", "rotate", "--json").stdout)["made"]
    listed = operator.types("keys", "list").stdout
    assert listed.startswith("keys in links.database\n")
    assert sorted(made) == sorted(match[0] for match in NAME.finditer(listed))
    elsewhere = operator.types("keys", "rotate", "--write", str(operator.folder / "x"))
    assert elsewhere.exit_code == 1
    assert "shared" in elsewhere.stderr
    assert "5f5f" not in operator.said
