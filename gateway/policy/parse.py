"""YAML text -> Policy, or every problem at once. Pure.

`parse_policy` reads one file; `parse_policies` all of them, and refuses a domain that two files
claim, as nobody could say which of the two is in force.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Self

from pydantic import Field, model_validator

from gateway.email import Email, InvalidEmail, parse_domain
from gateway.errors import Problem
from gateway.names import ProviderName, TrustedTenant, Word, is_provider_name
from gateway.policy.model import Policies, Policy, ProviderRule, SharedMailboxRule, Sso
from gateway.section import Section, checked, nearest_of, shape_of
from gateway.values import Domain, Duration, Mailbox
from gateway.yamlfile import Document, KeyPath, read_yaml

# Kinds of provider that know no tenants.
_WITHOUT_TENANTS = frozenset({"google", "oidc"})


class ProviderEntry(Section):
    """What the domain says about one provider."""

    tenants: tuple[TrustedTenant, ...] = ()
    """Microsoft only: GUIDs of the tenants whose word on addresses of this domain is believed."""


class SharedMailboxes(Section):
    """Mailboxes that several people read."""

    addresses: tuple[Mailbox, ...] = ()
    """Addresses, besides role addresses such as info@, sales@ and support@."""
    rule: SharedMailboxRule = SharedMailboxRule.PASSWORD
    """refuse, password (prove each account once) or allow."""


class SessionTimes(Section):
    """How long this domain's sessions last; what is left out is as in config.yaml."""

    idle: Duration | None = None
    """A session ends after this long without a request."""
    lifetime: Duration | None = None
    """A session ends this long after sign-in, whatever happens."""
    max_age: Duration | None = None
    """How long ago, at a sign-in, the person may have proved to the provider who they are."""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.idle is not None and self.lifetime is not None and self.idle > self.lifetime:
            raise ValueError("idle must not be longer than lifetime")
        return self


class PolicyFile(Section):
    """What one email domain may do."""

    domain: Domain
    """The email domain, such as acme.example."""
    aliases: tuple[Domain, ...] = ()
    """Other email domains of the same people."""
    sso: Sso
    """off, pilot (only pilot_users) or on."""
    pilot_users: tuple[Mailbox, ...] = ()
    """With `pilot`, who may use single sign-on."""
    providers: dict[ProviderName, ProviderEntry] = Field(default_factory=dict)
    """The providers these people may sign in with, by their names in config.yaml."""
    blocked_users: tuple[Mailbox, ...] = ()
    """Who may not use single sign-on, under the domain and its aliases alike."""
    shared_mailboxes: SharedMailboxes = SharedMailboxes()
    """Mailboxes that several people read."""
    match_purposes: tuple[Word, ...] = Field(("contact",), min_length=1)
    """What an account's address must be kept for, to find the account."""
    session: SessionTimes = SessionTimes()
    """How long this domain's sessions last."""

    @model_validator(mode="before")
    @classmethod
    def _bare_providers(cls, value: object) -> object:
        """`google:` with nothing after it is what people write for `google: {}`."""
        if not isinstance(value, Mapping) or not isinstance(value.get("providers"), Mapping):
            return value
        providers = {
            name: {} if entry is None else entry for name, entry in value["providers"].items()
        }
        return {**value, "providers": providers}


def parse_policy(
    text: str | bytes, file: str, providers: Mapping[str, str] | None = None
) -> Policy | tuple[Problem, ...]:
    """The policy in `text`. `file`: its name in problems. `providers`: kind by name of those in
    config.yaml; `None` leaves their names unchecked."""
    content = text.encode() if isinstance(text, str) else text
    document = read_yaml(content, file, shape_of(PolicyFile))
    return _read(document, providers) if isinstance(document, Document) else document


def parse_policies(
    files: Mapping[str, bytes], providers: Mapping[str, str] | None = None
) -> Policies | tuple[Problem, ...]:
    """The set of policies in `files` (content by name), or every problem of every file."""
    problems: list[Problem] = []
    by_domain: dict[str, Policy] = {}
    owners: dict[str, str] = {}
    for file, content in sorted(files.items()):
        document = read_yaml(content, file, shape_of(PolicyFile))
        if not isinstance(document, Document):
            problems += document
            continue
        for path, domain in _domains(document):
            owner = owners.setdefault(domain, file)
            if owner != file:
                wrong = f"already in {owner}; a domain has one policy"
                problems.append(document.problem(path, domain, wrong))
        policy = _read(document, providers)
        if isinstance(policy, tuple):
            problems += policy
        else:
            by_domain.update(dict.fromkeys(policy.domains, policy))
    return tuple(problems) if problems else Policies(by_domain)


def _read(document: Document, providers: Mapping[str, str] | None) -> Policy | tuple[Problem, ...]:
    """What each key says (`checked`), and what they say together.

    The second is asked of the document as it stands, so that one wrong key does not keep the
    other problems for the next attempt.
    """
    read = checked(PolicyFile, document)
    together = (
        *_sense_problems(document),
        *_domain_problems(document),
        *_address_problems(document),
        *_provider_problems(document, providers),
    )
    if isinstance(read, tuple):
        return (*read, *together)
    return together or _policy(read, document.file)


def _sense_problems(document: Document) -> Iterator[Problem]:
    """Settings that are right one by one and mean nothing together."""
    sso = document.value.get("sso")
    if sso == Sso.PILOT and not document.value.get("pilot_users"):
        wrong = "required with `sso: pilot`, else nobody may sign in"
        yield document.problem(("pilot_users",), None, wrong)
    if sso in (Sso.PILOT, Sso.ON) and not document.value.get("providers"):
        wrong = f"required with `sso: {sso}`, such as {{google: {{}}}}"
        yield document.problem(("providers",), None, wrong)


def _texts(document: Document, *path: str) -> Iterator[tuple[KeyPath, str]]:
    """The texts of the list at `path`, or the text there, each with its own path."""
    value: object = document.value
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, text in enumerate(value):
            if isinstance(text, str):
                yield (*path, index), text


def _domains(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Each domain of the policy that is one, normalised."""
    for path, text in (*_texts(document, "domain"), *_texts(document, "aliases")):
        with suppress(InvalidEmail):
            yield path, parse_domain(text)


def _domain_problems(document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for path, domain in _domains(document):
        if domain in seen:
            yield document.problem(path, domain, "given twice")
        seen.add(domain)


def _address_problems(document: Document) -> Iterator[Problem]:
    """Addresses that this policy is never asked about: a typing error in a block must not look
    like a block."""
    domains = {domain for _path, domain in _domains(document)}
    if not any(path == ("domain",) for path, _domain in _domains(document)):
        # What is wrong is the domain; each address of it would only say so again.
        return
    allowed = ", ".join(sorted(domains))
    for path, text in (
        *_texts(document, "pilot_users"),
        *_texts(document, "blocked_users"),
        *_texts(document, "shared_mailboxes", "addresses"),
    ):
        with suppress(InvalidEmail):
            if Email.parse(text).domain not in domains:
                wrong = f"is not an address of this policy's domains: {allowed}"
                yield document.problem(path, text, wrong)


def _provider_problems(
    document: Document, providers: Mapping[str, str] | None
) -> Iterator[Problem]:
    listed = document.value.get("providers")
    for name, entry in listed.items() if isinstance(listed, Mapping) else ():
        if not is_provider_name(name):
            continue  # told already, as a name
        kind = name if providers is None else providers.get(name)
        if kind is None:
            allowed = tuple(providers or ())
            nearest = nearest_of(name, allowed)
            wrong = f"no such provider in config.yaml{nearest}; there: {', '.join(allowed) or '-'}"
            yield document.problem(("providers", name), None, wrong)
        elif kind in _WITHOUT_TENANTS and isinstance(entry, Mapping) and "tenants" in entry:
            wrong = "only a provider of kind microsoft has tenants"
            yield document.problem(("providers", name, "tenants"), None, wrong)


def _policy(read: PolicyFile, file: str) -> Policy:
    return Policy(
        domain=read.domain,
        sso=read.sso,
        aliases=frozenset(read.aliases),
        pilot_users=frozenset(read.pilot_users),
        providers={
            name: ProviderRule(frozenset(entry.tenants)) for name, entry in read.providers.items()
        },
        blocked_users=frozenset(read.blocked_users),
        shared_mailboxes=frozenset(read.shared_mailboxes.addresses),
        shared_mailbox_rule=read.shared_mailboxes.rule,
        match_purposes=frozenset(read.match_purposes),
        idle=read.session.idle,
        lifetime=read.session.lifetime,
        max_age=read.session.max_age,
        file=file,
    )
