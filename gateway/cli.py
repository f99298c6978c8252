"""The commands. Each is thin: what it does is in the package it is about.

Exit codes: 0 fine, 1 found a problem, 2 wrong use. Answers go to standard output, problems to
standard error, one a line.
"""

import json
from pathlib import Path
from typing import Any

import click

from gateway.config import Config
from gateway.errors import ConfigError, GatewayError
from gateway.policy.parse import PolicyFile
from gateway.section import schema_of

PROBLEM = 1


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
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("config.yaml"),
    envvar="SONAR_GATEWAY_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
@click.version_option(package_name="sonar-gateway")
@click.pass_context
def main(ctx: click.Context, config_file: Path) -> None:
    """Single sign-on with Google and Microsoft in front of a legacy Sonar portal."""
    ctx.obj = config_file


@main.command()
@click.argument("file", type=click.Choice(["config", "policy"]))
def schema(file: str) -> None:
    """Print the JSON schema of config.yaml or of a policy file, for editors."""
    described = schema_of(Config if file == "config" else PolicyFile)
    click.echo(json.dumps(described, indent=2, ensure_ascii=False))
