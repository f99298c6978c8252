"""Everything `resolve()` wants to know about an identity, fetched; then decided.

The one way to a resolution, for a sign-in and for `sonar-gateway explain`, so that both tell the
same story.
"""

from dataclasses import dataclass, field

from gateway.account.directory import Directory
from gateway.account.links import LinkStore
from gateway.account.model import Account, LinkedAccount, Matches
from gateway.account.resolution import Choose, Prove, Refuse, Resolution, SignIn, resolve
from gateway.email import Email
from gateway.identity.model import Identity
from gateway.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Facts:
    """What the directory and the gateway's own database say about an identity, unjudged."""

    matches: Matches = field(default_factory=Matches)
    links: tuple[LinkedAccount, ...] = ()
    removed: frozenset[str] = frozenset()
    preference: str | None = None

    def resolve(self, identity: Identity, policy: Policy | None) -> Resolution:
        """The decision of a sign-in."""
        return resolve(identity, policy, self.matches, self.links, self.removed, self.preference)

    def offered(self, identity: Identity, policy: Policy | None) -> tuple[Account, ...] | Refuse:
        """Every account the identity may use now, ordered by username, perhaps none. What it chose
        last time plays no part: it would hide the others."""
        resolution = resolve(identity, policy, self.matches, self.links, self.removed, None)
        match resolution:
            case SignIn(account=account):
                return (account,)
            case Choose(accounts=accounts):
                return accounts
            case Prove():
                return ()
            case Refuse():
                return resolution


async def gather(
    identity: Identity, policy: Policy | None, directory: Directory, links: LinkStore
) -> Facts:
    """Fetch the facts; raises `DirectoryUnavailable`, `LinksUnavailable`.

    Nothing is asked for somebody whom the policy refuses: anybody in the world can come here with
    some Google account, and Sonar's database should not notice.
    """
    email = _served(identity, policy)
    if email is None:
        return Facts()
    linked = []
    for link in await links.links_of(identity.key):
        account = await directory.by_id(link.account_id)
        if account is not None:  # an account that is gone takes its links with it
            linked.append(LinkedAccount(link, account))
    return Facts(
        Matches(await directory.by_email(email), await links.pinned(identity.provider, email)),
        tuple(linked),
        frozenset(await links.removed_of(identity.key)),
        await links.preference_of(identity.key),
    )


async def pin_first(identity: Identity, policy: Policy | None, links: LinkStore) -> None:
    """Pin the email to this identity if it is the first one seen with it; before `gather`.

    Only an identity whose email is vouched for: else somebody with a tenant of their own could
    claim another's address first, and shut its owner out of the match. Raises `LinksUnavailable`.
    """
    email = _served(identity, policy)
    if email is not None and policy is not None and policy.vouches(identity):
        await links.pin(identity.provider, email, identity.key)


def _served(identity: Identity, policy: Policy | None) -> Email | None:
    """The email of somebody whom the policy lets in at all."""
    email = identity.email
    if email is None or policy is None or policy.refusal(email, identity.provider) is not None:
        return None
    return email
