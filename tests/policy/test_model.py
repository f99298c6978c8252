"""What one domain may do."""

from dataclasses import replace

import pytest

from gateway.email import Email
from gateway.identity.entra import CONSUMER_TENANT
from gateway.identity.model import GoogleVoucher, MicrosoftVoucher, StandardVoucher
from gateway.policy.model import ROLE_MAILBOXES, Policies, Policy, ProviderRule, Sso
from gateway.reasons import Reason
from tests.account.people import OTHER_TENANT, POLICY, TENANT, emails, identity, microsoft, policy

JO = Email.parse("jo@acme.example")
PILOT = policy(sso=Sso.PILOT, pilot_users=emails("jo@acme.example"))
BLOCKED = emails("jo@acme.example")


@pytest.mark.parametrize(
    ("rules", "email", "provider", "refusal"),
    [
        (POLICY, "jo@acme.example", "google", None),
        (POLICY, "jo@acme.ca", "microsoft", None),
        (POLICY, "jo@acme.example", "github", Reason.PROVIDER_NOT_ALLOWED),
        (POLICY, "jo@acme.example", "Google", Reason.PROVIDER_NOT_ALLOWED),
        (POLICY, "jo@acme.example", "", Reason.PROVIDER_NOT_ALLOWED),
        (policy(sso=Sso.OFF), "jo@acme.example", "google", Reason.DOMAIN_OFF),
        (PILOT, "jo@acme.example", "google", None),
        (PILOT, "jo@acme.ca", "google", Reason.NOT_PILOT_USER),
        (PILOT, "ann@acme.example", "google", Reason.NOT_PILOT_USER),
        (PILOT, "jo@acme.example", "github", Reason.PROVIDER_NOT_ALLOWED),
        (policy(blocked_users=BLOCKED), "jo@acme.example", "google", Reason.BLOCKED_USER),
        (policy(blocked_users=BLOCKED), "jo@acme.ca", "google", Reason.BLOCKED_USER),
        (policy(blocked_users=BLOCKED), "jo+2@acme.ca", "google", Reason.BLOCKED_USER),
        (policy(blocked_users=BLOCKED), "ann+jo@acme.example", "google", None),
        (policy(blocked_users=BLOCKED), "ann@acme.example", "google", None),
        (policy(blocked_users=BLOCKED), "jox@acme.example", "google", None),
        # who is both is blocked; who is off hears that first
        (replace(PILOT, blocked_users=BLOCKED), "jo@acme.example", "google", Reason.BLOCKED_USER),
        (
            policy(sso=Sso.OFF, blocked_users=BLOCKED),
            "jo@acme.example",
            "google",
            Reason.DOMAIN_OFF,
        ),
    ],
)
def test_refusal(rules: Policy, email: str, provider: str, refusal: Reason | None) -> None:
    assert rules.refusal(Email.parse(email), provider) == refusal


def test_a_block_holds_even_under_a_policy_that_is_not_the_emails_own() -> None:
    stray = policy(blocked_users=emails("jo@evil.example"))
    assert stray.refusal(Email.parse("jo@evil.example"), "google") is Reason.BLOCKED_USER


@pytest.mark.parametrize("name", sorted(ROLE_MAILBOXES))
def test_role_mailboxes_are_shared(name: str) -> None:
    assert POLICY.is_shared(Email.parse(f"{name}@acme.example"))
    assert POLICY.is_shared(Email.parse(f"{name.upper()}@acme.ca"))
    assert not POLICY.is_shared(Email.parse(f"{name}x@acme.example"))


def test_listed_mailboxes_are_shared_under_every_domain() -> None:
    rules = policy(shared_mailboxes=emails("front@acme.example", "back@acme.ca"))
    for shared in ("front@acme.example", "front@acme.ca", "back@acme.example", "back@acme.ca"):
        assert rules.is_shared(Email.parse(shared))
    assert not rules.is_shared(Email.parse("jo@acme.example"))


@pytest.mark.parametrize(
    ("email", "shared"),
    [
        ("info+x@acme.example", True),
        ("info+@acme.ca", True),
        ("info+x+y@acme.example", True),
        ("front+x@acme.ca", True),
        ("jo+info@acme.example", False),
        ("+info@acme.example", False),
        ("infox+x@acme.example", False),
    ],
)
def test_a_tag_does_not_make_another_mailbox(email: str, shared: bool) -> None:
    """Mail to `info+x@` is read by whoever reads `info@`."""
    rules = policy(shared_mailboxes=emails("front@acme.example"))
    assert rules.is_shared(Email.parse(email)) is shared


def test_a_tag_gives_nothing() -> None:
    assert PILOT.refusal(Email.parse("jo@acme.example"), "google") is None
    assert PILOT.refusal(Email.parse("jo+x@acme.example"), "google") is Reason.NOT_PILOT_USER


@pytest.mark.parametrize(
    ("verified", "hosted", "email", "vouched"),
    [
        (True, "acme.example", "jo@acme.example", True),
        (True, "acme.ca", "jo@acme.example", True),
        (True, "acme.example", "jo@acme.ca", True),
        (False, "acme.example", "jo@acme.example", False),
        (True, None, "jo@acme.example", False),
        (True, "", "jo@acme.example", False),
        (True, "ACME.EXAMPLE", "jo@acme.example", False),
        (True, "evil.example", "jo@acme.example", False),
        (True, "gmail.com", "jo@acme.example", False),
        (True, "acme.example.evil.example", "jo@acme.example", False),
        (True, "acme.example", "jo@evil.example", False),
        (True, "evil.example", "jo@evil.example", False),
        (True, None, "jo@gmail.com", False),
    ],
)
def test_when_google_vouches(verified: bool, hosted: str | None, email: str, vouched: bool) -> None:
    assert POLICY.vouches(identity(email, GoogleVoucher(verified, hosted))) is vouched


@pytest.mark.parametrize(
    ("verified", "hosted", "vouched"),
    [(True, None, True), (False, None, False), (True, "acme.example", True)],
)
def test_when_google_vouches_for_gmail(verified: bool, hosted: str | None, vouched: bool) -> None:
    rules = policy(domain="gmail.com", aliases=frozenset())
    assert rules.vouches(identity("jo@gmail.com", GoogleVoucher(verified, hosted))) is vouched


@pytest.mark.parametrize(
    ("tenant", "owner_verified", "email", "vouched"),
    [
        (TENANT, False, "jo@acme.example", True),
        (TENANT, False, "jo@acme.ca", True),
        (OTHER_TENANT, True, "jo@acme.example", True),
        (CONSUMER_TENANT, True, "jo@acme.example", False),
        (OTHER_TENANT, False, "jo@acme.example", False),
        (TENANT.upper(), False, "jo@acme.example", False),
        (TENANT[:-1], False, "jo@acme.example", False),
        ("", False, "jo@acme.example", False),
        (TENANT, True, "jo@evil.example", False),
    ],
)
def test_when_microsoft_vouches(
    tenant: str, owner_verified: bool, email: str, vouched: bool
) -> None:
    assert POLICY.vouches(microsoft(email, tenant, owner_verified)) is vouched


def test_a_tenant_counts_for_the_provider_it_is_listed_under() -> None:
    rules = policy(providers={"azure": ProviderRule(frozenset({TENANT}))})
    voucher = MicrosoftVoucher(TENANT, domain_owner_verified=False)
    assert rules.vouches(identity(voucher=voucher, provider="azure"))
    assert not rules.vouches(identity(voucher=voucher, provider="microsoft"))


def test_when_another_provider_vouches() -> None:
    assert POLICY.vouches(identity(voucher=StandardVoucher(True)))
    assert not POLICY.vouches(identity(voucher=StandardVoucher(False)))


def test_nobody_vouches_for_no_email() -> None:
    assert not POLICY.vouches(identity(None))


def test_policies_are_found_by_the_exact_domain() -> None:
    policies = Policies(dict.fromkeys(POLICY.domains, POLICY))
    for text in ("jo@acme.example", "jo@acme.ca"):
        assert policies.for_email(Email.parse(text)) is POLICY
        assert policies.refusal(Email.parse(text), "google") is None
    # A suffix without a dot boundary is another domain (CVE-2021-21291), one with it too.
    for text in ("jo@evilacme.example", "jo@x.acme.example", "jo@acme.example.evil.example"):
        assert policies.for_email(Email.parse(text)) is None
        assert policies.refusal(Email.parse(text), "google") is Reason.NO_POLICY


@pytest.mark.parametrize(
    ("max_age", "auth_time", "demanded"),
    [
        (None, None, False),
        (None, 0.0, False),
        (900.0, None, True),
        (900.0, 100.0, False),
        (900.0, 99.9, True),
        (900.0, 1030.0, False),
    ],
)
def test_how_old_a_proof_may_be(
    max_age: float | None, auth_time: float | None, demanded: bool
) -> None:
    """A provider that does not say when has not said that it was lately."""
    who = replace(identity(), auth_time=auth_time)
    assert policy(max_age=max_age).demands_proof(who, 1000.0) is demanded
