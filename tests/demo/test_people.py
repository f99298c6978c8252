"""People, accounts and policies of the demonstration fit: each person meets what they should."""

from pathlib import Path

import pytest

from demo.people import PEOPLE, GooglePerson, MicrosoftPerson, Person
from demo.sonar.seed import ACCOUNTS, SeedAccount
from gateway.account.model import Account, Address, Matches
from gateway.account.resolution import Choose, Prove, Refuse, Resolution, SignIn, resolve
from gateway.email import Email
from gateway.identity.model import GoogleVoucher, Identity, IdentityKey, MicrosoftVoucher
from gateway.policy.model import Policies
from gateway.policy.store import PolicyStore
from gateway.reasons import Reason

POLICIES = Path(__file__).parents[2] / "policies"

# Who meets what at their first sign-in; for a sign-in or a choice also the usernames.
EXPECTED: dict[str, tuple[type[Resolution], Reason, tuple[str, ...]]] = {
    "jo": (SignIn, Reason.MATCHED, ("jmarch",)),
    "sam": (Choose, Reason.SEVERAL_ACCOUNTS, ("acme-support", "srivera")),
    "nora": (Prove, Reason.NO_ACCOUNT, ()),
    "ivan": (Prove, Reason.ACCOUNT_INACTIVE, ()),
    "riley": (SignIn, Reason.MATCHED, ("rstone",)),
    "riley-new": (Prove, Reason.SUBJECT_CHANGED, ()),
    "rita": (Prove, Reason.LINK_REMOVED, ()),
    "info": (Prove, Reason.SHARED_MAILBOX, ()),
    "vera": (Prove, Reason.NO_ACCOUNT, ()),
    "blake": (Refuse, Reason.BLOCKED_USER, ()),
    "alex": (SignIn, Reason.MATCHED, ("adubois",)),
    "ada": (Prove, Reason.EMAIL_UNTRUSTED, ()),
    "uri": (Prove, Reason.EMAIL_UNTRUSTED, ()),
    "hank": (SignIn, Reason.MATCHED, ("hscorpio",)),
    "fred": (Refuse, Reason.NOT_PILOT_USER, ()),
    "sales": (Refuse, Reason.SHARED_MAILBOX_REFUSED, ()),
    "team": (SignIn, Reason.MATCHED, ("umbrella-team",)),
    "vince": (SignIn, Reason.MATCHED, ("vokoye",)),
    "peter": (Refuse, Reason.DOMAIN_OFF, ()),
    "una": (Refuse, Reason.NO_POLICY, ()),
    "kim": (SignIn, Reason.MATCHED, ("kokafor",)),
    "mara": (SignIn, Reason.MATCHED, ("mjensen",)),
    "gina": (SignIn, Reason.MATCHED, ("grossi",)),
    "milo": (Prove, Reason.EMAIL_UNTRUSTED, ()),
    "eve": (Prove, Reason.EMAIL_UNTRUSTED, ()),
    "noel": (Refuse, Reason.EMAIL_MISSING, ()),
    "uma": (Refuse, Reason.PROVIDER_NOT_ALLOWED, ()),
    "ines": (Refuse, Reason.DOMAIN_OFF, ()),
    "cora": (Prove, Reason.EMAIL_UNTRUSTED, ()),
}


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.id)
def test_each_meets_what_they_should(person: Person, policies: Policies) -> None:
    identity = identity_of(person)
    email = identity.email
    resolution = resolve(
        identity,
        policies.for_email(email) if email else None,
        Matches(accounts_with(email), PINNED.get(person.email or "")),
        (),
        REMOVED.get(person.id, frozenset()),
        None,
    )
    kind, reason, usernames = EXPECTED[person.id]
    assert isinstance(resolution, kind)
    assert resolution.reason is reason
    assert usernames_of(resolution) == usernames


def test_every_outcome_of_a_decision_has_somebody() -> None:
    assert set(EXPECTED) == {person.id for person in PEOPLE}
    assert {kind for kind, _, _ in EXPECTED.values()} == {SignIn, Choose, Prove, Refuse}


@pytest.fixture
def policies() -> Policies:
    store = PolicyStore(POLICIES, {"google": "google", "microsoft": "microsoft"})
    store.load()
    return store.current


def key_of(person: Person) -> IdentityKey:
    match person:
        case GooglePerson():
            return IdentityKey("google", person.subject)
        case MicrosoftPerson():
            return IdentityKey("microsoft", f"{person.tenant}.{person.object_id}")


def identity_of(person: Person) -> Identity:
    email = Email.parse(person.email) if person.email else None
    match person:
        case GooglePerson(email_verified=verified, hosted_domain=hosted):
            voucher = GoogleVoucher(verified, hosted)
            return Identity(key_of(person), "google", email, voucher, person.name, 0.0)
        case MicrosoftPerson(tenant=tenant, owner_verified=vouched):
            word = MicrosoftVoucher(tenant, vouched is True)
            return Identity(key_of(person), "microsoft", email, word, person.name, 0.0)


def account_of(seed: SeedAccount) -> Account:
    addresses = tuple(Address(Email.parse(email), purpose) for email, purpose in seed.addresses)
    return Account(
        str(seed.id),
        seed.username,
        seed.display_name,
        seed.organisation,
        seed.active,
        addresses,
    )


def accounts_with(email: Email | None) -> tuple[Account, ...]:
    accounts = map(account_of, ACCOUNTS)
    return tuple(a for a in accounts if any(address.email == email for address in a.addresses))


def usernames_of(resolution: Resolution) -> tuple[str, ...]:
    match resolution:
        case SignIn(account=account):
            return (account.username,)
        case Choose(accounts=accounts):
            return tuple(account.username for account in accounts)
        case Prove() | Refuse():
            return ()


# What demo/history.py writes.
PINNED = {"riley@acme.example": next(key_of(p) for p in PEOPLE if p.id == "riley")}
REMOVED = {"rita": frozenset({"1008"})}
