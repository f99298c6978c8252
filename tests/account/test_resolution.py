"""The decision of a sign-in: who gets into which account. Larger than what it tests."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.account.model import Account, Address, LinkedAccount, Matches
from gateway.account.resolution import Choose, Prove, Refuse, Resolution, SignIn, resolve
from gateway.email import Email
from gateway.identity.model import (
    GoogleVoucher,
    Identity,
    IdentityKey,
    MicrosoftVoucher,
    StandardVoucher,
)
from gateway.policy.model import Policy, ProviderRule, SharedMailboxRule, Sso
from gateway.reasons import Reason
from tests.account.people import (
    GOOGLE,
    OTHER_TENANT,
    POLICY,
    TENANT,
    account,
    emails,
    identity,
    linked,
    microsoft,
    policy,
    standard,
)

ONE = account("1")
TWO = account("2")
THREE = account("3")
OFF = account("9", active=False)
ELSEWHERE = account("5", "other@acme.example")
INFO = account("6", "info@acme.example")
VOICEMAIL = account("7", purpose="voicemail")
MALLORY = IdentityKey(GOOGLE, "666")

LISTED = policy(shared_mailboxes=emails("jo@acme.example"))


def rule(rule: SharedMailboxRule, base: Policy = POLICY) -> Policy:
    return replace(base, shared_mailbox_rule=rule)


@dataclass(frozen=True)
class Case:
    """What is known, and what must come of it: a reason, and the ids it leads to."""

    name: str
    expected: str
    who: Identity = field(default_factory=identity)
    policy: Policy | None = POLICY
    matches: tuple[Account, ...] = ()
    pinned: IdentityKey | None = None
    links: tuple[Account, ...] = ()
    removed: tuple[str, ...] = ()
    preference: str | None = None

    def resolve(self) -> Resolution:
        return resolve(
            self.who,
            self.policy,
            Matches(self.matches, self.pinned),
            tuple(linked(entry, self.who) for entry in self.links),
            frozenset(self.removed),
            self.preference,
        )


def told(resolution: Resolution) -> str:
    """A resolution in a word or two, as the table writes it."""
    match resolution:
        case SignIn(account=entry, reason=reason):
            return f"sign in {entry.id}: {reason}"
        case Choose(accounts=accounts, reason=reason):
            return f"choose {' '.join(entry.id for entry in accounts)}: {reason}"
        case Prove(reason=reason):
            return f"prove: {reason}"
        case Refuse(reason=reason):
            return f"refuse: {reason}"


GMAIL = policy(domain="gmail.com", aliases=frozenset())
UNTRUSTED = [
    ("Google, not verified", identity(voucher=GoogleVoucher(False, "acme.example"))),
    ("Google, no hd", identity(voucher=GoogleVoucher(True, None))),
    ("Google, empty hd", identity(voucher=GoogleVoucher(True, ""))),
    ("Google, another hd", identity(voucher=GoogleVoucher(True, "evil.example"))),
    ("Google, hd below the domain", identity(voucher=GoogleVoucher(True, "x.acme.example"))),
    ("Google, hd above the domain", identity(voucher=GoogleVoucher(True, "example"))),
    ("Google, hd ends alike", identity(voucher=GoogleVoucher(True, "evilacme.example"))),
    ("Microsoft, another tenant", microsoft(tenant=OTHER_TENANT)),
    ("Microsoft, no tenant", microsoft(tenant="")),
    ("standard, not verified", standard(email_verified=False)),
]
TRUSTED = [
    ("Google, hd is the domain", identity()),
    ("Google, hd is an alias", identity(voucher=GoogleVoucher(True, "acme.ca"))),
    ("Microsoft, listed tenant", microsoft()),
    ("Microsoft, owner verified", microsoft(tenant=OTHER_TENANT, owner_verified=True)),
    ("standard, verified", standard()),
]

CASES = [
    # one, several, none
    Case("one match", "sign in 1: matched", matches=(ONE,)),
    Case("one link", "sign in 5: linked", links=(ELSEWHERE,)),
    Case("the same account by match and by link", "sign in 1: linked", matches=(ONE,),
         links=(ONE,)),
    Case("several matches", "choose 1 2: several_accounts", matches=(TWO, ONE)),
    Case("several links", "choose 1 5: several_accounts", links=(ELSEWHERE, ONE)),
    Case("a match and a link", "choose 1 5: several_accounts", matches=(ONE,), links=(ELSEWHERE,)),
    Case("the same match twice", "sign in 1: matched", matches=(ONE, ONE)),
    Case("none", "prove: no_account"),
    Case(
        "accounts come in the order of their usernames",
        "choose 3 1: several_accounts",
        matches=(account("1", username="zoe"), account("3", username="ann")),
    ),
    # inactive
    Case("inactive match", "prove: account_inactive", matches=(OFF,)),
    Case("inactive link", "prove: account_inactive", links=(OFF,)),
    Case("inactive among two", "sign in 1: matched", matches=(OFF, ONE)),
    Case("inactive among three", "choose 1 2: several_accounts", matches=(OFF, ONE, TWO)),
    Case("inactive link, active match", "sign in 1: matched", matches=(ONE,), links=(OFF,)),
    # removed
    Case("removed match", "prove: link_removed", matches=(ONE,), removed=("1",)),
    Case("removed link", "prove: link_removed", links=(ELSEWHERE,), removed=("5",)),
    Case("removed among two", "sign in 2: matched", matches=(ONE, TWO), removed=("1",)),
    Case("removed, then only a link", "sign in 5: linked", matches=(ONE,), links=(ELSEWHERE,),
         removed=("1",)),
    Case("another was removed", "sign in 1: matched", matches=(ONE,), removed=("2", "11", "")),
    Case("all removed", "prove: link_removed", matches=(ONE, TWO), removed=("1", "2")),
    # preference
    Case("chosen before", "sign in 2: preferred", matches=(ONE, TWO), preference="2"),
    Case("chosen before, by link", "sign in 5: preferred", matches=(ONE,), links=(ELSEWHERE,),
         preference="5"),
    Case("choice is gone", "choose 1 2: several_accounts", matches=(ONE, TWO), preference="3"),
    Case("choice is inactive", "choose 1 2: several_accounts", matches=(ONE, TWO, OFF),
         preference="9"),
    Case("choice was removed", "choose 1 2: several_accounts", matches=(ONE, TWO, THREE),
         removed=("3",), preference="3"),
    Case("choice of one only", "sign in 1: matched", matches=(ONE,), preference="2"),
    Case("choice alone gives nothing", "prove: no_account", preference="1"),
    Case("empty choice", "choose 1 2: several_accounts", matches=(ONE, TWO), preference=""),
    # the pin
    Case("pinned to this identity", "sign in 1: matched", matches=(ONE,), pinned=identity().key),
    Case("pinned to another", "prove: subject_changed", matches=(ONE,), pinned=MALLORY),
    Case("pinned to another, several", "prove: subject_changed", matches=(ONE, TWO),
         pinned=MALLORY),
    Case("pinned to another, chosen before", "prove: subject_changed", matches=(ONE, TWO),
         pinned=MALLORY, preference="1"),
    Case("pinned to another, own link", "sign in 5: linked", matches=(ONE,), links=(ELSEWHERE,),
         pinned=MALLORY),
    Case("pinned to another, linked since", "sign in 1: linked", matches=(ONE,), links=(ONE,),
         pinned=MALLORY),
    Case("pinned at another issuer", "prove: subject_changed", matches=(ONE,),
         pinned=IdentityKey("https://evil.example", identity().key.subject)),
    # shared mailboxes
    Case("listed, refuse", "refuse: shared_mailbox_refused", matches=(ONE,),
         policy=rule(SharedMailboxRule.REFUSE, LISTED)),
    Case("listed, refuse, linked", "refuse: shared_mailbox_refused", links=(ONE,),
         policy=rule(SharedMailboxRule.REFUSE, LISTED)),
    Case("listed, password", "prove: shared_mailbox", matches=(ONE,), policy=LISTED),
    Case("listed, password, one proved", "sign in 1: linked", matches=(ONE, TWO), links=(ONE,),
         policy=LISTED),
    Case("listed, password, two proved", "choose 1 2: several_accounts", links=(ONE, TWO),
         matches=(ONE, TWO, THREE), policy=LISTED),
    Case("listed, allow", "sign in 1: matched", matches=(ONE,),
         policy=rule(SharedMailboxRule.ALLOW, LISTED)),
    Case("listed, allow, pinned to another", "prove: subject_changed", matches=(ONE,),
         pinned=MALLORY, policy=rule(SharedMailboxRule.ALLOW, LISTED)),
    Case("listed under the domain, seen under an alias", "prove: shared_mailbox",
         who=identity("jo@acme.ca"), matches=(account("1", "jo@acme.ca"),), policy=LISTED),
    Case("listed under the alias, seen under the domain", "prove: shared_mailbox", matches=(ONE,),
         policy=policy(shared_mailboxes=emails("jo@acme.ca"))),
    Case("role, refuse", "refuse: shared_mailbox_refused", who=identity("info@acme.example"),
         matches=(INFO,), policy=rule(SharedMailboxRule.REFUSE)),
    Case("role, password", "prove: shared_mailbox", who=identity("info@acme.example"),
         matches=(INFO,)),
    Case("role in capitals", "prove: shared_mailbox", who=identity("INFO@acme.example"),
         matches=(INFO,)),
    Case("role at an alias", "prove: shared_mailbox", who=identity("sales@acme.ca"),
         matches=(account("1", "sales@acme.ca"),)),
    Case("role, allow", "sign in 6: matched", who=identity("info@acme.example"), matches=(INFO,),
         policy=rule(SharedMailboxRule.ALLOW)),
    Case("role, allow, not vouched for", "prove: email_untrusted",
         who=identity("info@acme.example", GoogleVoucher(True, None)), matches=(INFO,),
         policy=rule(SharedMailboxRule.ALLOW)),
    Case("not a role, only starts like one", "sign in 1: matched",
         who=identity("information@acme.example"),
         matches=(account("1", "information@acme.example"),)),
    # purposes
    Case("voicemail only", "prove: no_account", matches=(VOICEMAIL,)),
    Case("voicemail allowed", "sign in 7: matched", matches=(VOICEMAIL,),
         policy=policy(match_purposes=frozenset({"contact", "voicemail"}))),
    Case("voicemail only, linked", "sign in 7: linked", matches=(VOICEMAIL,), links=(VOICEMAIL,)),
    Case("contact of one, voicemail of another", "sign in 1: matched", matches=(VOICEMAIL, ONE)),
    Case("contact is not allowed", "prove: no_account", matches=(ONE,),
         policy=policy(match_purposes=frozenset({"billing"}))),
    Case("no purpose matches none", "prove: no_account", matches=(account("1", purpose=""),)),
    Case("no purposes allowed", "prove: no_account", matches=(ONE,),
         policy=policy(match_purposes=frozenset())),
    # the directory said too much
    Case("a match without the address", "prove: no_account", matches=(ELSEWHERE,)),
    Case("a match with the address at an alias", "prove: no_account",
         matches=(account("1", "jo@acme.ca"),)),
    Case("a match with an address that starts alike", "prove: no_account",
         matches=(account("1", "jo@acme.example.evil"),)),
    # what vouches
    *(Case(f"trusted: {name}", "sign in 1: matched", who=who, matches=(ONE,))
      for name, who in TRUSTED),
    *(Case(f"untrusted: {name}", "prove: email_untrusted", who=who, matches=(ONE,))
      for name, who in UNTRUSTED),
    *(Case(f"untrusted, linked: {name}", "sign in 5: linked", who=who, matches=(ONE,),
           links=(ELSEWHERE,)) for name, who in UNTRUSTED),
    *(Case(f"untrusted, chosen before: {name}", "prove: email_untrusted", who=who,
           matches=(ONE, TWO), preference="1") for name, who in UNTRUSTED),
    Case("gmail.com without hd", "sign in 1: matched", policy=GMAIL,
         who=identity("jo@gmail.com", GoogleVoucher(True, None)),
         matches=(account("1", "jo@gmail.com"),)),
    Case("gmail.com, not verified", "prove: email_untrusted", policy=GMAIL,
         who=identity("jo@gmail.com", GoogleVoucher(False, None)),
         matches=(account("1", "jo@gmail.com"),)),
    Case("gmail.com from Microsoft", "prove: email_untrusted", policy=GMAIL,
         who=microsoft("jo@gmail.com", OTHER_TENANT), matches=(account("1", "jo@gmail.com"),)),
    Case("the tenant of another domain's policy", "prove: email_untrusted", who=microsoft(),
         matches=(ONE,),
         policy=policy(providers={"microsoft": ProviderRule(frozenset({OTHER_TENANT}))})),
    Case("no tenant listed", "prove: email_untrusted", who=microsoft(), matches=(ONE,),
         policy=policy(providers={"microsoft": ProviderRule()})),
    Case("tenants are of the provider that was used", "prove: email_untrusted", matches=(ONE,),
         who=replace(microsoft(), provider="azure"),
         policy=policy(providers={"azure": ProviderRule(), **POLICY.providers})),
    Case("the policy of another domain", "prove: email_untrusted",
         who=identity("jo@evil.example", GoogleVoucher(True, "evil.example")),
         matches=(account("1", "jo@evil.example"),)),
    # may this person use it at all?
    Case("no email", "refuse: email_missing", who=identity(None), matches=(ONE,), links=(ONE,)),
    Case("no policy", "refuse: no_policy", policy=None, matches=(ONE,), links=(ONE,)),
    Case("no email and no policy", "refuse: email_missing", who=identity(None), policy=None),
    Case("off", "refuse: domain_off", policy=policy(sso=Sso.OFF), matches=(ONE,), links=(ONE,)),
    Case("pilot user", "sign in 1: matched", matches=(ONE,),
         policy=policy(sso=Sso.PILOT, pilot_users=emails("jo@acme.example"))),
    Case("not a pilot user", "refuse: not_pilot_user", matches=(ONE,), links=(ONE,),
         policy=policy(sso=Sso.PILOT, pilot_users=emails("ann@acme.example"))),
    Case("no pilot users", "refuse: not_pilot_user", matches=(ONE,),
         policy=policy(sso=Sso.PILOT)),
    Case("a pilot user at another domain", "refuse: not_pilot_user", matches=(ONE,),
         policy=policy(sso=Sso.PILOT, pilot_users=emails("jo@acme.ca"))),
    Case("pilot users mean nothing when it is on", "sign in 1: matched", matches=(ONE,),
         policy=policy(pilot_users=emails("ann@acme.example"))),
    Case("blocked", "refuse: blocked_user", matches=(ONE,), links=(ONE,),
         policy=policy(blocked_users=emails("jo@acme.example"))),
    Case("blocked at an alias", "refuse: blocked_user", matches=(ONE,),
         policy=policy(blocked_users=emails("jo@acme.ca"))),
    Case("blocked at the domain, seen at an alias", "refuse: blocked_user",
         who=identity("jo@acme.ca"), matches=(account("1", "jo@acme.ca"),),
         policy=policy(blocked_users=emails("jo@acme.example"))),
    Case("blocked in capitals", "refuse: blocked_user", matches=(ONE,),
         policy=policy(blocked_users=emails("JO@ACME.EXAMPLE"))),
    Case("blocked pilot user", "refuse: blocked_user", matches=(ONE,),
         policy=policy(sso=Sso.PILOT, pilot_users=emails("jo@acme.example"),
                       blocked_users=emails("jo@acme.example"))),
    Case("another is blocked", "sign in 1: matched", matches=(ONE,),
         policy=policy(blocked_users=emails("ann@acme.example", "j@acme.example"))),
    Case("provider not allowed", "refuse: provider_not_allowed", matches=(ONE,), links=(ONE,),
         policy=policy(providers={"microsoft": ProviderRule()})),
    Case("no provider allowed", "refuse: provider_not_allowed", matches=(ONE,),
         policy=policy(providers={})),
    Case("an alias of the domain", "sign in 1: matched", who=identity("jo@acme.ca"),
         matches=(account("1", "jo@acme.ca"),)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_who_gets_into_which_account(case: Case) -> None:
    assert told(case.resolve()) == case.expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_decision_tells_its_story(case: Case) -> None:
    """The last step says the outcome, and every step is a question with an answer."""
    resolution = case.resolve()
    assert resolution.trail
    for step in resolution.trail:
        assert step.question.endswith("?")
        assert step.answer
    last = resolution.trail[-1].answer
    match resolution:
        case SignIn(account=entry):
            assert entry.username in last
        case Choose(accounts=accounts):
            assert str(len(accounts)) in last
        case Prove(reason=reason):
            assert str(reason) in last
        case Refuse():
            assert last


@pytest.mark.parametrize(
    ("proved_as", "now", "expected"),
    [
        ("jo@acme.example", microsoft(tenant=OTHER_TENANT), "sign in 5: linked"),
        ("jo.old@acme.example", microsoft(tenant=OTHER_TENANT), "sign in 5: linked"),
        ("jo@acme.ca", microsoft(tenant=OTHER_TENANT), "sign in 5: linked"),
        ("jo@globex.example", microsoft(tenant=OTHER_TENANT), "prove: email_untrusted"),
        ("", microsoft(tenant=OTHER_TENANT), "prove: email_untrusted"),
        # Vouched for, the address itself says whose policy it is.
        ("jo@globex.example", microsoft(), "sign in 5: linked"),
    ],
)
def test_who_types_another_customers_address_does_not_take_links_along(
    proved_as: str, now: Identity, expected: str
) -> None:
    """Blocked at one customer, somebody with a tenant of their own types the address of another."""
    entry = linked(ELSEWHERE, now)
    link = replace(entry.link, email=proved_as)
    resolution = resolve(now, POLICY, Matches(), (replace(entry, link=link),), frozenset(), None)
    assert told(resolution) == expected


BLOCKING = replace(POLICY, blocked_users=emails("mallory@acme.example"))


@pytest.mark.parametrize(
    "now",
    [
        microsoft(tenant=OTHER_TENANT),
        standard(email_verified=False),
        identity(voucher=GoogleVoucher(email_verified=True, hosted_domain=None)),
        # Renamed, by somebody whose word counts: still who was blocked.
        microsoft(),
        identity(),
    ],
)
@pytest.mark.parametrize(
    ("proved_as", "counts"),
    [
        ("mallory@acme.example", False),
        ("mallory@acme.ca", False),
        ("mallory+work@acme.example", False),
        ("mallory.old@acme.example", True),
    ],
)
def test_who_is_blocked_takes_no_link_along_to_another_name(
    proved_as: str, counts: bool, now: Identity
) -> None:
    """Blocked, somebody whose provider takes any address has it say a colleague's."""
    entry = linked(ELSEWHERE, now)
    link = replace(entry.link, email=proved_as)
    resolution = resolve(now, BLOCKING, Matches(), (replace(entry, link=link),), frozenset(), None)
    if counts:
        assert told(resolution) == "sign in 5: linked"
    else:
        assert isinstance(resolution, Prove)
        assert any("mallory" in step.answer for step in resolution.trail)


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


# Properties, over situations nobody thought of.

_LOCALS = st.sampled_from(["jo", "ann", "info", "sales"])
_DOMAINS = st.sampled_from(["acme.example", "acme.ca", "evil.example", "gmail.com"])
_EMAILS = st.builds(Email, _LOCALS, _DOMAINS)
_ACCOUNTS = st.builds(
    Account,
    id=st.sampled_from(["1", "2", "3", "4"]),
    username=st.sampled_from(["a", "b", "c"]),
    display_name=st.just(""),
    organisation=st.just(""),
    active=st.booleans(),
    addresses=st.lists(
        st.builds(Address, _EMAILS, st.sampled_from(["contact", "voicemail", ""])), max_size=3
    ).map(tuple),
)
_VOUCHERS = st.one_of(
    st.builds(GoogleVoucher, st.booleans(), st.none() | _DOMAINS),
    st.builds(MicrosoftVoucher, st.sampled_from([TENANT, OTHER_TENANT, ""]), st.booleans()),
    st.builds(StandardVoucher, st.booleans()),
)
_KEYS = st.builds(IdentityKey, st.just(GOOGLE), st.sampled_from(["1001", "666"]))
_IDENTITIES = st.builds(
    Identity,
    key=_KEYS,
    provider=st.sampled_from(["google", "microsoft", "okta", "unknown"]),
    email=st.none() | _EMAILS,
    voucher=_VOUCHERS,
    name=st.just(""),
    auth_time=st.just(0.0),
)
_POLICIES = st.builds(
    Policy,
    domain=_DOMAINS,
    sso=st.sampled_from(Sso),
    aliases=st.frozensets(_DOMAINS, max_size=2),
    pilot_users=st.frozensets(_EMAILS, max_size=2),
    providers=st.just(POLICY.providers),
    blocked_users=st.frozensets(_EMAILS, max_size=1),
    shared_mailboxes=st.frozensets(_EMAILS, max_size=1),
    shared_mailbox_rule=st.sampled_from(SharedMailboxRule),
    match_purposes=st.frozensets(st.sampled_from(["contact", "voicemail"])),
)


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    """The arguments of `resolve`; accounts with one id are one account, as in a directory."""
    directory = {entry.id: entry for entry in draw(st.lists(_ACCOUNTS, max_size=5))}
    accounts = list(directory.values())
    some = st.lists(st.sampled_from(accounts), max_size=3) if accounts else st.just([])
    who = draw(_IDENTITIES)
    return {
        "identity": who,
        "policy": draw(st.none() | _POLICIES),
        "matches": Matches(tuple(draw(some)), draw(st.none() | _KEYS)),
        "links": tuple(linked(entry, who) for entry in draw(some)),
        "removed": draw(st.frozensets(st.sampled_from(["1", "2", "3"]), max_size=2)),
        "preference": draw(st.none() | st.sampled_from(["1", "2", "3", "x"])),
    }


def offered(resolution: Resolution) -> tuple[Account, ...]:
    """Every account this resolution can lead into without a password."""
    match resolution:
        case SignIn(account=entry):
            return (entry,)
        case Choose(accounts=accounts):
            return accounts
        case Prove() | Refuse():
            return ()


def _links(situation: dict[str, Any]) -> set[str]:
    entries: tuple[LinkedAccount, ...] = situation["links"]
    return {entry.account.id for entry in entries}


@given(situations())
def test_nobody_gets_into_an_account_that_is_neither_linked_nor_matched(
    situation: dict[str, Any],
) -> None:
    known = _links(situation) | {entry.id for entry in situation["matches"].accounts}
    for entry in offered(resolve(**situation)):
        assert entry.id in known
        assert entry.id not in situation["removed"]


@given(situations())
def test_nobody_gets_into_an_inactive_account(situation: dict[str, Any]) -> None:
    assert all(entry.active for entry in offered(resolve(**situation)))


@given(situations())
def test_an_email_that_proves_nothing_opens_no_account_that_is_not_linked(
    situation: dict[str, Any],
) -> None:
    """Whatever the provider's kind: said here once more, in other words than the code's."""
    who: Identity = situation["identity"]
    rules: Policy | None = situation["policy"]
    email = who.email
    proves = rules is not None and email is not None and email.domain in rules.domains
    if proves and rules is not None and email is not None:
        match who.voucher:
            case GoogleVoucher():
                proves = who.voucher.email_verified and (
                    email.domain == "gmail.com" or who.voucher.hosted_domain in rules.domains
                )
            case MicrosoftVoucher():
                listed = who.provider == "microsoft" and who.voucher.tenant == TENANT
                proves = who.voucher.domain_owner_verified or listed
            case StandardVoucher():
                proves = who.voucher.email_verified
    pinned = situation["matches"].pinned
    if not proves or pinned not in {None, who.key}:
        assert {entry.id for entry in offered(resolve(**situation))} <= _links(situation)


@given(situations())
def test_a_match_has_exactly_the_email_for_an_allowed_purpose(situation: dict[str, Any]) -> None:
    for entry in offered(resolve(**situation)):
        if entry.id not in _links(situation):
            assert any(
                address.email == situation["identity"].email
                and address.purpose in situation["policy"].match_purposes
                for address in entry.addresses
            )


@given(situations())
def test_a_block_always_refuses(situation: dict[str, Any]) -> None:
    who: Identity = situation["identity"]
    rules: Policy | None = situation["policy"]
    if who.email is None or rules is None:
        assert isinstance(resolve(**situation), Refuse)
        return
    blocked = replace(rules, blocked_users=rules.blocked_users | {who.email})
    assert isinstance(resolve(**{**situation, "policy": blocked}), Refuse)


@given(situations())
def test_removing_is_obeyed_at_once(situation: dict[str, Any]) -> None:
    for entry in offered(resolve(**situation)):
        fewer = {**situation, "removed": situation["removed"] | {entry.id}}
        assert entry not in offered(resolve(**fewer))


@given(situations())
def test_a_preference_opens_nothing(situation: dict[str, Any]) -> None:
    """It only picks among what is there without it."""
    without = offered(resolve(**{**situation, "preference": None}))
    assert set(offered(resolve(**situation))) <= set(without)


@given(situations())
def test_the_order_in_which_things_are_found_changes_nothing(situation: dict[str, Any]) -> None:
    matches: Matches = situation["matches"]
    turned = {
        **situation,
        "matches": replace(matches, accounts=matches.accounts[::-1]),
        "links": situation["links"][::-1],
    }
    assert told(resolve(**situation)) == told(resolve(**turned))


@given(situations())
def test_several_are_always_a_choice_of_distinct_accounts(situation: dict[str, Any]) -> None:
    resolution = resolve(**situation)
    if isinstance(resolution, Choose):
        assert len({entry.id for entry in resolution.accounts}) == len(resolution.accounts) >= 2
        assert resolution.reason is Reason.SEVERAL_ACCOUNTS
