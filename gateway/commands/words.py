"""What commands have in common on the command line."""

from pathlib import Path
from typing import Any

import click

from gateway.config import Config, load_config
from gateway.email import Email, InvalidEmail

PROBLEM = 1

FILE = click.Path(dir_okay=False, path_type=Path)


def _read_this(ctx: click.Context, _param: click.Parameter, config_file: Path | None) -> None:
    if config_file is not None:
        ctx.obj = config_file


# Also after the command, where people write it.
with_config = click.option(
    "--config",
    type=FILE,
    expose_value=False,
    callback=_read_this,
    help="The configuration file, as before the command.",
)


def config_to_look_after(file: Path) -> Config:
    """The config for a command that signs nobody in: it needs no secret of a provider's."""
    return load_config(file, signs_in=False)


class EmailType(click.ParamType[Email]):
    """An email address on the command line."""

    name = "email"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Email:
        if isinstance(value, Email):
            return value
        try:
            return Email.parse(value)
        except InvalidEmail as error:
            self.fail(str(error), param, ctx)
