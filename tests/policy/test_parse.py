"""A policy file says exactly one thing, or what is wrong with it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.email import Email
from gateway.policy.model import Policies, Policy, ProviderRule, SharedMailboxRule, Sso
from gateway.policy.parse import PolicyFile, parse_policies, parse_policy
from gateway.section import schema_of

ROOT = Path(__file__).parent.parent.parent
TENANT = "8f2c1b6e-0d4a-4c57-9b1e-2f3a4b5c6d7e"
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
KNOWN = {"google": "google", "microsoft": "microsoft", "okta": "oidc", "entra-eu": "microsoft"}
LEAST = "domain: acme.example\nsso: on\nproviders: {google: {}}\n"


def read(text: str, known: Mapping[str, str] | None = None) -> Policy:
    policy = parse_policy(text, "p.yaml", known)
    assert isinstance(policy, Policy), policy
    return policy


def told(text: str, known: Mapping[str, str] | None = KNOWN) -> list[str]:
    problems = parse_policy(text, "p.yaml", known)
    assert isinstance(problems, tuple), problems
    return [str(problem) for problem in problems]


def test_every_key() -> None:
    policy = read(
        f"""
        domain: Acme.Example
        aliases: [ACME.ca, acme.fr]
        sso: pilot
        pilot_users: [Jo@Acme.Example, al@acme.ca]
        providers:
          google: {{}}
          microsoft: {{tenants: [{TENANT.upper()}]}}
        blocked_users: [ex@acme.example]
        shared_mailboxes: {{addresses: [hello@acme.ca], rule: refuse}}
        match_purposes: [contact, voicemail]
        session: {{idle: 4h, lifetime: 12h, max_age: 1h}}
        """,
        KNOWN,
    )
    assert policy == Policy(
        domain="acme.example",
        sso=Sso.PILOT,
        aliases=frozenset({"acme.ca", "acme.fr"}),
        pilot_users=frozenset({Email("jo", "acme.example"), Email("al", "acme.ca")}),
        providers={"google": ProviderRule(), "microsoft": ProviderRule(frozenset({TENANT}))},
        blocked_users=frozenset({Email("ex", "acme.example")}),
        shared_mailboxes=frozenset({Email("hello", "acme.ca")}),
        shared_mailbox_rule=SharedMailboxRule.REFUSE,
        match_purposes=frozenset({"contact", "voicemail"}),
        idle=4 * 3600.0,
        lifetime=12 * 3600.0,
        max_age=3600.0,
    )


def test_what_is_left_out() -> None:
    policy = read(LEAST)
    assert policy == Policy("acme.example", Sso.ON, providers={"google": ProviderRule()})
    assert policy.shared_mailbox_rule is SharedMailboxRule.PASSWORD
    assert policy.match_purposes == {"contact"}
    assert policy.idle is None


@pytest.mark.parametrize(
    ("word", "sso"),
    [("on", Sso.ON), ("off", Sso.OFF), ("pilot", Sso.PILOT), ("'off'", Sso.OFF)],
)
def test_on_and_off_are_words(word: str, sso: Sso) -> None:
    text = LEAST.replace("sso: on", f"sso: {word}")
    assert read(text + "pilot_users: [jo@acme.example]\n").sso is sso


def test_off_needs_nothing_else() -> None:
    assert read("domain: acme.example\nsso: off") == Policy("acme.example", Sso.OFF)


def test_a_bare_provider_is_an_empty_one() -> None:
    assert read(LEAST.replace("{google: {}}", "\n  google:")) == read(LEAST)


def test_pilot_users_may_stay_when_the_pilot_is_over() -> None:
    assert read(LEAST + "pilot_users: [jo@acme.example]").sso is Sso.ON


def test_providers_of_any_name_and_kind() -> None:
    text = LEAST.replace("{google: {}}", f"{{okta: {{}}, entra-eu: {{tenants: [{TENANT}]}}}}")
    assert set(read(text, KNOWN).providers) == {"okta", "entra-eu"}
    assert set(read(text, None).providers) == {"okta", "entra-eu"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sso: off", "p.yaml: domain: required, but not there"),
        ("domain: acme.example", "p.yaml: sso: required, but not there; one of off, pilot, on"),
        (
            "domain: acme.example\nsso: yes",
            "p.yaml:2: sso = yes: must be one of 'off', 'pilot' or 'on'",
        ),
        ("domain: acme.example\nsso: true", "p.yaml:2: sso = true: must be one of"),
        ("domain: acme.example\nsso: Off", "p.yaml:2: sso = Off: must be one of"),
        ("domain: acme.example\nsso:", "p.yaml:2: sso: must be one of"),
        ("domain: .acme.example\nsso: off", "p.yaml:1: domain = .acme.example: not a domain name"),
        ("domain: '*.acme.example'\nsso: off", "domain = *.acme.example: not a domain name"),
        ("domain: '*'\nsso: off", "p.yaml:1: domain = *: not a domain name"),
        ("domain: example\nsso: off", "p.yaml:1: domain = example: not a domain name"),
        ("domain: jo@acme.example\nsso: off", "domain = jo@acme.example: not a domain name"),
        ("domain: acme.example.\nsso: off", "domain = acme.example.: not a domain name"),
        ("domain: 7\nsso: off", "p.yaml:1: domain = 7: must be text"),
        (LEAST + "aliases: acme.ca", "p.yaml:4: aliases = acme.ca: must be a list"),
        (LEAST + "aliases: [acme]", "p.yaml:4: aliases[0] = acme: not a domain name"),
        (LEAST + "aliases: [acme.ca, ACME.ca]", "p.yaml:4: aliases[1] = acme.ca: given twice"),
        (LEAST + "aliases: [Acme.Example]", "p.yaml:4: aliases[0] = acme.example: given twice"),
        (
            LEAST.replace("sso: on", "sso: pilot"),
            "p.yaml: pilot_users: required with `sso: pilot`, else nobody may sign in",
        ),
        (
            LEAST.replace("sso: on", "sso: pilot") + "pilot_users: []",
            "p.yaml:4: pilot_users: required with `sso: pilot`, else nobody may sign in",
        ),
        (
            LEAST + "pilot_users: [jo]",
            "p.yaml:4: pilot_users[0] = jo: an email address has exactly one @",
        ),
        (
            LEAST + "blocked_users: [a@evil@acme.example]",
            "blocked_users[0] = a@evil@acme.example: an email address has exactly one @",
        ),
        (LEAST + "blocked_users: ['@acme.example']", "blocked_users[0] = @acme.example: the part"),
        (LEAST + "blocked_users: ['*@acme.example.']", "not a domain name"),
        (
            LEAST + "blocked_users: [jo@acme.exampel]",
            "p.yaml:4: blocked_users[0] = jo@acme.exampel: is not an address of this policy's "
            "domains: acme.example",
        ),
        (
            LEAST + "pilot_users:\n  - jo@acme.example\n  - jo@sub.acme.example",
            "p.yaml:6: pilot_users[1] = jo@sub.acme.example: is not an address of",
        ),
        (
            LEAST + "shared_mailboxes: {addresses: [info@other.example]}",
            "p.yaml:4: shared_mailboxes.addresses[0] = info@other.example: is not an address of",
        ),
        (
            LEAST + "shared_mailboxes: {rule: ask}",
            "shared_mailboxes.rule = ask: must be one of 'refuse', 'password' or 'allow'",
        ),
        (LEAST + "shared_mailboxes: [info@acme.example]", "shared_mailboxes: must be a mapping"),
        (
            "domain: acme.example\nsso: on",
            "p.yaml: providers: required with `sso: on`, such as {google: {}}",
        ),
        (
            "domain: acme.example\nsso: on\nproviders: {}",
            "p.yaml:3: providers: required with `sso: on`, such as {google: {}}",
        ),
        (
            LEAST.replace("google", "gogle"),
            "p.yaml:3: providers.gogle: no such provider in config.yaml, did you mean `google`?; "
            "there: google, microsoft, okta, entra-eu",
        ),
        (
            LEAST.replace("google", "Google"),
            "p.yaml:3: providers.Google: a provider's name is small letters, digits and dashes, "
            "such as my-idp; did you mean `google`?",
        ),
        (
            LEAST.replace("google: {}", f"google: {{tenants: [{TENANT}]}}"),
            "p.yaml:3: providers.google.tenants: only a provider of kind microsoft has tenants",
        ),
        (
            LEAST.replace("google: {}", f"okta: {{tenants: [{TENANT}]}}"),
            "p.yaml:3: providers.okta.tenants: only a provider of kind microsoft has tenants",
        ),
        (
            LEAST.replace("google: {}", "microsoft: {tenants: [organizations]}"),
            "p.yaml:3: providers.microsoft.tenants[0] = organizations: must be a tenant's GUID",
        ),
        (
            LEAST.replace("google: {}", f"microsoft: {{tenants: [{CONSUMERS}]}}"),
            f"p.yaml:3: providers.microsoft.tenants[0] = {CONSUMERS}: is the tenant of all",
        ),
        (
            LEAST.replace("google: {}", f"microsoft: {{tenants: {TENANT}}}"),
            f"p.yaml:3: providers.microsoft.tenants = {TENANT}: must be a list",
        ),
        (
            LEAST.replace("google: {}", "google: {hd: acme.example}"),
            "p.yaml:3: providers.google.hd: unknown key; allowed: tenants",
        ),
        (LEAST.replace("{google: {}}", "[google]"), "p.yaml:3: providers: must be a mapping"),
        (LEAST + "match_purposes: []", "p.yaml:4: match_purposes: must not be empty"),
        (LEAST + "match_purposes: [a b]", "p.yaml:4: match_purposes[0] = a b: must be one word"),
        (LEAST + "session: {idle: 5}", "p.yaml:4: session.idle = 5: must be a number and a unit"),
        (LEAST + "session: {idle: 0s}", "p.yaml:4: session.idle = 0s: must be more than nothing"),
        (
            LEAST + "session: {idle: 2h, lifetime: 1h}",
            "p.yaml:4: session: idle must not be longer than lifetime",
        ),
        (
            LEAST + "block_users: [jo@acme.example]",
            "p.yaml:4: block_users: unknown key, did you mean `blocked_users`?; allowed: domain, "
            "aliases, sso, pilot_users, providers, blocked_users, shared_mailboxes, "
            "match_purposes, session",
        ),
        (LEAST + "sso: off", "p.yaml:4: sso: given twice, first on line 2"),
        (LEAST + "blocked_users: &x [jo@acme.example]", "an anchor (`&name`) is not allowed"),
        ("", "p.yaml: is empty; needs at least domain and sso"),
        (LEAST + "blocked_users: [jo@acme.example", "not YAML: "),
    ],
)
def test_refused(text: str, expected: str) -> None:
    problems = told(text)
    assert any(expected in problem for problem in problems), problems


def test_one_mistake_is_one_problem() -> None:
    assert len(told(LEAST + "blocked_users: [jo@acme.exampel]")) == 1
    assert len(told("domain: nowhere\nsso: off\nblocked_users: [jo@acme.example]")) == 1
    assert len(told(LEAST.replace("sso: on", "sso: maybe"))) == 1
    assert len(told(LEAST.replace("google", "Google"))) == 1
    bad = LEAST.replace("acme.example", ".acme.example") + "aliases: [acme.ca]\n"
    assert len(told(bad + "blocked_users: [jo@acme.example, al@acme.ca]")) == 1
    assert len(told(bad + "pilot_users: [jo@acme.example]")) == 1


def test_every_problem_at_once() -> None:
    problems = told(
        """domain: acme.example
aliases: [acme, acme.example]
sso: pilot
pilot_users: [jo]
providers: {gogle: {}, google: {tenants: []}, microsoft: {tenants: [x]}}
blocked_users: [jo@other.example]
session: {idle: 7}
extra: 1
"""
    )
    keys = {problem.split(": ")[1].partition(" = ")[0] for problem in problems}
    assert keys == {
        "aliases[0]",
        "aliases[1]",
        "pilot_users[0]",
        "providers.gogle",
        "providers.google.tenants",
        "providers.microsoft.tenants[0]",
        "blocked_users[0]",
        "session.idle",
        "extra",
    }


def test_without_a_list_of_providers_their_names_are_not_checked() -> None:
    assert read(LEAST.replace("google", "anything")).providers == {"anything": ProviderRule()}
    assert told(LEAST.replace("google: {}", f"google: {{tenants: [{TENANT}]}}"), None)


def policies(**files: str) -> Policies | list[str]:
    found = parse_policies({f"{name}.yaml": text.encode() for name, text in files.items()}, KNOWN)
    return found if isinstance(found, Policies) else [str(problem) for problem in found]


def test_a_set_finds_a_policy_by_domain_and_alias() -> None:
    found = policies(
        a=LEAST + "aliases: [acme.ca]", b=LEAST.replace("acme.example", "globex.example")
    )
    assert isinstance(found, Policies)
    assert set(found.by_domain) == {"acme.example", "acme.ca", "globex.example"}
    assert found.by_domain["acme.ca"] is found.by_domain["acme.example"]
    jo = found.for_email(Email.parse("jo@acme.ca"))
    assert jo is not None
    assert jo.domain == "acme.example"
    assert found.for_email(Email.parse("jo@sub.acme.ca")) is None


def test_a_policy_knows_its_file() -> None:
    assert read(LEAST).file == "p.yaml"


def test_an_empty_set() -> None:
    assert policies() == Policies()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (LEAST, LEAST, "b.yaml:1: domain = acme.example: already in a.yaml"),
        (
            LEAST.replace("acme.example", "globex.example") + "aliases: [acme.example]",
            LEAST.replace("acme.example", "Acme.Example"),
            "b.yaml:1: domain = acme.example: already in a.yaml; a domain has one policy",
        ),
        (
            LEAST,
            LEAST.replace("acme.example", "globex.example") + "aliases: [acme.example]",
            "b.yaml:4: aliases[0] = acme.example: already in a.yaml; a domain has one policy",
        ),
    ],
)
def test_a_domain_has_one_policy(one: str, other: str, expected: str) -> None:
    found = policies(a=one, b=other)
    assert isinstance(found, list)
    assert len(found) == 1
    assert expected in found[0]


def test_every_problem_of_every_file() -> None:
    found = policies(a=LEAST + "x: 1", b=LEAST.replace("on", "maybe"), c="- x", d="domain: [")
    assert isinstance(found, list)
    assert {problem.partition(":")[0] for problem in found} == {
        "a.yaml",
        "b.yaml",
        "c.yaml",
        "d.yaml",
    }
    # The second `acme.example` is told too, although its file has another problem.
    assert any("already in a.yaml" in problem for problem in found)


def test_the_examples_are_sound() -> None:
    files = {path.name: path.read_bytes() for path in (ROOT / "policies").glob("*.yaml")}
    found = parse_policies(files, KNOWN)
    assert isinstance(found, Policies), found
    assert "acme.example" in found.by_domain


SCHEMA: Any = schema_of(PolicyFile)
SECTIONS: dict[str, Any] = {
    "PolicyFile": SCHEMA,
    **{name: section for name, section in SCHEMA["$defs"].items() if "properties" in section},
}
DOCS = ROOT / "docs" / "policies.md"


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_is_described_and_documented(name: str) -> None:
    section = SECTIONS[name]
    assert "description" in section
    rows = set(re.findall(r"^\| `([a-z_.]+)` \|", DOCS.read_text(), flags=re.MULTILINE))
    prefix = {"PolicyFile": "", "ProviderEntry": "providers.", "SharedMailboxes":
              "shared_mailboxes.", "SessionTimes": "session."}[name]  # fmt: skip
    assert {f"{prefix}{key}" for key in section["properties"]} - rows == set()


def test_the_documented_example_is_sound() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)[:1]
    assert read(example, KNOWN).domain == "acme.example"
