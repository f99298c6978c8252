"""`explain` over the demonstration's people: the verdict an operator reads for each."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.model import Link
from gateway.account.resolution import Refuse, Step
from gateway.commands.explain import Explained, as_json, as_text, explain_with, verdict
from gateway.config import load_config
from gateway.email import Email
from gateway.identity.model import IdentityKey
from gateway.reasons import Reason
from tests.commands.conftest import Run


@pytest.fixture
def folder(folder: Path) -> Path:
    asyncio.run(migrate(load_config(folder / "config.yaml").links.database))
    return folder


def explained(folder: Path, email: str) -> dict[str, Explained]:
    config = load_config(folder / "config.yaml")
    answers = asyncio.run(explain_with(config, Email.parse(email)))
    return {answer.provider: answer for answer in answers}


@pytest.mark.parametrize(
    ("email", "provider", "vouched", "unvouched"),
    [
        (
            "jo@acme.example",
            "google",
            "signed in as jmarch (matched)",
            "asked once for a Sonar username and password (email_untrusted)",
        ),
        (
            "sam@acme.example",
            "google",
            "chooses among acme-support, srivera (several_accounts)",
            "asked once for a Sonar username and password (email_untrusted)",
        ),
        (
            "nora@acme.example",
            "google",
            "asked once for a Sonar username and password (no_account)",
            "asked once for a Sonar username and password (email_untrusted)",
        ),
        (
            "ivan@acme.example",
            "microsoft",
            "asked once for a Sonar username and password (account_inactive)",
            "asked once for a Sonar username and password (email_untrusted)",
        ),
        (
            "info@acme.example",
            "google",
            "asked once for a Sonar username and password (shared_mailbox)",
            "asked once for a Sonar username and password (email_untrusted)",
        ),
        ("blake@acme.example", "google", "refused (blocked_user)", "refused (blocked_user)"),
        ("blake@acme.ca", "google", "refused (blocked_user)", "refused (blocked_user)"),
        (
            "gina@globex.example",
            "microsoft",
            "signed in as grossi (matched)",
            "asked once for a Sonar username and password (email_untrusted)",
        ),
        ("fred@globex.example", "google", "refused (not_pilot_user)", "refused (not_pilot_user)"),
        (
            "sales@globex.example",
            "google",
            "refused (shared_mailbox_refused)",
            "refused (shared_mailbox_refused)",
        ),
        (
            "vince@umbrella.example",
            "google",
            "signed in as vokoye (matched)",
            "asked once for a Sonar username and password (email_untrusted)",
        ),
        (
            "uma@umbrella.example",
            "microsoft",
            "refused (provider_not_allowed)",
            "refused (provider_not_allowed)",
        ),
        ("peter@initech.example", "google", "refused (domain_off)", "refused (domain_off)"),
        ("una@unknown.example", "google", "refused (no_policy)", "refused (no_policy)"),
        (
            "kim.okafor@gmail.com",
            "google",
            "signed in as kokafor (matched)",
            "asked once for a Sonar username and password (email_untrusted)",
        ),
    ],
)
def test_verdict(folder: Path, email: str, provider: str, vouched: str, unvouched: str) -> None:
    answer = explained(folder, email)[provider]
    assert verdict(answer.vouched) == vouched
    assert verdict(answer.unvouched) == unvouched


def test_tells_of_each_person_who_came_with_the_address(folder: Path) -> None:
    """A link speaks for its own identity; a stranger with the same address gets nothing of it."""
    milo = IdentityKey("https://entra.example", "tenant.milo")
    email = Email.parse("milo@acme.example")

    async def remember() -> None:
        links = LinkStore(load_config(folder / "config.yaml").links.database)
        await links.open()
        await links.add(Link(milo, "1017", "microsoft", str(email), 1.0, None))
        await links.pin("google", email, IdentityKey("https://google.example", "1"))
        await links.close()

    asyncio.run(remember())
    answers = explained(folder, str(email))
    assert answers["microsoft"].subject == milo.subject
    assert verdict(answers["microsoft"].unvouched) == "signed in as mhart (linked)"
    assert answers["google"].subject == "1"
    assert verdict(answers["google"].vouched) == "signed in as mhart (matched)"


def test_text_tells_each_step(folder: Path) -> None:
    email = Email.parse("jo@acme.example")
    config = load_config(folder / "config.yaml")
    text = as_text(email, asyncio.run(explain_with(config, email)))
    assert (
        "jo@acme.example with Google, if Google vouches for the address "
        "(nobody signed in with it yet)\n" in text
    )
    assert "Is there a policy for acme.example?" in text
    assert f"yes, acme.example in {folder / 'policies' / 'acme.example.yaml'}\n" in text
    assert "Does the email prove the mailbox?" in text
    assert "  => signed in as jmarch (matched)" in text
    assert "  => if Google does not: asked once for a Sonar username" in text


def test_text_has_no_line_of_somebody_elses() -> None:
    """A username is Sonar's to give."""
    steps = (Step("Which account?", "jo\x1b[2J\n  => refused"),)
    refused = Refuse(Reason.NO_POLICY, steps)
    each = Explained("google", "Google", None, refused, refused)
    text = as_text(Email.parse("jo@acme.example"), (each,))
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4


def test_text_says_when_it_does_not_matter_who_vouches(folder: Path) -> None:
    email = Email.parse("blake@acme.example")
    config = load_config(folder / "config.yaml")
    text = as_text(email, asyncio.run(explain_with(config, email)))
    assert "  => refused (blocked_user)\n  => if Google does not: the same\n" in text


def test_json_says_the_same(folder: Path) -> None:
    email = Email.parse("sam@acme.example")
    config = load_config(folder / "config.yaml")
    answer = json.loads(json.dumps(as_json(email, asyncio.run(explain_with(config, email)))))
    google = answer["providers"][0]
    assert (google["provider"], google["vouched"]["outcome"]) == ("google", "choose")
    assert google["vouched"]["reason"] == "several_accounts"
    assert len(google["vouched"]["trail"]) > 5


def test_command_line(run: Run, folder: Path) -> None:
    done = run("explain", "jo@acme.example")
    assert (done.returncode, done.stderr) == (0, "")
    assert "signed in as jmarch (matched)" in done.stdout


def test_command_line_refuses_what_is_no_address(run: Run) -> None:
    done = run("explain", "jo@acme@evil.example")
    assert done.returncode == 2
    assert "exactly one @" in done.stderr


def test_old_schema_says_what_to_run(run: Run, folder: Path) -> None:
    (folder / "var" / "gateway.db").unlink()
    done = run("explain", "jo@acme.example")
    assert done.returncode == 1
    assert "the command `migrate` makes them" in done.stderr
    assert "Traceback" not in done.stderr
