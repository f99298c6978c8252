"""Which accounts an identity may use now: asked anew at every step, never carried in a form.

Between the page and the click a link may have been removed, an account switched off, a policy
changed; and a form can be made to say anything. So each POST asks again and believes only this.
"""

from dataclasses import dataclass

from gateway.account.facts import Facts, gather
from gateway.account.model import Account
from gateway.account.resolution import Refuse, Resolution
from gateway.identity.model import Identity
from gateway.policy.model import Policy
from gateway.portal.visit import Visit
from gateway.reasons import Reason


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an identity that its policy lets in. `accounts`: all it may use now,
    whichever it chose last time, ordered by username."""

    policy: Policy
    facts: Facts
    accounts: tuple[Account, ...]

    def account(self, account_id: str) -> Account | None:
        return next((account for account in self.accounts if account.id == account_id), None)


async def stand(visit: Visit, identity: Identity) -> Standing | Refuse:
    """What `identity` may use at this moment. Raises DirectoryUnavailable, LinksUnavailable."""
    policy = visit.policies.for_email(identity.email) if identity.email else None
    facts = await gather(identity, policy, visit.parts.directory, visit.parts.links)
    accounts = facts.offered(identity, policy)
    if isinstance(accounts, Refuse):
        return accounts
    if policy is None:
        return Refuse(Reason.NO_POLICY, ())
    return Standing(policy, facts, accounts)


def decide(standing: Standing, identity: Identity) -> Resolution:
    """The decision of a sign-in: `standing` with what the person chose last time."""
    return standing.facts.resolve(identity, standing.policy)
