"""What is printed once everything runs: where to go, who can sign in, how to stop."""

import shlex
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from demo.people import (
    CONSUMER_TENANT,
    GOOGLE_PEOPLE,
    MICROSOFT_PEOPLE,
    MicrosoftPerson,
    Person,
)
from demo.plan import Plan
from demo.sonar.seed import ACCOUNTS

# Narrower than this, the last column is not wrapped but left to the terminal.
_NARROWEST = 100
# A username and its password, side by side with others where there is room.
_CELL = 40
# Whose sign-in the command in the summary explains.
_EXAMPLE = "jo@acme.example"


def summary(plan: Plan, width: int) -> str:
    """The whole text; `width` is the terminal's, in characters. What is needed first stands last,
    where it is still on the screen."""
    config = plan.config
    lines = ["", "People to sign in as, with a provider's button on Sonar's sign-in page:"]
    for name, people in (("google", GOOGLE_PEOPLE), ("microsoft", MICROSOFT_PEOPLE)):
        if name in config.providers:
            lines += _provider(plan, name, people, width)
    lines += ["", "Sonar's usernames and passwords, to sign in as ever or to link an account:", ""]
    lines += _passwords(width)
    host, port = config.server.management
    lines += [
        "",
        "Sonar Gateway is running, with a stand-in Sonar behind it.",
        "",
        f"  Open      {config.server.public_url}",
        f"  Policies  edit a file in {config.policies}: it is in force within a second",
        f"  Explain   {_explain(plan)}",
        f"  Log       {_from_here(plan.log)}",
        f"  Data      {_from_here(plan.data)}; delete it to start afresh",
        f"  Beside    Sonar without the gateway http://{plan.sonar},"
        f" health http://{host}:{port}/readyz",
        "  Stop      Ctrl-C",
        "",
    ]
    return "\n".join(lines)


def _explain(plan: Plan) -> str:
    """The command that says why somebody is let in or not, as typed in this folder."""
    words = (_from_here(Path(sys.executable)), "-m", "gateway")
    return shlex.join((*words, "--config", _from_here(plan.config_file), "explain", _EXAMPLE))


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _provider(plan: Plan, name: str, people: tuple[Person, ...], width: int) -> list[str]:
    provider = plan.config.providers[name]
    if not plan.plays(name):
        redirect = f"{plan.config.server.public_url}/sso/callback/{name}"
        return [
            "",
            f"{provider.label}: the real one. Registered there must be the redirect URI",
            f"  {redirect}",
        ]
    shown = [person for person in people if not _is_elsewhere(person, provider.tenant)]
    rows = ((person.name, person.email or "(no email)", person.meets) for person in shown)
    return ["", f"{provider.label} (stand-in)", *_table(rows, width)]


def _is_elsewhere(person: Person, tenant: str) -> bool:
    """Entra's endpoint for organizations knows no personal accounts."""
    match person:
        case MicrosoftPerson(tenant=own):
            return tenant == "organizations" and own == CONSUMER_TENANT
        case _:
            return False


def _passwords(width: int) -> Iterator[str]:
    cells = [
        f"  {a.username:<14}  {a.password:<11}{'' if a.active else ' (inactive)'}" for a in ACCOUNTS
    ]
    columns = max(1, min(3, width // _CELL))
    height = -(-len(cells) // columns)
    for row in range(height):
        yield "".join(f"{cell:<{_CELL}}" for cell in cells[row::height]).rstrip()


def _table(rows: Iterable[tuple[str, str, str]], width: int) -> Iterator[str]:
    """Three columns; the last one is wrapped where there is room for it."""
    listed = list(rows)
    first = max(len(row[0]) for row in listed)
    second = max(len(row[1]) for row in listed)
    indent = 2 + first + 2 + second + 2
    for one, two, three in listed:
        row = f"  {one:<{first}}  {two:<{second}}  {three}"
        if width < _NARROWEST:
            yield row
        else:
            yield from textwrap.wrap(row, width, subsequent_indent=" " * indent)
