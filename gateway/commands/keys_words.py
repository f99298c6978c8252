"""The words of `sonar-gateway keys`; what they do is in keys.py."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import click

from gateway.commands.words import PROBLEM, config_to_look_after, with_config
from gateway.errors import Problem


@click.group()
def keys() -> None:
    """List the gateway's keys by name, or replace them."""


_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@keys.command("list")
@_AS_JSON
@with_config
@click.pass_obj
def keys_list(config_file: Path, as_json: bool) -> None:
    """List the keys by name, and until when each is used.

    `.root` keys make session cookies and sealed values, `.es256` keys sign what Sonar is told of
    who is signed in. announced: known, but not used yet; in use; retired: only accepted; over: gone
    at the next rotation.
    """
    from gateway.commands import keys as command

    listed = asyncio.run(command.list_keys(config_to_look_after(config_file)))
    _print(command.list_json(listed) if as_json else command.list_text(listed))
    _complain(listed.problems)


@keys.command("rotate")
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Use the new keys as soon as every running gateway knows them: some seconds.",
)
@click.option(
    "--revoke",
    metavar="KEY",
    multiple=True,
    help="Drop this key at once, for it has leaked: whoever depends on it is signed out. Named as "
    "`keys list` does; only with --now.",
)
@click.option(
    "--write",
    type=click.Path(path_type=Path),
    help="Put all keys, old and new, there instead: a folder, or a file with the next value of "
    "the environment variable.",
)
@_AS_JSON
@with_config
@click.pass_obj
def keys_rotate(
    config_file: Path, at_once: bool, revoke: tuple[str, ...], write: Path | None, as_json: bool
) -> None:
    """Replace the keys without signing anybody out.

    Makes new ones and drops those that are over.

    Nobody is signed out and nothing needs a restart: a running gateway uses the new keys when
    `keys.overlap` has passed, and accepts the old ones while anything made with them lives.
    """
    from gateway.commands import keys as command

    if revoke and not at_once:
        raise click.UsageError("--revoke drops a key at once, so it goes with --now")
    rotating = command.rotate_keys(
        config_to_look_after(config_file), at_once=at_once, revoke=revoke, write=write
    )
    done, listed = asyncio.run(rotating)
    _print(command.rotation_json(done, listed) if as_json else command.rotation_text(done, listed))
    _complain(listed.problems)


def _print(answer: Mapping[str, object] | tuple[str, ...]) -> None:
    """Lines as they are, anything else as JSON."""
    if isinstance(answer, Mapping):
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        for line in answer:
            click.echo(line)


def _complain(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        raise click.exceptions.Exit(PROBLEM)
