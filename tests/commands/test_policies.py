"""`pilots list|enable|disable`: the file, what follows, and refusals."""

import errno
import json
from pathlib import Path

import pytest

from gateway.commands import policies as command
from gateway.config import Config
from gateway.email import Email
from gateway.errors import CannotStart, ConfigError
from tests.commands.conftest import Run, acme, in_force

JO = Email.parse("jo@acme.example")


def test_pilot_users_come_and_go(config: Config) -> None:
    fred = Email.parse("fred@globex.example")
    assert "is a pilot user, in" in command.enable(config, fred)
    assert "already" in command.enable(config, fred)
    assert fred in in_force(config, "globex.example").pilot_users
    assert "any more" in command.disable(config, fred)
    assert "is no pilot user" in command.disable(config, fred)
    assert fred not in in_force(config, "globex.example").pilot_users


def test_a_pilot_user_of_a_domain_that_is_no_pilot_is_said_to_have_no_effect(
    config: Config,
) -> None:
    assert "no effect while sso is on" in command.enable(config, JO)


def test_a_domain_goes_off_and_back_into_pilot(config: Config) -> None:
    assert "`sso: off`" in command.disable(config, "globex.example")
    assert in_force(config, "globex.example").sso == "off"
    assert "already" in command.disable(config, "globex.example")
    assert "`sso: pilot`" in command.enable(config, "globex.example")
    assert in_force(config, "globex.example").sso == "pilot"


def test_a_domain_that_is_on_for_everybody_is_no_pilot(config: Config, folder: Path) -> None:
    before = acme(folder).read_bytes()
    for change in (command.disable, command.enable):
        with pytest.raises(ConfigError, match="change it in the file"):
            change(config, "acme.example")
    assert acme(folder).read_bytes() == before


def test_the_last_pilot_user_does_not_leave_a_file_that_no_gateway_takes(config: Config) -> None:
    last = Email.parse("kim.okafor@gmail.com")
    with pytest.raises(ConfigError, match="required with `sso: pilot`"):
        command.disable(config, last)
    assert last in in_force(config, "gmail.com").pilot_users


def test_what_is_no_domain_is_wrong_use(config: Config, run: Run) -> None:
    assert run("pilots", "enable", "not a domain").returncode == 2


def test_pilots_are_listed(config: Config, run: Run) -> None:
    listed = run("pilots", "list")
    assert listed.returncode == 0, listed.stderr
    assert "initech.example  off  -" in listed.stdout.splitlines()
    content = {one["domain"]: one for one in json.loads(run("pilots", "list", "--json").stdout)}
    assert content["globex.example"]["sso"] == "pilot"
    assert "hank@globex.example" in content["globex.example"]["pilot_users"]
    assert content["acme.example"]["aliases"] == ["acme.ca"]


def test_a_domain_with_nobody_to_try_it_names_the_next_command(
    config: Config, folder: Path
) -> None:
    file = folder / "policies" / "umbrella.example.yaml"
    file.write_text("domain: umbrella.example\nsso: off\nproviders: {google: {}}\n")
    with pytest.raises(ConfigError, match="first `sonar-gateway pilots enable SOMEBODY@umbrella"):
        command.enable(config, "umbrella.example")
    first = command.enable(config, Email.parse("ada@umbrella.example"))
    assert "next, `sonar-gateway pilots enable umbrella.example`" in first
    assert "`sso: pilot`" in command.enable(config, "umbrella.example")
    assert in_force(config, "umbrella.example").sso == "pilot"


def test_a_folder_that_may_only_be_read_is_listed_and_not_changed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(_self: Path, _target: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", rename)
    assert command.pilots(config)
    with pytest.raises(CannotStart, match="edit it where it comes from"):
        command.enable(config, Email.parse("fred@globex.example"))
