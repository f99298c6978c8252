"""The words of `sonar-gateway sessions list` and `sessions revoke`."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.commands.words import PROBLEM, EmailType, config_to_look_after, with_config
from gateway.email import Email


def _which(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say whose sessions."""
    for option in (
        click.option(
            "--session", metavar="ID", help="The one of this id, as `sessions list` and logs say."
        ),
        click.option(
            "--username", metavar="NAME", help="Those in the Sonar account with this username."
        ),
        click.option("--account", metavar="ID", help="Those in the Sonar account with this id."),
        click.option("--email", type=EmailType(), help="Those of who signed in with this address."),
    ):
        command = option(command)
    return command


@click.group()
def sessions() -> None:
    """List who is signed in through the gateway, or sign them out."""


@sessions.command("list")
@_which
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_obj
def list_(
    config_file: Path,
    email: Email | None,
    account: str | None,
    username: str | None,
    session: str | None,
    as_json: bool,
) -> None:
    """List who is signed in through the gateway, the newest first.

    One line each: the session's id, the address and provider it was begun with, the Sonar account,
    since when, last seen, and until when it lasts if nothing more happens; times in UTC. Who signed
    in with the Sonar password on Sonar's own page is not here. Of several options all must fit.
    """
    from gateway.commands import sessions as command

    chosen = command.Chosen(email, account, username, session)
    found = asyncio.run(command.listed(config_to_look_after(config_file), chosen))
    if as_json:
        click.echo(json.dumps(command.as_json(found), indent=2, ensure_ascii=False))
    elif found:
        click.echo("\n".join(command.as_text(found)))
    else:
        click.echo("no sessions")


@sessions.command()
@_which
@click.option("--all", "everybody", is_flag=True, help="All there are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_context
def revoke(
    ctx: click.Context,
    email: Email | None,
    account: str | None,
    username: str | None,
    session: str | None,
    everybody: bool,
    as_json: bool,
) -> None:
    """End sessions, on every gateway within a second.

    Of several options all must fit; ends with 1 when nobody does. Nobody is kept out by this: who
    may sign in can do so again; `users block` keeps them out.
    """
    from gateway.commands import sessions as command

    chosen = command.Chosen(email, account, username, session)
    if everybody is not (chosen == command.Chosen()):
        raise click.UsageError("say whose: --email, --account, --username, --session, or --all")
    file = ctx.obj
    assert isinstance(file, Path)  # noqa: S101 - the group's contract, not input
    ended = asyncio.run(command.revoked(config_to_look_after(file), chosen))
    if as_json:
        click.echo(json.dumps(command.as_json(ended), indent=2, ensure_ascii=False))
    else:
        click.echo(f"{len(ended)} ended")
    if not ended and not everybody:
        # A slip must not look like somebody who was signed out.
        click.echo("nobody fits that; `sessions list` says who is signed in", err=True)
        ctx.exit(PROBLEM)
