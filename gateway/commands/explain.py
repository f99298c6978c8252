"""`sonar-gateway explain EMAIL`: what would happen to somebody with this address, step by step.

The answer is `resolve()` itself asked about an identity that might come, so it cannot say anything
else than a real sign-in would. For each provider it is asked twice: as if the provider vouched for
the address, and as if it did not.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.account.directory import Directory, open_directory
from gateway.account.facts import gather
from gateway.account.links import LinkStore
from gateway.account.passwords import Passwords
from gateway.account.resolution import Choose, Prove, Refuse, Resolution, SignIn
from gateway.commands.lines import plain
from gateway.config import Config, Provider
from gateway.email import Email
from gateway.identity.model import (
    GoogleVoucher,
    Identity,
    IdentityKey,
    MicrosoftVoucher,
    StandardVoucher,
    Voucher,
)
from gateway.policy.model import Policies, Policy, ProviderRule
from gateway.policy.store import PolicyStore

# Stands for "somebody not seen before": no issuer can name itself so, and no link has it.
_NOBODY_YET = IdentityKey("", "nobody signed in with this address yet")


@dataclass(frozen=True, slots=True)
class Explained:
    """One provider's answer about one person. `subject`: who came with this address before, `None`
    for somebody who has not come yet."""

    provider: str
    label: str
    subject: str | None
    vouched: Resolution
    unvouched: Resolution


async def explain_with(config: Config, email: Email) -> tuple[Explained, ...]:
    """`explain` with the policies, the directory and the database that `config` names.

    Raises `ConfigError`, `SchemaOutdated` and what `explain` raises.
    """
    policies = PolicyStore(config.policies, config.kinds)
    policies.load()
    async with AsyncExitStack() as closing:
        passwords = Passwords(config.passwords.concurrent)
        closing.callback(passwords.close)
        directory = open_directory(config.directory, passwords)
        await directory.open()
        closing.push_async_callback(directory.close)
        links = LinkStore(config.links.database)
        await links.open()
        closing.push_async_callback(links.close)
        return await explain(email, config, policies.current, directory, links)


async def explain(
    email: Email, config: Config, policies: Policies, directory: Directory, links: LinkStore
) -> tuple[Explained, ...]:
    """What each configured provider's sign-in with `email` would lead to now.

    Raises `DirectoryUnavailable` and `LinksUnavailable`.
    """
    policy = policies.for_email(email)
    explained = []
    for name, provider in config.providers.items():
        for key in await links.known(name, email) or (_NOBODY_YET,):
            best, worst = [
                Identity(
                    key=key,
                    provider=name,
                    email=email,
                    voucher=voucher,
                    name="",
                    auth_time=None,
                )
                for voucher in _vouchers(provider, policy, name, email)
            ]
            # The facts are about the address and the person, whatever the provider says of them.
            facts = await gather(best, policy, directory, links)
            vouched, unvouched = facts.resolve(best, policy), facts.resolve(worst, policy)
            subject = None if key is _NOBODY_YET else key.subject
            explained.append(Explained(name, provider.label, subject, vouched, unvouched))
    return tuple(explained)


def _vouchers(
    provider: Provider, policy: Policy | None, name: str, email: Email
) -> tuple[Voucher, Voucher]:
    """The most and the least a provider could say for the address."""
    match provider.kind:
        case "google":
            return GoogleVoucher(True, email.domain), GoogleVoucher(False, None)
        case "microsoft":
            rule = policy.providers.get(name, ProviderRule()) if policy else ProviderRule()
            tenant = min(rule.tenants, default="")
            return MicrosoftVoucher(tenant, not rule.tenants), MicrosoftVoucher("", False)
        case "oidc":
            return StandardVoucher(True), StandardVoucher(False)


def verdict(resolution: Resolution) -> str:
    """The end of it in one line."""
    match resolution:
        case SignIn(account=account, reason=reason):
            return f"signed in as {account.username} ({reason})"
        case Choose(accounts=accounts, reason=reason):
            return f"chooses among {', '.join(a.username for a in accounts)} ({reason})"
        case Prove(reason=reason):
            return f"asked once for a Sonar username and password ({reason})"
        case Refuse(reason=reason):
            return f"refused ({reason})"


def as_text(email: Email, explained: tuple[Explained, ...]) -> str:
    """For an operator's eyes."""
    if not explained:
        return f"{email}: config.yaml names no provider, so nobody can sign in with one."
    return "\n\n".join(_provider_text(email, each) for each in explained)


def _provider_text(email: Email, each: Explained) -> str:
    width = max(len(step.question) for step in each.vouched.trail)
    before = f"signed in before, as {each.label}'s {each.subject}"
    seen = before if each.subject else "nobody signed in with it yet"
    lines = [f"{email} with {each.label}, if {each.label} vouches for the address ({seen})"]
    lines += [plain(f"  {step.question:<{width}}  {step.answer}") for step in each.vouched.trail]
    vouched, unvouched = verdict(each.vouched), verdict(each.unvouched)
    lines.append(plain(f"  => {vouched}"))
    otherwise = "the same" if unvouched == vouched else unvouched
    lines.append(plain(f"  => if {each.label} does not: {otherwise}"))
    return "\n".join(lines)


def as_json(email: Email, explained: tuple[Explained, ...]) -> Mapping[str, object]:
    """For a program: the same, as JSON values."""
    return {
        "email": str(email),
        "providers": [
            {
                "provider": each.provider,
                "subject": each.subject,
                "vouched": _resolution_json(each.vouched),
                "unvouched": _resolution_json(each.unvouched),
            }
            for each in explained
        ],
    }


def _resolution_json(resolution: Resolution) -> Mapping[str, object]:
    return {
        "outcome": type(resolution).__name__.lower(),
        "reason": resolution.reason,
        "verdict": verdict(resolution),
        "trail": [{"question": step.question, "answer": step.answer} for step in resolution.trail],
    }
