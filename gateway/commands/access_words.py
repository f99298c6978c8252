"""The words of `sonar-gateway users`, `pilots` and `links`."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import click

from gateway.commands.words import PROBLEM, EmailType, config_to_look_after, with_config
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
    """Keep somebody out of single sign-on, or let them in again."""


@users.command()
@click.argument("email", type=EmailType())
@with_config
@click.pass_obj
def block(config_file: Path, email: Email) -> None:
    """Keep who signs in with EMAIL out, and end their sessions.

    The address goes into `blocked_users` of its domain's policy file; every gateway that reads the
    file obeys within a second. Their Sonar password still works on Sonar's own page: switch the
    account off in Sonar for that.
    """
    from gateway.commands import blocking as command

    with command.or_not_blocked(email):
        config = config_to_look_after(config_file)
    click.echo(asyncio.run(command.block(config, email)))


@users.command()
@click.argument("email", type=EmailType())
@with_config
@click.pass_obj
def unblock(config_file: Path, email: Email) -> None:
    """Let EMAIL use single sign-on again.

    Takes it out of `blocked_users` of its domain's policy file, also under an alias of the domain.
    """
    from gateway.commands import blocking as command

    click.echo(asyncio.run(command.unblock(config_to_look_after(config_file), email)))


@click.group()
def pilots() -> None:
    """Let some people try single sign-on before everybody."""


@pilots.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_obj
def list_pilots(config_file: Path, as_json: bool) -> None:
    """List each domain: off, pilot or on, and its pilot users.

    off: nobody there may use single sign-on; pilot: the pilot users may; on: everybody there.
    """
    from gateway.commands import policies as command

    found = command.pilots(config_to_look_after(config_file))
    if as_json:
        click.echo(json.dumps(command.pilots_as_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(command.pilots_as_text(found)) or "no policies")


@pilots.command()
@click.argument("who", type=WhoType())
@with_config
@click.pass_obj
def enable(config_file: Path, who: Email | str) -> None:
    """Let a person, or a domain, try single sign-on.

    WHO is an email address, which becomes one of the pilot users of its domain, or a domain that is
    off, which becomes `pilot`. Both are changed in the domain's policy file.
    """
    from gateway.commands import policies as command

    click.echo(command.enable(config_to_look_after(config_file), who))


@pilots.command()
@click.argument("who", type=WhoType())
@with_config
@click.pass_obj
def disable(config_file: Path, who: Email | str) -> None:
    """Take single sign-on from a person, or a domain, that tried it.

    WHO is an email address, which leaves the pilot users of its domain, or a domain that is
    `pilot`, which becomes off. Both are changed in the domain's policy file. Their sessions end.
    """
    from gateway.commands import policies as command

    click.echo(command.disable(config_to_look_after(config_file), who))


@click.group()
def links() -> None:
    """List, or take away, which Sonar accounts a sign-in opens."""


@links.command("list")
@click.option("--email", type=EmailType(), help="Only what was linked under this address.")
@click.option("--account", metavar="ID", help="Only of the Sonar account with this id.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_obj
def list_links(config_file: Path, email: Email | None, account: str | None, as_json: bool) -> None:
    """List which sign-in opens which Sonar account, because its password was proved once.

    One line each: account id, provider, the address it was linked under, when it was linked and
    last used, and what the provider calls the person. An account that opens because the address is
    one of its own in Sonar needs no link and is not here: `explain EMAIL` tells of both.
    """
    from gateway.commands import links as command

    found = asyncio.run(command.listed(config_to_look_after(config_file), email, account))
    if as_json:
        click.echo(json.dumps(command.as_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(command.as_text(found)) or "no links")


@links.command()
@click.argument("email", type=EmailType())
@click.argument("account")
@with_config
@click.pass_context
def remove(ctx: click.Context, email: Email, account: str) -> None:
    """Take a Sonar account away from who signs in with an address.

    EMAIL is the address, ACCOUNT the account's id. What was linked under EMAIL is removed; who got
    in without a link, because EMAIL is an address of the account in Sonar, does so no more. Their
    sessions in the account end.

    This is no block: the Sonar password, proved once, opens the account again. To keep somebody
    out, use `users block`. `explain` says how somebody gets in.
    """
    from gateway.commands import links as command

    file = ctx.obj
    assert isinstance(file, Path)  # noqa: S101 - the group's contract, not input
    done = asyncio.run(command.removed(config_to_look_after(file), email, account, time.time()))
    nothing = not done.linked and not done.matched
    for line in command.removal_as_text(done, email, account):
        click.echo(line, err=nothing)
    if nothing:
        ctx.exit(PROBLEM)
