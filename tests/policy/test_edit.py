"""A policy's text after one change: what was meant is different, and no other character."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.email import Email
from gateway.policy.edit import Edit, adding, changed, removing, setting
from gateway.policy.model import Policy, Sso
from gateway.policy.parse import parse_policy

JO, AL, ED = (Email(name, "acme.example") for name in ("jo", "al", "ed"))
HEAD = "# who may\ndomain: acme.example  # ours\nsso: on\nproviders: {google: {}}\n"


def policy(text: str) -> Policy:
    read = parse_policy(text, "acme.yaml")
    assert isinstance(read, Policy), read
    return read


def after(text: str, edit: Edit, meant: Callable[[Policy], Policy]) -> str:
    new = changed(text.encode(), "acme.yaml", edit, meant(policy(text)))
    assert isinstance(new, bytes), new
    return new.decode()


def blocked(*emails: Email) -> Callable[[Policy], Policy]:
    return lambda policy: replace(policy, blocked_users=frozenset(emails))


ADDED = {
    "no list": (HEAD, f"{HEAD}blocked_users: [jo@acme.example]\n"),
    "no end of line": (HEAD.rstrip(), f"{HEAD}blocked_users: [jo@acme.example]\n"),
    "an empty list": (
        f"blocked_users: []  # nobody\n{HEAD}",
        f"blocked_users: [jo@acme.example]  # nobody\n{HEAD}",
    ),
    "a list in one line": (
        f"blocked_users: [al@acme.example ]  # why\n{HEAD}",
        f"blocked_users: [al@acme.example, jo@acme.example ]  # why\n{HEAD}",
    ),
    "a list in several lines": (
        f"blocked_users: [\n  al@acme.example,  # left\n]\n{HEAD}",
        f"blocked_users: [\n  al@acme.example, jo@acme.example,  # left\n]\n{HEAD}",
    ),
    "a list of lines": (
        f"{HEAD}blocked_users:\n  # since May\n  - al@acme.example  # left\n# the end\n",
        f"{HEAD}blocked_users:\n  # since May\n  - al@acme.example  # left\n"
        "  - jo@acme.example\n# the end\n",
    ),
    "a list of lines without an end": (
        f"{HEAD}blocked_users:\n- 'al@acme.example'",
        f"{HEAD}blocked_users:\n- 'al@acme.example'\n- jo@acme.example\n",
    ),
    "characters of several bytes before it": (
        f"# Ďuro 鈴木 𐍈\n{HEAD}blocked_users: [al@acme.example]\n",
        f"# Ďuro 鈴木 𐍈\n{HEAD}blocked_users: [al@acme.example, jo@acme.example]\n",
    ),
    "a byte order mark": (f"\ufeff{HEAD}", f"\ufeff{HEAD}blocked_users: [jo@acme.example]\n"),
}


@pytest.mark.parametrize("case", ADDED)
def test_an_address_is_added_and_all_else_stays(case: str) -> None:
    before, expected = ADDED[case]
    known = policy(before).blocked_users
    assert after(before, adding("blocked_users", JO), blocked(JO, *known)) == expected


REMOVED = {
    "the only one": (
        f"blocked_users: [jo@acme.example]  # why\n{HEAD}",
        f"blocked_users: []  # why\n{HEAD}",
    ),
    "the first": (
        f"blocked_users: [jo@acme.example, al@acme.example]\n{HEAD}",
        f"blocked_users: [al@acme.example]\n{HEAD}",
    ),
    "the last": (
        f"blocked_users: [al@acme.example, jo@acme.example]\n{HEAD}",
        f"blocked_users: [al@acme.example]\n{HEAD}",
    ),
    "one written in another way": (
        f'blocked_users: [al@acme.example, "JO@Acme.Example"]\n{HEAD}',
        f"blocked_users: [al@acme.example]\n{HEAD}",
    ),
    "the only line": (
        f"blocked_users:\n  - jo@acme.example  # left\n{HEAD}",
        f"blocked_users: []  # left\n{HEAD}",
    ),
    "a line among others": (
        f"blocked_users:\n  - ed@acme.example  # 1\n  - jo@acme.example  # 2\n"
        f"  - al@acme.example  # 3\n{HEAD}",
        f"blocked_users:\n  - ed@acme.example  # 1\n  - al@acme.example  # 3\n{HEAD}",
    ),
}


@pytest.mark.parametrize("case", REMOVED)
def test_an_address_is_removed_and_all_else_stays(case: str) -> None:
    before, expected = REMOVED[case]
    left = policy(before).blocked_users - {JO}
    assert after(before, removing("blocked_users", frozenset({JO})), blocked(*left)) == expected


def test_several_are_removed_at_once() -> None:
    before = f"blocked_users: [jo@acme.example, al@acme.example, ed@acme.example]\n{HEAD}"
    edit = removing("blocked_users", frozenset({JO, ED}))
    assert after(before, edit, blocked(AL)) == f"blocked_users: [al@acme.example]\n{HEAD}"


def test_there_and_back_is_the_same_text() -> None:
    before = f"{HEAD}blocked_users:\n  - al@acme.example  # left\n"
    there = after(before, adding("blocked_users", JO), blocked(AL, JO))
    assert after(there, removing("blocked_users", frozenset({JO})), blocked(AL)) == before


def test_a_word_is_set() -> None:
    edit = setting("sso", "off")
    new = after(HEAD, edit, lambda policy: replace(policy, sso=Sso.OFF))
    assert new == HEAD.replace("sso: on", "sso: off")


def test_what_yaml_would_read_otherwise_is_quoted() -> None:
    odd = Email.parse("#jo&{a}@acme.example")
    new = after(HEAD, adding("blocked_users", odd), blocked(odd))
    assert new.endswith('blocked_users: ["#jo&{a}@acme.example"]\n')


@pytest.mark.parametrize(
    "text",
    [
        "{domain: acme.example, sso: on, providers: {google: {}}, blocked_users: []}\n",
        f"{HEAD}...\n",
        f"{HEAD}blocked_users:\n  - >-\n    al@acme.example\n",
    ],
)
def test_a_form_not_foreseen_is_left_alone(text: str) -> None:
    before = policy(text)
    meant = replace(before, blocked_users=before.blocked_users | {JO})
    outcome = changed(text.encode(), "acme.yaml", adding("blocked_users", JO), meant)
    if isinstance(outcome, bytes):
        # Or changed rightly: never wrongly.
        assert policy(outcome.decode()) == meant
    else:
        assert "acme.yaml" in str(outcome[0])


def test_what_was_not_meant_is_not_done() -> None:
    outcome = changed(HEAD.encode(), "acme.yaml", adding("blocked_users", JO), policy(HEAD))
    assert isinstance(outcome, tuple)
    assert "do it by hand" in str(outcome[0])


def test_a_change_that_no_gateway_would_take_is_told_as_such() -> None:
    text = HEAD.replace("sso: on", "sso: pilot\npilot_users: [jo@acme.example]")
    meant = replace(policy(text), pilot_users=frozenset())
    outcome = changed(text.encode(), "acme.yaml", removing("pilot_users", frozenset({JO})), meant)
    assert isinstance(outcome, tuple)
    assert "required with `sso: pilot`" in str(outcome[0])
