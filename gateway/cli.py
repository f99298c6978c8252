"""The commands. Each is thin: what it does is in the package it is about.

Exit codes: 0 fine, 1 found a problem, 2 wrong use. Answers go to standard output, problems to
standard error, one a line.
"""

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import click

from gateway import __version__
from gateway.commands.access_words import links, pilots, users
from gateway.commands.audit_words import audit
from gateway.commands.keys_words import keys
from gateway.commands.sessions_words import sessions
from gateway.commands.words import FILE, PROBLEM, EmailType, config_to_look_after, with_config
from gateway.config import Config, load_config
from gateway.email import Email
from gateway.errors import ConfigError, GatewayError
from gateway.policy.parse import PolicyFile
from gateway.section import schema_of


class Commands(click.Group):
    """A group whose commands may raise GatewayError: told in words, not in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(str(problem), err=True)
            ctx.exit(PROBLEM)
        except GatewayError as error:
            click.echo(f"{error}", err=True)
            ctx.exit(PROBLEM)


@click.group("sonar-gateway", cls=Commands)
@click.option(
    "--config",
    "config_file",
    type=FILE,
    default=Path("config.yaml"),
    envvar="SONAR_GATEWAY_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
@click.version_option(__version__)
@click.pass_context
def main(ctx: click.Context, config_file: Path) -> None:
    """Single sign-on with Google and Microsoft in front of a legacy Sonar portal.

    Each command ends with 0 when all is fine, 1 when it found a problem, 2 when used wrongly.
    """
    ctx.obj = config_file


@main.command()
@click.argument("file", type=click.Choice(["config", "policy"]))
def schema(file: str) -> None:
    """Print a JSON schema for editors: of config.yaml, or of a policy."""
    described = schema_of(Config if file == "config" else PolicyFile)
    click.echo(json.dumps(described, indent=2, ensure_ascii=False))


@main.command()
@with_config
@click.pass_obj
def serve(config_file: Path) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    SIGHUP opens the access log anew and reads the certificate again. SIGUSR2, with several workers,
    replaces one after the other by config.yaml as it is now.
    """
    # A start makes many objects that all stay. Going through them for garbage again and again
    # takes a tenth of it; `settle_memory` switches the collector on when the gateway is ready.
    gc.disable()
    # Each command imports what it needs, so that `serve` is ready within a second.
    from gateway.commands.serve import serve as run

    run(lambda: load_config(config_file))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_obj
def check(config_file: Path, as_json: bool) -> None:
    """Try everything the configuration names, changing nothing.

    One line each: ok, warn (works, but look at it) or FAIL.
    """
    from gateway.commands import check as command

    lines = command.run(load_config(config_file))
    if as_json:
        click.echo(json.dumps(command.as_json(lines), indent=2, ensure_ascii=False))
    else:
        for line in command.as_text(lines):
            click.echo(line)
    if any(line.state == "FAIL" for line in lines):
        raise click.exceptions.Exit(PROBLEM)


@main.command()
@click.argument("email", type=EmailType())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_obj
def explain(config_file: Path, email: Email, as_json: bool) -> None:
    """Say step by step what a sign-in with EMAIL leads to, and why."""
    from gateway.commands import explain as command

    explained = asyncio.run(command.explain_with(load_config(config_file), email))
    if as_json:
        answer = command.as_json(email, explained)
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        click.echo(command.as_text(email, explained))


@main.command()
@with_config
@click.pass_obj
def migrate(config_file: Path) -> None:
    """Bring the gateway's own database to the schema of this version."""
    from gateway.account.migrations import migrate as run

    applied = asyncio.run(run(config_to_look_after(config_file).links.database))
    click.echo(f"applied {', '.join(applied)}" if applied else "nothing to do")


for group in (audit, keys, sessions, users, pilots, links):
    main.add_command(group)
