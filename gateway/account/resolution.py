"""Which account, if any: the heart of a sign-in, as one pure function.

    resolve(identity, policy, matches, links, removed, preference)
        -> SignIn | Choose | Prove | Refuse

The order of the questions is the order of the code. Each answer is written into the trail, so that
the page, the log and `sonar-gateway explain` tell the same story, and none of them tells it again.

    1  has the identity an email, and the domain a policy?     no -> Refuse
    2  does the policy let this person in with this provider?   no -> Refuse
    3  is the mailbox shared, and the rule `refuse`?           yes -> Refuse
    4  does the email prove the mailbox?    no, pinned elsewhere, shared by `password`: links only
       (and when nobody vouches for it: only links proved under this policy's domains; and whoever
       vouches: none proved under an address that the policy blocks)
    5  candidates = links and matches, less inactive accounts, less removed pairs
    6  one -> SignIn, several -> SignIn by preference or Choose, none -> Prove

Unknown always means no: a candidate is only ever added by a stored link or by a proven mailbox.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from gateway.account.model import Account, LinkedAccount, Matches
from gateway.email import Email, InvalidEmail
from gateway.identity.model import Identity
from gateway.policy.model import Policy, SharedMailboxRule, Sso
from gateway.reasons import Reason


@dataclass(frozen=True, slots=True)
class Step:
    """One question of the decision and its answer, in words an operator reads."""

    question: str
    answer: str


Trail = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class SignIn:
    """Sign in to `account`."""

    account: Account
    reason: Reason
    trail: Trail


@dataclass(frozen=True, slots=True)
class Choose:
    """Let the person choose among `accounts`, two or more, ordered by username."""

    accounts: tuple[Account, ...]
    reason: Reason
    trail: Trail


@dataclass(frozen=True, slots=True)
class Prove:
    """Ask once for a Sonar username and password, then link; `reason` is why nothing was found."""

    reason: Reason
    trail: Trail


@dataclass(frozen=True, slots=True)
class Refuse:
    """No single sign-on for this person; the page offers the password and, by reason, the pilot."""

    reason: Reason
    trail: Trail


Resolution = SignIn | Choose | Prove | Refuse


def resolve(
    identity: Identity,
    policy: Policy | None,
    matches: Matches,
    links: tuple[LinkedAccount, ...],
    removed: frozenset[str],
    preference: str | None,
) -> Resolution:
    """Decide one sign-in.

    `policy`: the one for the email's domain. `matches`: what directory and pins say about the
    email. `links`: this identity's stored links with their accounts as they are now. `removed`:
    account ids this person switched off for this identity. `preference`: the account id chosen
    last time.
    """
    trail: list[Step] = []
    refusal = _refusal(identity, policy, trail)
    if refusal is not None or policy is None:
        return Refuse(refusal or Reason.NO_POLICY, tuple(trail))

    distrust = _distrust(identity, policy, matches, trail)
    links = _not_blocked(policy, links, trail)
    if distrust is Reason.EMAIL_UNTRUSTED:
        links = _proved_here(policy, links, trail)
    candidates, missing = _candidates(
        identity, policy, () if distrust else matches.accounts, links, removed, trail
    )
    linked = frozenset(entry.account.id for entry in links)
    if missing is Reason.NO_ACCOUNT and distrust is not None:
        missing = distrust
    return _outcome(candidates, linked, preference, missing, trail)


def _refusal(identity: Identity, policy: Policy | None, trail: list[Step]) -> Reason | None:
    """Questions 1 to 3: may this person use SSO at all?"""
    email = identity.email
    if email is None:
        trail.append(Step("Which email does the provider give?", "none"))
        return Reason.EMAIL_MISSING
    trail.append(Step("Which email does the provider give?", str(email)))
    if policy is None:
        trail.append(Step(f"Is there a policy for {email.domain}?", "no"))
        return Reason.NO_POLICY
    where = f" in {policy.file}" if policy.file else ""
    trail.append(Step(f"Is there a policy for {email.domain}?", f"yes, {policy.domain}{where}"))
    refusal = policy.refusal(email, identity.provider)
    pilot = " (pilot user)" if policy.sso is Sso.PILOT else ""
    trail.append(
        Step(
            f"Does it let {email} use {identity.provider}?",
            f"no: {refusal}" if refusal else f"yes, sso: {policy.sso}{pilot}",
        )
    )
    if refusal is not None:
        return refusal
    if policy.is_shared(email):
        trail.append(Step("Is the mailbox shared?", f"yes, rule: {policy.shared_mailbox_rule}"))
        if policy.shared_mailbox_rule is SharedMailboxRule.REFUSE:
            return Reason.SHARED_MAILBOX_REFUSED
    else:
        trail.append(Step("Is the mailbox shared?", "no"))
    return None


def _distrust(
    identity: Identity, policy: Policy, matches: Matches, trail: list[Step]
) -> Reason | None:
    """Question 4: why the email finds no account by itself, or `None` when it does."""
    question = "Does the email prove the mailbox?"
    if not policy.vouches(identity):
        trail.append(Step(question, "no: the provider does not vouch for it; only links count"))
        return Reason.EMAIL_UNTRUSTED
    if matches.pinned is not None and matches.pinned != identity.key:
        # A recycled mailbox or a re-bought domain comes back under a new subject: its new owner
        # must not walk into the old owner's account.
        trail.append(Step(question, "no: another person had it before; only links count"))
        return Reason.SUBJECT_CHANGED
    shared = identity.email is not None and policy.is_shared(identity.email)
    if shared and policy.shared_mailbox_rule is not SharedMailboxRule.ALLOW:
        trail.append(Step(question, "yes, but it is shared; only links count"))
        return Reason.SHARED_MAILBOX
    trail.append(Step(question, "yes"))
    return None


def _not_blocked(
    policy: Policy, links: tuple[LinkedAccount, ...], trail: list[Step]
) -> tuple[LinkedAccount, ...]:
    """The links that nobody proved who is blocked now: they came under that address, and whatever
    the provider calls them today is theirs to say, or their administrator's."""
    kept = []
    for entry in links:
        with suppress(InvalidEmail):
            if policy.blocks(Email.parse(entry.link.email)):
                question = f"Does the link to {entry.account.username} count?"
                trail.append(Step(question, f"no: it was proved as {entry.link.email}, blocked"))
                continue
        kept.append(entry)
    return tuple(kept)


def _proved_here(
    policy: Policy, links: tuple[LinkedAccount, ...], trail: list[Step]
) -> tuple[LinkedAccount, ...]:
    """The links that were proved under an address of this policy's domains.

    An address that nobody vouches for is whatever a tenant's administrator typed. Somebody blocked
    here could type an address of another customer, be judged by that customer's policy, and go on
    using the link made under this one.
    """
    kept = []
    for entry in links:
        if entry.link.email.rpartition("@")[2] in policy.domains:
            kept.append(entry)
        else:
            question = f"Does the link to {entry.account.username} count?"
            trail.append(Step(question, f"no: it was proved as {entry.link.email}"))
    return tuple(kept)


def _candidates(
    identity: Identity,
    policy: Policy,
    matches: tuple[Account, ...],
    links: tuple[LinkedAccount, ...],
    removed: frozenset[str],
    trail: list[Step],
) -> tuple[Mapping[str, Account], Reason]:
    """Question 5: accounts by id, ordered by username, and the reason if there are none."""
    found: dict[str, Account] = {entry.account.id: entry.account for entry in links}
    for account in matches:
        if identity.email is not None and account.has(identity.email, policy.match_purposes):
            found.setdefault(account.id, account)
        else:
            purposes = ", ".join(sorted(policy.match_purposes))
            trail.append(Step(f"Does {account.username} match?", f"no: not a {purposes} address"))
    missing = Reason.NO_ACCOUNT
    kept: dict[str, Account] = {}
    linked = {entry.account.id for entry in links}
    for account in sorted(found.values(), key=lambda account: (account.username, account.id)):
        question = f"Is {account.username} a candidate?"
        if account.id in removed:
            trail.append(Step(question, "no: the person removed it"))
            missing = Reason.LINK_REMOVED
        elif not account.active:
            trail.append(Step(question, "no: the account is not active"))
            missing = Reason.ACCOUNT_INACTIVE
        else:
            trail.append(Step(question, "yes, linked" if account.id in linked else "yes, by email"))
            kept[account.id] = account
    return kept, missing


def _outcome(
    candidates: Mapping[str, Account],
    linked: frozenset[str],
    preference: str | None,
    missing: Reason,
    trail: list[Step],
) -> SignIn | Choose | Prove:
    """Question 6."""
    if not candidates:
        trail.append(Step("Which account?", f"none: {missing}; the Sonar password links one"))
        return Prove(missing, tuple(trail))
    accounts = tuple(candidates.values())
    if len(accounts) == 1:
        account = accounts[0]
        trail.append(Step("Which account?", account.username))
        reason = Reason.LINKED if account.id in linked else Reason.MATCHED
        return SignIn(account, reason, tuple(trail))
    if preference is not None and preference in candidates:
        account = candidates[preference]
        trail.append(Step("Which account?", f"{account.username}, chosen before"))
        return SignIn(account, Reason.PREFERRED, tuple(trail))
    trail.append(Step("Which account?", f"{len(accounts)} to choose from"))
    return Choose(accounts, Reason.SEVERAL_ACCOUNTS, tuple(trail))
