"""The words of `sonar-gateway audit` and `audit verify`."""

import asyncio
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway.commands.words import PROBLEM, EmailType, config_to_look_after, with_config
from gateway.email import Email
from gateway.operate.audit.event import EventKind
from gateway.reasons import Reason
from gateway.section import nearest_of
from gateway.values import duration


class MomentType(click.ParamType[float]):
    """Unix seconds: so long ago (`7d`), or a day or moment in UTC (`2026-03-05`, with `T14:00`)."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            return time.time() - duration(value)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("must be like 12h, 7d, 2026-03-05 or 2026-03-05T14:00 (UTC)", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class ToldType(click.ParamType[tuple[int, str]]):
    """A row's number and hash, as the log told them."""

    name = "number:hash"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, str]:
        if isinstance(value, tuple):
            return value
        number, _, told = str(value).partition(":")
        if not number.isdecimal() or len(told) != 64:
            self.fail("must be NUMBER:HASH, as in a line `audit_head` of the log", param, ctx)
        return int(number), told


class WordType(click.ParamType[str]):
    """One of a closed list: a typo must not look like "nothing happened"."""

    name = "word"

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self._words:
            self.fail(f"there is no {value!r}{nearest_of(str(value), self._words)}", param, ctx)
        return str(value)


@click.group("audit", invoke_without_command=True)
@click.option("--email", type=EmailType(), help="Only of this address.")
@click.option("--account", metavar="ID", help="Only of the Sonar account with this id.")
@click.option("--domain", help="Only of addresses in this domain.")
@click.option("--reason", type=WordType(Reason), help="Only for this reason.")
@click.option("--event", type=WordType(EventKind), help="Only this kind, such as sign_in_refused.")
@click.option("--request", metavar="ID", help="Only of this request, as an error page quotes it.")
@click.option("--since", type=MomentType(), help="Since then: 7d (ago), 2026-03-05, …T14:00 (UTC).")
@click.option(
    "--last",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="How many, the newest; 0: all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@with_config
@click.pass_context
def audit(
    ctx: click.Context,
    email: Email | None,
    account: str | None,
    domain: str | None,
    reason: str | None,
    event: str | None,
    request: str | None,
    since: float | None,
    last: int,
    as_json: bool,
) -> None:
    """List who was let in or refused, the newest last.

    And who changed who may get in. One line each: time (UTC), what happened, the reason, and who
    and what it was about. Of several options all must fit. What each event means is in
    docs/operating.md.
    """
    if ctx.invoked_subcommand is not None:
        return
    from gateway.account.trail import Wanted
    from gateway.commands import audit as command

    address = None if email is None else str(email)
    wanted = Wanted(event, reason, address, account, domain and domain.lower(), since, request)
    config = config_to_look_after(_file(ctx))

    async def show() -> None:
        any_there = False
        async for entry in command.listed(config, wanted, last):
            line = json.dumps(command.as_json(entry)) if as_json else command.as_text(entry)
            click.echo(line)
            any_there = True
        if request is not None and not any_there:
            elsewhere = "the access log has every request, and why it was refused"
            click.echo(f"nothing recorded of this request; {elsewhere}", err=True)

    asyncio.run(show())


@audit.command()
@click.option(
    "--after", type=click.IntRange(min=0), default=0, help="Look only at rows after this number."
)
@click.option(
    "--told",
    type=ToldType(),
    multiple=True,
    help="A row's number and hash, as a line `audit_head` of the log told them: it must be there. "
    "Shows that an older state of the whole table was put back.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_config
@click.pass_context
def verify(
    ctx: click.Context, after: int, told: tuple[tuple[int, str], ...], as_json: bool
) -> None:
    """Say whether the records are as they were written.

    Each is bound to the one before it, and to a key of the gateway. Named is the first row that was
    changed, removed, moved or put in since.
    """
    from dataclasses import asdict

    from gateway.commands import audit as command

    found = asyncio.run(command.verified(config_to_look_after(_file(ctx)), after, dict(told)))
    click.echo(json.dumps(asdict(found), indent=2) if as_json else command.verdict(found))
    if found.misfit is not None:
        ctx.exit(PROBLEM)


def _file(ctx: click.Context) -> Path:
    file = ctx.obj
    assert isinstance(file, Path)  # noqa: S101 - the group's contract, not input
    return file
