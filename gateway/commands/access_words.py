"""The words of `sonar-gateway users`, `pilots` and `links`."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import click

from gateway.commands.words import PROBLEM, EmailType, with_config
from gateway.config import load_config
from gateway.email import Email, InvalidEmail, parse_domain


class WhoType(click.ParamType[Email | str]):
    """An email address, or a domain."""

    name = "email or domain"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Email | str:
        if isinstance(value, Email):
            return value
        try:
            return Email.parse(value) if "@" in value else parse_domain(value)
        except InvalidEmail as error:
            self.fail(str(error), param, ctx)


@click.group()
def users() -> None:
    """Block somebody, or let them in again."""


@users.command()
@click.argument("email", type=EmailType())
@with_config
@click.pass_obj
def block(config_file: Path, email: Email) -> None:
    """Keep EMAIL out of single sign-on, and end its sessions.

    The address goes into `blocked_users` of its domain's policy file.
    """
    from gateway.commands import blocking as command

    with command.or_not_blocked(email):
        config = load_config(config_file)
    click.echo(asyncio.run(command.block(config, email)))


@users.command()
@click.argument("email", type=EmailType())
@with_config
@click.pass_obj
def unblock(config_file: Path, email: Email) -> None:
    """Let EMAIL use single sign-on again."""
    from gateway.commands import blocking as command

    click.echo(asyncio.run(command.unblock(load_config(config_file), email)))


@click.group()
def pilots() -> None:
    """Say which domains and people try out single sign-on."""


@pilots.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_obj
def list_pilots(config_file: Path, as_json: bool) -> None:
    """List each domain: off, pilot or on, and its pilot users."""
    from gateway.commands import policies as command

    found = command.pilots(load_config(config_file))
    if as_json:
        click.echo(json.dumps(command.pilots_as_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(command.pilots_as_text(found)) or "no policies")


@pilots.command()
@click.argument("who", type=WhoType())
@with_config
@click.pass_obj
def enable(config_file: Path, who: Email | str) -> None:
    """Make WHO a pilot user; or, if it is a domain that is off, a pilot of it."""
    from gateway.commands import policies as command

    click.echo(command.enable(load_config(config_file), who))


@pilots.command()
@click.argument("who", type=WhoType())
@with_config
@click.pass_obj
def disable(config_file: Path, who: Email | str) -> None:
    """Make WHO no pilot user; or, if it is a domain in pilot, off. Ends sessions."""
    from gateway.commands import policies as command

    click.echo(command.disable(load_config(config_file), who))


@click.group()
def links() -> None:
    """List or remove what people linked by password."""


@links.command("list")
@click.option("--email", type=EmailType(), help="Linked under this address.")
@click.option("--account", help="To the Sonar account with this id.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_obj
def list_links(config_file: Path, email: Email | None, account: str | None, as_json: bool) -> None:
    """List which identities open which accounts by a link."""
    from gateway.commands import links as command

    found = asyncio.run(command.listed(load_config(config_file), email, account))
    if as_json:
        click.echo(json.dumps(command.as_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(command.as_text(found)) or "none")


@links.command()
@click.argument("email", type=EmailType())
@click.argument("account")
@with_config
@click.pass_context
def remove(ctx: click.Context, email: Email, account: str) -> None:
    """Remove what was linked under EMAIL to ACCOUNT (its id), and end its sessions.

    The account opens again when its Sonar password is proved once more.
    """
    from gateway.commands import links as command

    file = ctx.obj
    assert isinstance(file, Path)  # noqa: S101 - the group's contract, not input
    found = asyncio.run(command.removed(load_config(file), email, account, time.time()))
    if not found:
        click.echo(f"nothing is linked under {email} to {account}", err=True)
        ctx.exit(PROBLEM)
    click.echo(f"{len(found)} removed")
