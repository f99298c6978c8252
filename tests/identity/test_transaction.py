"""The sealed cookies of a sign-in: whose they are, how long they hold, how many there may be."""

from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from gateway.email import Email
from gateway.identity.model import (
    GoogleVoucher,
    Identity,
    IdentityKey,
    MicrosoftVoucher,
    Refused,
    StandardVoucher,
    Voucher,
)
from gateway.identity.sealed import MOST, Transactions
from gateway.identity.transaction import LIFETIME, Leaving, Proven, Transaction
from gateway.reasons import Reason
from gateway.session.cookie import CookieNames
from gateway.session.keys import KeyRing
from gateway.session.keys.model import SLACK, new_key
from gateway.session.seal import Sealer
from tests.session.samples import Clock, ring_in

NOW = 1_800_000_000.0

UNKNOWN = Reason.TRANSACTION_UNKNOWN
EXPIRED = Reason.TRANSACTION_EXPIRED


@pytest.fixture
def transactions(tmp_path: Path) -> Transactions:
    return Transactions(Sealer(ring_in(tmp_path)), CookieNames(secure=True))


def jar(*headers: str) -> dict[str, str]:
    """What a browser would send back after these `Set-Cookie` headers."""
    cookies: SimpleCookie = SimpleCookie()
    for header in headers:
        cookies.load(header)
    return {name: morsel.value for name, morsel in cookies.items()}


def reason(found: object) -> Reason | None:
    return found.reason if isinstance(found, Refused) else None


def identity(voucher: Voucher, email: Email | None = None) -> Identity:
    key = IdentityKey("https://issuer.example", "subject")
    return Identity(key, "google", email, voucher, "Jo März", NOW)


def test_a_transaction_comes_back(transactions: Transactions) -> None:
    begun = Transaction.begin("google", "/voicemail?box=7", NOW)
    cookies = jar(transactions.keep(begun))
    assert transactions.of_state(begun.state, cookies, NOW + 1) == begun
    assert begun.next == "/voicemail?box=7"
    assert begun.provider == "google"


def test_everything_secret_is_new_each_time(transactions: Transactions) -> None:
    several = [Transaction.begin("google", "/", NOW) for _ in range(20)]
    for secret in ("id", "state", "nonce", "code_verifier"):
        assert len({getattr(begun, secret) for begun in several}) == 20
    assert all(43 <= len(begun.code_verifier) <= 128 for begun in several)
    assert all(len(begun.nonce) >= 43 for begun in several)


def test_the_cookie_is_ours_alone_and_says_nothing(transactions: Transactions) -> None:
    begun = Transaction.begin("google", "/voicemail", NOW)
    header = transactions.keep(begun)
    assert header.startswith(f"__Host-sonar_tx_{begun.id}=")
    for attribute in ("Path=/", "HttpOnly", "SameSite=Lax", "Secure"):
        assert attribute in header.split("; ")
    for secret in (begun.nonce, begun.code_verifier, begun.state, "voicemail"):
        assert secret not in header
    assert len(header) < 1500


@pytest.mark.parametrize(
    "voucher",
    [
        GoogleVoucher(email_verified=True, hosted_domain="acme.example"),
        GoogleVoucher(email_verified=False, hosted_domain=None),
        MicrosoftVoucher("0a4c11e5-7a3e-4c6b-9f0e-5d1f3c2b7a10", domain_owner_verified=True),
        StandardVoucher(email_verified=True),
    ],
)
@pytest.mark.parametrize("email", [None, Email("jo", "acme.example")])
def test_what_was_proven_comes_back(
    transactions: Transactions, voucher: Voucher, email: Email | None
) -> None:
    who = identity(voucher, email)
    proven = Proven.of(who, "/calls", Reason.NO_ACCOUNT, NOW)
    found = transactions.proven(proven.id, jar(transactions.keep(proven)), NOW + 1)
    assert found == proven
    assert isinstance(found, Proven)
    assert found.identity == who
    assert found.reason is Reason.NO_ACCOUNT


@pytest.mark.parametrize(
    ("after", "expected"),
    [(0, None), (LIFETIME - 1, None), (LIFETIME, EXPIRED), (9e9, EXPIRED), (-3600, EXPIRED)],
)
def test_both_expire(transactions: Transactions, after: float, expected: Reason | None) -> None:
    begun = Transaction.begin("google", "/", NOW)
    proven = Proven.of(identity(StandardVoucher(True)), "/", Reason.SEVERAL_ACCOUNTS, NOW)
    cookies = jar(transactions.keep(begun), transactions.keep(proven))
    assert reason(transactions.of_state(begun.state, cookies, NOW + after)) == expected
    assert reason(transactions.proven(proven.id, cookies, NOW + after)) == expected


def test_where_an_entry_led_is_known_after_its_time(transactions: Transactions) -> None:
    begun = Transaction.begin("google", "/voicemail", NOW)
    proven = Proven.of(identity(StandardVoucher(True)), "/calls", Reason.NO_ACCOUNT, NOW)
    cookies = jar(transactions.keep(begun), transactions.keep(proven))
    assert transactions.led_to(begun.id, cookies) == "/voicemail"
    assert transactions.led_to(proven.id, cookies) == "/calls"
    assert transactions.led_to(begun.id, {}) is None
    assert transactions.led_to("../x", cookies) is None


def test_a_state_without_its_cookie_is_unknown(transactions: Transactions) -> None:
    """Login CSRF: the attacker's callback URL, opened in the victim's browser."""
    attackers = Transaction.begin("google", "/", NOW)
    victims = Transaction.begin("google", "/", NOW)
    cookies = jar(transactions.keep(victims))
    assert reason(transactions.of_state(attackers.state, {}, NOW)) == UNKNOWN
    assert reason(transactions.of_state(attackers.state, cookies, NOW)) == UNKNOWN


@pytest.mark.parametrize(
    "alter",
    [
        lambda state: "",
        lambda state: ".",
        lambda state: state[:-1],
        lambda state: state + "x",
        lambda state: state.split(".")[0],
        lambda state: state.split(".")[0] + ".",
        lambda state: state.split(".")[0] + ".\ud800",
        lambda state: state.replace(".", "..", 1),
        lambda state: "../" + state,
        lambda state: state[:16].swapcase() + state[16:],
        lambda state: state * 1000,
    ],
)
def test_an_altered_state_is_unknown(transactions: Transactions, alter: object) -> None:
    assert callable(alter)
    begun = Transaction.begin("google", "/", NOW)
    cookies = jar(transactions.keep(begun))
    assert reason(transactions.of_state(alter(begun.state), cookies, NOW)) == UNKNOWN


def test_an_altered_or_moved_cookie_is_unknown(transactions: Transactions) -> None:
    begun = Transaction.begin("google", "/", NOW)
    other = Transaction.begin("google", "/", NOW)
    name = f"__Host-sonar_tx_{begun.id}"
    sealed = jar(transactions.keep(begun))[name]
    others = jar(transactions.keep(other))[f"__Host-sonar_tx_{other.id}"]
    for value in ("", "x", sealed[:-1], sealed + "A", others, sealed.upper()):
        assert reason(transactions.of_state(begun.state, {name: value}, NOW)) == UNKNOWN


def test_one_kind_never_passes_for_the_other(transactions: Transactions) -> None:
    """A transaction anybody can have, by clicking a button; a proven identity they cannot."""
    begun = Transaction.begin("google", "/", NOW)
    proven = Proven.of(identity(StandardVoucher(True)), "/", Reason.NO_ACCOUNT, NOW)
    cookies = jar(transactions.keep(begun), transactions.keep(proven))
    assert reason(transactions.proven(begun.id, cookies, NOW)) == UNKNOWN
    assert reason(transactions.of_state(f"{proven.id}.x", cookies, NOW)) == UNKNOWN


def test_another_gateways_cookie_is_unknown(transactions: Transactions, tmp_path: Path) -> None:
    elsewhere = Transactions(Sealer(ring_in(tmp_path / "other")), CookieNames(secure=True))
    begun = Transaction.begin("google", "/", NOW)
    cookies = jar(elsewhere.keep(begun))
    assert reason(transactions.of_state(begun.state, cookies, NOW)) == UNKNOWN


def test_where_it_led_is_known_beyond_its_time(transactions: Transactions) -> None:
    begun = Transaction.begin("google", "/calls", NOW)
    proven = Proven.of(identity(StandardVoucher(True)), "/fax", Reason.NO_ACCOUNT, NOW)
    cookies = jar(transactions.keep(begun), transactions.keep(proven))
    assert transactions.led_to(begun.id, cookies) == "/calls"
    assert transactions.led_to(proven.id, cookies) == "/fax"
    assert transactions.led_to(begun.id, {}) is None
    assert transactions.led_to("../" + begun.id, cookies) is None


def kept(transactions: Transactions, count: int) -> tuple[list[Transaction], dict[str, str]]:
    begun = [Transaction.begin("google", "/", NOW + at) for at in range(count)]
    return begun, jar(*(transactions.keep(entry) for entry in begun))


def removed(headers: tuple[str, ...]) -> set[str]:
    assert all("Max-Age=0" in header for header in headers)
    return {header.partition("=")[0].removeprefix("__Host-sonar_tx_") for header in headers}


@pytest.mark.parametrize("count", range(MOST))
def test_few_tabs_disturb_nobody(transactions: Transactions, count: int) -> None:
    _, cookies = kept(transactions, count)
    assert transactions.surplus(cookies | {"SONARSESSID": "x"}, NOW + 10) == ()


def test_the_oldest_are_evicted(transactions: Transactions) -> None:
    begun, cookies = kept(transactions, MOST + 2)
    shuffled = dict(sorted(cookies.items()))
    assert removed(transactions.surplus(shuffled, NOW + 10)) == {e.id for e in begun[:3]}


def test_the_dead_are_evicted_first(transactions: Transactions) -> None:
    begun, cookies = kept(transactions, MOST)
    late = NOW + LIFETIME + 1.5
    proven = Proven.of(identity(StandardVoucher(True)), "/", Reason.NO_ACCOUNT, late)
    cookies |= jar(transactions.keep(proven)) | {"__Host-sonar_tx_AAAAAAAAAAAAAAAA": "junk"}
    gone = removed(transactions.surplus(cookies, late))
    assert gone == {begun[0].id, begun[1].id, "AAAAAAAAAAAAAAAA"}


def test_made_up_ones_go_a_few_at_a_time(transactions: Transactions) -> None:
    """A reply that removed hundreds at once would be too large for whoever passes it on."""
    begun, cookies = kept(transactions, MOST)
    crafted = {f"__Host-sonar_tx_{number:016}": "junk" for number in range(400)} | cookies
    rounds = 0
    while gone := removed(transactions.surplus(crafted, NOW + 10)):
        assert len(gone) <= 20
        assert begun[0].id in gone or rounds
        crafted = {name: value for name, value in crafted.items() if name[16:] not in gone}
        rounds += 1
    assert rounds == 21


def test_a_cookie_is_never_larger_than_browsers_take(transactions: Transactions) -> None:
    """The longest of everything: then it leads to the front page, but it is not lost."""
    email = Email("l" * 64, f"{'d' * 60}.{'e' * 60}.{'f' * 60}.example")
    key = IdentityKey(f"https://{'i' * 60}.example/{'p' * 60}", "s" * 255)
    voucher = GoogleVoucher(email_verified=True, hosted_domain=email.domain)
    who = Identity(key, "g" * 32, email, voucher, "\U0001f600" * 200, NOW, "d" * 255)
    long = f"/{'n' * 1999}"
    for entry in (
        Transaction.begin("g" * 32, long, NOW),
        Proven.of(who, long, Reason.NO_ACCOUNT, NOW),
    ):
        header = transactions.keep(entry)
        assert len(header.partition(";")[0]) <= 4096
        fits = isinstance(entry, Transaction)
        assert transactions.led_to(entry.id, jar(header)) == (long if fits else "/")
    usual = Proven.of(identity(voucher, Email("jo", "acme.example")), long, Reason.NO_ACCOUNT, NOW)
    assert transactions.led_to(usual.id, jar(transactions.keep(usual))) == long


def test_a_made_up_name_stays_out_of_our_headers(transactions: Transactions) -> None:
    crafted = {"__Host-sonar_tx_x; Domain=evil.example": "1", "__Host-sonar_tx_": "1"}
    assert transactions.surplus(crafted, NOW) == ()


def test_who_leaves_is_known_by_the_state_that_comes_back(transactions: Transactions) -> None:
    leaving = Leaving.of("microsoft", "O.mara", NOW)
    cookies = jar(transactions.keep(leaving))

    assert transactions.leaving(leaving.id, cookies, NOW + 1) == leaving
    assert transactions.left(leaving.state, cookies, NOW + 1) == leaving
    assert reason(transactions.left(leaving.state, {}, NOW)) is UNKNOWN
    assert reason(transactions.left(f"{leaving.state}x", cookies, NOW)) is UNKNOWN
    assert reason(transactions.left(leaving.id, cookies, NOW)) is UNKNOWN
    assert reason(transactions.left("", cookies, NOW)) is UNKNOWN
    assert reason(transactions.left(leaving.state, cookies, NOW + LIFETIME)) is EXPIRED


def test_leaving_is_no_sign_in_and_the_other_way_round(transactions: Transactions) -> None:
    leaving = Leaving.of("google", None, NOW)
    begun = Transaction.begin("google", "/", NOW)
    cookies = jar(transactions.keep(leaving), transactions.keep(begun))

    assert reason(transactions.of_state(leaving.state, cookies, NOW)) is UNKNOWN
    assert reason(transactions.proven(leaving.id, cookies, NOW)) is UNKNOWN
    assert reason(transactions.left(begun.state, cookies, NOW)) is UNKNOWN
    assert reason(transactions.leaving(begun.id, cookies, NOW)) is UNKNOWN


def test_the_next_sign_in_clears_what_was_left(transactions: Transactions) -> None:
    leaving = Leaving.of("google", None, NOW)
    cookies = jar(transactions.keep(leaving))

    (dropped,) = transactions.surplus(cookies, NOW + 1)

    assert dropped == transactions.drop(leaving.id)


def test_a_key_that_is_retired_for_longer_than_a_sign_in_takes_seals_none() -> None:
    """Whoever steals an old key, still good for cookies, cannot make up a proven identity of now:
    only what an in-between page shows anyway, where the sign-in was to lead."""
    clock = Clock(NOW)
    old, new = new_key("root", NOW - 60), new_key("root", NOW)
    thief = Transactions(Sealer(KeyRing([old])), CookieNames(secure=True))
    ours = Transactions(Sealer(KeyRing([old, new], clock=clock)), CookieNames(secure=True))

    def makes_up(at: float) -> object:
        clock.now = at
        proven = Proven.of(identity(StandardVoucher(True)), "/", Reason.NO_ACCOUNT, at)
        return ours.proven(proven.id, jar(thief.keep(proven)), at)

    assert isinstance(makes_up(NOW + LIFETIME), Proven)
    assert reason(makes_up(NOW + LIFETIME + SLACK)) == UNKNOWN
    begun = Transaction.begin("google", "/calls", NOW - 1)
    cookies = jar(thief.keep(begun))
    assert ours.led_to(begun.id, cookies) == "/calls"
