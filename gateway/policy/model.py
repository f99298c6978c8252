"""What one email domain may do. Pure values, and the questions asked of them.

`Policies` is a snapshot: whoever takes one keeps it for the whole request, so that a reload in
between cannot make one request be judged by two sets of rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.email import Email
from gateway.identity.entra import CONSUMER_TENANT
from gateway.identity.model import GoogleVoucher, Identity, MicrosoftVoucher, StandardVoucher
from gateway.reasons import Reason

# Mailboxes that a role has, not a person (RFC 2142 and what small companies use): read by several
# people, so whoever reads one must not become whoever else reads it.
ROLE_MAILBOXES = frozenset(
    """
    abuse accounting accounts admin billing careers contact customerservice enquiries feedback
    finance frontdesk hello help helpdesk hostmaster hr info inquiries invoices it jobs mail
    marketing news noc no-reply noreply office operations orders payroll postmaster press privacy
    reception recruiting root sales security service shop staff subscribe support team tech test
    usenet voicemail webmaster
    """.split()
)


class Sso(StrEnum):
    OFF = "off"
    PILOT = "pilot"
    ON = "on"


class SharedMailboxRule(StrEnum):
    REFUSE = "refuse"
    PASSWORD = "password"  # noqa: S105 - a rule, not a secret
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class ProviderRule:
    """What a domain says about one provider. `tenants`: Entra tenant GUIDs whose word on email
    addresses of this domain is trusted; empty means none is."""

    tenants: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """One domain's policy, as checked by parse.py. Durations in seconds; `None`: the config's.

    `max_age`: how long ago, at a sign-in, the person may have proved to the provider who they are;
    `None`: any time. `file`: where it stands, to be told to operators; it decides nothing.
    """

    domain: str
    sso: Sso
    aliases: frozenset[str] = frozenset()
    pilot_users: frozenset[Email] = frozenset()
    providers: Mapping[str, ProviderRule] = field(default_factory=dict)
    blocked_users: frozenset[Email] = frozenset()
    shared_mailboxes: frozenset[Email] = frozenset()
    shared_mailbox_rule: SharedMailboxRule = SharedMailboxRule.PASSWORD
    match_purposes: frozenset[str] = frozenset({"contact"})
    idle: float | None = None
    lifetime: float | None = None
    max_age: float | None = None
    file: str = field(default="", compare=False)

    @property
    def domains(self) -> frozenset[str]:
        return self.aliases | {self.domain}

    def refusal(self, email: Email, provider: str) -> Reason | None:
        """Why this person may not use SSO with `provider`, or `None` when they may.

        Asked at every sign-in and again at every request of a session, so that a reloaded policy
        is in force at once.
        """
        if self.sso is Sso.OFF:
            return Reason.DOMAIN_OFF
        if self.blocks(email):
            return Reason.BLOCKED_USER
        if self.sso is Sso.PILOT and email not in self.pilot_users:
            return Reason.NOT_PILOT_USER
        if provider not in self.providers:
            return Reason.PROVIDER_NOT_ALLOWED
        return None

    def blocks(self, email: Email) -> bool:
        return self._names(self.blocked_users, email)

    def demands_proof(self, identity: Identity, now: float) -> bool:
        """Whether a sign-in needs a newer proof than the identity comes with. A provider that does
        not say when the person proved who they are has not said that it was lately."""
        if self.max_age is None:
            return False
        return identity.auth_time is None or now - identity.auth_time > self.max_age

    def is_shared(self, email: Email) -> bool:
        """Whether several people read this mailbox, by the policy's list or by its role name."""
        return _untagged(email) in ROLE_MAILBOXES or self._names(self.shared_mailboxes, email)

    def _names(self, listed: frozenset[Email], email: Email) -> bool:
        """Whether `listed` has this mailbox under the domain or an alias, with or without a tag:
        one mailbox, many addresses. Used only where the answer takes something away."""
        if not listed:
            return False
        names = {email.local, _untagged(email)}
        mailboxes = [Email(name, domain) for name in names for domain in self.domains]
        return email in listed or any(mailbox in listed for mailbox in mailboxes)

    def vouches(self, identity: Identity) -> bool:
        """Whether the identity's email proves that the person has that mailbox (see FACTS).

        Google is authoritative for `@gmail.com`, and for a Workspace domain when `hd` names it:
        https://developers.google.com/identity/gsi/web/guides/verify-google-id-token. Entra's
        email is whatever the tenant's administrator typed (nOAuth), so it counts only from a
        tenant this policy lists or with `xms_edov`. Of a personal account that claim says that
        somebody read the mailbox once, as for a Google account without `hd`: whoever left the
        company still has the account, so it proves nothing.
        """
        if identity.email is None or identity.email.domain not in self.domains:
            return False
        match identity.voucher:
            case GoogleVoucher(email_verified=verified, hosted_domain=hosted):
                gmail = identity.email.domain == "gmail.com"
                return verified and (gmail or hosted in self.domains)
            case MicrosoftVoucher(tenant=tenant, domain_owner_verified=owner_verified):
                rule = self.providers.get(identity.provider, ProviderRule())
                verified_by_owner = owner_verified and tenant != CONSUMER_TENANT
                return verified_by_owner or tenant in rule.tenants
            case StandardVoucher(email_verified=verified):
                return verified


def _untagged(email: Email) -> str:
    """`info+x@` -> `info`: both providers deliver mail for the first to the second (RFC 5233), so
    a tag must not lead round a rule for the mailbox."""
    return email.local.partition("+")[0]


@dataclass(frozen=True, slots=True)
class Policies:
    """The set of policies in force: a snapshot, swapped whole. `by_domain` has the aliases too."""

    by_domain: Mapping[str, Policy] = field(default_factory=dict)

    def for_email(self, email: Email) -> Policy | None:
        return self.by_domain.get(email.domain)

    def refusal(self, email: Email, provider: str) -> Reason | None:
        policy = self.by_domain.get(email.domain)
        return Reason.NO_POLICY if policy is None else policy.refusal(email, provider)
