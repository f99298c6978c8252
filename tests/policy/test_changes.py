"""What a change of the policies is told as."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from gateway.policy.changes import Change, changes, digest
from gateway.policy.model import Policies, Policy, ProviderRule, SharedMailboxRule, Sso
from tests.account.people import OTHER_TENANT, TENANT, emails

OLD = Policy(
    "acme.example",
    Sso.PILOT,
    aliases=frozenset({"acme.ca"}),
    pilot_users=emails("jo@acme.example"),
    providers={"microsoft": ProviderRule(frozenset({TENANT}))},
)


def of(*policies: Policy) -> Policies:
    return Policies({name: policy for policy in policies for name in policy.domains})


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (OLD, ()),
        (replace(OLD, file="moved.yaml"), ()),
        (replace(OLD, sso=Sso.ON), ("sso: pilot -> on",)),
        (
            replace(OLD, blocked_users=emails("mo@acme.example", "al@acme.example")),
            ("blocked_users: + al@acme.example", "blocked_users: + mo@acme.example"),
        ),
        (
            replace(OLD, pilot_users=emails("al@acme.example")),
            ("pilot_users: - jo@acme.example", "pilot_users: + al@acme.example"),
        ),
        (
            replace(OLD, providers={"microsoft": ProviderRule(frozenset({OTHER_TENANT}))}),
            (
                f"providers: - microsoft tenant {TENANT}",
                f"providers: + microsoft tenant {OTHER_TENANT}",
            ),
        ),
        (
            replace(OLD, providers={**OLD.providers, "google": ProviderRule()}),
            ("providers: + google",),
        ),
        (replace(OLD, aliases=frozenset()), ("aliases: - acme.ca",)),
        (
            replace(OLD, shared_mailbox_rule=SharedMailboxRule.ALLOW),
            ("shared_mailbox_rule: password -> allow",),
        ),
        (replace(OLD, idle=3600.0), ("idle: + 3600 s",)),
        (replace(OLD, match_purposes=frozenset()), ("match_purposes: - contact",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) and value else "",
)
def test_a_change_of_one_domain(new: Policy, what: tuple[str, ...]) -> None:
    found = changes(of(OLD), of(new))
    assert found == ((Change("acme.example", what),) if what else ())
    assert (digest(of(OLD)) == digest(of(new))) is (not what)


def test_domains_that_come_and_go() -> None:
    other = replace(OLD, domain="beta.example", aliases=frozenset(), sso=Sso.OFF)
    (gone, new) = changes(of(OLD), of(other))
    assert gone == Change("acme.example", ("the policy is gone",))
    assert new.domain == "beta.example"
    assert new.what[:2] == ("a new policy", "sso: + off")


def test_every_process_has_one_digest() -> None:
    """The order of a set differs from process to process."""
    script = (
        "from gateway.policy.changes import digest;"
        "from tests.policy.test_changes import OLD, of;"
        "from dataclasses import replace;"
        "from tests.account.people import emails;"
        "some = emails(*(f'p{n}@acme.example' for n in range(20)));"
        "print(digest(of(replace(OLD, pilot_users=some))))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
