"""The commands' own manners: answers, problems and exit codes."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway.cli import Commands, main
from gateway.config import load_config
from gateway.errors import LinksUnavailable


def test_help() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "SONAR_GATEWAY_CONFIG" in result.output


def test_no_commands_line_in_the_help_is_cut_off() -> None:
    # What a terminal of 80 columns shows.
    result = CliRunner().invoke(main, ["--help"], terminal_width=80)
    listed = result.output.partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(main.commands)
    assert not [line for line in listed if line.endswith("...")]


@pytest.mark.parametrize("file", ["config", "policy"])
def test_schema(file: str) -> None:
    result = CliRunner().invoke(main, ["schema", file])
    assert result.exit_code == 0
    schema = json.loads(result.output)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "x"], ["nonsense"], ["--nonsense"]])
def test_wrong_use(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2


@pytest.mark.parametrize(
    "command", [["serve"], ["check"], ["explain", "jo@x.example"], ["migrate"]]
)
def test_the_configuration_is_named_before_or_after_the_command(
    command: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "elsewhere.yaml"
    named = ["--config", str(file)]
    for arguments in ([*named, *command], [*command, *named], ["--config", "x", *command, *named]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert result.stderr == (
            f"{file}: is not there; --config FILE or SONAR_GATEWAY_CONFIG names another file\n"
        )


def test_problems_are_told_one_a_line_on_standard_error(tmp_path: Path) -> None:
    @click.group(cls=Commands)
    def commands() -> None: ...

    @commands.command()
    def read() -> None:
        load_config(file)

    file = tmp_path / "config.yaml"
    file.write_text("upstrem: 1\ndirectory: 2\n")
    result = CliRunner().invoke(commands, ["read"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 3
    assert f"{file}:1: upstrem: unknown key, did you mean `upstream`?" in result.stderr


def test_what_broke_is_told_in_words() -> None:
    @click.group(cls=Commands)
    def commands() -> None: ...

    @commands.command()
    def links() -> None:
        raise LinksUnavailable("the database does not answer")

    result = CliRunner().invoke(commands, ["links"])
    assert result.exit_code == 1
    assert result.stderr == "the database does not answer\n"
