"""The people, policies and accounts that the tests of trust are told about."""

from dataclasses import replace
from typing import Any

from gateway.account.model import Account, Address, Link, LinkedAccount
from gateway.email import Email
from gateway.identity.model import (
    GoogleVoucher,
    Identity,
    IdentityKey,
    MicrosoftVoucher,
    StandardVoucher,
    Voucher,
)
from gateway.policy.model import Policy, ProviderRule, Sso

GOOGLE = "https://accounts.google.com"
TENANT = "8f2c4e1a-0000-4000-8000-000000000001"
OTHER_TENANT = "8f2c4e1a-0000-4000-8000-000000000002"

POLICY = Policy(
    domain="acme.example",
    sso=Sso.ON,
    aliases=frozenset({"acme.ca"}),
    providers={
        "google": ProviderRule(),
        "microsoft": ProviderRule(frozenset({TENANT})),
        "okta": ProviderRule(),
    },
)


def policy(**changes: Any) -> Policy:
    return replace(POLICY, **changes)


def emails(*texts: str) -> frozenset[Email]:
    return frozenset(map(Email.parse, texts))


def identity(
    email: str | None = "jo@acme.example",
    voucher: Voucher | None = None,
    provider: str = "google",
    subject: str = "1001",
    issuer: str = GOOGLE,
) -> Identity:
    """Jo at Google, vouched for, unless told otherwise."""
    return Identity(
        key=IdentityKey(issuer, subject),
        provider=provider,
        email=None if email is None else Email.parse(email),
        voucher=voucher or GoogleVoucher(email_verified=True, hosted_domain="acme.example"),
        name="Jo Park",
        auth_time=0.0,
    )


def microsoft(
    email: str = "jo@acme.example", tenant: str = TENANT, owner_verified: bool = False
) -> Identity:
    return identity(
        email,
        MicrosoftVoucher(tenant, owner_verified),
        "microsoft",
        f"{tenant}.77",
        f"https://login.microsoftonline.com/{tenant}/v2.0",
    )


def standard(email: str = "jo@acme.example", email_verified: bool = True) -> Identity:
    voucher = StandardVoucher(email_verified)
    return identity(email, voucher, "okta", "00u1", "https://okta.example")


def account(
    id: str = "1",
    *addresses: str,
    active: bool = True,
    username: str = "",
    purpose: str = "contact",
) -> Account:
    """An account with `jo@acme.example` as its contact address unless told otherwise."""
    texts = addresses or ("jo@acme.example",)
    return Account(
        id=id,
        username=username or f"user{id}",
        display_name=f"User {id}",
        organisation="Acme",
        active=active,
        addresses=tuple(Address(Email.parse(text), purpose) for text in texts),
    )


def linked(to: Account, by: Identity | None = None) -> LinkedAccount:
    who = by or identity()
    return LinkedAccount(Link(who.key, to.id, who.provider, str(who.email), 100.0, None), to)
